#include "flat.hpp"

#include <algorithm>
#include <cmath>

#include "aligned.hpp"
#include "query.hpp"
#include "threads.hpp"

namespace bitsieve {
namespace {

constexpr size_t CHUNK = 64;        // queries that share passes over the codes
constexpr size_t TILE = 64;         // blocks all of them look at before the next ones: 32 KB at 128 bits
constexpr size_t FEWEST_CUT = 128;  // a pool is cut when it is twice too large and more

class FlatSearch {
public:
    void run(const Kernels& kernels, const FlatIndex& index, const FlatPlan& plan, const float* queries, size_t first,
             size_t n, int64_t* ids, float* scores, int64_t* n_candidates, int64_t* n_exact, StageSeconds& seconds);

private:
    struct Query {
        Pool pool;
        int16_t threshold;
        const uint8_t* allowed;
        Rerank rerank;
    };

    void prepare(const float* queries, size_t first);
    void make_lookups(const float* queries, size_t first);
    void expect(size_t q, size_t n_lookups, const Blocks& blocks, size_t n_codes);
    void scan();
    void take_everything();
    static void filter(Query& query, size_t from);

    const Kernels* kernels_ = nullptr;
    const FlatIndex* index_ = nullptr;
    const FlatPlan* plan_ = nullptr;
    size_t n_ = 0;
    std::vector<Query> queries_;
    std::vector<Lookup> lookups_;
    Aligned<uint8_t> tables_, bytes7_;
    Aligned<int8_t> bytes8_;
    Aligned<float> steps7_, centred_, projections_;
    Aligned<int16_t> estimates_, z_;
};

void FlatSearch::prepare(const float* queries, size_t first) {
    const Rows& rows = index_->rows;
    if (queries_.size() < n_) queries_.resize(n_);
    int8_t* bytes8 = room(bytes8_, n_ * rows.stride);
    for (size_t q = 0; q < n_; q++) {
        Query& query = queries_[q];
        query.pool.clear();
        query.threshold = INT16_MIN;
        query.allowed = plan_->allowed ? plan_->allowed + (first + q) * plan_->allowed_stride : nullptr;
        int8_t* bytes = bytes8 + q * rows.stride;
        const float step = quantize_to_8_bits(queries + q * rows.d, rows.d, bytes, rows.stride);
        query.rerank.start(*kernels_, rows, queries + q * rows.d, bytes, step, plan_->k);
    }
}

void FlatSearch::make_lookups(const float* queries, size_t first) {
    const Rows& rows = index_->rows;
    const Blocks& blocks = index_->blocks;
    const size_t tables_apart = table_stride(*kernels_, blocks.n_bytes);
    uint8_t* tables = room(tables_, n_ * tables_apart);
    int16_t* z = room(z_, 8 * blocks.n_bytes);
    lookups_.resize(n_);
    if (plan_->query_codes) {
        for (size_t q = 0; q < n_; q++) {
            const uint8_t* code = plan_->query_codes + (first + q) * blocks.n_bytes;
            lookups_[q] = make_tables(*kernels_, code, blocks.n_bytes, z, tables + q * tables_apart).lookup;
        }
        return;
    }
    const size_t n_columns = index_->projection.n_panels * PANEL;
    uint8_t* bytes7 = room(bytes7_, n_ * rows.stride);
    float* steps7 = room(steps7_, n_);
    float* centred = room(centred_, rows.d);
    float* projections = room(projections_, n_ * n_columns);
    for (size_t q = 0; q < n_; q++) {
        for (size_t i = 0; i < rows.d; i++) centred[i] = queries[q * rows.d + i] - index_->mean[i];
        steps7[q] = quantize_to_7_bits(centred, rows.d, bytes7 + q * rows.stride, rows.stride);
    }
    kernels_->multiply(index_->projection, bytes7, steps7, n_, projections, n_columns);
    for (size_t q = 0; q < n_; q++) {
        const Tables made =
            make_tables(*kernels_, projections + q * n_columns, blocks.n_bytes, z, tables + q * tables_apart);
        lookups_[q] = made.lookup;
        const float unit = std::ldexp(made.unit * index_->scale_step, 9 - blocks.shift);
        if (blocks.offsets && unit > 0)
            lookups_[q].offset_factor = (uint16_t)std::min(65535.0f, index_->offset_step / unit * 256.0f);
    }
}

void FlatSearch::filter(Query& query, size_t from) {
    if (!query.allowed) return;
    query.pool.shrink_to(std::remove_if(query.pool.begin() + from, query.pool.end(), [&](const Candidate& candidate) {
        return !query.allowed[candidate.position];
    }));
}

// The first tile says what to expect, so that a pool is not filled with what is soon thrown out.
void FlatSearch::expect(size_t q, size_t n_lookups, const Blocks& blocks, size_t n_codes) {
    int16_t* out[MAX_LOOKUPS];
    int16_t* estimates = room(estimates_, MAX_LOOKUPS * TILE * BLOCK);
    for (size_t i = 0; i < MAX_LOOKUPS; i++) out[i] = estimates + i * TILE * BLOCK;
    kernels_->estimate(blocks, 0, (n_codes + BLOCK - 1) / BLOCK, &lookups_[q], n_lookups, out);
    for (size_t i = 0; i < n_lookups; i++)
        if (!queries_[q + i].allowed)
            queries_[q + i].threshold = nth_highest(*kernels_, out[i], n_codes, plan_->n_candidates);
}

void FlatSearch::scan() {
    Blocks blocks = index_->blocks;
    if (plan_->query_codes) blocks.scales = blocks.offsets = nullptr;  // bits are counted as they are
    const size_t n = index_->rows.n, n_blocks = (n + BLOCK - 1) / BLOCK;
    for (size_t block = 0; block < n_blocks; block += TILE) {
        const size_t position = block * BLOCK, n_codes = std::min(n - position, TILE * BLOCK);
        for (size_t q = 0; q < n_; q += MAX_LOOKUPS) {
            const size_t n_lookups = std::min(n_ - q, MAX_LOOKUPS);
            if (block == 0) expect(q, n_lookups, blocks, n_codes);
            Candidate* ends[MAX_LOOKUPS];
            for (size_t i = 0; i < n_lookups; i++) {
                lookups_[q + i].threshold = queries_[q + i].threshold;
                ends[i] = queries_[q + i].pool.room(TILE * BLOCK);
            }
            kernels_->sift(blocks, block, n_codes, (uint32_t)position, &lookups_[q], n_lookups, ends);
            for (size_t i = 0; i < n_lookups; i++) {
                Query& query = queries_[q + i];
                const size_t from = query.pool.size();
                query.pool.grow(ends[i] - query.pool.end());
                filter(query, from);
                if (query.pool.size() > 2 * plan_->n_candidates + FEWEST_CUT) {
                    // Of equal estimates the earlier codes stay, so later ones must be higher.
                    const int least = query.pool.keep_best(plan_->n_candidates);
                    query.threshold = (int16_t)std::min(least + 1, INT16_MAX);
                }
            }
        }
    }
}

void FlatSearch::take_everything() {
    for (size_t q = 0; q < n_; q++) {
        Pool& pool = queries_[q].pool;
        Candidate* candidates = pool.room(index_->rows.n);
        for (size_t i = 0; i < index_->rows.n; i++) candidates[i] = {0, (uint32_t)i};
        pool.grow(index_->rows.n);
        filter(queries_[q], 0);
    }
}

void FlatSearch::run(const Kernels& kernels, const FlatIndex& index, const FlatPlan& plan, const float* queries,
                     size_t first, size_t n, int64_t* ids, float* scores, int64_t* n_candidates, int64_t* n_exact,
                     StageSeconds& seconds) {
    kernels_ = &kernels, index_ = &index, plan_ = &plan, n_ = n;
    Stopwatch watch;
    const bool everything = plan.n_candidates >= index.rows.n;
    prepare(queries, first);
    if (everything) {
        take_everything();
    } else {
        make_lookups(queries, first);
        scan();
    }
    watch.lap(seconds.codes);
    // Memory is slow to answer, so each step asks for what the next one reads while it works on the query before.
    for (size_t step = 0; step < n + 2; step++) {
        if (step < n && !everything) {
            Query& query = queries_[step];
            if (query.pool.size() > plan.n_candidates) query.pool.keep_best(plan.n_candidates);
            query.rerank.fetch(query.pool.begin(), query.pool.size());
        }
        if (step >= 1 && step < n + 1) {
            Query& query = queries_[step - 1];
            if (everything) {
                query.rerank.add_all(query.pool.begin(), query.pool.size());
            } else {
                query.rerank.add(query.pool.begin(), query.pool.size());
                query.rerank.keep_finalists();
            }
        }
        if (step >= 2) {
            const size_t q = step - 2;
            Rerank& rerank = queries_[q].rerank;
            const size_t exact = rerank.finish(ids + q * plan.k, scores + q * plan.k);
            n_candidates[q] = (int64_t)rerank.n_added();
            n_exact[q] = (int64_t)exact;
        }
    }
    watch.lap(seconds.rerank);
}

}  // namespace

void search_flat(const Kernels& kernels, const FlatIndex& index, const FlatPlan& plan, const float* queries,
                 size_t n_queries, size_t n_threads, int64_t* ids, float* scores, int64_t* n_candidates,
                 int64_t* n_exact, StageSeconds& seconds) {
    const size_t chunk = plan.n_candidates >= index.rows.n ? 1 : CHUNK;
    static auto& scratch = *new ScratchPool<FlatSearch>;
    split_over_threads(n_queries, n_threads, [&](size_t begin, size_t end) {
        ScratchPool<FlatSearch>::Lease search(scratch);
        for (size_t q = begin; q < end; q += chunk)
            search->run(kernels, index, plan, queries + q * index.rows.d, q, std::min(chunk, end - q), ids + q * plan.k,
                        scores + q * plan.k, n_candidates + q, n_exact + q, seconds);
    });
}

}  // namespace bitsieve

#include "cells.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "aligned.hpp"
#include "query.hpp"
#include "threads.hpp"

namespace bitsieve {
namespace {

constexpr size_t CHUNK = 512;      // queries worked off together: more of them share a pass, but their state grows
constexpr size_t FIRST_CELLS = 4;  // the nearest ones, scanned first for a bound on the k-th best cosine
constexpr size_t FIRST_CODES = 32; // so many of their codes are reranked for it, or 3 k
constexpr size_t FEWEST_CUT = 256;  // a pool is cut when it is twice too large and more

// The whole number below x, or the nearest that int16 holds. std::floor would be a call where the compiler may not
// assume SSE 4.1, at every visit.
int16_t floor_to_int16(float x) {
    x = std::clamp(x, -32768.0f, 32767.0f);
    const int towards_zero = (int)x;
    return (int16_t)(towards_zero - ((float)towards_zero > x));
}

// A query's visit to a cell: 8 bytes, since a batch has tens of thousands to sort.
struct Visit {
    uint32_t cell;
    uint16_t query;
    int16_t base;  // the centroid's score, relative to the best one, in the query's units
};

struct FirstVisit : Visit {
    uint32_t place;  // where its estimates are kept
};

// The first cache line is what a scan touches at every visit.
struct alignas(64) Query {
    Lookup lookup;
    Pool rest;               // codes that may be reranked, but for the first ones
    uint32_t n_most;         // of the rest
    int16_t threshold;       // the least estimate that is still collected
    float units_per_cosine;  // what an estimate counts in
    float best;              // the highest score of a cell, from which it counts

    Pool first;           // codes of the nearest cells that are reranked first
    size_t first_visits;  // where they begin
    size_t n_good;        // of the rest, how many come first
    size_t n_cells, n_codes;
    Rerank rerank;

    int16_t units(float score) const { return floor_to_int16((score - best) * units_per_cosine); }
    // What a code must reach that may stand for a cosine of the k-th best so far.
    int16_t least_estimate(float margin) const {
        return rerank.bound() == NO_SCORE ? INT16_MIN : units(rerank.bound() - margin);
    }
};

// Nearly the n-th highest value, and surely not more than it: the n-th of the maxima of 16 lanes. Lanes of their own,
// since the compiler may not reorder a chain of maxima of floats.
float below_nth_highest(const float* values, size_t n_values, size_t n) {
    float lanes[16];
    std::fill(lanes, lanes + 16, NO_SCORE);
    size_t i = 0;
    for (; i + 16 <= n_values; i += 16)
        for (size_t j = 0; j < 16; j++) lanes[j] = std::max(lanes[j], values[i + j]);
    for (; i < n_values; i++) lanes[i % 16] = std::max(lanes[i % 16], values[i]);
    std::nth_element(lanes, lanes + n - 1, lanes + 16, std::greater<>());
    return lanes[n - 1];
}

class CellSearch {
public:
    void run(const Kernels& kernels, const CellIndex& index, const CellPlan& plan, const float* queries, size_t n,
             int64_t* ids, float* scores, const Effort& effort, StageSeconds& seconds);

private:
    void prepare(const float* queries);
    void choose_cells(size_t q);
    void scan_first();
    void collect_first(size_t q, int16_t threshold, Pool& pool);
    void pick_first(size_t q);
    void bound_first(size_t q);
    void scan_rest();
    void take_everything();
    void fetch_good(size_t q);
    void fetch_others(size_t q);
    void fetch_finalists(size_t q);

    template <class AnyVisit>
    void group_by_cell(const std::vector<AnyVisit>& visits, std::vector<AnyVisit>& sorted);
    template <class AnyVisit, class Each>
    static void for_each_pass(const std::vector<AnyVisit>& sorted, const Each& each);
    template <class AnyVisit>
    void estimate(const AnyVisit* visits, size_t n, int16_t* const* out);
    size_t cell_size(size_t cell) const { return index_->cell_positions[cell + 1] - index_->cell_positions[cell]; }
    size_t padded_size(size_t cell) const { return (cell_size(cell) + BLOCK - 1) / BLOCK * BLOCK; }
    bool everything() const { return plan_->n_candidates >= index_->rows.n; }
    // Take out what the allow-list does not have.
    void filter(Pool& pool, size_t from) const;

    const Kernels* kernels_ = nullptr;
    const CellIndex* index_ = nullptr;
    const CellPlan* plan_ = nullptr;
    size_t n_ = 0, n_columns_ = 0, n_first_ = 0, largest_cell_ = 0;
    std::vector<Query> queries_;
    std::vector<FirstVisit> first_, sorted_first_;
    std::vector<Visit> rest_, sorted_rest_;
    std::vector<uint32_t> starts_;
    Aligned<uint8_t> tables_, bytes7_;
    Aligned<int8_t> bytes8_;
    Aligned<float> steps7_, products_, cell_scores_;
    Aligned<int16_t> estimates_;
    Aligned<uint32_t> found_;
};

// Centroid scores and projections of all queries, and their tables.
void CellSearch::prepare(const float* queries) {
    const Rows& rows = index_->rows;
    const Blocks& blocks = index_->blocks;
    const Levels levels(blocks.n_bytes);
    const size_t stride = rows.stride, table_bytes = 32 * blocks.n_bytes + ALIGNMENT;
    n_columns_ = index_->panels.n_panels * PANEL;
    uint8_t* bytes7 = room(bytes7_, n_ * stride);
    int8_t* bytes8 = room(bytes8_, n_ * stride);
    float* steps7 = room(steps7_, n_);
    float* products = room(products_, n_ * n_columns_);
    uint8_t* tables = room(tables_, n_ * (table_bytes + ALIGNMENT));
    for (size_t q = 0; q < n_; q++) {
        const float* query = queries + q * rows.d;
        steps7[q] = quantize_to_7_bits(query, rows.d, bytes7 + q * stride, stride);
        const float step8 = quantize_to_8_bits(query, rows.d, bytes8 + q * stride, stride);
        queries_[q].rerank.start(*kernels_, rows, query, bytes8 + q * stride, step8, plan_->k);
    }
    kernels_->multiply(index_->panels, bytes7, steps7, n_, products, n_columns_);
    const size_t first_projection = (index_->n_cells + PANEL - 1) / PANEL * PANEL;
    const size_t table_stride = (table_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    for (size_t q = 0; q < n_; q++) {
        const Tables made = make_tables(products + q * n_columns_ + first_projection, blocks.n_bytes, levels,
                                        tables + q * table_stride);
        queries_[q].lookup = made.lookup;
        const float unit = std::ldexp(made.unit * index_->scale_step, 9 - blocks.shift);
        queries_[q].units_per_cosine = unit > 0 ? 1 / unit : 16384;  // without residuals only the centroids count
    }
}

// The cells that a query visits: the nearest ones first, and then all the others.
void CellSearch::choose_cells(size_t q) {
    Query& query = queries_[q];
    const size_t n_cells = index_->n_cells;
    const float* products = products_.data() + q * n_columns_;
    float* scores = room(cell_scores_, 2 * n_cells);
    for (size_t c = 0; c < n_cells; c++) scores[c] = products[c] + index_->bonus[c];
    const auto nearer = [&](uint32_t a, uint32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; };

    uint32_t* cells = room(found_, n_cells + PANEL);
    const size_t n_nearest = std::min(FIRST_CELLS, n_cells);
    size_t n_found = kernels_->find(scores, n_cells, below_nth_highest(scores, n_cells, n_nearest), cells);
    std::partial_sort(cells, cells + n_nearest, cells + n_found, nearer);
    query.best = scores[cells[0]];
    float mean = 0;  // of the nearest cells: it tells better than the best one alone what is near
    for (size_t i = 0; i < n_nearest; i++) mean += scores[cells[i]];
    float least = mean / (float)n_nearest - plan_->probe_margin;
    uint32_t last_first = cells[n_nearest - 1];
    size_t n_codes = 0;
    for (size_t i = 0; i < n_nearest; i++) n_codes += cell_size(cells[i]);

    if (plan_->n_probes >= n_cells) {
        least = NO_SCORE;
    } else if (plan_->n_probes) {
        float* copy = scores + n_cells;
        std::copy(scores, scores + n_cells, copy);
        std::nth_element(copy, copy + plan_->n_probes - 1, copy + n_cells, std::greater<>());
        least = copy[plan_->n_probes - 1];
    }
    n_found = kernels_->find(scores, n_cells, std::min(least, query.best), cells);
    if (n_codes < 2 * n_first_) {  // seldom: the nearest cells are small, or many codes are asked for
        std::sort(cells, cells + n_found, nearer);
        size_t i = std::min(n_nearest, n_found) - 1;
        while (n_codes < 2 * n_first_ && i + 1 < n_found) n_codes += cell_size(cells[++i]);
        last_first = cells[i];
        std::sort(cells, cells + n_found);
    }

    query.n_cells = query.n_codes = 0;
    query.threshold = INT16_MIN;
    query.first.clear();
    query.rest.clear();
    query.first_visits = first_.size();
    for (size_t i = 0; i < n_found; i++) {
        const uint32_t cell = cells[i];
        const size_t size = cell_size(cell);
        if (!size) continue;
        query.n_cells++;
        query.n_codes += size;
        const Visit visit = {cell, (uint16_t)q, query.units(products[cell])};
        if (everything() || nearer(last_first, cell))
            rest_.push_back(visit);
        else
            first_.push_back({visit, 0});
    }
}

template <class AnyVisit>
void CellSearch::group_by_cell(const std::vector<AnyVisit>& visits, std::vector<AnyVisit>& sorted) {
    starts_.assign(index_->n_cells + 1, 0);
    for (const AnyVisit& visit : visits) starts_[visit.cell + 1]++;
    for (size_t c = 0; c < index_->n_cells; c++) starts_[c + 1] += starts_[c];
    sorted.resize(visits.size());
    for (const AnyVisit& visit : visits) sorted[starts_[visit.cell]++] = visit;
}

// Call each(visits, n) with up to MAX_LOOKUPS visits to one cell at a time.
template <class AnyVisit, class Each>
void CellSearch::for_each_pass(const std::vector<AnyVisit>& sorted, const Each& each) {
    for (size_t i = 0, n; i < sorted.size(); i += n) {
        for (n = 1; n < MAX_LOOKUPS && i + n < sorted.size() && sorted[i + n].cell == sorted[i].cell;) n++;
        each(sorted.data() + i, n);
    }
}

template <class AnyVisit>
void CellSearch::estimate(const AnyVisit* visits, size_t n, int16_t* const* out) {
    Lookup lookups[MAX_LOOKUPS];
    for (size_t i = 0; i < n; i++) {
        lookups[i] = queries_[visits[i].query].lookup;
        lookups[i].base = visits[i].base;
    }
    const size_t block = index_->cell_blocks[visits->cell], n_blocks = index_->cell_blocks[visits->cell + 1] - block;
    kernels_->estimate(index_->blocks, block, n_blocks, lookups, n, out);
}

// The estimates of all codes in the first cells, kept for `pick_first`.
void CellSearch::scan_first() {
    size_t n_estimates = 0;
    for (FirstVisit& visit : first_) {
        visit.place = (uint32_t)n_estimates;
        n_estimates += padded_size(visit.cell);
    }
    int16_t* estimates = room(estimates_, n_estimates);
    group_by_cell(first_, sorted_first_);
    for_each_pass(sorted_first_, [&](const FirstVisit* visits, size_t n) {
        int16_t* out[MAX_LOOKUPS];
        for (size_t i = 0; i < n; i++) out[i] = estimates + visits[i].place;
        estimate(visits, n, out);
        const size_t size = cell_size(visits->cell);
        for (size_t i = 0; i < n; i++) std::fill(out[i] + size, out[i] + padded_size(visits->cell), INT16_MIN);
        if (!plan_->allowed) return;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < size; j++) {
                const uint32_t row = index_->rows.row(index_->cell_positions[visits->cell] + j);
                if (!plan_->allowed[index_->rows.id(row)]) out[i][j] = INT16_MIN;
            }
    });
}

void CellSearch::filter(Pool& pool, size_t from) const {
    if (!plan_->allowed) return;
    const Rows& rows = index_->rows;
    pool.shrink_to(std::remove_if(pool.begin() + from, pool.end(), [&](const Candidate& candidate) {
        return !plan_->allowed[rows.id(rows.row(candidate.position))];
    }));
}

void CellSearch::collect_first(size_t q, int16_t threshold, Pool& pool) {
    const size_t end = q + 1 < n_ ? queries_[q + 1].first_visits : first_.size();
    for (size_t v = queries_[q].first_visits; v < end; v++) {
        const size_t size = cell_size(first_[v].cell), from = pool.size();
        pool.grow(kernels_->collect(estimates_.data() + first_[v].place, size, threshold,
                                    index_->cell_positions[first_[v].cell], pool.room(size + BLOCK)));
        filter(pool, from);
    }
}

// The best codes of the first cells, all that tie with the last of them included, but n_candidates at most.
void CellSearch::pick_first(size_t q) {
    Query& query = queries_[q];
    const size_t next = q + 1 < n_ ? queries_[q + 1].first_visits : first_.size();
    if (query.first_visits == next) return;
    const FirstVisit& last = first_[next - 1];
    const int16_t* estimates = estimates_.data() + first_[query.first_visits].place;
    const size_t n = estimates_.data() + last.place + cell_size(last.cell) - estimates;
    int low = INT16_MIN + 1, high = INT16_MAX + 1;  // the least threshold that fewer than n_first_ reach is in between
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        (kernels_->count(estimates, n, (int16_t)middle) >= n_first_ ? low : high) = middle;
    }
    query.threshold = (int16_t)low;
    collect_first(q, query.threshold, query.first);
    if (query.first.size() > plan_->n_candidates) query.first.keep_best(plan_->n_candidates);
    query.rerank.fetch(query.first.begin(), query.first.size());
}

// What the first cosines tell: how high an estimate must be. The first cells' others that are, are kept.
void CellSearch::bound_first(size_t q) {
    Query& query = queries_[q];
    query.rerank.add(query.first.begin(), query.first.size());
    query.n_most = (uint32_t)(plan_->n_candidates - std::min(plan_->n_candidates, query.first.size()));
    const int16_t first_threshold = query.threshold;
    query.threshold = query.least_estimate(plan_->margin);
    if (query.threshold >= first_threshold) return;
    collect_first(q, query.threshold, query.rest);
    query.rest.shrink_to(std::remove_if(query.rest.begin(), query.rest.end(), [&](const Candidate& candidate) {
        return candidate.estimate >= first_threshold;
    }));
}

// All other cells: what reaches the thresholds.
void CellSearch::scan_rest() {
    group_by_cell(rest_, sorted_rest_);
    int16_t* estimates = room(estimates_, MAX_LOOKUPS * largest_cell_);
    for_each_pass(sorted_rest_, [&](const Visit* visits, size_t n) {
        const size_t size = cell_size(visits->cell), padded = padded_size(visits->cell);
        const uint32_t position = index_->cell_positions[visits->cell];
        int16_t* out[MAX_LOOKUPS];
        for (size_t i = 0; i < n; i++) out[i] = estimates + i * padded;
        estimate(visits, n, out);
        for (size_t i = 0; i < n; i++) {
            Query& query = queries_[visits[i].query];
            Pool& pool = query.rest;
            const size_t from = pool.size();
            pool.grow(kernels_->collect(out[i], size, query.threshold, position, pool.room(padded)));
            filter(pool, from);
            if (pool.size() > 2 * query.n_most + FEWEST_CUT)
                query.threshold = std::max(query.threshold, pool.keep_best(query.n_most));
        }
    });
}

// Every code of every visited cell, without a look at it.
void CellSearch::take_everything() {
    for (const Visit& visit : rest_) {
        Pool& pool = queries_[visit.query].rest;
        const size_t size = cell_size(visit.cell), from = pool.size();
        Candidate* candidates = pool.room(size);
        for (size_t j = 0; j < size; j++) candidates[j] = {0, index_->cell_positions[visit.cell] + (uint32_t)j};
        pool.grow(size);
        filter(pool, from);
    }
}

// Those that look better than the k-th best come first: they tighten the bound for the others.
void CellSearch::fetch_good(size_t q) {
    Query& query = queries_[q];
    query.n_good = 0;
    if (everything()) return;
    if (query.rest.size() > query.n_most) query.rest.keep_best(query.n_most);
    const int16_t good = query.least_estimate(0);
    query.n_good = std::partition(query.rest.begin(), query.rest.end(), [&](const Candidate& candidate) {
        return candidate.estimate >= good;
    }) - query.rest.begin();
    query.rerank.fetch(query.rest.begin(), query.n_good);
}

void CellSearch::fetch_others(size_t q) {
    Query& query = queries_[q];
    query.rerank.add(query.rest.begin(), query.n_good);
    if (everything()) return;
    const int16_t least = query.least_estimate(plan_->margin);
    Candidate* others = query.rest.begin() + query.n_good;
    query.rest.shrink_to(std::remove_if(others, query.rest.end(), [&](const Candidate& candidate) {
        return candidate.estimate < least;
    }));
    query.rerank.fetch(others, query.rest.end() - others);
}

void CellSearch::fetch_finalists(size_t q) {
    Query& query = queries_[q];
    if (everything()) {
        query.rerank.add_all(query.rest.begin(), query.rest.size());
    } else {
        query.rerank.add(query.rest.begin() + query.n_good, query.rest.size() - query.n_good);
        query.rerank.keep_finalists();
    }
}

void CellSearch::run(const Kernels& kernels, const CellIndex& index, const CellPlan& plan, const float* queries,
                     size_t n, int64_t* ids, float* scores, const Effort& effort, StageSeconds& seconds) {
    Stopwatch watch;
    kernels_ = &kernels, index_ = &index, plan_ = &plan, n_ = n;
    n_first_ = std::min(plan.n_candidates, std::max(FIRST_CODES, 3 * plan.k));
    largest_cell_ = 0;
    for (size_t c = 0; c < index.n_cells; c++) largest_cell_ = std::max(largest_cell_, padded_size(c));
    if (queries_.size() < n) queries_.resize(n);
    first_.clear();
    rest_.clear();
    prepare(queries);
    for (size_t q = 0; q < n; q++) choose_cells(q);
    watch.lap(seconds.cells);
    // Memory is slow to answer, so each step asks for what the next one reads while it works on the query before.
    scan_first();
    watch.lap(seconds.codes);
    for (size_t q = 0; q <= n; q++) {
        if (q < n) pick_first(q);
        if (q > 0) bound_first(q - 1);
    }
    watch.lap(seconds.rerank);
    everything() ? take_everything() : scan_rest();
    watch.lap(seconds.codes);
    for (size_t step = 0; step < n + 3; step++) {
        if (step < n) fetch_good(step);
        if (step >= 1 && step < n + 1) fetch_others(step - 1);
        if (step >= 2 && step < n + 2) fetch_finalists(step - 2);
        if (step < 3) continue;
        const size_t q = step - 3;
        Query& query = queries_[q];
        const size_t n_exact = query.rerank.finish(ids + q * plan.k, scores + q * plan.k);
        effort.cells[q] = (int64_t)query.n_cells;
        effort.codes[q] = (int64_t)query.n_codes;
        effort.candidates[q] = (int64_t)query.rerank.n_added();
        effort.exact[q] = (int64_t)n_exact;
    }
    watch.lap(seconds.rerank);
}

}  // namespace

void search_cells(const Kernels& kernels, const CellIndex& index, const CellPlan& plan, const float* queries,
                  size_t n_queries, size_t n_threads, int64_t* ids, float* scores, const Effort& effort,
                  StageSeconds& seconds) {
    const size_t chunk = plan.n_candidates >= index.rows.n ? 1 : CHUNK;
    split_over_threads(n_queries, n_threads, [&](size_t begin, size_t end) {
        static thread_local CellSearch search;  // its memory serves the next search
        for (size_t q = begin; q < end; q += chunk) {
            search.run(kernels, index, plan, queries + q * index.rows.d, std::min(chunk, end - q), ids + q * plan.k,
                       scores + q * plan.k,
                       {effort.cells + q, effort.codes + q, effort.candidates + q, effort.exact + q}, seconds);
        }
    });
}

}  // namespace bitsieve

#include "cells.hpp"

#include <algorithm>

#include "cell_search.hpp"
#include "threads.hpp"

namespace bitsieve {
namespace {

constexpr size_t CHUNK = 512;       // queries worked off together: more of them share a pass, but their state grows
constexpr size_t FIRST_CODES = 32;  // so many of their codes are reranked for it, or 3 k

}  // namespace

// The best codes of the first cells, all that tie with the last of them included, but n_candidates at most.
void CellSearch::pick_first(size_t q) {
    Query& query = queries_[q];
    const size_t next = q + 1 < n_ ? queries_[q + 1].first_visits : first_.size();
    if (query.first_visits == next) return;
    const FirstVisit& last = first_[next - 1];
    const int16_t* estimates = estimates_.data() + first_[query.first_visits].place;
    const size_t n = estimates_.data() + last.place + cell_size(last.cell) - estimates;
    // Estimates of INT16_MIN stand for codes that are not there.
    query.threshold = std::max<int16_t>(nth_highest(*kernels_, estimates, n, n_first_), INT16_MIN + 1);
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

// Those that look better than the k-th best come first: they tighten the bound for the others.
void CellSearch::fetch_good(size_t q) {
    Query& query = queries_[q];
    query.n_good = 0;
    if (everything()) return;
    if (query.rest.size() > query.n_most) query.rest.keep_best(query.n_most);
    const int16_t good = query.least_estimate(0);
    query.n_good = std::partition(query.rest.begin(), query.rest.end(),
                                  [&](const Candidate& candidate) { return candidate.estimate >= good; }) -
                   query.rest.begin();
    query.rerank.fetch(query.rest.begin(), query.n_good);
}

void CellSearch::fetch_others(size_t q) {
    Query& query = queries_[q];
    query.rerank.add(query.rest.begin(), query.n_good);
    if (everything()) return;
    const int16_t least = query.least_estimate(plan_->margin);
    Candidate* others = query.rest.begin() + query.n_good;
    query.rest.shrink_to(std::remove_if(others, query.rest.end(),
                                        [&](const Candidate& candidate) { return candidate.estimate < least; }));
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

void search_cells(const Kernels& kernels, const CellIndex& index, const CellPlan& plan, const float* queries,
                  size_t n_queries, size_t n_threads, int64_t* ids, float* scores, const Effort& effort,
                  StageSeconds& seconds) {
    const size_t chunk = plan.n_candidates >= index.rows.n ? 1 : CHUNK;
    static auto& scratch = *new ScratchPool<CellSearch>;
    split_over_threads(n_queries, n_threads, [&](size_t begin, size_t end) {
        ScratchPool<CellSearch>::Lease search(scratch);
        for (size_t q = begin; q < end; q += chunk) {
            search->run(kernels, index, plan, queries + q * index.rows.d, std::min(chunk, end - q), ids + q * plan.k,
                        scores + q * plan.k,
                        {effort.cells + q, effort.codes + q, effort.candidates + q, effort.exact + q}, seconds);
        }
    });
}

}  // namespace bitsieve

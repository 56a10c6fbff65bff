// Which codes of the cells that a query visits look good enough to be reranked.
#include <algorithm>

#include "cell_search.hpp"

namespace bitsieve {
namespace {

constexpr size_t FEWEST_CUT = 256;            // a pool is cut when it is twice too large and more
constexpr size_t SIFTED_AT_ONCE = 2 * BLOCK;  // codes, before as many of the next cell are asked for

}  // namespace

template <class AnyVisit>
void CellSearch::group_by_cell(const std::vector<AnyVisit>& visits, std::vector<AnyVisit>& sorted) {
    if (n_ == 1) {  // then they are in the order of the cells
        sorted = visits;
        return;
    }
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
void CellSearch::look_up(const AnyVisit* visits, size_t n, Lookup* lookups) const {
    for (size_t i = 0; i < n; i++) {
        const Query& query = queries_[visits[i].query];
        lookups[i] = query.lookup;
        lookups[i].base = visits[i].base;
        lookups[i].threshold = query.threshold;
    }
}

// The estimates of all codes in the first cells, kept for `pick_first`.
void CellSearch::scan_first() {
    size_t n_estimates = 0;
    for (FirstVisit& visit : first_) {
        visit.place = n_estimates;
        n_estimates += padded_size(visit.cell);
    }
    int16_t* estimates = room(estimates_, n_estimates);
    group_by_cell(first_, sorted_first_);
    for_each_pass(sorted_first_, [&](const FirstVisit* visits, size_t n) {
        int16_t* out[MAX_LOOKUPS];
        for (size_t i = 0; i < n; i++) out[i] = estimates + visits[i].place;
        Lookup lookups[MAX_LOOKUPS];
        look_up(visits, n, lookups);
        const size_t size = cell_size(visits->cell), n_blocks = padded_size(visits->cell) / BLOCK;
        kernels_->estimate(index_->blocks, index_->cell_blocks[visits->cell], n_blocks, lookups, n, out);
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

// All other cells: what reaches the thresholds.
void CellSearch::scan_rest() {
    group_by_cell(rest_, sorted_rest_);
    const Visit* end = sorted_rest_.data() + sorted_rest_.size();
    for_each_pass(sorted_rest_, [&](const Visit* visits, size_t n) {
        const uint32_t cell = visits->cell;
        Lookup lookups[MAX_LOOKUPS];
        Candidate* ends[MAX_LOOKUPS];
        look_up(visits, n, lookups);
        for (size_t i = 0; i < n; i++) ends[i] = queries_[visits[i].query].rest.room(padded_size(cell));
        const Visit* next = visits + n;
        Fetch ahead = next < end && next->cell != cell ? codes_of(next->cell) : Fetch{};
        for (size_t from = 0, size = cell_size(cell); from < size; from += SIFTED_AT_ONCE) {
            ahead.some(SIFTED_AT_ONCE * index_->blocks.n_bytes);
            kernels_->sift(index_->blocks, index_->cell_blocks[cell] + from / BLOCK,
                           std::min(size - from, SIFTED_AT_ONCE), index_->cell_positions[cell] + (uint32_t)from,
                           lookups, n, ends);
        }
        ahead.rest();
        for (size_t i = 0; i < n; i++) {
            Query& query = queries_[visits[i].query];
            Pool& pool = query.rest;
            const size_t from = pool.size();
            pool.grow(ends[i] - pool.end());
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

}  // namespace bitsieve

// Which cells each query visits, and which of their codes look good enough to be reranked.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "cell_search.hpp"
#include "query.hpp"

namespace bitsieve {
namespace {

constexpr size_t FIRST_CELLS = 4;             // the nearest ones, scanned first for a bound on the k-th best cosine
constexpr size_t GROUPS = 64;                 // of cells: how near the best of each is tells how crowded a place is
constexpr size_t FEWEST_CUT = 256;            // a pool is cut when it is twice too large and more
constexpr size_t SIFTED_AT_ONCE = 2 * BLOCK;  // codes, before as many of the next cell are asked for

// The highest of the values i, i + 64, i + 128, … for each i. Sixteen at a time, since they fit the registers and the
// compiler may not reorder a chain of maxima of floats.
// Returns: how many there are.
size_t best_of_groups(const float* values, size_t n_values, float (&best)[GROUPS]) {
    for (size_t first = 0; first < GROUPS; first += 16) {
        float highest[16];
        std::fill(highest, highest + 16, NO_SCORE);
        size_t i = first;
        for (; i + 16 <= n_values; i += GROUPS)
            for (size_t j = 0; j < 16; j++) highest[j] = std::max(highest[j], values[i + j]);
        for (size_t j = 0; i + j < n_values && j < 16; j++) highest[j] = std::max(highest[j], values[i + j]);
        std::copy(highest, highest + 16, best + first);
    }
    return std::min(n_values, GROUPS);
}

// Of the scores that there are; at least one is.
float mean_of(const float* scores, size_t n) {
    float sum = 0;
    size_t n_scores = 0;
    for (size_t i = 0; i < n; i++)
        if (scores[i] != NO_SCORE) sum += scores[i], n_scores++;
    return sum / (float)n_scores;
}

}  // namespace

// Centroid scores and projections of all queries, and their tables.
void CellSearch::prepare(const float* queries) {
    const Rows& rows = index_->rows;
    const Blocks& blocks = index_->blocks;
    const size_t stride = rows.stride, tables_apart = table_stride(*kernels_, blocks.n_bytes);
    n_columns_ = index_->panels.n_panels * PANEL;
    uint8_t* bytes7 = room(bytes7_, n_ * stride);
    int8_t* bytes8 = room(bytes8_, n_ * stride);
    float* steps7 = room(steps7_, n_);
    float* products = room(products_, n_ * n_columns_);
    uint8_t* tables = room(tables_, n_ * tables_apart);
    int16_t* z = room(z_, 8 * blocks.n_bytes);
    for (size_t q = 0; q < n_; q++) {
        const float* query = queries + q * rows.d;
        steps7[q] = quantize_to_7_bits(query, rows.d, bytes7 + q * stride, stride);
        const float step8 = quantize_to_8_bits(query, rows.d, bytes8 + q * stride, stride);
        queries_[q].rerank.start(*kernels_, rows, query, bytes8 + q * stride, step8, plan_->k);
    }
    kernels_->multiply(index_->panels, bytes7, steps7, n_, products, n_columns_);
    const size_t first_projection = (index_->n_cells + PANEL - 1) / PANEL * PANEL;
    for (size_t q = 0; q < n_; q++) {
        const Tables made = make_tables(*kernels_, products + q * n_columns_ + first_projection, blocks.n_bytes, z,
                                        tables + q * tables_apart);
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
    if (plan_->sizes)  // what is left of the others must not be passed over for cells of which nothing is
        for (size_t c = 0; c < n_cells; c++)
            if (!plan_->sizes[c]) scores[c] = NO_SCORE;
    const auto nearer = [&](uint32_t a, uint32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; };

    float best[GROUPS];
    const float usual = mean_of(best, best_of_groups(scores, n_cells, best));
    uint32_t* cells = room(found_, n_cells + PANEL);
    const size_t n_nearest = std::min(FIRST_CELLS, n_cells);
    // The n-th highest of the groups' best is nearly that of all cells, and surely not more.
    std::nth_element(best, best + n_nearest - 1, best + GROUPS, std::greater<>());
    size_t n_found = kernels_->find(scores, n_cells, best[n_nearest - 1], cells);
    std::partial_sort(cells, cells + n_nearest, cells + n_found, nearer);
    query.best = scores[cells[0]];
    uint32_t last_first = cells[n_nearest - 1];
    float nearest[FIRST_CELLS];
    size_t n_codes = 0;
    for (size_t i = 0; i < n_nearest; i++) {
        nearest[i] = scores[cells[i]];
        n_codes += n_allowed(cells[i]);
        codes_of(cells[i]).rest();
    }
    // Halfway: by its nearest cells alone a query would visit ten times as many in a crowded place as in a lonely one,
    // and by the usual ones the same number everywhere.
    const float level = (mean_of(nearest, n_nearest) + usual) * 0.5f;
    const float least = level - plan_->probe_margin;

    n_found = kernels_->find(scores, n_cells, std::min(least, query.best), cells);
    if (plan_->n_probes && n_found > plan_->n_probes) {
        float* of_found = scores + n_cells;
        for (size_t i = 0; i < n_found; i++) of_found[i] = scores[cells[i]];
        std::nth_element(of_found, of_found + plan_->n_probes - 1, of_found + n_found, std::greater<>());
        n_found = kernels_->find(scores, n_cells, of_found[plan_->n_probes - 1], cells);
    }
    n_found = visit_enough(cells, n_found, scores);
    if (n_codes < 2 * n_first_) {  // seldom: the nearest cells are small, or many codes are asked for
        std::sort(cells, cells + n_found, nearer);
        size_t i = std::min(n_nearest, n_found) - 1;
        while (n_codes < 2 * n_first_ && i + 1 < n_found) n_codes += n_allowed(cells[++i]);
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

// The cells found, in order, and where they hold fewer codes than are asked for the next nearest ones too.
// Returns: how many.
size_t CellSearch::visit_enough(uint32_t* cells, size_t n_found, const float* scores) const {
    const size_t n_cells = index_->n_cells, most = plan_->n_probes ? std::min(plan_->n_probes, n_cells) : n_cells;
    const size_t n_needed = std::max(n_first_, index_->rows.position_rows ? 2 * plan_->k : plan_->k);
    size_t n_held = 0;
    for (size_t i = 0; i < n_found && n_held < n_needed; i++) n_held += n_allowed(cells[i]);
    if (n_held >= n_needed || n_found >= most) return n_found;
    std::iota(cells, cells + n_cells, 0);
    std::sort(cells, cells + n_cells,
              [&](uint32_t a, uint32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
    for (n_held = 0, n_found = 0; n_found < most && n_held < n_needed; n_found++) n_held += n_allowed(cells[n_found]);
    std::sort(cells, cells + n_found);
    return n_found;
}

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

// Which cells each query visits.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "cell_search.hpp"
#include "query.hpp"

namespace bitsieve {
namespace {

constexpr size_t FIRST_CELLS = 4;  // the nearest ones, scanned first for a bound on the k-th best cosine
constexpr size_t GROUPS = 64;      // of cells: how near the best of each is tells how crowded a place is

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

}  // namespace bitsieve

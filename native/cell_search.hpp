// The state of a search through cells, and the steps it takes: cell_choice.cpp has those that choose cells,
// cell_scan.cpp those that find candidates in them, cells.cpp those that rerank these and the order of all.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "aligned.hpp"
#include "cells.hpp"
#include "rerank.hpp"

namespace bitsieve {

// The whole number below x, or the nearest that int16 holds. std::floor would be a call where the compiler may not
// assume SSE 4.1, at every visit.
inline int16_t floor_to_int16(float x) {
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
    size_t place;  // where its estimates are kept
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

// Memory that is read soon. Asked for little by little, as other work goes on: more requests at once than the CPU keeps
// in mind would hold it up.
struct Fetch {
    const uint8_t *begin = nullptr, *end = nullptr;

    void some(size_t bytes) {
        bytes = std::min(bytes, (size_t)(end - begin));
        if (bytes) prefetch(begin, bytes);
        begin += bytes;
    }
    void rest() { some(end - begin); }
};

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
    void look_up(const AnyVisit* visits, size_t n, Lookup* lookups) const;
    size_t cell_size(size_t cell) const { return index_->cell_positions[cell + 1] - index_->cell_positions[cell]; }
    size_t n_allowed(size_t cell) const { return plan_->sizes ? plan_->sizes[cell] : cell_size(cell); }
    size_t visit_enough(uint32_t* cells, size_t n_found, const float* scores) const;
    size_t padded_size(size_t cell) const { return (cell_size(cell) + BLOCK - 1) / BLOCK * BLOCK; }
    Fetch codes_of(size_t cell) const {
        const size_t block_bytes = index_->blocks.n_bytes * BLOCK;
        return {index_->blocks.codes + index_->cell_blocks[cell] * block_bytes,
                index_->blocks.codes + index_->cell_blocks[cell + 1] * block_bytes};
    }
    bool everything() const { return plan_->n_candidates >= index_->rows.n; }
    // Take out what the allow-list does not have.
    void filter(Pool& pool, size_t from) const;

    const Kernels* kernels_ = nullptr;
    const CellIndex* index_ = nullptr;
    const CellPlan* plan_ = nullptr;
    size_t n_ = 0, n_columns_ = 0, n_first_ = 0;
    std::vector<Query> queries_;
    std::vector<FirstVisit> first_, sorted_first_;
    std::vector<Visit> rest_, sorted_rest_;
    std::vector<uint32_t> starts_;
    Aligned<uint8_t> tables_, bytes7_;
    Aligned<int8_t> bytes8_;
    Aligned<float> steps7_, products_, cell_scores_;
    Aligned<int16_t> estimates_, z_;
    Aligned<uint32_t> found_;
};

}  // namespace bitsieve

// Searching codes that are kept cell by cell: a query visits the cells whose centroids it is near.
//
// A code is that of the residual, the vector less its cell's centroid, so a score is the centroid's plus what the
// code estimates. A batch is worked off cell by cell: all its queries that visit a cell share the passes over it.
#pragma once

#include "kernels.hpp"
#include "rerank.hpp"
#include "stopwatch.hpp"

namespace bitsieve {

// The arrays of an index. They belong to the caller.
struct CellIndex {
    Rows rows;
    size_t n_cells;
    Panels panels;                   // centroids, padded to whole panels, then the n_bits rows of the projection
    const float* bonus;              // (n_cells,): added to a centroid's score when cells are chosen
    const uint32_t* cell_positions;  // (n_cells + 1,): where the codes of each cell begin
    const uint32_t* cell_blocks;     // (n_cells + 1,): where its blocks begin
    Blocks blocks;
    float scale_step;  // what a scale byte of 1 is worth
};

// How hard to look.
struct CellPlan {
    size_t k;
    size_t n_candidates;  // so many codes of each query reach the byte rows, at most; n or more: all, and no byte rows
    size_t n_probes;      // cells to visit, at most, and those that tie with the last; 0: no limit
    float probe_margin;   // they score at most so far below the query's level, see `choose_cells`
    float margin;         // a code is passed over when its estimate is so far below the k-th best cosine
    const uint8_t* allowed;  // (n,) 0 or 1 for each vector, or null
    const uint32_t* sizes;   // (n_cells,) how many codes of each cell are allowed, or null: then all of them count
};

// What each query came to: cells visited, codes in them, candidates reranked and exact cosines, each (n_queries,).
struct Effort {
    int64_t *cells, *codes, *candidates, *exact;
};

// The k nearest vectors of each query among the cells it visits.
// queries: (n_queries, d). ids: (n_queries, k), −1 where there is none. scores: (n_queries, k), −inf there.
// A query's result depends neither on the other queries nor on n_threads nor on the kernels.
void search_cells(const Kernels& kernels, const CellIndex& index, const CellPlan& plan, const float* queries,
                  size_t n_queries, size_t n_threads, int64_t* ids, float* scores, const Effort& effort,
                  StageSeconds& seconds);

}  // namespace bitsieve

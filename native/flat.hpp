// Searching codes without cells: every query looks at every code.
#pragma once

#include "kernels.hpp"
#include "rerank.hpp"
#include "stopwatch.hpp"

namespace bitsieve {

// The arrays of an index. They belong to the caller. Codes are in the order of the vectors.
struct FlatIndex {
    Rows rows;
    const float* mean;  // (d,): what a query is centred by before it is projected
    Panels projection;  // n_bits rows
    Blocks blocks;      // with scales and offsets, or with neither
    float scale_step;   // what a scale byte of 1 is worth
    float offset_step;  // what an offset byte of 1 is worth
};

// How hard to look.
struct FlatPlan {
    size_t k;
    size_t n_candidates;         // so many codes of each query reach the byte rows; n or more: all, and no byte rows
    const uint8_t* query_codes;  // (n_queries, n_bytes): rank by Hamming distance to them; null: by projections
    const uint8_t* allowed;      // (n,) or (n_queries, n) of 0 or 1 for each vector, or null
    size_t allowed_stride;       // 0 or n
};

// The k nearest vectors of each query. As search_cells; n_candidates, n_exact: (n_queries,).
void search_flat(const Kernels& kernels, const FlatIndex& index, const FlatPlan& plan, const float* queries,
                 size_t n_queries, size_t n_threads, int64_t* ids, float* scores, int64_t* n_candidates,
                 int64_t* n_exact, StageSeconds& seconds);

}  // namespace bitsieve

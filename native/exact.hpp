// Exact search: the cosines of all vectors, or of those in a list, without codes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels.hpp"
#include "vectors.hpp"

namespace bitsieve {

// The k nearest vectors of each query, equal ones by row, padded with −1 and −inf.
// rows: (n_rows,), which vectors to compare, each once; null: the first n_rows.
// queries: (n_queries, d). ids, scores: (n_queries, k).
// A score is the one that a search through codes gives.
void search_exact(const Kernels& kernels, const Vectors& vectors, const int64_t* rows, size_t n_rows,
                  const float* queries, size_t n_queries, size_t k, size_t n_threads, int64_t* ids, float* scores);

}  // namespace bitsieve

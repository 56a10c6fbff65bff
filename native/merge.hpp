// What several parts of an index found, as if it were one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bitsieve {

struct Part {
    int64_t first;        // what is added to its ids
    const int64_t* ids;   // (n_queries, k), best first, equal ones by id, −1 behind the last
    const float* scores;  // (n_queries, k)
};

// The k best of all parts for each query, equal ones by part and id, padded with −1 and −inf. ids, scores: (n_queries, k).
void merge(const std::vector<Part>& parts, size_t n_queries, size_t k, int64_t* ids, float* scores);

}  // namespace bitsieve

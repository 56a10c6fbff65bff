// What is found.
#pragma once

#include <cstdint>
#include <limits>

namespace bitsieve {

constexpr int64_t NO_ID = -1;
constexpr float NO_SCORE = -std::numeric_limits<float>::infinity();

struct Hit {
    float score;
    int64_t id;
};

inline bool better(const Hit& a, const Hit& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
}

// Write the first n of a query's k results, best first, and fill the others up.
inline void write_hits(const Hit* hits, size_t n, size_t k, int64_t* ids, float* scores) {
    for (size_t i = 0; i < k; i++) {
        ids[i] = i < n ? hits[i].id : NO_ID;
        scores[i] = i < n ? hits[i].score : NO_SCORE;
    }
}

}  // namespace bitsieve

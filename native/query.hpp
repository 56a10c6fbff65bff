// A query in whole numbers: what the integer kernels compare codes, centroids and byte rows with.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels.hpp"

namespace bitsieve {

// How codes of some length are scored: what their tables may hold, so that sums fit bytes and int16.
struct Levels {
    int highest;  // what a table's entry may be
    int shift;    // how far a score can be shifted before it is scaled

    explicit Levels(size_t n_bytes);
};

// value / step, rounded to −63 … 63, plus 64; zeros, as 64, up to the stride. Returns: step.
float quantize_to_7_bits(const float* values, size_t d, uint8_t* out, size_t stride);

// value / step, rounded to −127 … 127; zeros up to the stride. Returns: step.
float quantize_to_8_bits(const float* values, size_t d, int8_t* out, size_t stride);

// A query's lookup tables, from its projections (8 * n_bytes,) float32.
struct Tables {
    Lookup lookup;
    float unit;  // what 1 is worth in the whole numbers: projection ≈ unit · z
};
// tables: (2 * n_bytes, 16) to be filled. Base and offset factor are left to the caller.
Tables make_tables(const float* projections, size_t n_bytes, const Levels& levels, uint8_t* tables);

// The same for a code instead of projections, so that an estimate is n_bits − 2 · Hamming distance.
Tables make_tables(const uint8_t* code, size_t n_bytes, uint8_t* tables);

}  // namespace bitsieve

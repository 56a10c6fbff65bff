// A query in whole numbers: what the integer kernels compare codes, centroids and byte rows with.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels.hpp"

namespace bitsieve {

// How codes of some length are scored, so that sums fit bytes and int16.
struct Levels {
    int highest;  // what the magnitudes of a run may add up to
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
// Bytes from one query's tables to the next one's.
inline size_t table_stride(const Kernels& kernels, size_t n_bytes) {
    return (kernels.table_bytes(n_bytes) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}
// z: room for 8 * n_bytes. tables: to be filled. Base, threshold and offset factor are left to the caller.
Tables make_tables(const Kernels& kernels, const float* projections, size_t n_bytes, int16_t* z, uint8_t* tables);

// The same for a code instead of projections, so that an estimate is n_bits − 2 · Hamming distance.
Tables make_tables(const Kernels& kernels, const uint8_t* code, size_t n_bytes, int16_t* z, uint8_t* tables);

}  // namespace bitsieve

#include "query.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace bitsieve {
namespace {

// To the nearest whole number, halves to the even one, for magnitudes below 2²²: a float32 of 1.5 · 2²³ has no
// fraction left. Unlike std::nearbyint it needs no call where the compiler may not assume SSE 4.1.
inline float round_to_even(float x) {
    constexpr float no_fraction = 12582912.0f;
    return (x + no_fraction) - no_fraction;
}

float highest_magnitude(const float* values, size_t d) {
    float lanes[16] = {};
    size_t i = 0;
    for (; i + 16 <= d; i += 16)
        for (size_t j = 0; j < 16; j++) lanes[j] = std::max(lanes[j], std::fabs(values[i + j]));
    for (; i < d; i++) lanes[0] = std::max(lanes[0], std::fabs(values[i]));
    return *std::max_element(lanes, lanes + 16);
}

// Σ|x| of n_bytes · 8 values: eight sums side by side, then of these in pairs.
float run_magnitude(const float* values, size_t n_bytes) {
    float sums[8] = {};
    for (size_t i = 0; i < 8 * n_bytes; i += 8)
        for (size_t j = 0; j < 8; j++) sums[j] += std::fabs(values[i + j]);
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

template <class T>
float quantize(const float* values, size_t d, float highest, float offset, T* out, size_t stride) {
    const float magnitude = highest_magnitude(values, d);
    const float scale = magnitude > 0 ? highest / magnitude : 0;
    for (size_t i = 0; i < d; i++) out[i] = (T)(int)(round_to_even(values[i] * scale) + offset);
    std::memset(out + d, (int)offset, stride - d);
    return magnitude / highest;
}

}  // namespace

Levels::Levels(size_t n_bytes) {
    const int n_runs = (int)((n_bytes + RUN_BYTES - 1) / RUN_BYTES);
    highest = std::min(255, HIGHEST_SUM / n_runs);
    shift = 0;
    while ((highest * n_runs) << (shift + 1) <= HIGHEST_SUM) shift++;
}

float quantize_to_7_bits(const float* values, size_t d, uint8_t* out, size_t stride) {
    return quantize(values, d, 63.0f, 64.0f, out, stride);
}

float quantize_to_8_bits(const float* values, size_t d, int8_t* out, size_t stride) {
    return quantize(values, d, 127.0f, 0.0f, out, stride);
}

Tables make_tables(const Kernels& kernels, const float* projections, size_t n_bytes, int16_t* z, uint8_t* tables) {
    float magnitude = 0;  // of the run that is the largest
    for (size_t byte = 0; byte < n_bytes; byte += RUN_BYTES)
        magnitude = std::max(magnitude, run_magnitude(projections + 8 * byte, std::min(RUN_BYTES, n_bytes - byte)));
    // Rounding may add a half to each bit of a run.
    const float highest = (float)std::max(1, Levels(n_bytes).highest - 4 * (int)RUN_BYTES);
    const float scale = magnitude > 0 ? highest / magnitude : 0;
    int32_t total = 0;
    for (size_t i = 0; i < 8 * n_bytes; i++) {
        z[i] = (int16_t)round_to_even(projections[i] * scale);
        total += std::abs(z[i]);
    }
    kernels.fill_tables(z, n_bytes, tables);
    return {{tables, total, 0, 0, 0}, magnitude / highest};
}

Tables make_tables(const Kernels& kernels, const uint8_t* code, size_t n_bytes, int16_t* z, uint8_t* tables) {
    for (size_t i = 0; i < 8 * n_bytes; i++) z[i] = code[i / 8] >> (7 - i % 8) & 1 ? 1 : -1;
    kernels.fill_tables(z, n_bytes, tables);
    return {{tables, (int32_t)(8 * n_bytes), 0, 0, 0}, 1};
}

}  // namespace bitsieve

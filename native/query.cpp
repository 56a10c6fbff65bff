#include "query.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace bitsieve {
namespace {

constexpr int HIGHEST_ENTRY = 31;  // eight of them fit a byte, so sums are widened every eighth step only
constexpr int HIGHEST_SUM = 32767;

// To the nearest whole number, halves to the even one, for magnitudes below 2²²: a float32 of 1.5 · 2²³ has no
// fraction left. Unlike std::nearbyint it needs no call where the compiler may not assume SSE 4.1.
inline float round_to_even(float x) {
    constexpr float no_fraction = 12582912.0f;
    return (x + no_fraction) - no_fraction;
}

// BIT_SET[j][v] is all ones where bit j of the nibble v, the first being the one of value 8, is set.
constexpr auto BIT_SET = [] {
    std::array<std::array<uint8_t, 16>, 4> masks{};
    for (int j = 0; j < 4; j++)
        for (int v = 0; v < 16; v++) masks[j][v] = v >> (3 - j) & 1 ? 255 : 0;
    return masks;
}();

// Entry v is the sum of |z_j| over the bits that agree: what the zeros agree with, and z_j more for each bit set.
// All in bytes that wrap around, which the sums of what fits a byte may.
int fill_group(const int* z, uint8_t* entries) {
    int total = 0, agreeing_zeros = 0;
    for (int j = 0; j < 4; j++) {
        total += std::abs(z[j]);
        agreeing_zeros += z[j] < 0 ? -z[j] : 0;
    }
    const uint8_t z0 = (uint8_t)z[0], z1 = (uint8_t)z[1], z2 = (uint8_t)z[2], z3 = (uint8_t)z[3];
    for (int v = 0; v < 16; v++)
        entries[v] = (uint8_t)(agreeing_zeros + (BIT_SET[0][v] & z0) + (BIT_SET[1][v] & z1) + (BIT_SET[2][v] & z2) +
                               (BIT_SET[3][v] & z3));
    return total;
}

float highest_magnitude(const float* values, size_t d) {
    float lanes[16] = {};
    size_t i = 0;
    for (; i + 16 <= d; i += 16)
        for (size_t j = 0; j < 16; j++) lanes[j] = std::max(lanes[j], std::fabs(values[i + j]));
    for (; i < d; i++) lanes[0] = std::max(lanes[0], std::fabs(values[i]));
    return *std::max_element(lanes, lanes + 16);
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
    const int n_groups = (int)(2 * n_bytes);
    highest = std::min(HIGHEST_ENTRY, HIGHEST_SUM / n_groups);
    shift = 0;
    while ((highest * n_groups) << (shift + 1) <= HIGHEST_SUM) shift++;
}

float quantize_to_7_bits(const float* values, size_t d, uint8_t* out, size_t stride) {
    return quantize(values, d, 63.0f, 64.0f, out, stride);
}

float quantize_to_8_bits(const float* values, size_t d, int8_t* out, size_t stride) {
    return quantize(values, d, 127.0f, 0.0f, out, stride);
}

Tables make_tables(const float* projections, size_t n_bytes, const Levels& levels, uint8_t* tables) {
    float magnitude = 0;  // of the group of four that is the largest
    for (const float* p = projections; p < projections + 8 * n_bytes; p += 4)
        magnitude = std::max(magnitude, (std::fabs(p[0]) + std::fabs(p[1])) + (std::fabs(p[2]) + std::fabs(p[3])));
    // Rounding may add a half to each of the four.
    const float scale = magnitude > 0 ? (float)(levels.highest - 2) / magnitude : 0;
    int32_t total = 0;
    for (size_t group = 0; group < 2 * n_bytes; group++) {
        int z[4];
        for (size_t j = 0; j < 4; j++) z[j] = (int)round_to_even(projections[4 * group + j] * scale);
        total += fill_group(z, tables + 16 * group);
    }
    return {{tables, total, 0, 0}, magnitude > 0 ? magnitude / (float)(levels.highest - 2) : 0};
}

Tables make_tables(const uint8_t* code, size_t n_bytes, uint8_t* tables) {
    for (size_t group = 0; group < 2 * n_bytes; group++) {
        const int nibble = group % 2 ? code[group / 2] & 15 : code[group / 2] >> 4;
        int z[4];
        for (int j = 0; j < 4; j++) z[j] = nibble >> (3 - j) & 1 ? 1 : -1;
        fill_group(z, tables + 16 * group);
    }
    return {{tables, (int32_t)(8 * n_bytes), 0, 0}, 1};
}

}  // namespace bitsieve

// Lookup tables of 16 bytes, one for each half of a code's byte, the high one first: what byte shuffles of 128 bits
// read. Shared by all sets of kernels but AVX-512; static, since each set compiles them for its own CPU.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace bitsieve {

constexpr size_t NIBBLE_TABLE = 16;

// BIT_SET[j][v] is all ones where bit j of the nibble v, the first being the one of value 8, is set.
constexpr auto BIT_SET = [] {
    std::array<std::array<uint8_t, NIBBLE_TABLE>, 4> masks{};
    for (int j = 0; j < 4; j++)
        for (int v = 0; v < 16; v++) masks[j][v] = v >> (3 - j) & 1 ? 255 : 0;
    return masks;
}();

static inline size_t nibble_table_bytes(size_t n_bytes) {
    return 2 * n_bytes * NIBBLE_TABLE;
}

// Entry v is what its zeros agree with, and z_j more for each bit set; in bytes that wrap around, which sums of what
// fits a byte may.
static inline void fill_nibble_tables(const int16_t* z, size_t n_bytes, uint8_t* tables) {
    for (size_t nibble = 0; nibble < 2 * n_bytes; nibble++, z += 4, tables += NIBBLE_TABLE) {
        int zeros = 0;
        for (int j = 0; j < 4; j++) zeros += z[j] < 0 ? -z[j] : 0;
        const uint8_t z0 = (uint8_t)z[0], z1 = (uint8_t)z[1], z2 = (uint8_t)z[2], z3 = (uint8_t)z[3];
        for (size_t v = 0; v < NIBBLE_TABLE; v++)
            tables[v] = (uint8_t)(zeros + (BIT_SET[0][v] & z0) + (BIT_SET[1][v] & z1) + (BIT_SET[2][v] & z2) +
                                  (BIT_SET[3][v] & z3));
    }
}

}  // namespace bitsieve

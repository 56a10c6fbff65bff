// The inner loops in plain C++: what they mean, and what runs on a CPU that no other set is for.
#include <algorithm>

#include "kernels.hpp"
#include "nibble_tables.hpp"

namespace bitsieve {
namespace {

int16_t saturated(int32_t value) {
    return (int16_t)std::clamp(value, -32768, 32767);
}

// What a lookup says of the 32 codes of a block. Sums and scores are kept to 16 bits, as the vector kernels do.
void estimate_block(const Blocks& blocks, size_t block, const Lookup& lookup, int16_t* out) {
    uint32_t sums[BLOCK] = {};
    const uint8_t* row = blocks.codes + block * blocks.n_bytes * BLOCK;
    const uint8_t* table = lookup.tables;
    for (size_t byte = 0; byte < blocks.n_bytes; byte++, row += BLOCK, table += 2 * NIBBLE_TABLE)
        for (size_t code = 0; code < BLOCK; code++)
            sums[code] += table[row[code] >> 4] + table[NIBBLE_TABLE + (row[code] & 15)];
    for (size_t code = 0; code < BLOCK; code++) {
        int16_t e = (int16_t)(2 * (int32_t)sums[code] - lookup.total);
        if (blocks.scales) {
            const int32_t scale = blocks.scales[block * BLOCK + code] << 7;
            e = (int16_t)(((int16_t)(e << blocks.shift) * scale) >> 16);
        }
        if (blocks.offsets) {
            const uint32_t offset = blocks.offsets[block * BLOCK + code] << 8;
            e = saturated(e + (int32_t)std::min((offset * lookup.offset_factor) >> 16, 32767u));
        }
        out[code] = saturated(e + lookup.base);
    }
}

void estimate(const Blocks& blocks, size_t first_block, size_t n_blocks, const Lookup* lookups, size_t n_lookups,
              int16_t* const* out) {
    for (size_t b = 0; b < n_blocks; b++)
        for (size_t i = 0; i < n_lookups; i++) estimate_block(blocks, first_block + b, lookups[i], out[i] + b * BLOCK);
}

size_t collect(const int16_t* estimates, size_t n, int16_t threshold, uint32_t position, Candidate* out) {
    Candidate* end = out;
    for (size_t i = 0; i < n; i++) {
        *end = {estimates[i], position + (uint32_t)i};
        end += estimates[i] >= threshold;
    }
    return end - out;
}

void sift(const Blocks& blocks, size_t first_block, size_t n_codes, uint32_t position, const Lookup* lookups,
          size_t n_lookups, Candidate** ends) {
    for (size_t i = 0; i < n_lookups; i++) {
        for (size_t first = 0; first < n_codes; first += BLOCK) {
            int16_t estimates[BLOCK];
            estimate_block(blocks, first_block + first / BLOCK, lookups[i], estimates);
            const size_t n = std::min(n_codes - first, BLOCK);
            ends[i] += collect(estimates, n, lookups[i].threshold, position + (uint32_t)first, ends[i]);
        }
    }
}

size_t count(const int16_t* estimates, size_t n, int16_t threshold) {
    return std::count_if(estimates, estimates + n, [=](int16_t e) { return e >= threshold; });
}

size_t find(const float* values, size_t n, float threshold, uint32_t* out) {
    uint32_t* end = out;
    for (size_t i = 0; i < n; i++) {
        *end = (uint32_t)i;
        end += values[i] >= threshold;
    }
    return end - out;
}

int32_t dot_bytes(const uint8_t* row, const int8_t* query, size_t stride) {
    int32_t sum = 0;
    for (size_t i = 0; i < stride; i++) sum += row[i] * query[i];
    return sum;
}

float dot_floats(const float* a, const float* b, size_t d) {
    float sums[32] = {};
    size_t i = 0;
    for (; i + 32 <= d; i += 32)
        for (size_t j = 0; j < 32; j++) sums[j] += a[i + j] * b[i + j];
    for (size_t j = 0; i + j < d; j++) sums[j] += a[i + j] * b[i + j];
    for (size_t half = 16; half; half /= 2)
        for (size_t j = 0; j < half; j++) sums[j] += sums[j + half];
    return sums[0];
}

void multiply(const Panels& panels, const uint8_t* queries, const float* query_steps, size_t n_queries, float* out,
              size_t out_stride) {
    for (size_t panel = 0; panel < panels.n_panels; panel++) {
        for (size_t q = 0; q < n_queries; q++) {
            const int8_t* values = panels.values + panel * panels.stride * PANEL;
            const uint8_t* query = queries + q * panels.stride;
            int32_t sums[PANEL] = {};
            for (size_t i = 0; i < panels.stride; i += 4)
                for (size_t r = 0; r < PANEL; r++)
                    for (size_t j = 0; j < 4; j++) sums[r] += query[i + j] * *values++;
            for (size_t r = 0; r < PANEL; r++) {
                const size_t row = panel * PANEL + r;
                out[q * out_stride + row] = (float)(sums[r] - panels.sums[row]) * (query_steps[q] * panels.steps[row]);
            }
        }
    }
}

}  // namespace

const Kernels SCALAR_KERNELS = {"scalar", nibble_table_bytes, fill_nibble_tables, estimate, sift, collect, count,
                                find,     dot_bytes,          dot_floats,         multiply};

}  // namespace bitsieve

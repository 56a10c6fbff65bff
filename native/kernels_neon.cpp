// The inner loops for 64-bit ARM: half a byte of 16 codes a table lookup. ARMv8-A is enough; where the compiler may
// use the dot products of ARMv8.2-A, bytes are multiplied by them.
#include <arm_neon.h>

#include <bit>
#include <cstring>

#include "kernels.hpp"
#include "nibble_tables.hpp"
#include "scan.hpp"

namespace bitsieve {
namespace {

// Estimates of 8 codes, the first of them code `first`, from the sums of their table entries.
inline int16x8_t from_sums(uint16x8_t sums, const Blocks& blocks, size_t first, const Lookup& lookup) {
    int16x8_t e = vsubq_s16(vreinterpretq_s16_u16(vshlq_n_u16(sums, 1)), vdupq_n_s16((int16_t)lookup.total));
    if (blocks.scales) {
        const int16x8_t scale = vreinterpretq_s16_u16(vshll_n_u8(vld1_u8(blocks.scales + first), 7));
        e = vshlq_s16(e, vdupq_n_s16((int16_t)blocks.shift));
        const int16x4_t low = vshrn_n_s32(vmull_s16(vget_low_s16(e), vget_low_s16(scale)), 16);
        e = vcombine_s16(low, vshrn_n_s32(vmull_high_s16(e, scale), 16));
    }
    if (blocks.offsets) {
        const uint16x8_t offset = vshll_n_u8(vld1_u8(blocks.offsets + first), 8);
        const uint16x8_t factor = vdupq_n_u16(lookup.offset_factor);
        const uint16x4_t low = vshrn_n_u32(vmull_u16(vget_low_u16(offset), vget_low_u16(factor)), 16);
        const uint16x8_t worth = vcombine_u16(low, vshrn_n_u32(vmull_high_u16(offset, factor), 16));
        e = vqaddq_s16(e, vreinterpretq_s16_u16(vminq_u16(worth, vdupq_n_u16(32767))));
    }
    return vqaddq_s16(e, vdupq_n_s16(lookup.base));
}

// Four bits for each of 16 values that passes, from all ones or zeros in its byte.
inline uint64_t four_bits_each(uint8x16_t passes) {
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(passes), 4)), 0);
}

inline uint64_t at_least(const int16_t* estimates, int16x8_t threshold) {
    const uint16x8_t low = vcgeq_s16(vld1q_s16(estimates), threshold);
    const uint16x8_t high = vcgeq_s16(vld1q_s16(estimates + 8), threshold);
    return four_bits_each(vcombine_u8(vmovn_u16(low), vmovn_u16(high)));
}

inline uint64_t at_least(const float* values, float32x4_t threshold) {
    uint16x4_t passes[4];
    for (size_t j = 0; j < 4; j++) passes[j] = vmovn_u32(vcgeq_f32(vld1q_f32(values + 4 * j), threshold));
    const uint8x8_t low = vmovn_u16(vcombine_u16(passes[0], passes[1]));
    return four_bits_each(vcombine_u8(low, vmovn_u16(vcombine_u16(passes[2], passes[3]))));
}

// The first of the values that `found` tells of; the others stay in it.
inline size_t take_first(uint64_t& found) {
    const size_t first = std::countr_zero(found) / 4;
    found &= ~(15ull << (4 * first));
    return first;
}

size_t collect(const int16_t* estimates, size_t n, int16_t threshold, uint32_t position, Candidate* out) {
    Candidate* end = out;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (uint64_t found = at_least(estimates + i, vdupq_n_s16(threshold)); found;) {
            const size_t place = i + take_first(found);
            *end++ = {estimates[place], position + (uint32_t)place};
        }
    }
    for (; i < n; i++)
        if (estimates[i] >= threshold) *end++ = {estimates[i], position + (uint32_t)i};
    return end - out;
}

struct Pass {
    // With the estimates in memory.
    template <size_t N, class Take>
    static void over(const Blocks& blocks, size_t begin, size_t end, const Lookup* lookups, const Take& take) {
        for (size_t block = begin; block < end; block++) {
            const uint8_t* codes = blocks.codes + block * blocks.n_bytes * BLOCK;
            uint16x8_t words[N][4];  // of 8 codes each
            for (auto& of_lookup : words)
                for (auto& sums : of_lookup) sums = vdupq_n_u16(0);
            for (size_t byte = 0; byte < blocks.n_bytes;) {
                uint8x16_t bytes[N][2];  // of 16 codes each
                for (auto& of_lookup : bytes) of_lookup[0] = of_lookup[1] = vdupq_n_u8(0);
                const size_t stop = byte + RUN_BYTES < blocks.n_bytes ? byte + RUN_BYTES : blocks.n_bytes;
                for (; byte < stop; byte++) {
                    for (size_t half = 0; half < 2; half++) {  // of the block's codes
                        const uint8x16_t row = vld1q_u8(codes + byte * BLOCK + 16 * half);
                        const uint8x16_t high = vshrq_n_u8(row, 4), low = vandq_u8(row, vdupq_n_u8(15));
                        for (size_t i = 0; i < N; i++) {
                            const uint8_t* table = lookups[i].tables + 2 * NIBBLE_TABLE * byte;
                            bytes[i][half] = vaddq_u8(bytes[i][half], vqtbl1q_u8(vld1q_u8(table), high));
                            bytes[i][half] = vaddq_u8(bytes[i][half], vqtbl1q_u8(vld1q_u8(table + NIBBLE_TABLE), low));
                        }
                    }
                }
                for (size_t i = 0; i < N; i++) {
                    for (size_t j = 0; j < 2; j++) {
                        words[i][2 * j] = vaddw_u8(words[i][2 * j], vget_low_u8(bytes[i][j]));
                        words[i][2 * j + 1] = vaddw_high_u8(words[i][2 * j + 1], bytes[i][j]);
                    }
                }
            }
            for (size_t i = 0; i < N; i++) {
                int16_t estimates[BLOCK];
                for (size_t j = 0; j < 4; j++)
                    vst1q_s16(estimates + 8 * j, from_sums(words[i][j], blocks, block * BLOCK + 8 * j, lookups[i]));
                take(i, block, estimates);
            }
        }
    }

    static void store(const int16_t* estimates, int16_t* out) { std::memcpy(out, estimates, BLOCK * sizeof(int16_t)); }

    static Candidate* append(const int16_t* estimates, size_t n, int16_t threshold, uint32_t position, Candidate* end) {
        return end + collect(estimates, n, threshold, position, end);
    }
};

size_t count(const int16_t* estimates, size_t n, int16_t threshold) {
    size_t found = 0, i = 0;
    for (; i + 16 <= n; i += 16) found += std::popcount(at_least(estimates + i, vdupq_n_s16(threshold))) / 4;
    for (; i < n; i++) found += estimates[i] >= threshold;
    return found;
}

size_t find(const float* values, size_t n, float threshold, uint32_t* out) {
    uint32_t* end = out;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (uint64_t found = at_least(values + i, vdupq_n_f32(threshold)); found;)
            *end++ = (uint32_t)(i + take_first(found));
    for (; i < n; i++)
        if (values[i] >= threshold) *end++ = (uint32_t)i;
    return end - out;
}

int32_t dot_bytes(const uint8_t* row, const int8_t* query, size_t stride) {
    int32x4_t sums[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
#ifdef __ARM_FEATURE_DOTPROD
    for (size_t i = 0; i < stride; i += 16) {
        // The instruction takes two signed bytes: Σ row · query = Σ (row − 128) · query + 128 · Σ query.
        const int8x16_t values = vld1q_s8(query + i);
        sums[0] = vdotq_s32(sums[0], vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row + i), vdupq_n_u8(128))), values);
        sums[1] = vdotq_s32(sums[1], values, vdupq_n_s8(1));
    }
    return vaddvq_s32(sums[0]) + 128 * vaddvq_s32(sums[1]);
#else
    for (size_t i = 0; i < stride; i += 8) {
        const int16x8_t rows = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(row + i))), values = vmovl_s8(vld1_s8(query + i));
        sums[0] = vmlal_s16(sums[0], vget_low_s16(rows), vget_low_s16(values));
        sums[1] = vmlal_high_s16(sums[1], rows, values);
    }
    return vaddvq_s32(vaddq_s32(sums[0], sums[1]));
#endif
}

float dot_floats(const float* a, const float* b, size_t d) {
    float32x4_t sums[8];
    for (auto& sum : sums) sum = vdupq_n_f32(0);
    const auto add = [&](const float* x, const float* y) {
        for (size_t j = 0; j < 8; j++)
            sums[j] = vaddq_f32(sums[j], vmulq_f32(vld1q_f32(x + 4 * j), vld1q_f32(y + 4 * j)));
    };
    size_t i = 0;
    for (; i + 32 <= d; i += 32) add(a + i, b + i);
    if (i < d) {  // sums start at +0, so adding the +0 of a missing place changes nothing
        float rest_a[32] = {}, rest_b[32] = {};
        std::memcpy(rest_a, a + i, (d - i) * sizeof(float));
        std::memcpy(rest_b, b + i, (d - i) * sizeof(float));
        add(rest_a, rest_b);
    }
    for (size_t half = 4; half; half /= 2)
        for (size_t j = 0; j < half; j++) sums[j] = vaddq_f32(sums[j], sums[j + half]);
    const float32x2_t two = vadd_f32(vget_low_f32(sums[0]), vget_high_f32(sums[0]));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

// Sums of 16 rows, 4 to a vector, with one query.
#ifdef __ARM_FEATURE_DOTPROD
inline void multiply_panel(const int8_t* values, const uint8_t* query, size_t stride, int32x4_t* sums) {
    for (size_t r = 0; r < 4; r++) sums[r] = vdupq_n_s32(0);
    for (size_t i = 0; i < stride; i += 4, values += 4 * PANEL) {
        int32_t four;
        std::memcpy(&four, query + i, 4);  // 1 … 127, so signed or not is the same
        for (size_t r = 0; r < 4; r++)
            sums[r] = vdotq_s32(sums[r], vld1q_s8(values + 16 * r), vreinterpretq_s8_s32(vdupq_n_s32(four)));
    }
}
#else
inline void multiply_panel(const int8_t* values, const uint8_t* query, size_t stride, int32x4_t* sums) {
    int32x4_t pairs[8];  // each two rows, two sums of each
    for (auto& pair : pairs) pair = vdupq_n_s32(0);
    for (size_t i = 0; i < stride; i += 16) {
        int16x8_t words[8];  // four products of at most 127 · 63 add up to 32,004, which a word holds
        for (auto& word : words) word = vdupq_n_s16(0);
        for (size_t j = 0; j < 16; j += 4, values += 4 * PANEL) {
            int32_t four;
            std::memcpy(&four, query + i + j, 4);  // 1 … 127, so signed or not is the same
            const int8x8_t bytes = vreinterpret_s8_s32(vdup_n_s32(four));
            for (size_t r = 0; r < 8; r++) words[r] = vmlal_s8(words[r], vld1_s8(values + 8 * r), bytes);
        }
        for (size_t r = 0; r < 8; r++) pairs[r] = vpadalq_s16(pairs[r], words[r]);
    }
    for (size_t r = 0; r < 4; r++) sums[r] = vpaddq_s32(pairs[2 * r], pairs[2 * r + 1]);
}
#endif

void multiply(const Panels& panels, const uint8_t* queries, const float* query_steps, size_t n_queries, float* out,
              size_t out_stride) {
    for (size_t panel = 0; panel < panels.n_panels; panel++) {
        const int8_t* values = panels.values + panel * panels.stride * PANEL;
        for (size_t q = 0; q < n_queries; q++) {
            int32x4_t sums[4];
            multiply_panel(values, queries + q * panels.stride, panels.stride, sums);
            for (size_t r = 0; r < 4; r++) {
                const size_t row = panel * PANEL + 4 * r;
                const float32x4_t product = vcvtq_f32_s32(vsubq_s32(sums[r], vld1q_s32(panels.sums + row)));
                const float32x4_t worth = vmulq_n_f32(vld1q_f32(panels.steps + row), query_steps[q]);
                vst1q_f32(out + q * out_stride + row, vmulq_f32(product, worth));
            }
        }
    }
}

}  // namespace

const Kernels NEON_KERNELS = {
    "neon", nibble_table_bytes, fill_nibble_tables, estimate<Pass>, sift<Pass>, collect, count,
    find,   dot_bytes,          dot_floats,         multiply};

}  // namespace bitsieve

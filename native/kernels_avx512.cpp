// The inner loops for AVX-512 with VNNI and VBMI2: two bytes of 32 codes a shuffle, 64 products an instruction.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels.hpp"

namespace bitsieve {
namespace {

constexpr size_t ADDS_PER_BYTE = 8;  // table bytes are at most 31, and 8 · 31 = 248

// The 64 bytes at `p`, or the first 32 of them and zeros.
inline __m512i load(const uint8_t* p, bool half) {
    return half ? _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i*)p)) : _mm512_loadu_si512(p);
}

// Sums over four 128-bit lanes of even (e) and odd (o) bytes, for codes 0–15 (low) and 16–31 (high), to 32 words in
// the order of the codes. The even sums still carry the odd ones in their upper bytes.
inline __m512i sum_lanes(__m512i e_low, __m512i e_high, __m512i o_low, __m512i o_high) {
    e_low = _mm512_sub_epi16(e_low, _mm512_slli_epi16(o_low, 8));
    e_high = _mm512_sub_epi16(e_high, _mm512_slli_epi16(o_high, 8));
    const __m512i e =
        _mm512_add_epi16(_mm512_shuffle_i64x2(e_low, e_high, 0x44), _mm512_shuffle_i64x2(e_low, e_high, 0xee));
    const __m512i o =
        _mm512_add_epi16(_mm512_shuffle_i64x2(o_low, o_high, 0x44), _mm512_shuffle_i64x2(o_low, o_high, 0xee));
    const __m512i both = _mm512_add_epi16(_mm512_shuffle_i64x2(e, o, 0x88), _mm512_shuffle_i64x2(e, o, 0xdd));
    // Now 8 words each of: even low, even high, odd low, odd high.
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,  //
                                           23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, both);
}

template <size_t N>
void estimate_for(const Blocks& blocks, size_t first_block, size_t n_blocks, const Lookup* lookups,
                  int16_t* const* out) {
    const __m512i nibble = _mm512_set1_epi8(15);
    const size_t block_bytes = blocks.n_bytes * BLOCK;
    const size_t n_steps = (blocks.n_bytes + 1) / 2;
    const __m128i shift = _mm_cvtsi32_si128(blocks.shift);
    const uint8_t* tables[N];
    for (size_t i = 0; i < N; i++) tables[i] = lookups[i].tables;
    for (size_t b = 0; b < n_blocks; b++) {
        const uint8_t* codes = blocks.codes + (first_block + b) * block_bytes;
        __m512i e_low[N], e_high[N], o_low[N], o_high[N];
        for (size_t i = 0; i < N; i++) e_low[i] = e_high[i] = o_low[i] = o_high[i] = _mm512_setzero_si512();
        for (size_t step = 0; step < n_steps;) {
            __m512i low[N], high[N];
            for (size_t i = 0; i < N; i++) low[i] = high[i] = _mm512_setzero_si512();
            const auto add = [&](size_t at, bool half) {
                const __m512i code = load(codes + at * 64, half);
                const __m512i code_low = _mm512_and_si512(code, nibble);
                const __m512i code_high = _mm512_and_si512(_mm512_srli_epi16(code, 4), nibble);
                for (size_t i = 0; i < N; i++) {
                    const __m512i table = load(tables[i] + at * 64, half);
                    low[i] = _mm512_add_epi8(low[i], _mm512_shuffle_epi8(table, code_low));
                    high[i] = _mm512_add_epi8(high[i], _mm512_shuffle_epi8(table, code_high));
                }
            };
            const size_t stop = std::min(step + ADDS_PER_BYTE, n_steps), whole = std::min(stop, blocks.n_bytes / 2);
            for (; step < whole; step++) add(step, false);
            for (; step < stop; step++) add(step, true);
            for (size_t i = 0; i < N; i++) {
                e_low[i] = _mm512_add_epi16(e_low[i], low[i]);
                e_high[i] = _mm512_add_epi16(e_high[i], high[i]);
                o_low[i] = _mm512_add_epi16(o_low[i], _mm512_srli_epi16(low[i], 8));
                o_high[i] = _mm512_add_epi16(o_high[i], _mm512_srli_epi16(high[i], 8));
            }
        }
        __m512i scale = _mm512_setzero_si512(), offset = scale;
        if (blocks.scales) {
            const uint8_t* p = blocks.scales + (first_block + b) * BLOCK;
            scale = _mm512_slli_epi16(_mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)p)), 7);
        }
        if (blocks.offsets) {
            const uint8_t* p = blocks.offsets + (first_block + b) * BLOCK;
            offset = _mm512_slli_epi16(_mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)p)), 8);
        }
        for (size_t i = 0; i < N; i++) {
            __m512i e = sum_lanes(e_low[i], e_high[i], o_low[i], o_high[i]);
            e = _mm512_sub_epi16(_mm512_slli_epi16(e, 1), _mm512_set1_epi16((int16_t)lookups[i].total));
            if (blocks.scales) e = _mm512_mulhi_epi16(_mm512_sll_epi16(e, shift), scale);
            if (blocks.offsets) {
                const __m512i factor = _mm512_set1_epi16((int16_t)lookups[i].offset_factor);
                // At most 65,279 · 65,535 >> 16 = 65,278, which is more than int16 holds: capped, and then added.
                const __m512i worth = _mm512_min_epu16(_mm512_mulhi_epu16(offset, factor), _mm512_set1_epi16(32767));
                e = _mm512_adds_epi16(e, worth);
            }
            e = _mm512_adds_epi16(e, _mm512_set1_epi16(lookups[i].base));
            _mm512_storeu_si512(out[i] + b * BLOCK, e);
        }
    }
}

void estimate(const Blocks& blocks, size_t first_block, size_t n_blocks, const Lookup* lookups, size_t n_lookups,
              int16_t* const* out) {
    switch (n_lookups) {
        case 1: return estimate_for<1>(blocks, first_block, n_blocks, lookups, out);
        case 2: return estimate_for<2>(blocks, first_block, n_blocks, lookups, out);
        case 3: return estimate_for<3>(blocks, first_block, n_blocks, lookups, out);
        case 4: return estimate_for<4>(blocks, first_block, n_blocks, lookups, out);
    }
}

// The lanes of a vector of `per_vector` that lie before `n`, from place `i` on.
inline uint32_t lanes_before(size_t n, size_t i, size_t per_vector) {
    return n - i >= per_vector ? (uint32_t)(~0ull >> (64 - per_vector)) : (1u << (n - i)) - 1;
}

size_t collect(const int16_t* estimates, size_t n, int16_t threshold, uint32_t position, Candidate* out) {
    const __m512i limit = _mm512_set1_epi16(threshold);
    Candidate* end = out;
    for (size_t i = 0; i < n; i += 32) {
        const uint32_t lanes = lanes_before(n, i, 32);
        const __m512i values = _mm512_maskz_loadu_epi16(lanes, estimates + i);
        for (uint32_t found = _mm512_mask_cmpge_epi16_mask(lanes, values, limit); found; found &= found - 1) {
            const size_t place = i + std::countr_zero(found);
            *end++ = {estimates[place], position + (uint32_t)place};
        }
    }
    return end - out;
}

size_t count(const int16_t* estimates, size_t n, int16_t threshold) {
    const __m512i limit = _mm512_set1_epi16(threshold);
    size_t found = 0;
    for (size_t i = 0; i < n; i += 32) {
        const uint32_t lanes = lanes_before(n, i, 32);
        const __m512i values = _mm512_maskz_loadu_epi16(lanes, estimates + i);
        found += std::popcount((uint32_t)_mm512_mask_cmpge_epi16_mask(lanes, values, limit));
    }
    return found;
}

size_t find(const float* values, size_t n, float threshold, uint32_t* out) {
    const __m512 limit = _mm512_set1_ps(threshold);
    __m512i places = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    uint32_t* end = out;
    for (size_t i = 0; i < n; i += 16, places = _mm512_add_epi32(places, _mm512_set1_epi32(16))) {
        const __mmask16 lanes = lanes_before(n, i, 16);
        const __mmask16 found =
            _mm512_mask_cmp_ps_mask(lanes, _mm512_maskz_loadu_ps(lanes, values + i), limit, _CMP_GE_OQ);
        if (found)
            _mm512_storeu_si512(end,
                                _mm512_maskz_compress_epi32(found, places));  // storing compressed is slow on Zen 4
        end += std::popcount((uint32_t)found);
    }
    return end - out;
}

int32_t dot_bytes(const uint8_t* row, const int8_t* query, size_t stride) {
    __m512i even = _mm512_setzero_si512(), odd = even;
    size_t i = 0;
    for (; i + 128 <= stride; i += 128) {
        even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(row + i), _mm512_loadu_si512(query + i));
        odd = _mm512_dpbusd_epi32(odd, _mm512_loadu_si512(row + i + 64), _mm512_loadu_si512(query + i + 64));
    }
    if (i < stride) even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(row + i), _mm512_loadu_si512(query + i));
    return _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd));
}

float dot_floats(const float* a, const float* b, size_t d) {
    __m512 low = _mm512_setzero_ps(), high = low;
    size_t i = 0;
    for (; i + 32 <= d; i += 32) {
        low = _mm512_add_ps(low, _mm512_mul_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i)));
        high = _mm512_add_ps(high, _mm512_mul_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16)));
    }
    const auto tail = [&](__m512 sum, size_t from) {
        if (from >= d) return sum;
        const __mmask16 lanes = lanes_before(d, from, 16);
        const __m512 product =
            _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, a + from), _mm512_maskz_loadu_ps(lanes, b + from));
        return _mm512_mask_add_ps(sum, lanes, sum, product);
    };
    const __m512 sums = _mm512_add_ps(tail(low, i), tail(high, i + 16));
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(sums), _mm512_extractf32x8_ps(sums, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// N queries with P panels at once: N · P sums stay in registers.
template <size_t N, size_t P>
void multiply_for(const Panels& panels, size_t panel, const uint8_t* queries, const float* query_steps, float* out,
                  size_t out_stride) {
    const size_t panel_bytes = panels.stride * PANEL;
    const int8_t* values = panels.values + panel * panel_bytes;
    __m512i sums[N][P];
    for (size_t q = 0; q < N; q++)
        for (size_t p = 0; p < P; p++) sums[q][p] = _mm512_setzero_si512();
    for (size_t i = 0; i < panels.stride; i += 4) {
        __m512i rows[P];
        for (size_t p = 0; p < P; p++) rows[p] = _mm512_loadu_si512(values + p * panel_bytes + i * PANEL);
        for (size_t q = 0; q < N; q++) {
            int32_t four;
            std::memcpy(&four, queries + q * panels.stride + i, 4);
            const __m512i query = _mm512_set1_epi32(four);
            for (size_t p = 0; p < P; p++) sums[q][p] = _mm512_dpbusd_epi32(sums[q][p], query, rows[p]);
        }
    }
    for (size_t p = 0; p < P; p++) {
        const size_t row = (panel + p) * PANEL;
        const __m512i excess = _mm512_loadu_si512(panels.sums + row);
        const __m512 steps = _mm512_loadu_ps(panels.steps + row);
        for (size_t q = 0; q < N; q++) {
            const __m512 product = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums[q][p], excess));
            const __m512 worth = _mm512_mul_ps(_mm512_set1_ps(query_steps[q]), steps);
            _mm512_storeu_ps(out + q * out_stride + row, _mm512_mul_ps(product, worth));
        }
    }
}

template <size_t N, size_t P>
void multiply_queries(const Panels& panels, const uint8_t* queries, const float* query_steps, float* out,
                      size_t out_stride) {
    size_t panel = 0;
    for (; panel + P <= panels.n_panels; panel += P)
        multiply_for<N, P>(panels, panel, queries, query_steps, out, out_stride);
    for (; panel < panels.n_panels; panel++) multiply_for<N, 1>(panels, panel, queries, query_steps, out, out_stride);
}

void multiply(const Panels& panels, const uint8_t* queries, const float* query_steps, size_t n_queries, float* out,
              size_t out_stride) {
    size_t q = 0;
    // Panels of 384 dimensions are 6 KB: four of them stay in the first cache while all queries pass.
    constexpr size_t P = 4, N = 4;
    for (; q + N <= n_queries; q += N)
        multiply_queries<N, P>(panels, queries + q * panels.stride, query_steps + q, out + q * out_stride, out_stride);
    for (; q < n_queries; q++)
        multiply_queries<1, P>(panels, queries + q * panels.stride, query_steps + q, out + q * out_stride, out_stride);
}

}  // namespace

const Kernels AVX512_KERNELS = {"avx512", estimate, collect, count, find, dot_bytes, dot_floats, multiply};

}  // namespace bitsieve

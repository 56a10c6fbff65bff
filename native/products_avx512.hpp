// Products of bytes and of floats for AVX-512 with VNNI: 64 bytes an instruction. A part of kernels_avx512.cpp.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels.hpp"

namespace bitsieve {
namespace {

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
        const auto lanes = (__mmask16)((1u << (d - from)) - 1);  // less than 32 are left
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
}  // namespace bitsieve

// The inner loops for AVX2: one byte of 32 codes a shuffle, 32 products an instruction.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels.hpp"

// Left to itself, GCC 12 unrolls over the rows of a block before it does over the queries, and keeps the queries' sums
// in memory: 0.52 ns a code of 16 bytes instead of 0.39, with four queries.
#ifdef __GNUC__
#define UNROLLED _Pragma("GCC unroll 4")
#define NOT_UNROLLED _Pragma("GCC unroll 1")
#else
#define UNROLLED
#define NOT_UNROLLED
#endif

namespace bitsieve {
namespace {

constexpr size_t ADDS_PER_BYTE = 8;      // table bytes are at most 31, and 8 · 31 = 248
constexpr size_t QUERIES_AT_ONCE = 4;    // in multiply: 4 queries and 16 rows need 8 of the 16 registers for sums
constexpr size_t QUERIES_IN_CACHE = 64;  // and 64 queries of 384 bytes fit the first cache beside a panel

inline __m256i load(const void* p) {
    return _mm256_loadu_si256((const __m256i*)p);
}
inline __m256i load_words(const uint8_t* p) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)p));
}

// For N queries, sums of the table entries that the 32 codes of a block lead to.
template <size_t N>
struct ByteSums {
    __m256i low[N], high[N];  // codes 0 – 15 and 16 – 31, each in two lanes: from high nibbles and from low ones

    void look_up(const uint8_t* block, const uint8_t* const* tables, size_t offset) {
        const __m256i nibble = _mm256_set1_epi8(15);
        const __m256i codes = load(block + offset);
        const __m256i codes_low = _mm256_and_si256(codes, nibble);
        const __m256i codes_high = _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble);
        UNROLLED for (size_t i = 0; i < N; i++) {
            const __m256i table = load(tables[i] + offset);
            low[i] = _mm256_add_epi8(low[i], _mm256_shuffle_epi8(table, codes_low));
            high[i] = _mm256_add_epi8(high[i], _mm256_shuffle_epi8(table, codes_high));
        }
    }
};

// Sums over both lanes of even and odd bytes, to 16 words in the order of the codes. The even sums still carry the odd
// ones in their upper bytes.
inline __m256i in_order(__m256i even, __m256i odd) {
    even = _mm256_sub_epi16(even, _mm256_slli_epi16(odd, 8));
    const __m128i e = _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    const __m128i o = _mm_add_epi16(_mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1));
    return _mm256_set_m128i(_mm_unpackhi_epi16(e, o), _mm_unpacklo_epi16(e, o));
}

// Estimates of 16 codes, the first of them code `first`, from the sums of their table entries.
inline __m256i from_sums(__m256i sums, const Blocks& blocks, size_t first, const Lookup& lookup) {
    __m256i e = _mm256_sub_epi16(_mm256_slli_epi16(sums, 1), _mm256_set1_epi16((int16_t)lookup.total));
    if (blocks.scales) {
        const __m256i scale = _mm256_slli_epi16(load_words(blocks.scales + first), 7);
        e = _mm256_mulhi_epi16(_mm256_sll_epi16(e, _mm_cvtsi32_si128(blocks.shift)), scale);
    }
    if (blocks.offsets) {
        const __m256i offset = _mm256_slli_epi16(load_words(blocks.offsets + first), 8);
        const __m256i worth = _mm256_mulhi_epu16(offset, _mm256_set1_epi16((int16_t)lookup.offset_factor));
        e = _mm256_adds_epi16(e, _mm256_min_epu16(worth, _mm256_set1_epi16(32767)));
    }
    return _mm256_adds_epi16(e, _mm256_set1_epi16(lookup.base));
}

template <size_t N>
void estimate_for(const Blocks& blocks, size_t first_block, size_t n_blocks, const Lookup* lookups,
                  int16_t* const* out) {
    const size_t block_bytes = blocks.n_bytes * BLOCK;
    const __m256i zero = _mm256_setzero_si256();
    const uint8_t* tables[N];
    UNROLLED for (size_t i = 0; i < N; i++) tables[i] = lookups[i].tables;
    for (size_t b = 0; b < n_blocks; b++) {
        const uint8_t* block = blocks.codes + (first_block + b) * block_bytes;
        __m256i even_low[N], even_high[N], odd_low[N], odd_high[N];
        UNROLLED for (size_t i = 0; i < N; i++) even_low[i] = even_high[i] = odd_low[i] = odd_high[i] = zero;
        for (size_t offset = 0; offset < block_bytes;) {
            ByteSums<N> sums;
            UNROLLED for (size_t i = 0; i < N; i++) sums.low[i] = sums.high[i] = zero;
            const size_t n_adds = std::min(ADDS_PER_BYTE, (block_bytes - offset) / BLOCK);
            NOT_UNROLLED for (size_t add = 0; add < n_adds; add++, offset += BLOCK) sums.look_up(block, tables, offset);
            UNROLLED for (size_t i = 0; i < N; i++) {
                even_low[i] = _mm256_add_epi16(even_low[i], sums.low[i]);
                even_high[i] = _mm256_add_epi16(even_high[i], sums.high[i]);
                odd_low[i] = _mm256_add_epi16(odd_low[i], _mm256_srli_epi16(sums.low[i], 8));
                odd_high[i] = _mm256_add_epi16(odd_high[i], _mm256_srli_epi16(sums.high[i], 8));
            }
        }
        const size_t first = (first_block + b) * BLOCK;
        UNROLLED for (size_t i = 0; i < N; i++) {
            __m256i* to = (__m256i*)(out[i] + b * BLOCK);
            _mm256_storeu_si256(to, from_sums(in_order(even_low[i], odd_low[i]), blocks, first, lookups[i]));
            _mm256_storeu_si256(to + 1, from_sums(in_order(even_high[i], odd_high[i]), blocks, first + 16, lookups[i]));
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

// A bit for each of 32 estimates that is at least the threshold.
inline uint32_t at_least(const int16_t* estimates, __m256i threshold) {
    const __m256i less_low = _mm256_cmpgt_epi16(threshold, load(estimates));
    const __m256i less_high = _mm256_cmpgt_epi16(threshold, load(estimates + 16));
    const __m256i less = _mm256_permute4x64_epi64(_mm256_packs_epi16(less_low, less_high), 0xd8);
    return ~(uint32_t)_mm256_movemask_epi8(less);
}

size_t collect(const int16_t* estimates, size_t n, int16_t threshold, uint32_t position, Candidate* out) {
    const __m256i limit = _mm256_set1_epi16(threshold);
    Candidate* end = out;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        for (uint32_t found = at_least(estimates + i, limit); found; found &= found - 1) {
            const size_t place = i + std::countr_zero(found);
            *end++ = {estimates[place], position + (uint32_t)place};
        }
    }
    for (; i < n; i++)
        if (estimates[i] >= threshold) *end++ = {estimates[i], position + (uint32_t)i};
    return end - out;
}

size_t count(const int16_t* estimates, size_t n, int16_t threshold) {
    const __m256i limit = _mm256_set1_epi16(threshold);
    size_t found = 0, i = 0;
    for (; i + 32 <= n; i += 32) found += std::popcount(at_least(estimates + i, limit));
    for (; i < n; i++) found += estimates[i] >= threshold;
    return found;
}

size_t find(const float* values, size_t n, float threshold, uint32_t* out) {
    const __m256 limit = _mm256_set1_ps(threshold);
    uint32_t* end = out;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 passes = _mm256_cmp_ps(_mm256_loadu_ps(values + i), limit, _CMP_GE_OQ);
        for (auto found = (uint32_t)_mm256_movemask_ps(passes); found; found &= found - 1)
            *end++ = (uint32_t)(i + std::countr_zero(found));
    }
    for (; i < n; i++)
        if (values[i] >= threshold) *end++ = (uint32_t)i;
    return end - out;
}

int32_t dot_bytes(const uint8_t* row, const int8_t* query, size_t stride) {
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t i = 0; i < stride; i += 32) {
        for (size_t half = 0; half < 2; half++) {  // as words: a sum of two products exceeds what maddubs can hold
            const __m128i* bytes = (const __m128i*)(query + i + 16 * half);
            const __m256i words = _mm256_cvtepi8_epi16(_mm_loadu_si128(bytes));
            const __m256i products = _mm256_madd_epi16(load_words(row + i + 16 * half), words);
            sums[half] = _mm256_add_epi32(sums[half], products);
        }
    }
    const __m256i eight = _mm256_add_epi32(sums[0], sums[1]);
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

float dot_floats(const float* a, const float* b, size_t d) {
    __m256 sums[4] = {};
    size_t i = 0;
    for (; i + 32 <= d; i += 32) {
        for (size_t j = 0; j < 4; j++) {
            const __m256 product = _mm256_mul_ps(_mm256_loadu_ps(a + i + 8 * j), _mm256_loadu_ps(b + i + 8 * j));
            sums[j] = _mm256_add_ps(sums[j], product);
        }
    }
    for (size_t j = 0; i + 8 * j < d; j++) {  // sums start at +0, so adding the +0 of a missing lane changes nothing
        const __m256i lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
        const __m256i here = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(d - i - 8 * j)), lane);
        const __m256 x = _mm256_maskload_ps(a + i + 8 * j, here), y = _mm256_maskload_ps(b + i + 8 * j, here);
        sums[j] = _mm256_add_ps(sums[j], _mm256_mul_ps(x, y));
    }
    const __m256 eight = _mm256_add_ps(_mm256_add_ps(sums[0], sums[2]), _mm256_add_ps(sums[1], sums[3]));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

inline __m256i four_bytes(const uint8_t* p) {
    int32_t bytes;
    std::memcpy(&bytes, p, 4);
    return _mm256_set1_epi32(bytes);
}

template <size_t N>
void multiply_for(const Panels& panels, size_t panel, const uint8_t* queries, const float* query_steps, size_t first,
                  float* out, size_t out_stride) {
    const int8_t* values = panels.values + panel * panels.stride * PANEL;
    __m256i sums[N][2];
    for (auto& of_query : sums) of_query[0] = of_query[1] = _mm256_setzero_si256();
    for (size_t i = 0; i < panels.stride; i += 8) {
        for (size_t half = 0; half < 2; half++) {  // rows 0 – 7 and 8 – 15
            const __m256i rows = load(values + i * PANEL + 32 * half);
            const __m256i next = load(values + (i + 4) * PANEL + 32 * half);
            for (size_t q = 0; q < N; q++) {
                const uint8_t* query = queries + (first + q) * panels.stride + i;
                // Four products of at most 127 · 63 add up to 32,004, which a word holds.
                const __m256i words = _mm256_add_epi16(_mm256_maddubs_epi16(four_bytes(query), rows),
                                                       _mm256_maddubs_epi16(four_bytes(query + 4), next));
                sums[q][half] = _mm256_add_epi32(sums[q][half], _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
            }
        }
    }
    for (size_t half = 0; half < 2; half++) {
        const size_t row = panel * PANEL + 8 * half;
        const __m256i excess = load(panels.sums + row);
        const __m256 steps = _mm256_loadu_ps(panels.steps + row);
        for (size_t q = 0; q < N; q++) {
            const __m256 product = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[q][half], excess));
            const __m256 worth = _mm256_mul_ps(_mm256_set1_ps(query_steps[first + q]), steps);
            _mm256_storeu_ps(out + (first + q) * out_stride + row, _mm256_mul_ps(product, worth));
        }
    }
}

void multiply(const Panels& panels, const uint8_t* queries, const float* query_steps, size_t n_queries, float* out,
              size_t out_stride) {
    constexpr size_t N = QUERIES_AT_ONCE;
    for (size_t begin = 0; begin < n_queries; begin += QUERIES_IN_CACHE) {
        const size_t end = std::min(begin + QUERIES_IN_CACHE, n_queries);
        for (size_t panel = 0; panel < panels.n_panels; panel++) {
            size_t q = begin;
            for (; q + N <= end; q += N) multiply_for<N>(panels, panel, queries, query_steps, q, out, out_stride);
            for (; q < end; q++) multiply_for<1>(panels, panel, queries, query_steps, q, out, out_stride);
        }
    }
}

}  // namespace

const Kernels AVX2_KERNELS = {"avx2", estimate, collect, count, find, dot_bytes, dot_floats, multiply};

}  // namespace bitsieve

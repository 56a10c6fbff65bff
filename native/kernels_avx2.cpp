// The inner loops for AVX2: half a byte of 32 codes a shuffle, 32 products an instruction.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels.hpp"
#include "nibble_tables.hpp"
#include "scan.hpp"
#include "unrolled.hpp"

namespace bitsieve {
namespace {

constexpr size_t QUERIES_AT_ONCE = 4;    // in multiply: 4 queries and 16 rows need 8 of the 16 registers for sums
constexpr size_t QUERIES_IN_CACHE = 64;  // and 64 queries of 384 bytes fit the first cache beside a panel

inline __m256i load(const void* p) {
    return _mm256_loadu_si256((const __m256i*)p);
}
inline __m256i load_words(const uint8_t* p) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)p));
}

inline __m256i load_table(const uint8_t* p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)p));
}

// Add what N queries' tables say of both halves of a byte of 32 codes.
template <size_t N>
inline void look_up(const uint8_t* row, const uint8_t* const* tables, size_t byte, __m256i* bytes) {
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i codes = load(row);
    const __m256i low = _mm256_and_si256(codes, nibble), high = _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble);
    UNROLLED for (size_t i = 0; i < N; i++) {
        const uint8_t* table = tables[i] + 2 * NIBBLE_TABLE * byte;
        bytes[i] = _mm256_add_epi8(bytes[i], _mm256_shuffle_epi8(load_table(table), high));
        bytes[i] = _mm256_add_epi8(bytes[i], _mm256_shuffle_epi8(load_table(table + NIBBLE_TABLE), low));
    }
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

// A bit for each of 32 estimates that is at least the threshold.
inline uint32_t at_least(__m256i first, __m256i second, __m256i threshold) {
    const __m256i less_first = _mm256_cmpgt_epi16(threshold, first);
    const __m256i less_second = _mm256_cmpgt_epi16(threshold, second);
    const __m256i less = _mm256_permute4x64_epi64(_mm256_packs_epi16(less_first, less_second), 0xd8);
    return ~(uint32_t)_mm256_movemask_epi8(less);
}

inline uint32_t at_least(const int16_t* estimates, __m256i threshold) {
    return at_least(load(estimates), load(estimates + 16), threshold);
}

struct Pass {
    // With the estimates in two registers.
    template <size_t N, class Take>
    static void over(const Blocks& blocks, size_t begin, size_t end, const Lookup* lookups, const Take& take) {
        const uint8_t* tables[N];
        UNROLLED for (size_t i = 0; i < N; i++) tables[i] = lookups[i].tables;
        for (size_t block = begin; block < end; block++) {
            const uint8_t* codes = blocks.codes + block * blocks.n_bytes * BLOCK;
            __m256i even[N], odd[N];  // the even sums still carry the odd ones in their upper bytes
            UNROLLED for (size_t i = 0; i < N; i++) even[i] = odd[i] = _mm256_setzero_si256();
            for (size_t byte = 0; byte < blocks.n_bytes;) {
                __m256i bytes[N];
                UNROLLED for (size_t i = 0; i < N; i++) bytes[i] = _mm256_setzero_si256();
                const size_t stop = std::min(byte + RUN_BYTES, blocks.n_bytes);
                NOT_UNROLLED for (; byte < stop; byte++) look_up<N>(codes + byte * BLOCK, tables, byte, bytes);
                UNROLLED for (size_t i = 0; i < N; i++) {
                    even[i] = _mm256_add_epi16(even[i], bytes[i]);
                    odd[i] = _mm256_add_epi16(odd[i], _mm256_srli_epi16(bytes[i], 8));
                }
            }
            UNROLLED for (size_t i = 0; i < N; i++) {
                const __m256i alone = _mm256_sub_epi16(even[i], _mm256_slli_epi16(odd[i], 8));
                const __m256i low = _mm256_unpacklo_epi16(alone, odd[i]), high = _mm256_unpackhi_epi16(alone, odd[i]);
                const __m256i estimates[2] = {
                    from_sums(_mm256_permute2x128_si256(low, high, 0x20), blocks, block * BLOCK, lookups[i]),
                    from_sums(_mm256_permute2x128_si256(low, high, 0x31), blocks, block * BLOCK + 16, lookups[i])};
                take(i, block, estimates);
            }
        }
    }

    static void store(const __m256i* estimates, int16_t* out) {
        _mm256_storeu_si256((__m256i*)out, estimates[0]);
        _mm256_storeu_si256((__m256i*)(out + 16), estimates[1]);
    }

    static Candidate* append(const __m256i* estimates, size_t n, int16_t threshold, uint32_t position, Candidate* end) {
        uint32_t found = at_least(estimates[0], estimates[1], _mm256_set1_epi16(threshold));
        if (n < BLOCK) found &= (1u << n) - 1;
        return append_found<Pass>(estimates, found, position, end);
    }
};

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

const Kernels AVX2_KERNELS = {
    "avx2", nibble_table_bytes, fill_nibble_tables, estimate<Pass>, sift<Pass>, collect, count,
    find,   dot_bytes,          dot_floats,         multiply};

}  // namespace bitsieve

// The inner loops for AVX-512 with VNNI and VBMI: six bits of 64 codes a shuffle, 64 products an instruction.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels.hpp"
#include "unrolled.hpp"

namespace bitsieve {
namespace {

// Three bytes of a code are looked up in four tables: the lower six bits of each, and the upper two of all three.
constexpr size_t TABLE = 64;
constexpr size_t TABLES_OF_THREE = 4 * TABLE, TABLES_OF_RUN = 2 * TABLES_OF_THREE;

size_t table_bytes(size_t n_bytes) {
    return (n_bytes + 2) / 3 * TABLES_OF_THREE;
}

// Entry v of a table is what its zeros agree with, and z more for each bit set: bits are six z, of values 1, 2, 4 …
inline void fill_table(const int (&bits)[6], uint8_t* table) {
    constexpr __mmask64 SET[6] = {0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0xf0f0f0f0f0f0f0f0,
                                  0xff00ff00ff00ff00, 0xffff0000ffff0000, 0xffffffff00000000};
    int zeros = 0;
    for (const int z : bits) zeros += z < 0 ? -z : 0;
    __m512i entries = _mm512_set1_epi8((char)zeros);
    for (size_t j = 0; j < 6; j++)
        entries = _mm512_mask_add_epi8(entries, SET[j], entries, _mm512_set1_epi8((char)bits[j]));
    _mm512_store_si512(table, entries);
}

void fill_tables(const int16_t* z, size_t n_bytes, uint8_t* tables) {
    for (size_t byte = 0; byte < n_bytes; byte += 3, tables += TABLES_OF_THREE) {
        int upper[6] = {};
        for (size_t r = 0; r < std::min<size_t>(3, n_bytes - byte); r++) {
            const int16_t* of_byte = z + 8 * (byte + r);  // the first is of the highest bit
            fill_table({of_byte[7], of_byte[6], of_byte[5], of_byte[4], of_byte[3], of_byte[2]}, tables + r * TABLE);
            upper[2 * r] = of_byte[1], upper[2 * r + 1] = of_byte[0];
        }
        fill_table(upper, tables + 3 * TABLE);
    }
}

// A byte of each code of one block. Shuffles read the lower six bits of an index only.
struct One {
    using Bytes = __m256i;
    static constexpr size_t N_BLOCKS = 1;

    static Bytes zero() { return _mm256_setzero_si256(); }
    static Bytes load(const uint8_t* row, size_t) { return _mm256_loadu_si256((const __m256i*)row); }
    static Bytes look_up(const uint8_t* table, Bytes index) {
        const auto* halves = (const __m256i*)table;
        return _mm256_permutex2var_epi8(_mm256_load_si256(halves), index, _mm256_load_si256(halves + 1));
    }
    static Bytes add_bytes(Bytes a, Bytes b) { return _mm256_add_epi8(a, b); }
    static Bytes add_words(Bytes a, Bytes b) { return _mm256_add_epi16(a, b); }
    static Bytes upper_bytes(Bytes a) { return _mm256_srli_epi16(a, 8); }
    // `rest`, and those bits of `a` shifted down that `mask` has.
    template <int shift>
    static Bytes merge(Bytes rest, Bytes a, char mask) {
        return _mm256_ternarylogic_epi32(rest, _mm256_srli_epi16(a, shift), _mm256_set1_epi8(mask), 0xf8);
    }
    // Sums of even codes, with those of odd ones still in their upper bytes, and of odd ones: in the order of the codes.
    static void in_order(Bytes even, Bytes odd, __m512i* sums) {
        const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,  //
                                               23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
        even = _mm256_sub_epi16(even, _mm256_slli_epi16(odd, 8));
        sums[0] = _mm512_permutexvar_epi16(order, _mm512_inserti64x4(_mm512_castsi256_si512(even), odd, 1));
    }
};

// The same of two blocks.
struct Two {
    using Bytes = __m512i;
    static constexpr size_t N_BLOCKS = 2;

    static Bytes zero() { return _mm512_setzero_si512(); }
    static Bytes load(const uint8_t* row, size_t block_bytes) {
        return _mm512_inserti64x4(_mm512_castsi256_si512(One::load(row, 0)), One::load(row + block_bytes, 0), 1);
    }
    static Bytes look_up(const uint8_t* table, Bytes index) {
        return _mm512_permutexvar_epi8(index, _mm512_load_si512(table));
    }
    static Bytes add_bytes(Bytes a, Bytes b) { return _mm512_add_epi8(a, b); }
    static Bytes add_words(Bytes a, Bytes b) { return _mm512_add_epi16(a, b); }
    static Bytes upper_bytes(Bytes a) { return _mm512_srli_epi16(a, 8); }
    template <int shift>
    static Bytes merge(Bytes rest, Bytes a, char mask) {
        return _mm512_ternarylogic_epi32(rest, _mm512_srli_epi16(a, shift), _mm512_set1_epi8(mask), 0xf8);
    }
    static void in_order(Bytes even, Bytes odd, __m512i* sums) {
        const __m512i first = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,  //
                                               39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
        even = _mm512_sub_epi16(even, _mm512_slli_epi16(odd, 8));
        sums[0] = _mm512_permutex2var_epi16(even, first, odd);
        sums[1] = _mm512_permutex2var_epi16(even, _mm512_add_epi16(first, _mm512_set1_epi16(16)), odd);
    }
};

// Add what N queries' tables say of the next n_rows bytes of each code, of three that belong together.
template <class Codes, size_t n_rows, size_t N>
inline void look_up(const uint8_t* rows, size_t block_bytes, const uint8_t* const (&tables)[N], size_t first_table,
                    typename Codes::Bytes (&bytes)[N]) {
    typename Codes::Bytes index[3], upper = Codes::zero();
    UNROLLED for (size_t r = 0; r < n_rows; r++) index[r] = Codes::load(rows + r * BLOCK, block_bytes);
    upper = Codes::template merge<6>(upper, index[0], 0x03);
    if constexpr (n_rows > 1) upper = Codes::template merge<4>(upper, index[1], 0x0c);
    if constexpr (n_rows > 2) upper = Codes::template merge<2>(upper, index[2], 0x30);
    UNROLLED for (size_t i = 0; i < N; i++) {
        const uint8_t* table = tables[i] + first_table;
        UNROLLED for (size_t r = 0; r < n_rows; r++) bytes[i] =
            Codes::add_bytes(bytes[i], Codes::look_up(table + r * TABLE, index[r]));
        bytes[i] = Codes::add_bytes(bytes[i], Codes::look_up(table + 3 * TABLE, upper));
    }
}

// Estimates of the codes of a block, from the sums of their table entries.
inline __m512i from_sums(__m512i sums, const Blocks& blocks, size_t block, const Lookup& lookup) {
    const auto bytes = [&](const uint8_t* of_codes) {
        return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)(of_codes + block * BLOCK)));
    };
    __m512i e = _mm512_sub_epi16(_mm512_slli_epi16(sums, 1), _mm512_set1_epi16((int16_t)lookup.total));
    if (blocks.scales) {
        const __m512i shifted = _mm512_sll_epi16(e, _mm_cvtsi32_si128(blocks.shift));
        e = _mm512_mulhi_epi16(shifted, _mm512_slli_epi16(bytes(blocks.scales), 7));
    }
    if (blocks.offsets) {
        const __m512i factor = _mm512_set1_epi16((int16_t)lookup.offset_factor);
        const __m512i worth = _mm512_mulhi_epu16(_mm512_slli_epi16(bytes(blocks.offsets), 8), factor);
        // At most 65,279 · 65,535 >> 16 = 65,278, which is more than int16 holds: capped, and then added.
        e = _mm512_adds_epi16(e, _mm512_min_epu16(worth, _mm512_set1_epi16(32767)));
    }
    return _mm512_adds_epi16(e, _mm512_set1_epi16(lookup.base));
}

// Call take(i, block, estimates) for each of N lookups and the blocks of `Codes`.
template <class Codes, size_t N, class Take>
void scan(const Blocks& blocks, size_t block, const Lookup* lookups, const Take& take) {
    const size_t n_bytes = blocks.n_bytes, block_bytes = n_bytes * BLOCK;
    const uint8_t* rows = blocks.codes + block * block_bytes;
    const uint8_t* tables[N];
    typename Codes::Bytes even[N], odd[N];
    UNROLLED for (size_t i = 0; i < N; i++) tables[i] = lookups[i].tables, even[i] = odd[i] = Codes::zero();
    static_assert(RUN_BYTES == 6);
    const auto add_run = [&](size_t n_left, const uint8_t* run, size_t table) {
        typename Codes::Bytes bytes[N];
        UNROLLED for (size_t i = 0; i < N; i++) bytes[i] = Codes::zero();
        if (n_left >= 6) {
            look_up<Codes, 3>(run, block_bytes, tables, table, bytes);
            look_up<Codes, 3>(run + 3 * BLOCK, block_bytes, tables, table + TABLES_OF_THREE, bytes);
        } else {
            if (n_left >= 3) {
                look_up<Codes, 3>(run, block_bytes, tables, table, bytes);
                run += 3 * BLOCK, table += TABLES_OF_THREE;
            }
            if (n_left % 3 == 2) look_up<Codes, 2>(run, block_bytes, tables, table, bytes);
            if (n_left % 3 == 1) look_up<Codes, 1>(run, block_bytes, tables, table, bytes);
        }
        UNROLLED for (size_t i = 0; i < N; i++) {  // to words, before bytes overflow
            even[i] = Codes::add_words(even[i], bytes[i]);
            odd[i] = Codes::add_words(odd[i], Codes::upper_bytes(bytes[i]));
        }
    };
    const size_t n_runs = n_bytes / 6, n_left = n_bytes % 6;
    NOT_UNROLLED for (size_t run = 0; run < n_runs; run++) add_run(6, rows + run * 6 * BLOCK, run * TABLES_OF_RUN);
    if (n_left) add_run(n_left, rows + n_runs * 6 * BLOCK, n_runs * TABLES_OF_RUN);
    UNROLLED for (size_t i = 0; i < N; i++) {
        __m512i in_order[Codes::N_BLOCKS];
        Codes::in_order(even[i], odd[i], in_order);
        for (size_t b = 0; b < Codes::N_BLOCKS; b++)
            take(i, block + b, from_sums(in_order[b], blocks, block + b, lookups[i]));
    }
}

template <size_t N, class Take>
void scan_all(const Blocks& blocks, size_t begin, size_t end, const Lookup* lookups, const Take& take) {
    for (; begin + 2 <= end; begin += 2) scan<Two, N>(blocks, begin, lookups, take);
    if (begin < end) scan<One, N>(blocks, begin, lookups, take);
}

template <class Take>
void scan_for(size_t n_lookups, const Blocks& blocks, size_t begin, size_t end, const Lookup* lookups,
              const Take& take) {
    switch (n_lookups) {
        case 1: return scan_all<1>(blocks, begin, end, lookups, take);
        case 2: return scan_all<2>(blocks, begin, end, lookups, take);
        case 3: return scan_all<3>(blocks, begin, end, lookups, take);
        case 4: return scan_all<4>(blocks, begin, end, lookups, take);
    }
}

void estimate(const Blocks& blocks, size_t first_block, size_t n_blocks, const Lookup* lookups, size_t n_lookups,
              int16_t* const* out) {
    scan_for(n_lookups, blocks, first_block, first_block + n_blocks, lookups,
             [&](size_t i, size_t block, __m512i estimates) {
                 _mm512_storeu_si512(out[i] + (block - first_block) * BLOCK, estimates);
             });
}

// The lanes of a vector of `per_vector` that lie before `n`, from place `i` on.
inline uint32_t lanes_before(size_t n, size_t i, size_t per_vector) {
    return n - i >= per_vector ? (uint32_t)(~0ull >> (64 - per_vector)) : (1u << (n - i)) - 1;
}

// Append the estimates of those `lanes` that are at least `limit`.
inline Candidate* append(__m512i estimates, __m512i limit, uint32_t lanes, uint32_t position, Candidate* end) {
    uint32_t found = _mm512_mask_cmpge_epi16_mask(lanes, estimates, limit);
    if (!found) return end;
    alignas(64) int16_t values[BLOCK];
    _mm512_store_si512(values, estimates);
    for (; found; found &= found - 1) {
        const int place = std::countr_zero(found);
        *end++ = {values[place], position + (uint32_t)place};
    }
    return end;
}

void sift(const Blocks& blocks, size_t first_block, size_t n_codes, uint32_t position, const Lookup* lookups,
          size_t n_lookups, Candidate** ends) {
    const size_t end = first_block + (n_codes + BLOCK - 1) / BLOCK;
    scan_for(n_lookups, blocks, first_block, end, lookups, [&](size_t i, size_t block, __m512i estimates) {
        const size_t place = (block - first_block) * BLOCK;
        const __m512i limit = _mm512_set1_epi16(lookups[i].threshold);
        ends[i] = append(estimates, limit, lanes_before(n_codes, place, BLOCK), position + (uint32_t)place, ends[i]);
    });
}

size_t collect(const int16_t* estimates, size_t n, int16_t threshold, uint32_t position, Candidate* out) {
    const __m512i limit = _mm512_set1_epi16(threshold);
    Candidate* end = out;
    for (size_t i = 0; i < n; i += BLOCK) {
        const uint32_t lanes = lanes_before(n, i, BLOCK);
        end = append(_mm512_maskz_loadu_epi16(lanes, estimates + i), limit, lanes, position + (uint32_t)i, end);
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

const Kernels AVX512_KERNELS = {"avx512", table_bytes, fill_tables, estimate,   sift,    collect,
                                count,    find,        dot_bytes,   dot_floats, multiply};

}  // namespace bitsieve

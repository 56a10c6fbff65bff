// The inner loops for AVX-512 with VNNI and VBMI: six bits of 64 codes a shuffle, 64 products an instruction.
#include <immintrin.h>

#include <algorithm>
#include <bit>

#include "kernels.hpp"
#include "products_avx512.hpp"
#include "scan.hpp"
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

// A byte of each code of one block. Half a register takes 15 to 20 % less of a Zen 4 than a whole one with nothing in
// its upper half. Shuffles read the lower six bits of an index only.
struct One {
    using Bytes = __m256i;
    static constexpr size_t N_BLOCKS = 1;

    static Bytes load(const uint8_t* row, size_t) { return _mm256_loadu_si256((const __m256i*)row); }
    // `rest`, and those bits of `a` shifted down that `mask` has.
    template <int shift>
    static Bytes merge(Bytes rest, Bytes a, char mask) {
        return _mm256_ternarylogic_epi32(rest, _mm256_srli_epi16(a, shift), _mm256_set1_epi8(mask), 0xf8);
    }
    static void add_looked_up(Bytes& sum, const uint8_t* table, Bytes index) {
        const Bytes lower = _mm256_load_si256((const Bytes*)table), upper = _mm256_load_si256((const Bytes*)table + 1);
        sum = _mm256_add_epi8(sum, _mm256_permutex2var_epi8(lower, index, upper));
    }
    // Bytes to words; the even sums still carry the odd ones in their upper bytes.
    static void add_words(Bytes& even, Bytes& odd, Bytes bytes) {
        even = _mm256_add_epi16(even, bytes);
        odd = _mm256_add_epi16(odd, _mm256_srli_epi16(bytes, 8));
    }
    static __m512i widened(Bytes a) { return _mm512_castsi256_si512(a); }
};

// The same of two blocks.
struct Two {
    using Bytes = __m512i;
    static constexpr size_t N_BLOCKS = 2;

    static Bytes load(const uint8_t* row, size_t block_bytes) {
        return _mm512_inserti64x4(One::widened(One::load(row, 0)), One::load(row + block_bytes, 0), 1);
    }
    template <int shift>
    static Bytes merge(Bytes rest, Bytes a, char mask) {
        return _mm512_ternarylogic_epi32(rest, _mm512_srli_epi16(a, shift), _mm512_set1_epi8(mask), 0xf8);
    }
    static void add_looked_up(Bytes& sum, const uint8_t* table, Bytes index) {
        sum = _mm512_add_epi8(sum, _mm512_permutexvar_epi8(index, _mm512_load_si512(table)));
    }
    static void add_words(Bytes& even, Bytes& odd, Bytes bytes) {
        even = _mm512_add_epi16(even, bytes);
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16(bytes, 8));
    }
    static __m512i widened(Bytes a) { return a; }
};

// Add what N queries' tables say of the next n_rows bytes of each code, of three that belong together.
template <class Codes, size_t n_rows, size_t N>
inline void look_up(const uint8_t* rows, size_t block_bytes, const uint8_t* const (&tables)[N], size_t first_table,
                    typename Codes::Bytes (&bytes)[N]) {
    typename Codes::Bytes index[3], upper = {};
    UNROLLED for (size_t r = 0; r < n_rows; r++) index[r] = Codes::load(rows + r * BLOCK, block_bytes);
    upper = Codes::template merge<6>(upper, index[0], 0x03);
    if constexpr (n_rows > 1) upper = Codes::template merge<4>(upper, index[1], 0x0c);
    if constexpr (n_rows > 2) upper = Codes::template merge<2>(upper, index[2], 0x30);
    UNROLLED for (size_t i = 0; i < N; i++) {
        const uint8_t* table = tables[i] + first_table;
        UNROLLED for (size_t r = 0; r < n_rows; r++) Codes::add_looked_up(bytes[i], table + r * TABLE, index[r]);
        Codes::add_looked_up(bytes[i], table + 3 * TABLE, upper);
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

// The first n lanes of a vector, or all.
inline uint32_t first_lanes(size_t n, size_t per_vector) {
    return n >= per_vector ? (uint32_t)(~0ull >> (64 - per_vector)) : (1u << n) - 1;
}

struct Pass {
    // With the estimates in one register.
    template <size_t N, class Take>
    static void over(const Blocks& blocks, size_t begin, size_t end, const Lookup* lookups, const Take& take) {
        for (; begin + 2 <= end; begin += 2) over_next<Two, N>(blocks, begin, lookups, take);
        if (begin < end) over_next<One, N>(blocks, begin, lookups, take);
    }

    template <class Codes, size_t N, class Take>
    static void over_next(const Blocks& blocks, size_t block, const Lookup* lookups, const Take& take) {
        const size_t n_bytes = blocks.n_bytes, block_bytes = n_bytes * BLOCK;
        const uint8_t* rows = blocks.codes + block * block_bytes;
        const uint8_t* tables[N];
        UNROLLED for (size_t i = 0; i < N; i++) tables[i] = lookups[i].tables;
        typename Codes::Bytes even[N] = {}, odd[N] = {};
        static_assert(RUN_BYTES == 6);
        const auto add_run = [&](size_t n_left, const uint8_t* run, size_t table) {
            typename Codes::Bytes bytes[N] = {};
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
            // Before bytes overflow.
            UNROLLED for (size_t i = 0; i < N; i++) Codes::add_words(even[i], odd[i], bytes[i]);
        };
        const size_t n_runs = n_bytes / 6, n_left = n_bytes % 6;
        NOT_UNROLLED for (size_t run = 0; run < n_runs; run++) add_run(6, rows + run * 6 * BLOCK, run * TABLES_OF_RUN);
        if (n_left) add_run(n_left, rows + n_runs * 6 * BLOCK, n_runs * TABLES_OF_RUN);
        const __m512i first = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,  //
                                               39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
        UNROLLED for (size_t i = 0; i < N; i++) {
            const __m512i odds = Codes::widened(odd[i]);
            const __m512i evens = _mm512_sub_epi16(Codes::widened(even[i]), _mm512_slli_epi16(odds, 8));
            for (size_t b = 0; b < Codes::N_BLOCKS; b++) {  // in the order of the codes
                const __m512i places = _mm512_add_epi16(first, _mm512_set1_epi16((int16_t)(16 * b)));
                const __m512i sums = _mm512_permutex2var_epi16(evens, places, odds);
                take(i, block + b, from_sums(sums, blocks, block + b, lookups[i]));
            }
        }
    }

    static void store(__m512i estimates, int16_t* out) { _mm512_storeu_si512(out, estimates); }

    static Candidate* append(__m512i estimates, size_t n, int16_t threshold, uint32_t position, Candidate* end) {
        const uint32_t lanes = first_lanes(n, BLOCK);
        const uint32_t found = _mm512_mask_cmpge_epi16_mask(lanes, estimates, _mm512_set1_epi16(threshold));
        return append_found<Pass>(estimates, found, position, end);
    }
};

size_t collect(const int16_t* estimates, size_t n, int16_t threshold, uint32_t position, Candidate* out) {
    Candidate* end = out;
    for (size_t i = 0; i < n; i += BLOCK) {
        const __m512i values = _mm512_maskz_loadu_epi16(first_lanes(n - i, BLOCK), estimates + i);
        end = Pass::append(values, n - i, threshold, position + (uint32_t)i, end);
    }
    return end - out;
}

size_t count(const int16_t* estimates, size_t n, int16_t threshold) {
    const __m512i limit = _mm512_set1_epi16(threshold);
    size_t found = 0;
    for (size_t i = 0; i < n; i += 32) {
        const uint32_t lanes = first_lanes(n - i, 32);
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
        const __mmask16 lanes = first_lanes(n - i, 16);
        const __mmask16 found =
            _mm512_mask_cmp_ps_mask(lanes, _mm512_maskz_loadu_ps(lanes, values + i), limit, _CMP_GE_OQ);
        if (found)
            _mm512_storeu_si512(end,
                                _mm512_maskz_compress_epi32(found, places));  // storing compressed is slow on Zen 4
        end += std::popcount((uint32_t)found);
    }
    return end - out;
}

}  // namespace

const Kernels AVX512_KERNELS = {"avx512", table_bytes, fill_tables, estimate<Pass>, sift<Pass>, collect,
                                count,    find,        dot_bytes,   dot_floats,     multiply};

}  // namespace bitsieve

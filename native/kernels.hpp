// The inner loops of searching: one set for each kind of CPU, all with the same answers.
//
// Everything before the last rerank is integer arithmetic, and the last rerank adds floats in one fixed order,
// so which set runs, how many queries come at once and on how many threads never changes a result. (Codes to compare
// by Hamming distance come from NumPy, which may round a projection near 0 otherwise for another number of queries.)
// `src/bitsieve/search/reference/` says the same in NumPy, and the tests compare the two.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bitsieve {

constexpr size_t BLOCK = 32;        // codes in a block
constexpr size_t RUN_BYTES = 6;     // of a code: what their bits add up to fits a byte
constexpr int HIGHEST_SUM = 32767;  // what all of a code's bits may add up to
constexpr size_t MAX_LOOKUPS = 4;   // queries that share one pass over a block
constexpr size_t ALIGNMENT = 64;    // what rows of bytes are padded to
constexpr size_t PANEL = 16;        // rows multiplied at once

// Codes as byte shuffles want them, 32 to a block: byte r of each makes row r.
struct Blocks {
    const uint8_t* codes;    // (n_blocks, n_bytes, 32)
    const uint8_t* scales;   // (n_blocks, 32), or null when every scale is 1
    const uint8_t* offsets;  // (n_blocks, 32), or null when there are none
    size_t n_bytes;          // of a code
    int shift;               // of a score, before it is scaled: as much as int16 holds
};

// A query, as a pass over blocks looks it up. Its projections are whole numbers z_j; in each run of 6 bytes of a code
// their magnitudes add up to at most 255, and all of them to HIGHEST_SUM.
struct Lookup {
    const uint8_t* tables;   // from `fill_tables`: for some bits of a code at a time, the sum of |z_j| over those that
                             // agree with the sign of z_j
    int32_t total;           // Σ|z_j|, so that Σ z_j b_j = 2 * (sum over the tables) − total
    int16_t base;            // added to every estimate
    int16_t threshold;       // the least estimate that `sift` keeps
    uint16_t offset_factor;  // what an offset of 1 is worth, in 256ths of an estimate
};

// A code that passed, and how good it looked.
struct Candidate {
    int32_t estimate;
    uint32_t position;
};

// Rows to multiply queries with, 16 to a panel: panel p holds bytes [i/4][row % 16][i % 4] of its rows, each
// value in −63 … 63, the missing rows of the last panel zero.
struct Panels {
    const int8_t* values;  // (n_panels, stride / 4, 16, 4)
    const int32_t* sums;   // (16 * n_panels,): 64 · Σ of each row, which the queries' offset of 64 adds
    const float* steps;    // (16 * n_panels,): what 1 is worth in each row
    size_t n_panels;
    size_t stride;  // bytes of a padded row
};

struct Kernels {
    const char* name;

    // A query's tables as this set reads them, from z (8 * n_bytes,), in table_bytes(n_bytes) bytes at `tables`, which
    // must be aligned to ALIGNMENT.
    size_t (*table_bytes)(size_t n_bytes);
    void (*fill_tables)(const int16_t* z, size_t n_bytes, uint8_t* tables);

    // Estimate the codes of `n_blocks` blocks for up to MAX_LOOKUPS queries. With s = Σ z_j b_j,
    //   e = s, or with scales ((s << shift) * (scale << 7)) >> 16,
    //   plus with offsets min((offset << 8) * offset_factor >> 16, 32767),
    //   plus base, both added with saturation to int16.
    // out[i]: (n_blocks * 32,) int16 for lookups[i]. What the last block holds beyond the last code is noise.
    void (*estimate)(const Blocks& blocks, size_t first_block, size_t n_blocks, const Lookup* lookups, size_t n_lookups,
                     int16_t* const* out);

    // Append what the first n_codes codes from `first_block` on are estimated at, where that is at least a lookup's
    // threshold, to ends[i] for lookups[i], in order; `position` is the first code's. ends[i] must have room for
    // n_codes, rounded up to 32.
    void (*sift)(const Blocks& blocks, size_t first_block, size_t n_codes, uint32_t position, const Lookup* lookups,
                 size_t n_lookups, Candidate** ends);

    // Append those of n estimates that are at least `threshold`, in order; `position` is the first one's.
    // Returns: how many. `out` must have room for n, rounded up to 32.
    size_t (*collect)(const int16_t* estimates, size_t n, int16_t threshold, uint32_t position, Candidate* out);

    // How many of n estimates are at least `threshold`.
    size_t (*count)(const int16_t* estimates, size_t n, int16_t threshold);

    // The places of those of n floats that are at least `threshold`, in order. Returns: how many.
    // `out` must have room for n, rounded up to 16.
    size_t (*find)(const float* values, size_t n, float threshold, uint32_t* out);

    // Σ row[i] · query[i] over `stride` bytes, a multiple of 64.
    int32_t (*dot_bytes)(const uint8_t* row, const int8_t* query, size_t stride);

    // Σ a[i] · b[i] in float32: 32 sums, sum j over i = j, j + 32, … in order, each product rounded before it is
    // added; then sums j and j + 16 are added, j and j + 8, and so on to one.
    float (*dot_floats)(const float* a, const float* b, size_t d);

    // Multiply queries with all rows of panels: out[q * out_stride + r] = float(Σ (query − 64) · row) · (query_step · step).
    // queries: (n_queries, stride) uint8, value + 64, so 1 … 127.
    void (*multiply)(const Panels& panels, const uint8_t* queries, const float* query_steps, size_t n_queries,
                     float* out, size_t out_stride);
};

// The sets this build has, best first; `scalar` is always the last.
extern const Kernels SCALAR_KERNELS;
#ifdef BITSIEVE_AVX2
extern const Kernels AVX2_KERNELS;
#endif
#ifdef BITSIEVE_AVX512
extern const Kernels AVX512_KERNELS;
#endif
#ifdef BITSIEVE_NEON
extern const Kernels NEON_KERNELS;
#endif

}  // namespace bitsieve

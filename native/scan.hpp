// `estimate` and `sift`, as all sets of kernels with vector instructions have them; static, since each set compiles
// them for its own CPU. A set's `Pass` is what they differ in:
//   over<N>(blocks, begin, end, lookups, take)      call take(i, block, estimates) for each of N lookups and each block
//   store(estimates, out)                           write the 32 estimates of a block
//   append(estimates, n, threshold, position, end)  `collect` from the first n of them. Returns: the new end
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels.hpp"

namespace bitsieve {

// What `append` comes to where there is a bit of `found` for each estimate of a block.
template <class Pass, class Estimates>
static inline Candidate* append_found(const Estimates& estimates, uint32_t found, uint32_t position, Candidate* end) {
    if (!found) return end;
    alignas(64) int16_t values[BLOCK];
    Pass::store(estimates, values);
    for (; found; found &= found - 1) {
        const int place = std::countr_zero(found);
        *end++ = {values[place], position + (uint32_t)place};
    }
    return end;
}

// How many lookups share a pass is known when it is compiled, so that their sums are in registers.
template <class Pass, class Take>
static void pass_over(const Blocks& blocks, size_t begin, size_t end, const Lookup* lookups, size_t n_lookups,
                      const Take& take) {
    static_assert(MAX_LOOKUPS == 4);
    switch (n_lookups) {
        case 1: return Pass::template over<1>(blocks, begin, end, lookups, take);
        case 2: return Pass::template over<2>(blocks, begin, end, lookups, take);
        case 3: return Pass::template over<3>(blocks, begin, end, lookups, take);
        case 4: return Pass::template over<4>(blocks, begin, end, lookups, take);
    }
}

template <class Pass>
static void estimate(const Blocks& blocks, size_t first_block, size_t n_blocks, const Lookup* lookups, size_t n_lookups,
                     int16_t* const* out) {
    pass_over<Pass>(blocks, first_block, first_block + n_blocks, lookups, n_lookups,
                    [&](size_t i, size_t block, const auto& estimates) {
                        Pass::store(estimates, out[i] + (block - first_block) * BLOCK);
                    });
}

template <class Pass>
static void sift(const Blocks& blocks, size_t first_block, size_t n_codes, uint32_t position, const Lookup* lookups,
                 size_t n_lookups, Candidate** ends) {
    const size_t end = first_block + (n_codes + BLOCK - 1) / BLOCK;
    pass_over<Pass>(blocks, first_block, end, lookups, n_lookups, [&](size_t i, size_t block, const auto& estimates) {
        const size_t first = (block - first_block) * BLOCK, n = std::min(n_codes - first, BLOCK);
        ends[i] = Pass::append(estimates, n, lookups[i].threshold, position + (uint32_t)first, ends[i]);
    });
}

}  // namespace bitsieve

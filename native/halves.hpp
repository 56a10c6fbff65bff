// float16, which vectors may be kept in, to float32.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace bitsieve {

// The same values in float32, to the last bit; infinities and NaN there must not be. Compilers make vector instructions
// of it, also for CPUs that have none for float16, since nothing in it branches. And no float32 in it is subnormal: a
// process may have told its CPU to take those for 0.
inline void widen(const uint16_t* halves, size_t n, float* floats) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t half = halves[i];
        // Exponent and fraction move to where float32 has them, whose exponents count from −127 instead of −15.
        const float x = std::bit_cast<float>(((half & 0x7fff) << 13) + ((127 - 15) << 23));
        // An exponent of 0 means 1 and no 1 before the fraction: x was 2⁻¹⁵ (1 + fraction), 2⁻¹⁴ fraction is meant.
        const uint32_t is_small = 0u - (uint32_t)((half & 0x7c00) == 0);
        const float more = std::bit_cast<float>(std::bit_cast<uint32_t>(x - 0x1p-14f) & is_small);
        floats[i] = std::bit_cast<float>(std::bit_cast<uint32_t>(x + more) | (half & 0x8000) << 16);
    }
}

}  // namespace bitsieve

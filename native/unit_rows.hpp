// Whether vectors are what a search can take, in one pass: a single query waits for it at every search.
#pragma once

#include <cstddef>

namespace bitsieve {

// Whether each row's L2 norm is within `tolerance` of 1. That of a row with NaN or infinity is not.
// rows: (n, d).
bool unit_rows(const float* rows, size_t n, size_t d, float tolerance);

}  // namespace bitsieve

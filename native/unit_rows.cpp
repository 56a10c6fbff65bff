#include "unit_rows.hpp"

#include <cmath>

namespace bitsieve {
namespace {

constexpr size_t LANES = 16;  // sums side by side: compilers may not reorder a single one, so would add one by one

float norm(const float* row, size_t d) {
    float sums[LANES] = {};
    const size_t whole = d / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++) sums[lane] += row[i + lane] * row[i + lane];
    float total = 0;
    for (size_t i = whole; i < d; i++) total += row[i] * row[i];
    for (const float sum : sums) total += sum;
    return std::sqrt(total);
}

}  // namespace

bool unit_rows(const float* rows, size_t n, size_t d, float tolerance) {
    for (size_t i = 0; i < n; i++)
        if (!(std::abs(norm(rows + i * d, d) - 1) <= tolerance)) return false;  // so written that NaN fails
    return true;
}

}  // namespace bitsieve

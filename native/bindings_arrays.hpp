// Arrays of NumPy as the searches take them. What would be read beyond its end is refused here.
#pragma once

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "vectors.hpp"

namespace bitsieve {

template <class T, size_t dimensions>
using Array = nanobind::ndarray<const T, nanobind::ndim<dimensions>, nanobind::c_contig, nanobind::device::cpu>;
// An array to be filled. NumPy makes it: that takes half the time of making one here and handing it over.
template <class T>
using Result = nanobind::ndarray<T, nanobind::ndim<2>, nanobind::c_contig, nanobind::device::cpu>;

// (n, d) float32 or float16.
using AnyFloats = nanobind::ndarray<nanobind::ro, nanobind::ndim<2>, nanobind::c_contig, nanobind::device::cpu>;
// (n_blocks,) uint8 to be written to, and the bytes of the file before its rows.
using AnyMarks = std::optional<
    std::pair<nanobind::ndarray<uint8_t, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>, size_t>>;

inline void expect(bool agrees, const char* what) {
    if (!agrees) throw nanobind::value_error(what);
}

template <class T>
bool all_below(const Array<T, 1>& values, size_t limit) {
    return std::all_of(values.data(), values.data() + values.shape(0),
                       [&](T value) { return value >= 0 && (size_t)value < limit; });
}

inline Marks as_marks(const AnyMarks& any, size_t n_bytes) {
    if (!any) return {};
    const auto& [marks, offset] = *any;
    expect(marks.shape(0) * MARKED_BYTES >= offset + n_bytes, "a mark for each MiB of the file");
    return {marks.data(), offset};
}

inline Vectors as_vectors(const AnyFloats& any, const AnyMarks& marks) {
    const nanobind::dlpack::dtype half = {(uint8_t)nanobind::dlpack::dtype_code::Float, 16, 1};
    expect(any.dtype() == nanobind::dtype<float>() || any.dtype() == half, "vectors of float32 or float16");
    Vectors vectors = {static_cast<const uint8_t*>(any.data()), any.dtype() == half, any.shape(1), {}};
    vectors.marks = as_marks(marks, any.shape(0) * vectors.row_bytes());
    return vectors;
}

}  // namespace bitsieve

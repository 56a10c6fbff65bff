// The submodule `bitsieve._native.testing`: each kernel by itself on NumPy arrays, for tests/native.
//
// Shapes are trusted: tests/native/native_kernels.py makes them. Outputs are allocated there too, with the room that
// kernels.hpp asks for.
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <vector>

#include "bindings.hpp"

namespace nb = nanobind;

namespace bitsieve {
namespace {

template <class T>
using Array = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

}  // namespace

void bind_testing(nb::module_& m) {
    m.def("dot_floats", [](const std::string& set, Array<const float> a, Array<const float> b) {
        return checked_kernels(set).dot_floats(a.data(), b.data(), a.size());
    });
}

}  // namespace bitsieve

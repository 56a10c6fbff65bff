// The extension module `bitsieve._native`: checks shapes, frees the GIL, calls the kernels.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.hpp"
#include "dispatch.hpp"

namespace nb = nanobind;

namespace bitsieve {

const Kernels& checked_kernels(const std::string& name) {
    if (const Kernels* set = kernels(name)) return *set;
    throw nb::value_error(("this machine and build have no kernels '" + name + "'").c_str());
}

static std::vector<std::string> available_names() {
    std::vector<std::string> names;
    for (const Kernels* set : available()) names.push_back(set->name);
    return names;
}

}  // namespace bitsieve

NB_MODULE(_native, m) {
    m.doc() = "Kernels in C++. Arguments are checked in bitsieve.search; here only shapes are.";
    m.def("available", &bitsieve::available_names, "Names of the kernels this machine can run, best first.");
    bitsieve::bind_search(m);
    bitsieve::bind_exact(m);
    nb::module_ testing = m.def_submodule("testing", "Each kernel by itself, for the tests.");
    bitsieve::bind_testing(testing);
}

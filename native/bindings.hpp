// What the files of bindings share.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "kernels.hpp"

namespace bitsieve {

// The kernels of this name. Raises: ValueError when they cannot run here.
const Kernels& checked_kernels(const std::string& name);

// Add the indexes to the module.
void bind_search(nanobind::module_& m);

// Add what searches without an index.
void bind_exact(nanobind::module_& m);

// Add each kernel to the submodule `_native.testing`.
void bind_testing(nanobind::module_& m);

}  // namespace bitsieve

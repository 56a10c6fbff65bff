// Which of the kernels in this build the CPU can run.
#pragma once

#include <string_view>
#include <vector>

#include "kernels.hpp"

namespace bitsieve {

// The kernels that run here, best first; `scalar` is always the last.
const std::vector<const Kernels*>& available();

// The kernels of this name, or null when there are none or the CPU cannot run them.
const Kernels* kernels(std::string_view name);

}  // namespace bitsieve

// The submodule `bitsieve._native.testing`: each kernel by itself on NumPy arrays, for tests/native.
//
// What a caller in C++ owes the kernels, its tests owe them here: shapes that agree, and room in `out`.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdlib>
#include <optional>
#include <vector>

#include "aligned.hpp"
#include "bindings.hpp"
#include "halves.hpp"

namespace nb = nanobind;

namespace bitsieve {
namespace {

template <class T>
using Array = nb::ndarray<T, nb::c_contig, nb::device::cpu>;
using Bytes = Array<const uint8_t>;
using Floats = Array<const float>;
using Words = Array<const int16_t>;

struct Scan {
    Blocks blocks;
    std::vector<Aligned<uint8_t>> tables;
    std::vector<Lookup> lookups;
};

// codes: (n_blocks, n_bytes, 32); scales, offsets: (n_blocks, 32); z: (n_lookups, 8 * n_bytes); bases, thresholds,
// offset_factors: n_lookups of them.
Scan make_scan(const Kernels& set, Bytes codes, const std::optional<Bytes>& scales, const std::optional<Bytes>& offsets,
               int shift, Words z, const std::vector<int16_t>& bases, const std::vector<int16_t>& thresholds,
               const std::vector<uint16_t>& offset_factors) {
    Scan scan = {
        {codes.data(), scales ? scales->data() : nullptr, offsets ? offsets->data() : nullptr, codes.shape(1), shift},
        {},
        {}};
    for (size_t i = 0; i < z.shape(0); i++) {
        const int16_t* of_lookup = z.data() + i * z.shape(1);
        int32_t total = 0;
        for (size_t j = 0; j < z.shape(1); j++) total += std::abs(of_lookup[j]);
        Aligned<uint8_t>& tables = scan.tables.emplace_back(set.table_bytes(codes.shape(1)));
        set.fill_tables(of_lookup, codes.shape(1), tables.data());
        scan.lookups.push_back({tables.data(), total, bases.at(i), thresholds.at(i), offset_factors.at(i)});
    }
    return scan;
}

// out: (n_lookups, 32 * blocks to do).
void estimate(const std::string& name, Bytes codes, std::optional<Bytes> scales, std::optional<Bytes> offsets,
              int shift, Words z, const std::vector<int16_t>& bases, const std::vector<uint16_t>& offset_factors,
              size_t first_block, Array<int16_t> out) {
    const Kernels& set = checked_kernels(name);
    const std::vector<int16_t> thresholds(z.shape(0));
    const Scan scan = make_scan(set, codes, scales, offsets, shift, z, bases, thresholds, offset_factors);
    std::vector<int16_t*> outs;
    for (size_t i = 0; i < z.shape(0); i++) outs.push_back(out.data() + i * out.shape(1));
    set.estimate(scan.blocks, first_block, out.shape(1) / BLOCK, scan.lookups.data(), outs.size(), outs.data());
}

// out: (n_lookups, room, 2) for estimates and positions. Returns: how many of each lookup.
std::vector<size_t> sift(const std::string& name, Bytes codes, std::optional<Bytes> scales,
                         std::optional<Bytes> offsets, int shift, Words z, const std::vector<int16_t>& bases,
                         const std::vector<uint16_t>& offset_factors, const std::vector<int16_t>& thresholds,
                         size_t first_block, size_t n_codes, uint32_t position, Array<int32_t> out) {
    const Kernels& set = checked_kernels(name);
    const Scan scan = make_scan(set, codes, scales, offsets, shift, z, bases, thresholds, offset_factors);
    std::vector<Candidate*> begins, ends;
    for (size_t i = 0; i < z.shape(0); i++)
        begins.push_back(reinterpret_cast<Candidate*>(out.data() + 2 * i * out.shape(1)));
    ends = begins;
    set.sift(scan.blocks, first_block, n_codes, position, scan.lookups.data(), ends.size(), ends.data());
    std::vector<size_t> found;
    for (size_t i = 0; i < ends.size(); i++) found.push_back(ends[i] - begins[i]);
    return found;
}

// out: (room, 2) for estimates and positions. Returns: how many.
size_t collect(const std::string& set, Words estimates, int16_t threshold, uint32_t position, Array<int32_t> out) {
    static_assert(sizeof(Candidate) == 2 * sizeof(int32_t));
    auto* candidates = reinterpret_cast<Candidate*>(out.data());
    return checked_kernels(set).collect(estimates.data(), estimates.size(), threshold, position, candidates);
}

size_t count(const std::string& set, Words estimates, int16_t threshold) {
    return checked_kernels(set).count(estimates.data(), estimates.size(), threshold);
}

size_t find(const std::string& set, Floats values, float threshold, Array<uint32_t> out) {
    return checked_kernels(set).find(values.data(), values.size(), threshold, out.data());
}

int32_t dot_bytes(const std::string& set, Bytes row, Array<const int8_t> query) {
    return checked_kernels(set).dot_bytes(row.data(), query.data(), row.size());
}

// out: as many.
void widen_halves(Array<const uint16_t> halves, Array<float> out) {
    widen(halves.data(), halves.size(), out.data());
}

float dot_floats(const std::string& set, Floats a, Floats b) {
    return checked_kernels(set).dot_floats(a.data(), b.data(), a.size());
}

// values: (n_panels, stride / 4, 16, 4); sums, steps: (16 * n_panels,); queries: (q, stride); query_steps: (q,);
// out: (q, out_stride).
void multiply(const std::string& set, Array<const int8_t> values, Array<const int32_t> sums, Floats steps,
              Bytes queries, Floats query_steps, Array<float> out) {
    const Panels panels = {values.data(), sums.data(), steps.data(), values.shape(0), values.shape(1) * 4};
    const size_t n_queries = queries.shape(0);
    checked_kernels(set).multiply(panels, queries.data(), query_steps.data(), n_queries, out.data(), out.shape(1));
}

}  // namespace

void bind_testing(nb::module_& m) {
    using namespace nb::literals;
    m.def("estimate", estimate, "kernels"_a, "codes"_a, "scales"_a.none(), "offsets"_a.none(), "shift"_a, "z"_a,
          "bases"_a, "offset_factors"_a, "first_block"_a, "out"_a.noconvert());
    m.def("sift", sift, "kernels"_a, "codes"_a, "scales"_a.none(), "offsets"_a.none(), "shift"_a, "z"_a, "bases"_a,
          "offset_factors"_a, "thresholds"_a, "first_block"_a, "n_codes"_a, "position"_a, "out"_a.noconvert());
    m.def("collect", collect, "kernels"_a, "estimates"_a, "threshold"_a, "position"_a, "out"_a.noconvert());
    m.def("count", count, "kernels"_a, "estimates"_a, "threshold"_a);
    m.def("find", find, "kernels"_a, "values"_a, "threshold"_a, "out"_a.noconvert());
    m.def("dot_bytes", dot_bytes, "kernels"_a, "row"_a, "query"_a);
    m.def("widen", widen_halves, "halves"_a, "out"_a.noconvert());
    m.def("dot_floats", dot_floats, "kernels"_a, "a"_a, "b"_a);
    m.def("multiply", multiply, "kernels"_a, "values"_a, "sums"_a, "steps"_a, "queries"_a, "query_steps"_a,
          "out"_a.noconvert());
}

}  // namespace bitsieve

// `bitsieve._native.search_exact` and `merge`: searching without codes, and putting together what parts found.
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "bindings_arrays.hpp"
#include "exact.hpp"
#include "merge.hpp"

namespace nb = nanobind;

namespace bitsieve {
namespace {

// rows: (n_rows,), or null for all. ids, scores: (q, k), to be filled.
void search_exact_in(const std::string& kernels, const AnyFloats& vectors, const Array<float, 2>& queries, size_t k,
                     const std::optional<Array<int64_t, 1>>& rows, const AnyMarks& marks, size_t threads,
                     const Result<int64_t>& ids, const Result<float>& scores) {
    const size_t n_queries = queries.shape(0), n_rows = rows ? rows->shape(0) : vectors.shape(0);
    const auto is_there = [n = (int64_t)vectors.shape(0)](int64_t row) { return row >= 0 && row < n; };
    expect(queries.shape(1) == vectors.shape(1), "queries of the dimension of the vectors");
    expect(!rows || std::all_of(rows->data(), rows->data() + n_rows, is_there), "rows that the vectors have");
    expect(ids.shape(0) == n_queries && ids.shape(1) == k, "room for the ids of each query");
    expect(scores.shape(0) == n_queries && scores.shape(1) == k, "room for the scores of each query");
    const Kernels& set = checked_kernels(kernels);
    const Vectors rows_of = as_vectors(vectors, marks);
    nb::gil_scoped_release free_gil;
    search_exact(set, rows_of, rows ? rows->data() : nullptr, n_rows, queries.data(), n_queries, k, threads, ids.data(),
                 scores.data());
}

// firsts: of each part. ids, scores: (q, k) of each part. ids_out, scores_out: (q, k), to be filled. The GIL is kept:
// for one query, handing it over and back would take as long.
void merge_into(const std::vector<int64_t>& firsts, const std::vector<Array<int64_t, 2>>& ids,
                const std::vector<Array<float, 2>>& scores, const Result<int64_t>& ids_out,
                const Result<float>& scores_out) {
    const auto is_like_ids = [&](const auto& array) {
        return array.shape(0) == ids_out.shape(0) && array.shape(1) == ids_out.shape(1);
    };
    expect(firsts.size() == ids.size() && ids.size() == scores.size(), "a first row, ids and scores of each part");
    expect(std::all_of(ids.begin(), ids.end(), is_like_ids) && std::all_of(scores.begin(), scores.end(), is_like_ids) &&
               is_like_ids(scores_out),
           "ids and scores of one shape");
    std::vector<Part> parts;
    for (size_t p = 0; p < ids.size(); p++) parts.push_back({firsts[p], ids[p].data(), scores[p].data()});
    merge(parts, ids_out.shape(0), ids_out.shape(1), ids_out.data(), scores_out.data());
}

}  // namespace

void bind_exact(nb::module_& m) {
    using namespace nb::literals;
    m.def("search_exact", &search_exact_in, "kernels"_a, "vectors"_a.noconvert(), "queries"_a, "k"_a, "rows"_a.none(),
          "marks"_a.noconvert().none(), "threads"_a, "ids"_a.noconvert(), "scores"_a.noconvert(),
          "Find the k nearest vectors of each query among all or some rows.");
    m.def("merge", &merge_into, "firsts"_a, "ids"_a, "scores"_a, "ids_out"_a.noconvert(), "scores_out"_a.noconvert(),
          "Put together what parts of an index found.");
}

}  // namespace bitsieve

// `bitsieve._native.FlatIndex` and `CellIndex`: arrays of NumPy, held and searched without the GIL; and `unit_rows`.
//
// bitsieve.search.flat and .cells make them, and check what users give; here only shapes that would read beyond an
// array are refused.
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "bindings_arrays.hpp"
#include "cells.hpp"
#include "flat.hpp"
#include "query.hpp"
#include "unit_rows.hpp"

namespace nb = nanobind;

namespace bitsieve {
namespace {

// Seconds for cells, codes and reranks.
using Seconds = std::array<double, 3>;

// Where the results of q queries go.
struct Output {
    Result<int64_t> ids;                    // (q, k)
    Result<float> scores;                   // (q, k)
    std::optional<Result<int64_t>> effort;  // (n_counts, q), or nothing where nobody asks for it
    std::vector<int64_t> unasked;
    StageSeconds seconds;

    Output(size_t n_queries, size_t k, size_t n_counts, Result<int64_t> ids_to_fill, Result<float> scores_to_fill,
           std::optional<Result<int64_t>> effort_to_fill)
        : ids(std::move(ids_to_fill)), scores(std::move(scores_to_fill)), effort(std::move(effort_to_fill)) {
        expect(ids.shape(0) == n_queries && ids.shape(1) == k, "room for the ids of each query");
        expect(scores.shape(0) == n_queries && scores.shape(1) == k, "room for the scores of each query");
        expect(!effort || (effort->shape(0) == n_counts && effort->shape(1) == n_queries), "room for the effort");
        if (!effort) unasked.resize(n_counts * n_queries);
    }
    int64_t* counts() { return effort ? effort->data() : unasked.data(); }
    Seconds times() const { return {seconds.cells, seconds.codes, seconds.rerank}; }
};

// What check_vectors in bitsieve.arrays accepts as it is. Anything else is for that to convert, or to refuse with
// reasons. The GIL is kept: for one query, handing it over and back would take longer than the check.
bool is_unit_rows(nb::handle vectors, size_t d, float tolerance) {
    Array<float, 2> rows;
    return nb::try_cast(vectors, rows, false) && rows.shape(1) == d &&
           unit_rows(rows.data(), rows.shape(0), d, tolerance);
}

// The arrays that both kinds of index have.
struct Shared {
    AnyFloats vectors;
    AnyMarks vector_marks;
    Array<uint8_t, 2> bytes;
    AnyMarks byte_marks;
    Array<float, 1> byte_steps;
    Array<int8_t, 4> panel_values;
    Array<int32_t, 1> panel_sums;
    Array<float, 1> panel_steps;
    Array<uint8_t, 3> codes;
    std::optional<Array<uint8_t, 2>> scales, offsets;

    Rows rows(float typical_step) const {
        expect(bytes.shape(0) == vectors.shape(0) && byte_steps.shape(0) == vectors.shape(0),
               "as many bytes as vectors");
        expect(bytes.shape(1) % ALIGNMENT == 0 && bytes.shape(1) >= vectors.shape(1), "bytes padded to whole 64s");
        return {vectors.shape(0),
                vectors.shape(1),
                as_vectors(vectors, vector_marks),
                bytes.data(),
                byte_steps.data(),
                nullptr,
                nullptr,
                bytes.shape(1),
                typical_step,
                as_marks(byte_marks, bytes.size())};
    }
    Panels panels(size_t stride, size_t least_rows) const {
        const size_t n_panels = panel_values.shape(0);
        expect(panel_values.shape(1) * 4 == stride && panel_values.shape(2) == PANEL && panel_values.shape(3) == 4,
               "panels of the stride of bytes");
        expect(panel_sums.shape(0) == n_panels * PANEL && panel_steps.shape(0) == n_panels * PANEL &&
                   n_panels * PANEL >= least_rows,
               "a panel for all rows");
        return {panel_values.data(), panel_sums.data(), panel_steps.data(), n_panels, stride};
    }
    Blocks blocks() const {
        const size_t n_blocks = codes.shape(0), n_bytes = codes.shape(1);
        expect(n_bytes > 0 && codes.shape(2) == BLOCK, "codes in blocks of 32");
        expect(!scales || (scales->shape(0) == n_blocks && scales->shape(1) == BLOCK), "a scale for each code");
        expect(!offsets || (offsets->shape(0) == n_blocks && offsets->shape(1) == BLOCK), "an offset for each code");
        const int shift = scales ? Levels(n_bytes).shift : 0;
        return {codes.data(), scales ? scales->data() : nullptr, offsets ? offsets->data() : nullptr, n_bytes, shift};
    }
};

class BoundFlatIndex {
public:
    BoundFlatIndex(AnyFloats vectors, AnyMarks vector_marks, Array<uint8_t, 2> bytes, AnyMarks byte_marks,
                   Array<float, 1> byte_steps, float typical_step, Array<float, 1> mean, Array<int8_t, 4> panel_values,
                   Array<int32_t, 1> panel_sums, Array<float, 1> panel_steps, Array<uint8_t, 3> codes,
                   std::optional<Array<uint8_t, 2>> scales, std::optional<Array<uint8_t, 2>> offsets, float scale_step,
                   float offset_step)
        : arrays_{vectors,    vector_marks, bytes, byte_marks, byte_steps, panel_values,
                  panel_sums, panel_steps,  codes, scales,     offsets},
          mean_(mean) {
        const Blocks blocks = arrays_.blocks();
        const Rows rows = arrays_.rows(typical_step);
        expect(codes.shape(0) == (rows.n + BLOCK - 1) / BLOCK && mean.shape(0) == rows.d,
               "codes and mean of the vectors");
        expect(scales.has_value() == offsets.has_value(), "scales and offsets, or neither");
        index_ = {rows, mean_.data(), arrays_.panels(rows.stride, 8 * blocks.n_bytes), blocks, scale_step, offset_step};
    }

    // ids, scores: (q, k), to be filled. effort: (2, q), likewise, or null.
    Seconds search(const std::string& kernels, Array<float, 2> queries, size_t k, size_t n_candidates,
                   std::optional<Array<uint8_t, 2>> query_codes, std::optional<Array<bool, 2>> allowed, size_t threads,
                   Result<int64_t> ids, Result<float> scores, std::optional<Result<int64_t>> effort) const {
        const size_t n_queries = queries.shape(0), n = index_.rows.n;
        expect(queries.shape(1) == index_.rows.d, "queries of the dimension of the vectors");
        expect(!query_codes || (query_codes->shape(0) == n_queries && query_codes->shape(1) == index_.blocks.n_bytes),
               "a code for each query");
        expect(!allowed || (allowed->shape(1) == n && (allowed->shape(0) == 1 || allowed->shape(0) == n_queries)),
               "allowed for each vector, once or for each query");
        const Kernels& set = checked_kernels(kernels);
        Output output(n_queries, k, 2, std::move(ids), std::move(scores), std::move(effort));
        {
            nb::gil_scoped_release free_gil;
            const uint8_t* mask = allowed ? reinterpret_cast<const uint8_t*>(allowed->data()) : nullptr;
            const size_t mask_stride = allowed && allowed->shape(0) > 1 ? n : 0;
            const FlatPlan plan = {k, n_candidates, query_codes ? query_codes->data() : nullptr, mask, mask_stride};
            int64_t* counts = output.counts();
            search_flat(set, index_, plan, queries.data(), n_queries, threads, output.ids.data(), output.scores.data(),
                        counts, counts + n_queries, output.seconds);
        }
        return output.times();
    }

private:
    Shared arrays_;
    Array<float, 1> mean_;
    FlatIndex index_;
};

class BoundCellIndex {
public:
    BoundCellIndex(AnyFloats vectors, AnyMarks vector_marks, Array<uint8_t, 2> bytes, AnyMarks byte_marks,
                   Array<float, 1> byte_steps, float typical_step, Array<int64_t, 1> row_ids,
                   std::optional<Array<uint32_t, 1>> position_rows, Array<float, 1> bonus,
                   Array<int8_t, 4> panel_values, Array<int32_t, 1> panel_sums, Array<float, 1> panel_steps,
                   Array<uint32_t, 1> cell_positions, Array<uint32_t, 1> cell_blocks, Array<uint8_t, 3> codes,
                   Array<uint8_t, 2> scales, float scale_step)
        : arrays_{vectors,    vector_marks, bytes, byte_marks, byte_steps,  panel_values,
                  panel_sums, panel_steps,  codes, scales,     std::nullopt},
          row_ids_(row_ids),
          position_rows_(position_rows),
          bonus_(bonus),
          cell_positions_(cell_positions),
          cell_blocks_(cell_blocks) {
        const Blocks blocks = arrays_.blocks();
        Rows rows = arrays_.rows(typical_step);
        const size_t n_cells = bonus.shape(0);
        expect(row_ids.shape(0) == rows.n, "an id for each row of bytes");
        expect(n_cells > 0 && cell_positions.shape(0) == n_cells + 1 && cell_blocks.shape(0) == n_cells + 1,
               "where each cell begins, and the last one ends");
        const uint32_t *positions = cell_positions.data(), *first_blocks = cell_blocks.data();
        bool in_order = positions[0] == 0 && first_blocks[0] == 0;
        for (size_t c = 0; c < n_cells && in_order; c++)
            in_order = positions[c] <= positions[c + 1] &&
                       first_blocks[c + 1] == first_blocks[c] + (positions[c + 1] - positions[c] + BLOCK - 1) / BLOCK;
        expect(in_order && first_blocks[n_cells] == codes.shape(0), "cells in order, each in blocks of its own");
        expect(positions[n_cells] == (position_rows ? position_rows->shape(0) : rows.n), "a row for each code");
        expect(all_below(row_ids, rows.n) && (!position_rows || all_below(*position_rows, rows.n)),
               "rows that there are");
        rows.ids = row_ids_.data();
        rows.position_rows = position_rows_ ? position_rows_->data() : nullptr;
        const size_t padded_cells = (n_cells + PANEL - 1) / PANEL * PANEL;
        index_ = {rows,
                  n_cells,
                  arrays_.panels(rows.stride, padded_cells + 8 * blocks.n_bytes),
                  bonus_.data(),
                  cell_positions_.data(),
                  cell_blocks_.data(),
                  blocks,
                  scale_step};
    }

    // ids, scores: (q, k), to be filled. effort: (4, q), likewise, or null.
    Seconds search(const std::string& kernels, Array<float, 2> queries, size_t k, size_t n_candidates, size_t n_probes,
                   float probe_margin, float margin, std::optional<Array<bool, 1>> allowed,
                   std::optional<Array<uint32_t, 1>> sizes, size_t threads, Result<int64_t> ids, Result<float> scores,
                   std::optional<Result<int64_t>> effort) const {
        const size_t n_queries = queries.shape(0);
        expect(queries.shape(1) == index_.rows.d, "queries of the dimension of the vectors");
        expect(!allowed || allowed->shape(0) == index_.rows.n, "allowed for each vector");
        expect(!sizes || sizes->shape(0) == index_.n_cells, "how many are allowed of each cell");
        const Kernels& set = checked_kernels(kernels);
        Output output(n_queries, k, 4, std::move(ids), std::move(scores), std::move(effort));
        {
            nb::gil_scoped_release free_gil;
            const uint8_t* mask = allowed ? reinterpret_cast<const uint8_t*>(allowed->data()) : nullptr;
            const CellPlan plan = {
                k, n_candidates, n_probes, probe_margin, margin, mask, sizes ? sizes->data() : nullptr};
            int64_t* counts = output.counts();
            search_cells(set, index_, plan, queries.data(), n_queries, threads, output.ids.data(), output.scores.data(),
                         {counts, counts + n_queries, counts + 2 * n_queries, counts + 3 * n_queries}, output.seconds);
        }
        return output.times();
    }

private:
    Shared arrays_;
    Array<int64_t, 1> row_ids_;
    std::optional<Array<uint32_t, 1>> position_rows_;
    Array<float, 1> bonus_;
    Array<uint32_t, 1> cell_positions_, cell_blocks_;
    CellIndex index_;
};

}  // namespace

void bind_search(nb::module_& m) {
    using namespace nb::literals;
    nb::class_<BoundFlatIndex>(m, "FlatIndex")
        .def(nb::init<AnyFloats, AnyMarks, Array<uint8_t, 2>, AnyMarks, Array<float, 1>, float, Array<float, 1>,
                      Array<int8_t, 4>, Array<int32_t, 1>, Array<float, 1>, Array<uint8_t, 3>,
                      std::optional<Array<uint8_t, 2>>, std::optional<Array<uint8_t, 2>>, float, float>(),
             nb::kw_only(), "vectors"_a.noconvert(), "vector_marks"_a.noconvert().none(), "bytes"_a,
             "byte_marks"_a.noconvert().none(), "byte_steps"_a, "typical_step"_a, "mean"_a, "panel_values"_a,
             "panel_sums"_a, "panel_steps"_a, "codes"_a, "scales"_a.none(), "offsets"_a.none(), "scale_step"_a,
             "offset_step"_a)
        .def("search", &BoundFlatIndex::search, "kernels"_a, "queries"_a, "k"_a, "n_candidates"_a,
             "query_codes"_a.none(), "allowed"_a.none(), "threads"_a, "ids"_a.noconvert(), "scores"_a.noconvert(),
             "effort"_a.noconvert().none());
    nb::class_<BoundCellIndex>(m, "CellIndex")
        .def(nb::init<AnyFloats, AnyMarks, Array<uint8_t, 2>, AnyMarks, Array<float, 1>, float, Array<int64_t, 1>,
                      std::optional<Array<uint32_t, 1>>, Array<float, 1>, Array<int8_t, 4>, Array<int32_t, 1>,
                      Array<float, 1>, Array<uint32_t, 1>, Array<uint32_t, 1>, Array<uint8_t, 3>, Array<uint8_t, 2>,
                      float>(),
             nb::kw_only(), "vectors"_a.noconvert(), "vector_marks"_a.noconvert().none(), "bytes"_a,
             "byte_marks"_a.noconvert().none(), "byte_steps"_a, "typical_step"_a, "row_ids"_a, "position_rows"_a.none(),
             "bonus"_a, "panel_values"_a, "panel_sums"_a, "panel_steps"_a, "cell_positions"_a, "cell_blocks"_a,
             "codes"_a, "scales"_a, "scale_step"_a)
        .def("search", &BoundCellIndex::search, "kernels"_a, "queries"_a, "k"_a, "n_candidates"_a, "n_probes"_a,
             "probe_margin"_a, "margin"_a, "allowed"_a.none(), "sizes"_a.none(), "threads"_a, "ids"_a.noconvert(),
             "scores"_a.noconvert(), "effort"_a.noconvert().none());
    m.def("unit_rows", &is_unit_rows, "vectors"_a, "d"_a, "tolerance"_a,
          "Whether vectors are C-contiguous float32 of shape (n, d), all rows of L2 norm 1 within the tolerance.");
}

}  // namespace bitsieve

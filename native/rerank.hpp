// The last stages for one query: cosines of byte rows, then of the vectors themselves for the few that are left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "hits.hpp"
#include "kernels.hpp"
#include "vectors.hpp"

namespace bitsieve {

// Vectors, and a copy of them in bytes in the order of the codes.
struct Rows {
    size_t n, d;
    Vectors vectors;
    const uint8_t* bytes;           // (n, stride): value / step + 128, zeros as 128 beyond d
    const float* byte_steps;        // (n,)
    const int64_t* ids;             // (n,): which vector a byte row is of; null: its own number
    const uint32_t* position_rows;  // (n_positions,): which byte row a code is of; null: its position
    size_t stride;                  // bytes of a row, a multiple of ALIGNMENT
    float typical_step;             // of the byte steps: how far they round
    Marks byte_marks;               // of the file of the byte rows

    uint32_t row(uint32_t position) const { return position_rows ? position_rows[position] : position; }
    int64_t id(uint32_t row) const { return ids ? ids[row] : row; }
};

// Candidates as they come, in memory that stays. Three pointers, so that it shares a cache line with what a scan
// needs besides.
class Pool {
public:
    Pool() = default;
    Pool(Pool&& other) noexcept { *this = std::move(other); }
    Pool& operator=(Pool&& other) noexcept {
        std::swap(begin_, other.begin_), std::swap(end_, other.end_), std::swap(limit_, other.limit_);
        return *this;
    }
    ~Pool() { std::free(begin_); }

    void clear() { end_ = begin_; }
    size_t size() const { return end_ - begin_; }
    Candidate* begin() { return begin_; }
    Candidate* end() { return end_; }
    // Where `more` candidates may be written to; `grow` then says how many were.
    Candidate* room(size_t more) {
        if ((size_t)(limit_ - end_) < more) enlarge(more);
        return end_;
    }
    void grow(size_t more) { end_ += more; }
    void shrink_to(Candidate* end) { end_ = end; }
    // Leave the n best, those of equal estimates by position. Returns: the least estimate left.
    int16_t keep_best(size_t n);

private:
    void enlarge(size_t more);

    Candidate *begin_ = nullptr, *end_ = nullptr, *limit_ = nullptr;
};

// The n-th highest of some estimates, INT16_MIN when there are fewer.
int16_t nth_highest(const Kernels& kernels, const int16_t* estimates, size_t n_estimates, size_t n);

// The rows met so far.
class RowSet {
public:
    void clear();
    bool insert(uint32_t row);  // Returns: whether it is new.

private:
    static constexpr uint32_t EMPTY = ~0u;
    bool place(uint32_t row);

    std::vector<uint32_t> slots_;  // open addressing, at most half full
    size_t n_ = 0;
};

class Rerank {
public:
    // query: (d,). bytes: (stride,) of the query, worth `step`.
    void start(const Kernels& kernels, const Rows& rows, const float* query, const int8_t* bytes, float step, size_t k);
    // Ask memory for byte rows that are added soon.
    void fetch(const Candidate* candidates, size_t n) const;
    // Byte cosines. Of a row with several codes the first one counts.
    void add(const Candidate* candidates, size_t n);
    // Every candidate is a finalist, without a byte cosine.
    void add_all(const Candidate* candidates, size_t n);
    // The k-th best byte cosine so far, −inf while there are fewer.
    float bound() const { return best_.size() < k_ ? NO_SCORE : best_.front(); }
    size_t n_added() const { return n_added_; }
    // Leave those that may be among the k best, and fetch their vectors.
    void keep_finalists();
    // Their exact cosines, best first, equal ones by id, padded with −1 and −inf. Returns: how many were computed.
    size_t finish(int64_t* ids, float* scores);

private:
    bool is_new(uint32_t row) { return !rows_->position_rows || seen_.insert(row); }

    struct Scored {
        float score;
        uint32_t row;
    };

    const Kernels* kernels_ = nullptr;
    const Rows* rows_ = nullptr;
    const float* query_ = nullptr;
    const int8_t* bytes_ = nullptr;
    float step_ = 0;
    int32_t excess_ = 0;  // what the 128 in every byte adds
    size_t k_ = 0, n_added_ = 0;
    std::vector<Scored> scored_;
    std::vector<float> best_;  // a heap, the least in front
    std::vector<Hit> hits_;
    Aligned<float> widened_;  // a vector that is kept in float16
    RowSet seen_;
};

}  // namespace bitsieve

#include "rerank.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <new>

#include "aligned.hpp"

namespace bitsieve {
namespace {

// A byte cosine's error is a sum of d roundings, so nearly normal, of variance (query step² + row step²) / 12. What
// lies 5 standard deviations of the difference of two below the k-th best is not among the k best.
constexpr float SLACK = 25.0f / 12;
constexpr size_t FEWEST_SLOTS = 512;

}  // namespace

int16_t Pool::keep_best(size_t n) {
    const auto better = [](const Candidate& a, const Candidate& b) {
        return a.estimate != b.estimate ? a.estimate > b.estimate : a.position < b.position;
    };
    if (size() > n) {
        std::nth_element(begin_, begin_ + n, end_, better);
        end_ = begin_ + n;
    }
    const auto least = std::max_element(begin_, end_, better);
    return least == end_ ? INT16_MIN : (int16_t)least->estimate;
}

void Pool::enlarge(size_t more) {
    const size_t n = size(), capacity = 2 * (n + more);
    void* larger = std::realloc(begin_, capacity * sizeof(Candidate));
    if (!larger) throw std::bad_alloc();
    begin_ = (Candidate*)larger, end_ = begin_ + n, limit_ = begin_ + capacity;
}

int16_t nth_highest(const Kernels& kernels, const int16_t* estimates, size_t n_estimates, size_t n) {
    int low = INT16_MIN, high = INT16_MAX + 1;  // at least n reach low, if any threshold; fewer reach high
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        (kernels.count(estimates, n_estimates, (int16_t)middle) >= n ? low : high) = middle;
    }
    return (int16_t)low;
}

void RowSet::clear() {
    slots_.assign(FEWEST_SLOTS, EMPTY);
    n_ = 0;
}

bool RowSet::place(uint32_t row) {
    size_t slot = row * 2654435761u & (slots_.size() - 1);  // Knuth's multiplier spreads neighbouring rows
    for (; slots_[slot] != EMPTY; slot = (slot + 1) & (slots_.size() - 1))
        if (slots_[slot] == row) return false;
    slots_[slot] = row;
    return true;
}

bool RowSet::insert(uint32_t row) {
    if (2 * n_ >= slots_.size()) {
        std::vector<uint32_t> old(2 * slots_.size(), EMPTY);
        old.swap(slots_);
        for (uint32_t other : old)
            if (other != EMPTY) place(other);
    }
    const bool is_new = place(row);
    n_ += is_new;
    return is_new;
}

void Rerank::start(const Kernels& kernels, const Rows& rows, const float* query, const int8_t* bytes, float step,
                   size_t k) {
    kernels_ = &kernels, rows_ = &rows, query_ = query, bytes_ = bytes, step_ = step, k_ = k;
    excess_ = 0, n_added_ = 0;
    for (size_t i = 0; i < rows.stride; i++) excess_ += 128 * bytes[i];
    scored_.clear();
    best_.clear();
    if (rows.position_rows) seen_.clear();
}

void Rerank::fetch(const Candidate* candidates, size_t n) const {
    for (size_t i = 0; i < n; i++) {
        const uint32_t row = rows_->row(candidates[i].position);
        prefetch(rows_->bytes + row * rows_->stride, rows_->stride);
        prefetch(rows_->byte_steps + row, 1);
    }
}

void Rerank::add(const Candidate* candidates, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t row = rows_->row(candidates[i].position);
        if (!is_new(row)) continue;
        rows_->byte_marks.mark(row * rows_->stride, rows_->stride);
        const int32_t product =
            kernels_->dot_bytes(rows_->bytes + row * rows_->stride, bytes_, rows_->stride) - excess_;
        const float score = (float)product * (rows_->byte_steps[row] * step_);
        n_added_++;
        scored_.push_back({score, row});
        if (best_.size() < k_) {
            best_.push_back(score);
            std::push_heap(best_.begin(), best_.end(), std::greater<>());
        } else if (score > best_.front()) {
            std::pop_heap(best_.begin(), best_.end(), std::greater<>());
            best_.back() = score;
            std::push_heap(best_.begin(), best_.end(), std::greater<>());
        }
    }
}

void Rerank::add_all(const Candidate* candidates, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t row = rows_->row(candidates[i].position);
        if (!is_new(row)) continue;
        n_added_++;
        scored_.push_back({0, row});
    }
}

void Rerank::keep_finalists() {
    // The k-th best row's step is taken to be a typical one. Squares, since a root for each row takes longer.
    const float others = step_ * step_ * 2 + rows_->typical_step * rows_->typical_step;
    size_t n = 0;
    for (const Scored& row : scored_) {
        const float below = bound() - row.score, step = rows_->byte_steps[row.row];
        if (below <= 0 || below * below <= SLACK * (others + step * step)) scored_[n++] = row;
    }
    scored_.resize(n);
    for (const Scored& row : scored_) rows_->vectors.fetch(rows_->id(row.row));
}

size_t Rerank::finish(int64_t* ids, float* scores) {
    hits_.clear();
    float* widened = room(widened_, rows_->d);
    for (const Scored& row : scored_) {
        const int64_t id = rows_->id(row.row);
        hits_.push_back({kernels_->dot_floats(query_, rows_->vectors.read(id, widened), rows_->d), id});
    }
    const size_t n = std::min(k_, hits_.size());
    std::partial_sort(hits_.begin(), hits_.begin() + n, hits_.end(), better);
    write_hits(hits_.data(), n, k_, ids, scores);
    return hits_.size();
}

}  // namespace bitsieve

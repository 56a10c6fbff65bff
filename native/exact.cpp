#include "exact.hpp"

#include <algorithm>
#include <vector>

#include "hits.hpp"
#include "threads.hpp"

namespace bitsieve {
namespace {

constexpr size_t TILE_BYTES = 128 << 10;  // vectors that all queries look at before the next ones: they stay in a cache
constexpr size_t AHEAD = 8;               // so many vectors before one is read, memory is asked for it

// The k best of the hits offered, a heap with the worst of them in front.
class Best {
public:
    explicit Best(size_t k) : k_(k) {}
    void offer(const Hit& hit) {
        if (hits_.size() < k_) {
            hits_.push_back(hit);
        } else {
            if (!better(hit, hits_.front())) return;
            std::pop_heap(hits_.begin(), hits_.end(), better);
            hits_.back() = hit;
        }
        std::push_heap(hits_.begin(), hits_.end(), better);
    }
    void write(int64_t* ids, float* scores) {
        std::sort_heap(hits_.begin(), hits_.end(), better);
        write_hits(hits_.data(), hits_.size(), k_, ids, scores);
    }

private:
    size_t k_;
    std::vector<Hit> hits_;
};

}  // namespace

void search_exact(const Kernels& kernels, const Vectors& vectors, const int64_t* rows, size_t n_rows,
                  const float* queries, size_t n_queries, size_t k, size_t n_threads, int64_t* ids, float* scores) {
    const size_t d = vectors.d, tile = TILE_BYTES / (d * sizeof(float) + 1) + 1;
    const auto row = [&](size_t i) { return rows ? rows[i] : (int64_t)i; };
    split_over_threads(n_queries, n_threads, [&](size_t begin, size_t end) {
        if (begin == end) return;
        std::vector<Best> best(end - begin, Best(k));
        std::vector<const float*> of_tile(tile);
        Aligned<float> widened(vectors.halves ? tile * d : 0);
        for (size_t first = 0; first < n_rows; first += tile) {
            const size_t n = std::min(tile, n_rows - first);
            for (size_t q = begin; q < end; q++) {
                const float* query = queries + q * d;
                for (size_t i = 0; i < n; i++) {
                    if (q == begin) {
                        if (first + i + AHEAD < n_rows) vectors.fetch(row(first + i + AHEAD));
                        of_tile[i] = vectors.read(row(first + i), widened.data() + i * d);
                    }
                    best[q - begin].offer({kernels.dot_floats(query, of_tile[i], d), row(first + i)});
                }
            }
        }
        for (size_t q = begin; q < end; q++) best[q - begin].write(ids + q * k, scores + q * k);
    });
}

}  // namespace bitsieve

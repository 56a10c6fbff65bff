// Work split over threads: contiguous parts, one a thread, and memory to work in that outlives them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace bitsieve {

// Call work(begin, end) for parts of 0 … n on n_threads threads, this one among them. What a part throws is thrown
// here.
template <class Work>
void split_over_threads(size_t n, size_t n_threads, const Work& work) {
    n_threads = std::clamp<size_t>(n_threads, 1, std::max<size_t>(n, 1));
    const auto part = [&](size_t i) { return n * i / n_threads; };
    std::vector<std::exception_ptr> errors(n_threads);
    const auto guarded = [&](size_t i) {
        try {
            work(part(i), part(i + 1));
        } catch (...) {
            errors[i] = std::current_exception();
        }
    };
    std::vector<std::thread> threads;
    threads.reserve(n_threads);
    try {
        while (threads.size() + 1 < n_threads) threads.emplace_back(guarded, threads.size() + 1);
    } catch (const std::system_error&) {
        // The system has no more threads: this one does the parts that are left.
        for (size_t i = threads.size() + 1; i < n_threads; i++) guarded(i);
    }
    guarded(0);
    for (auto& thread : threads) thread.join();
    for (const auto& error : errors)
        if (error) std::rethrow_exception(error);
}

// Objects that keep their memory from one search to the next: as many as ever searched at once, whatever threads come
// and go. A pool is never destroyed, since daemon threads may search until the process is gone.
template <class Scratch>
class ScratchPool {
public:
    class Lease {
    public:
        explicit Lease(ScratchPool& pool) : pool_(pool), scratch_(pool.take()) {}
        ~Lease() { pool_.give_back(std::move(scratch_)); }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        Scratch* operator->() { return scratch_.get(); }

    private:
        ScratchPool& pool_;
        std::unique_ptr<Scratch> scratch_;
    };

private:
    std::unique_ptr<Scratch> take() {
        const std::lock_guard lock(mutex_);
        if (free_.empty()) return std::make_unique<Scratch>();
        auto scratch = std::move(free_.back());
        free_.pop_back();
        return scratch;
    }
    void give_back(std::unique_ptr<Scratch> scratch) {
        const std::lock_guard lock(mutex_);
        free_.push_back(std::move(scratch));
    }

    std::mutex mutex_;
    std::vector<std::unique_ptr<Scratch>> free_;
};

}  // namespace bitsieve

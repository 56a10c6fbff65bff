// Work split over threads: contiguous parts, one a thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace bitsieve {

// Call work(begin, end) for parts of 0 … n on n_threads threads, this one among them. What a part throws is thrown here.
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

}  // namespace bitsieve

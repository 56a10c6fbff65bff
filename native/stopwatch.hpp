// Seconds that stages take, over all threads.
#pragma once

#include <atomic>
#include <chrono>

namespace bitsieve {

struct StageSeconds {
    std::atomic<double> cells{0}, codes{0}, rerank{0};
};

class Stopwatch {
public:
    // Add the time since the last lap, or since the beginning.
    void lap(std::atomic<double>& seconds) {
        const auto now = std::chrono::steady_clock::now();
        seconds.fetch_add(std::chrono::duration<double>(now - last_).count(), std::memory_order_relaxed);
        last_ = now;
    }

private:
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace bitsieve

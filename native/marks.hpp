// Which parts of a file were read, so that they can be checked before what was found in them is believed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace bitsieve {

constexpr size_t MARKED_BYTES = 1 << 20;  // what one mark is of

struct Marks {
    uint8_t* marks = nullptr;  // one for each MARKED_BYTES of the file, 1 where they were read; null: nobody asks
    size_t offset = 0;         // bytes of the file before its rows

    // n bytes of the rows are read, from byte `begin` on.
    void mark(size_t begin, size_t n) const {
        if (!marks) return;
        const size_t last = (offset + begin + n - 1) / MARKED_BYTES;
        for (size_t block = (offset + begin) / MARKED_BYTES; block <= last; block++) {
            // Not std::atomic_ref, which not every C++20 library has. Mostly another search has marked it: then the
            // cache line stays where other threads have it too.
            auto& mark = reinterpret_cast<std::atomic<uint8_t>&>(marks[block]);
            if (!mark.load(std::memory_order_relaxed)) mark.store(1, std::memory_order_relaxed);
        }
    }
};
static_assert(sizeof(std::atomic<uint8_t>) == 1 && std::atomic<uint8_t>::is_always_lock_free);

}  // namespace bitsieve

// Arrays that start on a cache line, which the kernels' loads want, and keep their memory between searches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace bitsieve {

template <class T>
struct CacheLineAllocator {
    using value_type = T;
    CacheLineAllocator() = default;
    template <class U>
    CacheLineAllocator(const CacheLineAllocator<U>&) {}
    T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64})); }
    void deallocate(T* p, size_t) { ::operator delete(p, std::align_val_t{64}); }
    // Growing does not write to what is going to be overwritten anyway.
    template <class U>
    void construct(U* p) {
        ::new (static_cast<void*>(p)) U;
    }
    bool operator==(const CacheLineAllocator&) const { return true; }
};

template <class T>
using Aligned = std::vector<T, CacheLineAllocator<T>>;

// Make room for n without ever giving memory back.
template <class T>
T* room(Aligned<T>& array, size_t n) {
    if (array.size() < n) array.resize(n);
    return array.data();
}

// Ask for the cache lines of some bytes, as far as the second-level cache: the first one has too few lines for the rows
// of a query. NumPy's arrays begin anywhere in a line, so that the last byte may lie in one more.
inline void prefetch(const void* p, size_t bytes) {
#if defined(__GNUC__) || defined(__clang__)
    const uintptr_t end = (uintptr_t)p + bytes;
    for (uintptr_t line = (uintptr_t)p & ~(uintptr_t)63; line < end; line += 64)
        __builtin_prefetch((const void*)line, 0, 2);
#else
    (void)p, (void)bytes;
#endif
}

}  // namespace bitsieve

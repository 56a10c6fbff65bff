// Vectors as they are kept: in float32 or float16, in memory or in a file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "aligned.hpp"
#include "halves.hpp"
#include "marks.hpp"

namespace bitsieve {

struct Vectors {
    const uint8_t* bytes;  // (n, d) float32, or float16
    bool halves;           // whether they are float16
    size_t d;
    Marks marks;

    size_t row_bytes() const { return d * (halves ? sizeof(uint16_t) : sizeof(float)); }
    // Ask memory for a row that is read soon.
    void fetch(size_t row) const { prefetch(bytes + row * row_bytes(), row_bytes()); }
    // A row in float32, which `room` for d floats is for where it is not kept so.
    const float* read(size_t row, float* room) const {
        marks.mark(row * row_bytes(), row_bytes());
        const uint8_t* of_row = bytes + row * row_bytes();
        if (!halves) return reinterpret_cast<const float*>(of_row);
        widen(reinterpret_cast<const uint16_t*>(of_row), d, room);
        return room;
    }
};

}  // namespace bitsieve

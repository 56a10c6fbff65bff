// Every set of kernels this machine can run against the scalar one, at awkward sizes, in buffers with not a byte to
// spare. It needs no Python, so it also runs under sanitizers (`make check-native`) and in an emulator of another CPU
// (`make check-arm`). That the scalar set is right, tests/native/test_native_kernels.py says.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "aligned.hpp"
#include "dispatch.hpp"

namespace bitsieve {
namespace {

std::mt19937 random_bits(67);
long n_checks = 0;

int draw(int lowest, int highest) {
    return std::uniform_int_distribution<int>(lowest, highest)(random_bits);
}

template <class T, class Draw>
Aligned<T> filled(size_t n, const Draw& value) {
    Aligned<T> array(n);
    for (T& x : array) x = (T)value();
    return array;
}

template <class T>
void expect_equal(const char* set, const char* what, const T* got, const T* expected, size_t n) {
    n_checks++;
    for (size_t i = 0; i < n; i++) {
        if (std::memcmp(got + i, expected + i, sizeof(T)) == 0) continue;
        std::fprintf(stderr, "%s: %s differs from scalar at %zu of %zu\n", set, what, i, n);
        std::exit(1);
    }
}

const std::vector<size_t> SIZES = {0, 1, 2, 5, 7, 13, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 95, 1000};

// What a test of `estimate` is over. Entry `−1` draws the tables' bytes, anything else is all of them.
struct Scan {
    size_t n_blocks, n_bytes, n_lookups;
    bool scaled, offset;
    int entry = -1, base = 0, factor = -1;
};

void check_estimate(const Kernels& set, const Scan& scan) {
    constexpr size_t READABLE = 32;  // behind the tables, as kernels.hpp has it
    const auto byte = [] { return draw(0, 255); };
    const auto codes = filled<uint8_t>(scan.n_blocks * scan.n_bytes * BLOCK, byte);
    const auto scales = filled<uint8_t>(scan.n_blocks * BLOCK, byte);
    const auto offsets = filled<uint8_t>(scan.n_blocks * BLOCK, byte);
    std::vector<Aligned<uint8_t>> tables;
    std::vector<Lookup> lookups;
    std::vector<Aligned<int16_t>> got, expected;
    std::vector<int16_t*> got_rows, expected_rows;
    const size_t first = scan.n_blocks > 1 ? 1 : 0, n = (scan.n_blocks - first) * BLOCK;
    for (size_t i = 0; i < scan.n_lookups; i++) {
        const auto entry = [&] { return scan.entry < 0 ? draw(0, 31) : scan.entry; };
        tables.push_back(filled<uint8_t>(scan.n_bytes * 32 + READABLE, entry));
        got.emplace_back(n);
        expected.emplace_back(n);
    }
    for (size_t i = 0; i < scan.n_lookups; i++) {
        const int total = draw(0, (int)scan.n_bytes * 62), base = scan.base ? scan.base : draw(-32768, 32767);
        const int factor = scan.factor < 0 ? draw(0, 65535) : scan.factor;
        lookups.push_back({tables[i].data(), total, (int16_t)base, (uint16_t)factor});
        got_rows.push_back(got[i].data());
        expected_rows.push_back(expected[i].data());
    }
    const Blocks blocks = {codes.data(), scan.scaled ? scales.data() : nullptr, scan.offset ? offsets.data() : nullptr,
                           scan.n_bytes, draw(0, 4)};
    set.estimate(blocks, first, n / BLOCK, lookups.data(), scan.n_lookups, got_rows.data());
    SCALAR_KERNELS.estimate(blocks, first, n / BLOCK, lookups.data(), scan.n_lookups, expected_rows.data());
    for (size_t i = 0; i < scan.n_lookups; i++) expect_equal(set.name, "estimate", got_rows[i], expected_rows[i], n);
}

void check_estimates(const Kernels& set) {
    for (size_t n_bytes = 1; n_bytes <= 130; n_bytes += n_bytes < 66 ? 1 : 31)
        for (size_t n_lookups = 1; n_lookups <= MAX_LOOKUPS; n_lookups++)
            for (int kind = 0; kind < 4; kind++)
                check_estimate(set, {n_bytes % 5, n_bytes, n_lookups, bool(kind & 1), bool(kind & 2)});
    for (const int entry : {0, 31})
        for (const int base : {-32768, -1, 1, 32767})
            for (const int factor : {0, 1, 256, 32768, 65535})
                check_estimate(set, {2, 64, 4, factor == 256, true, entry, base, factor});
}

void check_thresholds(const Kernels& set) {
    for (const size_t n : SIZES) {
        for (const int threshold : {-32768, -32767, -1, 0, 1, 32766, 32767}) {
            const auto close = [&] { return std::clamp(threshold + draw(-1, 1), -32768, 32767); };
            const auto any = [&] { return draw(0, 1) ? draw(-32768, 32767) : close(); };
            const auto same = [&] { return threshold; };
            for (const auto& estimates : {filled<int16_t>(n, any), filled<int16_t>(n, same)}) {
                const size_t room = (n + 31) / 32 * 32;
                std::vector<Candidate> got(room), expected(room);
                const auto limit = (int16_t)threshold;
                const uint32_t position = 4'000'000'000;
                const size_t n_found[] = {set.collect(estimates.data(), n, limit, position, got.data()),
                                          set.count(estimates.data(), n, limit)};
                const size_t n_expected[] = {
                    SCALAR_KERNELS.collect(estimates.data(), n, limit, position, expected.data()),
                    SCALAR_KERNELS.count(estimates.data(), n, limit)};
                expect_equal(set.name, "collect's or count's number", n_found, n_expected, 2);
                expect_equal(set.name, "collect", got.data(), expected.data(), n_expected[0]);
            }
        }
    }
}

void check_find(const Kernels& set) {
    constexpr float INF = std::numeric_limits<float>::infinity(), NOT = std::numeric_limits<float>::quiet_NaN();
    const float odd[] = {-INF, INF, NOT, 0.0f, -0.0f, 0.5f, 1e-45f};
    for (const size_t n : SIZES) {
        for (const float threshold : odd) {
            const auto values = filled<float>(n, [&] { return odd[draw(0, 6)]; });
            const size_t room = (n + 15) / 16 * 16;
            std::vector<uint32_t> got(room), expected(room);
            const size_t n_found = set.find(values.data(), n, threshold, got.data());
            const size_t n_expected = SCALAR_KERNELS.find(values.data(), n, threshold, expected.data());
            expect_equal(set.name, "find's number", &n_found, &n_expected, 1);
            expect_equal(set.name, "find", got.data(), expected.data(), n_expected);
        }
    }
}

void check_dots(const Kernels& set) {
    for (size_t stride = 0; stride <= 1024; stride += 64) {
        for (const int full : {0, 1}) {
            const auto row = filled<uint8_t>(stride, [&] { return full ? 255 : draw(0, 255); });
            const auto query = filled<int8_t>(stride, [&] { return full ? -128 : draw(-128, 127); });
            const int32_t got = set.dot_bytes(row.data(), query.data(), stride);
            const int32_t expected = SCALAR_KERNELS.dot_bytes(row.data(), query.data(), stride);
            expect_equal(set.name, "dot_bytes", &got, &expected, 1);
        }
    }
    std::normal_distribution<float> normal;
    for (size_t d = 0; d <= 1000; d += d < 200 ? 1 : 37) {
        for (const float scale : {1.0f, 1e-30f}) {
            const auto value = [&] { return scale * normal(random_bits); };
            const auto a = filled<float>(d, value), b = filled<float>(d, value);
            const float got = set.dot_floats(a.data(), b.data(), d);
            const float expected = SCALAR_KERNELS.dot_floats(a.data(), b.data(), d);
            expect_equal(set.name, "dot_floats", &got, &expected, 1);
        }
    }
}

void check_multiply(const Kernels& set) {
    for (const size_t n_queries : {0, 1, 2, 3, 4, 5, 7, 13, 66}) {
        for (size_t n_panels = 0; n_panels < 6; n_panels++) {
            for (const size_t stride : {64, 192, 384}) {
                const bool full = n_panels % 2;  // the largest products
                const size_t n_rows = n_panels * PANEL, out_stride = n_rows + 3;
                const auto value = [&] { return full ? 126 * draw(0, 1) - 63 : draw(-63, 63); };
                const auto values = filled<int8_t>(n_rows * stride, value);
                const auto queries = filled<uint8_t>(n_queries * stride, [&] { return full ? 127 : draw(1, 127); });
                const auto sums = filled<int32_t>(n_rows, [] { return draw(-1'000'000, 1'000'000); });
                const auto step = [] { return (float)draw(1, 1000) / 999; };
                const auto steps = filled<float>(n_rows, step), query_steps = filled<float>(n_queries, step);
                const Panels panels = {values.data(), sums.data(), steps.data(), n_panels, stride};
                std::vector<float> got(n_queries * out_stride), expected(got);
                const uint8_t* q = queries.data();
                set.multiply(panels, q, query_steps.data(), n_queries, got.data(), out_stride);
                SCALAR_KERNELS.multiply(panels, q, query_steps.data(), n_queries, expected.data(), out_stride);
                expect_equal(set.name, "multiply", got.data(), expected.data(), got.size());
            }
        }
    }
}

}  // namespace
}  // namespace bitsieve

int main() {
    using namespace bitsieve;
    for (const Kernels* set : available()) {
        n_checks = 0;
        check_estimates(*set);
        check_thresholds(*set);
        check_find(*set);
        check_dots(*set);
        check_multiply(*set);
        std::printf("%s: %ld comparisons with scalar, all equal\n", set->name, n_checks);
    }
}

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

// What a test of `estimate` and `sift` is over. A magnitude below 0 draws the queries' whole numbers, anything else is
// what each run of six bytes adds up to.
struct Scan {
    size_t n_blocks, n_bytes, n_lookups;
    bool scaled, offset;
    int magnitude = -1, base = 0, factor = -1;
};

// Whole numbers of either sign whose magnitudes add up to `magnitude` in each run, or to at most 255.
Aligned<int16_t> draw_projections(size_t n_bytes, int magnitude) {
    Aligned<int16_t> z(8 * n_bytes);
    for (size_t run = 0; run < n_bytes; run += RUN_BYTES) {
        int left = magnitude < 0 ? draw(0, 255) : magnitude;
        const size_t n = 8 * std::min(RUN_BYTES, n_bytes - run);
        for (size_t i = 0; i < n; i++) {
            const int share = i + 1 < n || magnitude < 0 ? draw(0, std::min(left, 12)) : left;
            z[8 * run + i] = (int16_t)(draw(0, 1) ? share : -share);
            left -= share;
        }
    }
    return z;
}

// Tables, made by one set of kernels, and lookups into them.
struct Lookups {
    std::vector<Aligned<uint8_t>> tables;
    std::vector<Lookup> lookups;

    void add(const Kernels& set, const Aligned<int16_t>& z, Lookup lookup) {
        tables.emplace_back(set.table_bytes(z.size() / 8));
        set.fill_tables(z.data(), z.size() / 8, tables.back().data());
        lookup.tables = tables.back().data();
        lookups.push_back(lookup);
    }
};

struct Found {
    std::vector<Aligned<int16_t>> estimates;
    std::vector<std::vector<Candidate>> candidates;
};

Found scan_by(const Kernels& set, const Blocks& blocks, size_t first, size_t n_codes,
              const std::vector<Lookup>& lookups) {
    const size_t padded = (n_codes + BLOCK - 1) / BLOCK * BLOCK;
    Found found;
    std::vector<int16_t*> out;
    std::vector<Candidate*> ends;
    for (size_t i = 0; i < lookups.size(); i++) {
        out.push_back(found.estimates.emplace_back(padded).data());
        ends.push_back(found.candidates.emplace_back(padded).data());
    }
    set.estimate(blocks, first, padded / BLOCK, lookups.data(), lookups.size(), out.data());
    set.sift(blocks, first, n_codes, 4'000'000'000, lookups.data(), lookups.size(), ends.data());
    for (size_t i = 0; i < lookups.size(); i++) found.candidates[i].resize(ends[i] - found.candidates[i].data());
    return found;
}

void check_scan(const Kernels& set, const Scan& scan) {
    const auto byte = [] { return draw(0, 255); };
    const auto codes = filled<uint8_t>(scan.n_blocks * scan.n_bytes * BLOCK, byte);
    const auto scales = filled<uint8_t>(scan.n_blocks * BLOCK, byte);
    const auto offsets = filled<uint8_t>(scan.n_blocks * BLOCK, byte);
    Lookups by_set, by_scalar;
    for (size_t i = 0; i < scan.n_lookups; i++) {
        const auto z = draw_projections(scan.n_bytes, scan.magnitude);
        Lookup lookup = {};
        for (const int16_t value : z) lookup.total += std::abs(value);
        lookup.base = (int16_t)(scan.base ? scan.base : draw(-32768, 32767));
        lookup.threshold = (int16_t)std::clamp(lookup.base + draw(-300, 300), -32768, 32767);
        lookup.offset_factor = (uint16_t)(scan.factor < 0 ? draw(0, 65535) : scan.factor);
        by_set.add(set, z, lookup);
        by_scalar.add(SCALAR_KERNELS, z, lookup);
    }
    const Blocks blocks = {codes.data(), scan.scaled ? scales.data() : nullptr, scan.offset ? offsets.data() : nullptr,
                           scan.n_bytes, draw(0, 4)};
    const size_t first = scan.n_blocks > 1 ? 1 : 0, n_blocks = scan.n_blocks - first;
    const size_t n_codes = n_blocks * BLOCK - (n_blocks ? draw(0, 31) : 0);
    const Found got = scan_by(set, blocks, first, n_codes, by_set.lookups);
    const Found expected = scan_by(SCALAR_KERNELS, blocks, first, n_codes, by_scalar.lookups);
    for (size_t i = 0; i < scan.n_lookups; i++) {
        const auto &some = got.candidates[i], &others = expected.candidates[i];
        const size_t n_found = some.size(), n_expected = others.size();
        expect_equal(set.name, "estimate", got.estimates[i].data(), expected.estimates[i].data(), n_blocks * BLOCK);
        expect_equal(set.name, "sift's number", &n_found, &n_expected, 1);
        expect_equal(set.name, "sift", some.data(), others.data(), n_expected);
    }
}

void check_scans(const Kernels& set) {
    for (size_t n_bytes = 1; n_bytes <= 130; n_bytes += n_bytes < 66 ? 1 : 31)
        for (size_t n_lookups = 1; n_lookups <= MAX_LOOKUPS; n_lookups++)
            for (int kind = 0; kind < 4; kind++)
                check_scan(set, {n_bytes % 5, n_bytes, n_lookups, bool(kind & 1), bool(kind & 2)});
    for (const int magnitude : {0, 255})
        for (const int base : {-32768, -1, 1, 32767})
            for (const int factor : {0, 1, 256, 32768, 65535})
                check_scan(set, {3, 64, 4, factor == 256, true, magnitude, base, factor});
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
        check_scans(*set);
        check_thresholds(*set);
        check_find(*set);
        check_dots(*set);
        check_multiply(*set);
        std::printf("%s: %ld comparisons with scalar, all equal\n", set->name, n_checks);
    }
}

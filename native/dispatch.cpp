// Asks the CPU which instructions it has and the operating system whether it saves their registers.
//
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, 14.3, 15.2 – 15.4; volume 2, CPUID.
#include "dispatch.hpp"

#include <cstdint>

#if defined(BITSIEVE_AVX2) || defined(BITSIEVE_AVX512)
#ifdef _MSC_VER
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace bitsieve {
namespace {

#if defined(BITSIEVE_AVX2) || defined(BITSIEVE_AVX512)
struct Registers {
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf) {
    Registers r;
#ifdef _MSC_VER
    int highest[4], of_leaf[4];
    __cpuid(highest, 0);
    if ((uint32_t)highest[0] < leaf) return r;
    __cpuidex(of_leaf, (int)leaf, 0);
    r = {(uint32_t)of_leaf[0], (uint32_t)of_leaf[1], (uint32_t)of_leaf[2], (uint32_t)of_leaf[3]};
#else
    __get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx);  // leaves zeros when there is no such leaf
#endif
    return r;
}

// Whether the operating system saves these registers when it switches threads.
bool os_saves(uint32_t registers) {
    constexpr uint32_t OSXSAVE = 1u << 27;
    if (!(cpuid(1).ecx & OSXSAVE)) return false;
#ifdef _MSC_VER
    const auto saved = (uint32_t)_xgetbv(0);
#else
    uint32_t saved, upper;
    __asm__("xgetbv" : "=a"(saved), "=d"(upper) : "c"(0));
#endif
    return (saved & registers) == registers;
}

constexpr uint32_t YMM = 0x6;         // XCR0: the lower and upper halves of ymm0 … ymm15
constexpr uint32_t ZMM = 0xe0 | YMM;  // and masks, the upper halves of zmm0 … zmm15, zmm16 … zmm31
#endif

#ifdef BITSIEVE_AVX2
bool has_avx2() {
    constexpr uint32_t AVX2 = 1u << 5;
    return os_saves(YMM) && cpuid(7).ebx & AVX2;
}
#endif

#ifdef BITSIEVE_AVX512
bool has_avx512() {
    constexpr uint32_t F = 1u << 16, DQ = 1u << 17, BW = 1u << 30, VL = 1u << 31;
    constexpr uint32_t VBMI = 1u << 1, VBMI2 = 1u << 6, VNNI = 1u << 11, VPOPCNTDQ = 1u << 14;
    constexpr uint32_t EBX = F | DQ | BW | VL, ECX = VBMI | VBMI2 | VNNI | VPOPCNTDQ;
    const Registers features = cpuid(7);
    return os_saves(ZMM) && (features.ebx & EBX) == EBX && (features.ecx & ECX) == ECX;
}
#endif

std::vector<const Kernels*> detect() {
    std::vector<const Kernels*> found;
#ifdef BITSIEVE_AVX512
    if (has_avx512()) found.push_back(&AVX512_KERNELS);
#endif
#ifdef BITSIEVE_AVX2
    if (has_avx2()) found.push_back(&AVX2_KERNELS);
#endif
#ifdef BITSIEVE_NEON
    found.push_back(&NEON_KERNELS);  // every ARMv8-A has it
#endif
    found.push_back(&SCALAR_KERNELS);
    return found;
}

}  // namespace

const std::vector<const Kernels*>& available() {
    static const std::vector<const Kernels*> found = detect();
    return found;
}

const Kernels* kernels(std::string_view name) {
    for (const Kernels* set : available())
        if (name == set->name) return set;
    return nullptr;
}

}  // namespace bitsieve

#include "runtime/devices/cpu/features.h"

#include <cstddef>

#if defined(__x86_64__)
#include <cpuid.h>
#else
#include <sys/auxv.h>
#endif

namespace tenon::runtime {

using package::bit;
using package::CpuFeature;

#if defined(__x86_64__)

namespace {

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  if (!__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d))
    return {};
  return r;
}

/// The register files that the operating system saves (XCR0).
uint64_t savedState() {
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

/// A feature, and where CPUID reports it.
struct Report {
  CpuFeature feature;
  unsigned value;
  unsigned bitNumber;
};

uint64_t collect(const Report *reports, size_t count) {
  uint64_t features = 0;
  for (size_t i = 0; i < count; ++i)
    if (reports[i].value >> reports[i].bitNumber & 1)
      features |= bit(reports[i].feature);
  return features;
}

template <size_t N> uint64_t collect(const Report (&reports)[N]) { return collect(reports, N); }

} // namespace

// Bit numbers: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A, CPUID.
uint64_t cpuFeatures() {
  Registers one = cpuid(1, 0), seven = cpuid(7, 0), sevenOne = cpuid(7, 1), extended = cpuid(0x80000001u, 0);
  uint64_t features = collect({{CpuFeature::SSE42, one.c, 20},
                               {CpuFeature::MOVBE, one.c, 22},
                               {CpuFeature::POPCNT, one.c, 23},
                               {CpuFeature::BMI1, seven.b, 3},
                               {CpuFeature::BMI2, seven.b, 8},
                               {CpuFeature::LZCNT, extended.c, 5}});
  constexpr unsigned osxsave = 1u << 27;
  uint64_t saved = one.c & osxsave ? savedState() : 0;
  constexpr uint64_t ymm = 0x6, zmm = 0xe6, tiles = 0x60000;
  if ((saved & ymm) == ymm)
    features |= collect({{CpuFeature::AVX, one.c, 28},
                         {CpuFeature::F16C, one.c, 29},
                         {CpuFeature::FMA, one.c, 12},
                         {CpuFeature::AVX2, seven.b, 5},
                         {CpuFeature::AVXVNNI, sevenOne.a, 4},
                         {CpuFeature::AVXVNNIINT8, sevenOne.d, 4}});
  if ((saved & zmm) == zmm)
    features |= collect({{CpuFeature::AVX512F, seven.b, 16},
                         {CpuFeature::AVX512DQ, seven.b, 17},
                         {CpuFeature::AVX512CD, seven.b, 28},
                         {CpuFeature::AVX512BW, seven.b, 30},
                         {CpuFeature::AVX512VL, seven.b, 31},
                         {CpuFeature::AVX512VBMI, seven.c, 1},
                         {CpuFeature::AVX512VNNI, seven.c, 11},
                         {CpuFeature::AVX512FP16, seven.d, 23},
                         {CpuFeature::AVX512BF16, sevenOne.a, 5}});
  if ((saved & tiles) == tiles)
    features |= collect({{CpuFeature::AMXBF16, seven.d, 22},
                         {CpuFeature::AMXTILE, seven.d, 24},
                         {CpuFeature::AMXINT8, seven.d, 25}});
  return features;
}

#else

// Bit numbers: Linux, arch/arm64/include/uapi/asm/hwcap.h.
uint64_t cpuFeatures() {
  unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  uint64_t features = 0;
  auto add = [&](CpuFeature feature, unsigned long word, unsigned bitNumber) {
    features |= word >> bitNumber & 1 ? bit(feature) : 0;
  };
  add(CpuFeature::FP16, first, 10);
  add(CpuFeature::DotProd, first, 20);
  add(CpuFeature::SVE, first, 22);
  add(CpuFeature::SVE2, second, 1);
  add(CpuFeature::I8MM, second, 13);
  add(CpuFeature::BF16, second, 14);
  add(CpuFeature::SME, second, 23);
  return features;
}

#endif

} // namespace tenon::runtime

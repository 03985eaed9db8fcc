// Instruction-set features that a code image can require. The bit numbers are part of the file format.
#pragma once

#include <cstdint>

namespace tenon::package {

/// The instruction-set architecture of a code image.
enum class Machine : uint8_t { X86_64 = 1, AArch64 = 2 };

/// A bit of CodeImage::features. A bit stands for the instructions and for the operating system saving their
/// registers.
enum class CpuFeature : uint8_t {
  // x86-64: bits 0..31. The baseline (SSE2) needs no bit.
  SSE42 = 0,
  AVX = 1,
  AVX2 = 2,
  FMA = 3,
  F16C = 4,
  BMI2 = 5,
  AVX512F = 6,
  AVX512BW = 7,
  AVX512DQ = 8,
  AVX512VL = 9,
  AVX512CD = 10,
  AVX512VNNI = 11,
  AVX512BF16 = 12,
  AVX512FP16 = 13,
  AVX512VBMI = 14,
  AVXVNNI = 15,
  AVXVNNIINT8 = 16,
  AMXTILE = 17,
  AMXINT8 = 18,
  AMXBF16 = 19,
  BMI1 = 20,
  LZCNT = 21,
  MOVBE = 22,
  POPCNT = 23,
  // AArch64: bits 32..63. The baseline (NEON) needs no bit.
  FP16 = 32,
  DotProd = 33,
  I8MM = 34,
  BF16 = 35,
  SVE = 36,
  SVE2 = 37,
  SME = 38,
};

inline constexpr uint64_t bit(CpuFeature feature) { return uint64_t{1} << static_cast<uint8_t>(feature); }

inline constexpr uint64_t kAllX86Features = (uint64_t{1} << 24) - 1;
inline constexpr uint64_t kAllAArch64Features = ((uint64_t{1} << 7) - 1) << 32;

/// What LLVM's -mcpu=x86-64-v3 may use beyond x86-64.
inline constexpr uint64_t kX86V3Features =
    bit(CpuFeature::SSE42) | bit(CpuFeature::AVX) | bit(CpuFeature::AVX2) | bit(CpuFeature::FMA) |
    bit(CpuFeature::F16C) | bit(CpuFeature::BMI1) | bit(CpuFeature::BMI2) | bit(CpuFeature::LZCNT) |
    bit(CpuFeature::MOVBE) | bit(CpuFeature::POPCNT);

/// What LLVM's -mcpu=x86-64-v4 may use beyond x86-64.
inline constexpr uint64_t kX86V4Features = kX86V3Features | bit(CpuFeature::AVX512F) |
                                           bit(CpuFeature::AVX512BW) | bit(CpuFeature::AVX512DQ) |
                                           bit(CpuFeature::AVX512VL) | bit(CpuFeature::AVX512CD);

/// LLVM's name of a feature ("avx512vnni", "dotprod"); nullptr for an unassigned bit.
inline constexpr const char *featureName(uint8_t featureBit) {
  constexpr const char *x86[] = {"sse4.2",   "avx",         "avx2",       "fma",        "f16c",
                                 "bmi2",     "avx512f",     "avx512bw",   "avx512dq",   "avx512vl",
                                 "avx512cd", "avx512vnni",  "avx512bf16", "avx512fp16", "avx512vbmi",
                                 "avxvnni",  "avxvnniint8", "amx-tile",   "amx-int8",   "amx-bf16",
                                 "bmi",      "lzcnt",       "movbe",      "popcnt"};
  constexpr const char *arm[] = {"fullfp16", "dotprod", "i8mm", "bf16", "sve", "sve2", "sme"};
  if (featureBit < 24)
    return x86[featureBit];
  if (featureBit >= 32 && featureBit < 39)
    return arm[featureBit - 32];
  return nullptr;
}

} // namespace tenon::package

// The first 64 bytes of a package. All numbers are little endian.
#pragma once

#include <cstdint>

namespace tenon::package {

inline constexpr char kMagic[8] = {'T', 'E', 'N', 'O', 'N', 'P', 'K', 'G'};
/// Raised when an older reader would misread a newer file.
inline constexpr uint32_t kFormatVersion = 1;
/// Equals TENON_KERNEL_ABI_VERSION of tenon/kernel_abi.h.
inline constexpr uint32_t kKernelAbiVersion = 1;
inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint64_t kTensorAlignment = 64;

/// Sections follow in this order: manifest (at byte 64), code images (page aligned), weights (page aligned),
/// debug section (64-byte aligned, right after the weights). The debug section is removed by cutting the file
/// off before it and setting debugSize to 0.
struct FileHeader {
  char magic[8];
  uint32_t formatVersion;
  uint32_t reserved; // 0
  uint64_t manifestSize;
  uint64_t imagesOffset;
  uint64_t imagesSize;
  uint64_t weightsOffset;
  uint64_t weightsSize;
  uint64_t debugSize; // 0: none
};
static_assert(sizeof(FileHeader) == 64);

} // namespace tenon::package

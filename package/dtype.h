// Element types of tensors in a package. The numbers are part of the file format and equal those of
// `tenon_dtype` in tenon/tenon.h.
#pragma once

#include <cstdint>

namespace tenon::package {

enum class DType : uint8_t {
  F32 = 1,
  F64 = 2,
  F16 = 3,
  BF16 = 4,
  I8 = 5,
  I16 = 6,
  I32 = 7,
  I64 = 8,
  U8 = 9,
  U16 = 10,
  U32 = 11,
  U64 = 12,
  Bool = 13, // one byte, 0 or 1
  F8E4M3FN = 14,
  F8E5M2 = 15,
  F8E4M3FNUZ = 16,
  F8E5M2FNUZ = 17,
  I4 = 18, // two elements a byte, the first in the low half
  U4 = 19,
};

inline constexpr uint8_t kDTypeCount = 20; // one more than the largest number

inline constexpr bool isDType(uint8_t value) { return value != 0 && value < kDTypeCount; }

/// Bits of one element; 0 for a number that is not an element type.
inline constexpr uint32_t bitWidth(DType type) {
  switch (type) {
  case DType::F64:
  case DType::I64:
  case DType::U64:
    return 64;
  case DType::F32:
  case DType::I32:
  case DType::U32:
    return 32;
  case DType::F16:
  case DType::BF16:
  case DType::I16:
  case DType::U16:
    return 16;
  case DType::I8:
  case DType::U8:
  case DType::Bool:
  case DType::F8E4M3FN:
  case DType::F8E5M2:
  case DType::F8E4M3FNUZ:
  case DType::F8E5M2FNUZ:
    return 8;
  case DType::I4:
  case DType::U4:
    return 4;
  }
  return 0;
}

/// Lower-case name as in MLIR ("f32", "i64", "bool", "f8e4m3fn"); "invalid" for a number that is not an
/// element type.
inline constexpr const char *name(DType type) {
  constexpr const char *names[kDTypeCount] = {
      "invalid", "f32", "f64", "f16",  "bf16",     "i8",     "i16",        "i32",        "i64", "u8",
      "u16",     "u32", "u64", "bool", "f8e4m3fn", "f8e5m2", "f8e4m3fnuz", "f8e5m2fnuz", "i4",  "u4"};
  return static_cast<uint8_t>(type) < kDTypeCount ? names[static_cast<uint8_t>(type)] : names[0];
}

} // namespace tenon::package

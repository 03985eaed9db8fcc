#include "tools/tenon/HostTensor.h"
#include "tools/tenon/Failure.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace tenon::command {

namespace {

/// An 8-bit float: exponent bits, mantissa bits, bias, and which codes are not finite.
struct SmallFloat {
  int mantissaBits;
  int bias;
  bool infinities;   // the largest exponent means infinity and NaN
  bool negativeZero; // without: the code 0x80 is NaN, and no other is
};

SmallFloat smallFloat(tenon_dtype dtype) {
  switch (dtype) {
  case TENON_F8E4M3FN:
    return {3, 7, false, true};
  case TENON_F8E5M2:
    return {2, 15, true, true};
  case TENON_F8E4M3FNUZ:
    return {3, 8, false, false};
  default:
    return {2, 16, false, false}; // F8E5M2FNUZ
  }
}

double decode(SmallFloat format, uint8_t code) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  int exponentMask = (1 << (7 - format.mantissaBits)) - 1;
  int exponent = (code >> format.mantissaBits) & exponentMask;
  int mantissa = code & ((1 << format.mantissaBits) - 1);
  double sign = code & 0x80 ? -1 : 1;
  if (!format.negativeZero && code == 0x80)
    return nan;
  if (format.infinities && exponent == exponentMask)
    return mantissa ? nan : sign * std::numeric_limits<double>::infinity();
  if (!format.infinities && format.negativeZero && (code & 0x7f) == 0x7f)
    return nan;
  double unit = 1 << format.mantissaBits;
  if (exponent == 0)
    return sign * std::ldexp(mantissa / unit, 1 - format.bias);
  return sign * std::ldexp(1 + mantissa / unit, exponent - format.bias);
}

uint8_t encode(SmallFloat format, double value) {
  uint8_t best = 0;
  double distance = std::numeric_limits<double>::infinity();
  for (int code = 0; code < 256; ++code) {
    double candidate = decode(format, static_cast<uint8_t>(code));
    if (std::isfinite(candidate) && std::fabs(candidate - value) < distance) {
      distance = std::fabs(candidate - value);
      best = static_cast<uint8_t>(code);
    }
  }
  return best;
}

template <typename T> double get(const void *data, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char *>(data) + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return static_cast<double>(value);
}

template <typename T> void set(void *data, int64_t index, T value) {
  std::memcpy(static_cast<char *>(data) + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
}

double getBf16(const void *data, int64_t index) {
  uint16_t half;
  std::memcpy(&half, static_cast<const char *>(data) + 2 * index, 2);
  uint32_t bits = static_cast<uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

void setBf16(void *data, int64_t index, double number) {
  float value = static_cast<float>(number);
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if (!std::isnan(value))
    bits += 0x7fff + ((bits >> 16) & 1); // round to nearest even
  set<uint16_t>(data, index, static_cast<uint16_t>(bits >> 16));
}

int nibble(const void *data, int64_t index) {
  uint8_t byte = static_cast<const uint8_t *>(data)[index / 2];
  return index % 2 ? byte >> 4 : byte & 15;
}

void setNibble(void *data, int64_t index, int value) {
  uint8_t &byte = static_cast<uint8_t *>(data)[index / 2];
  byte = static_cast<uint8_t>(index % 2 ? (byte & 0x0f) | (value & 15) << 4 : (byte & 0xf0) | (value & 15));
}

} // namespace

bool elementCount(tenon_dtype dtype, const std::vector<int64_t> &shape, int64_t &elements) {
  elements = 1;
  for (int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(elements, extent, &elements))
      return false;
  int64_t bits = 0;
  return !__builtin_mul_overflow(elements, static_cast<int64_t>(tenon_dtype_bits(dtype)), &bits);
}

void HostTensor::allocate(int64_t elements) {
  bytes_ = (static_cast<uint64_t>(elements) * tenon_dtype_bits(dtype) + 7) / 8;
  uint64_t rounded = (bytes_ + 127) / 64 * 64; // never zero
  memory_.reset(std::aligned_alloc(64, rounded));
  if (!memory_)
    failInput("TN0901", "not enough memory for a tensor of " + std::to_string(bytes_) + " bytes");
  std::memset(memory_.get(), 0, rounded);
}

bool isFloat(tenon_dtype dtype) {
  switch (dtype) {
  case TENON_F32:
  case TENON_F64:
  case TENON_F16:
  case TENON_BF16:
  case TENON_F8E4M3FN:
  case TENON_F8E5M2:
  case TENON_F8E4M3FNUZ:
  case TENON_F8E5M2FNUZ:
    return true;
  default:
    return false;
  }
}

double elementAt(tenon_dtype dtype, const void *data, int64_t index) {
  switch (dtype) {
  case TENON_F32:
    return get<float>(data, index);
  case TENON_F64:
    return get<double>(data, index);
  case TENON_F16:
    return get<_Float16>(data, index);
  case TENON_BF16:
    return getBf16(data, index);
  case TENON_I8:
    return get<int8_t>(data, index);
  case TENON_I16:
    return get<int16_t>(data, index);
  case TENON_I32:
    return get<int32_t>(data, index);
  case TENON_I64:
    return get<int64_t>(data, index);
  case TENON_U8:
  case TENON_BOOL:
    return get<uint8_t>(data, index);
  case TENON_U16:
    return get<uint16_t>(data, index);
  case TENON_U32:
    return get<uint32_t>(data, index);
  case TENON_U64:
    return get<uint64_t>(data, index);
  case TENON_I4:
    return nibble(data, index) - (nibble(data, index) > 7 ? 16 : 0);
  case TENON_U4:
    return nibble(data, index);
  case TENON_F8E4M3FN:
  case TENON_F8E5M2:
  case TENON_F8E4M3FNUZ:
  case TENON_F8E5M2FNUZ:
    return decode(smallFloat(dtype), static_cast<const uint8_t *>(data)[index]);
  case TENON_INVALID_DTYPE:
    break;
  }
  return 0;
}

void setElement(tenon_dtype dtype, void *data, int64_t index, double value) {
  switch (dtype) {
  case TENON_F32:
    return set(data, index, static_cast<float>(value));
  case TENON_F64:
    return set(data, index, value);
  case TENON_F16:
    return set(data, index, static_cast<_Float16>(value));
  case TENON_BF16:
    return setBf16(data, index, value);
  case TENON_I8:
  case TENON_U8:
    return set(data, index, static_cast<uint8_t>(static_cast<int64_t>(value)));
  case TENON_BOOL:
    return set(data, index, static_cast<uint8_t>(value != 0));
  case TENON_I16:
  case TENON_U16:
    return set(data, index, static_cast<uint16_t>(static_cast<int64_t>(value)));
  case TENON_I32:
  case TENON_U32:
    return set(data, index, static_cast<uint32_t>(static_cast<int64_t>(value)));
  case TENON_I64:
  case TENON_U64:
    return set(data, index, static_cast<int64_t>(value));
  case TENON_I4:
  case TENON_U4:
    return setNibble(data, index, static_cast<int>(value));
  case TENON_F8E4M3FN:
  case TENON_F8E5M2:
  case TENON_F8E4M3FNUZ:
  case TENON_F8E5M2FNUZ:
    return set(data, index, encode(smallFloat(dtype), value));
  case TENON_INVALID_DTYPE:
    break;
  }
}

std::string describe(tenon_dtype dtype, const int64_t *shape, size_t rank) {
  std::string text = tenon_dtype_name(dtype);
  text += "[";
  for (size_t i = 0; i < rank; ++i)
    text += (i ? "x" : "") + (shape[i] < 0 ? std::string("?") : std::to_string(shape[i]));
  return text + "]";
}

} // namespace tenon::command

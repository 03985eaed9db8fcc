//===- Tensor.cpp - tensors of the reference interpreter -----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/APInt.h"
#include <cassert>
#include <cstring>

using namespace mlir;
using namespace tenon::reference;

std::optional<DType> tenon::reference::dtypeOf(Type type) {
  if (type.isF64())
    return DType::F64;
  if (type.isF32())
    return DType::F32;
  if (type.isF16())
    return DType::F16;
  if (type.isBF16())
    return DType::BF16;
  if (type.isIndex())
    return DType::I64;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return std::nullopt;
  bool isUnsignedType = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return isUnsignedType ? std::nullopt : std::optional(DType::Bool);
  case 8:
    return isUnsignedType ? DType::U8 : DType::I8;
  case 16:
    return isUnsignedType ? DType::U16 : DType::I16;
  case 32:
    return isUnsignedType ? DType::U32 : DType::I32;
  case 64:
    return isUnsignedType ? DType::U64 : DType::I64;
  default:
    return std::nullopt;
  }
}

Type tenon::reference::elementTypeOf(DType dtype, MLIRContext *context) {
  switch (dtype) {
  case DType::F64:
    return Float64Type::get(context);
  case DType::F32:
    return Float32Type::get(context);
  case DType::F16:
    return Float16Type::get(context);
  case DType::BF16:
    return BFloat16Type::get(context);
  case DType::Bool:
    return IntegerType::get(context, 1);
  default:
    return IntegerType::get(context, byteWidth(dtype) * 8,
                            isUnsigned(dtype) ? IntegerType::Unsigned : IntegerType::Signless);
  }
}

llvm::StringRef tenon::reference::nameOf(DType dtype) {
  static constexpr const char *names[] = {"f64", "f32", "f16",  "bf16", "i8",   "i16", "i32",
                                          "i64", "ui8", "ui16", "ui32", "ui64", "i1"};
  return names[static_cast<size_t>(dtype)];
}

size_t tenon::reference::byteWidth(DType dtype) {
  static constexpr size_t widths[] = {8, 4, 2, 2, 1, 2, 4, 8, 1, 2, 4, 8, 1};
  return widths[static_cast<size_t>(dtype)];
}

bool tenon::reference::isFloat(DType dtype) { return dtype <= DType::BF16; }
bool tenon::reference::isUnsigned(DType dtype) { return dtype >= DType::U8; }

static const llvm::fltSemantics &semanticsOf(DType dtype) {
  switch (dtype) {
  case DType::F64:
    return llvm::APFloat::IEEEdouble();
  case DType::F32:
    return llvm::APFloat::IEEEsingle();
  case DType::F16:
    return llvm::APFloat::IEEEhalf();
  default:
    assert(dtype == DType::BF16 && "not a float type");
    return llvm::APFloat::BFloat();
  }
}

/// The encoding of a value in a 16-bit float type.
static uint16_t encodeHalf(DType dtype, double v) {
  llvm::APFloat value(v);
  bool losesInfo;
  value.convert(semanticsOf(dtype), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return static_cast<uint16_t>(value.bitcastToAPInt().getZExtValue());
}

static double decodeHalf(DType dtype, uint16_t bits) {
  llvm::APFloat value(semanticsOf(dtype), llvm::APInt(16, bits));
  bool losesInfo;
  value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return value.convertToDouble();
}

double tenon::reference::roundTo(DType dtype, double v) {
  if (dtype == DType::F64)
    return v;
  if (dtype == DType::F32)
    return static_cast<float>(v);
  return decodeHalf(dtype, encodeHalf(dtype, v));
}

int64_t tenon::reference::wrapTo(DType dtype, int64_t v) {
  if (dtype == DType::Bool)
    return v != 0;
  unsigned unusedBits = 64 - 8 * byteWidth(dtype);
  uint64_t shifted = static_cast<uint64_t>(v) << unusedBits;
  return isUnsigned(dtype) ? static_cast<int64_t>(shifted >> unusedBits)
                           : static_cast<int64_t>(shifted) >> unusedBits;
}

//===----------------------------------------------------------------------===//
// Construction and access
//===----------------------------------------------------------------------===//

static int64_t productOf(llvm::ArrayRef<int64_t> dims) {
  int64_t product = 1;
  for (int64_t d : dims)
    product *= d;
  return product;
}

Tensor::Tensor(DType dtype, llvm::ArrayRef<int64_t> dims)
    : elementType(dtype), sizes(dims),
      storage(std::make_shared<std::vector<char>>(productOf(dims) * byteWidth(dtype))) {}

Tensor Tensor::index(int64_t v) { return fromInts(DType::I64, {}, v); }

Tensor Tensor::fromDoubles(DType dtype, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<double> values) {
  assert(isFloat(dtype) && productOf(dims) == static_cast<int64_t>(values.size()));
  Tensor t(dtype, dims);
  char *out = t.storage->data();
  for (double v : values) {
    if (dtype == DType::F64) {
      std::memcpy(out, &v, sizeof(double));
    } else if (dtype == DType::F32) {
      float narrow = static_cast<float>(v);
      std::memcpy(out, &narrow, sizeof(float));
    } else {
      uint16_t bits = encodeHalf(dtype, v);
      std::memcpy(out, &bits, sizeof(bits));
    }
    out += byteWidth(dtype);
  }
  return t;
}

Tensor Tensor::fromInts(DType dtype, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<int64_t> values) {
  assert(!isFloat(dtype) && productOf(dims) == static_cast<int64_t>(values.size()));
  Tensor t(dtype, dims);
  char *out = t.storage->data();
  for (int64_t v : values) {
    int64_t wrapped = wrapTo(dtype, v);
    std::memcpy(out, &wrapped, byteWidth(dtype)); // little-endian: the low bytes come first
    out += byteWidth(dtype);
  }
  return t;
}

int64_t Tensor::size() const { return productOf(sizes); }

llvm::MutableArrayRef<char> Tensor::mutableBytes() {
  if (storage.use_count() > 1)
    storage = std::make_shared<std::vector<char>>(*storage);
  return *storage;
}

std::vector<double> Tensor::doubles() const {
  assert(isFloat(elementType));
  std::vector<double> values(size());
  const char *in = storage->data();
  for (double &v : values) {
    if (elementType == DType::F64) {
      std::memcpy(&v, in, sizeof(double));
    } else if (elementType == DType::F32) {
      float narrow;
      std::memcpy(&narrow, in, sizeof(float));
      v = narrow;
    } else {
      uint16_t bits;
      std::memcpy(&bits, in, sizeof(bits));
      v = decodeHalf(elementType, bits);
    }
    in += byteWidth(elementType);
  }
  return values;
}

int64_t Tensor::readInt(int64_t i) const {
  int64_t v = 0;
  std::memcpy(&v, storage->data() + i * byteWidth(elementType), byteWidth(elementType));
  return wrapTo(elementType, v);
}

std::vector<int64_t> Tensor::ints() const {
  assert(!isFloat(elementType));
  std::vector<int64_t> values(size());
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = readInt(i);
  return values;
}

int64_t Tensor::firstInt() const {
  assert(!isFloat(elementType) && size() > 0);
  return readInt(0);
}

Tensor Tensor::withDims(llvm::ArrayRef<int64_t> dims) const {
  assert(productOf(dims) == size());
  Tensor t = *this;
  t.sizes.assign(dims.begin(), dims.end());
  return t;
}

void Tensor::copyElement(int64_t to, const Tensor &source, int64_t from) {
  size_t width = byteWidth(elementType);
  assert(width == byteWidth(source.elementType) && to < size() && from < source.size());
  std::memcpy(mutableBytes().data() + to * width, source.storage->data() + from * width, width);
}

std::string Tensor::typeText() const {
  std::string text;
  for (int64_t d : sizes)
    text += std::to_string(d) + "x";
  return text + nameOf(elementType).str();
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

std::optional<Tensor> Tensor::fromAttribute(ElementsAttr attribute) {
  ShapedType type = attribute.getShapedType();
  std::optional<DType> dtype = dtypeOf(type.getElementType());
  if (!dtype)
    return std::nullopt;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attribute)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    Tensor t(*dtype, type.getShape());
    if (!blob || blob->getData().size() != t.storage->size())
      return std::nullopt;
    std::memcpy(t.storage->data(), blob->getData().data(), t.storage->size());
    return t;
  }
  auto dense = dyn_cast<DenseElementsAttr>(attribute);
  if (!dense)
    return std::nullopt;
  if (!isFloat(*dtype)) {
    std::vector<int64_t> values;
    for (const llvm::APInt &v : dense.getValues<llvm::APInt>())
      values.push_back(isUnsigned(*dtype) ? static_cast<int64_t>(v.getZExtValue()) : v.getSExtValue());
    return fromInts(*dtype, type.getShape(), values);
  }
  std::vector<double> values;
  for (llvm::APFloat v : dense.getValues<llvm::APFloat>()) {
    bool losesInfo;
    v.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    values.push_back(v.convertToDouble());
  }
  return fromDoubles(*dtype, type.getShape(), values);
}

DenseElementsAttr Tensor::toAttribute(RankedTensorType type) const {
  assert(type.hasStaticShape() && type.getShape() == dims() && dtypeOf(type.getElementType()) == elementType);
  if (elementType != DType::Bool)
    return DenseElementsAttr::getFromRawBuffer(type, bytes());
  llvm::SmallVector<bool> values;
  for (int64_t v : ints())
    values.push_back(v != 0);
  return DenseElementsAttr::get(type, values);
}

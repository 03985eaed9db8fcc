//===- Tensor.h - tensors of the reference interpreter -------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor is an element type, sizes and row-major little-endian bytes. Integers narrower than 64 bits are
// read sign- or zero-extended to int64_t; ui64 is read as the int64_t with the same bits. Floats are read as
// double, which holds every value of every float type exactly, and are rounded once, to nearest even, when
// they are stored.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::reference {

enum class DType : uint8_t { F64, F32, F16, BF16, I8, I16, I32, I64, U8, U16, U32, U64, Bool };

/// The element type as MLIR has it; nothing for types that tenon tensors do not hold. `index` is I64.
std::optional<DType> dtypeOf(mlir::Type elementType);
mlir::Type elementTypeOf(DType dtype, mlir::MLIRContext *context);
llvm::StringRef nameOf(DType dtype);
/// Bytes of an element; a boolean takes one.
size_t byteWidth(DType dtype);
bool isFloat(DType dtype);
/// Whether integers of the type are compared, divided and widened as unsigned ones; booleans are.
bool isUnsigned(DType dtype);

/// The value nearest to `v` that the float type holds.
double roundTo(DType dtype, double v);
/// The low bits of `v` that the integer type holds, extended to 64 bits again; for Bool, whether `v` is not
/// zero.
int64_t wrapTo(DType dtype, int64_t v);

/// A value with shared, copy-on-write storage: copying a Tensor copies no elements.
class Tensor {
public:
  Tensor() : Tensor(DType::I64, {0}) {}
  /// All zero. The sizes are not negative and their product, in bytes, is addressable.
  Tensor(DType dtype, llvm::ArrayRef<int64_t> dims);
  /// What the interpreter uses for a value of type `index`: an I64 of rank 0.
  static Tensor index(int64_t v);
  static Tensor fromDoubles(DType dtype, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<double> values);
  static Tensor fromInts(DType dtype, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<int64_t> values);
  /// The elements of a constant; nothing when its element type is not one of DType or its bytes are not at
  /// hand.
  static std::optional<Tensor> fromAttribute(mlir::ElementsAttr attribute);
  /// The constant with these elements; `type` has this tensor's sizes and element type.
  mlir::DenseElementsAttr toAttribute(mlir::RankedTensorType type) const;

  DType dtype() const { return elementType; }
  llvm::ArrayRef<int64_t> dims() const { return sizes; }
  int64_t rank() const { return static_cast<int64_t>(sizes.size()); }
  int64_t size() const;
  llvm::ArrayRef<char> bytes() const { return *storage; }
  llvm::MutableArrayRef<char> mutableBytes();

  /// All elements of a float tensor.
  std::vector<double> doubles() const;
  /// All elements of an integer or boolean tensor.
  std::vector<int64_t> ints() const;
  /// The first element of an integer or boolean tensor that has one.
  int64_t firstInt() const;
  /// The same elements under other sizes; the count is equal.
  Tensor withDims(llvm::ArrayRef<int64_t> dims) const;
  /// Sets element `to` to element `from` of `source`, which has the same element width.
  void copyElement(int64_t to, const Tensor &source, int64_t from);
  /// "2x3xf32", for diagnostics.
  std::string typeText() const;

private:
  int64_t readInt(int64_t i) const;

  DType elementType;
  llvm::SmallVector<int64_t, 4> sizes;
  std::shared_ptr<std::vector<char>> storage;
};

} // namespace tenon::reference

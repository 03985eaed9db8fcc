//===- Tensor.h - what the importer knows about an ONNX value ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "mlir/IR/BuiltinAttributes.h"
#include <memory>
#include <optional>
#include <vector>

namespace tenon::importer {

/// A number known at import: the quotient of two size expressions. Integers and booleans (0 and 1) have
/// denominator 1; other denominators come from floating-point shape arithmetic such as Floor(Cast(Shape(x)) *
/// 0.5).
struct SizeFraction {
  Size num, den;
  bool isInteger() const { return den.isConstant(1); }
  std::optional<int64_t> constant() const { return isInteger() ? num.constant() : std::nullopt; }
};
using Content = llvm::SmallVector<SizeFraction, 4>;

/// An ONNX value: its type with symbolic sizes and, as far as known, an SSA value, its elements, or both. A
/// sequence has `sequence` and nothing else.
struct Tensor {
  mlir::Value value; // null: made from `constant` or `content` when it is used as data
  mlir::Type element;
  Dims dims;
  std::optional<Content> content;   // row-major; for small tensors that shapes are computed with
  mlir::DenseElementsAttr constant; // small constants
  std::shared_ptr<std::vector<Tensor>> sequence;

  explicit operator bool() const { return element != nullptr || sequence; }
  int64_t rank() const { return dims.size(); }
};

/// Content is tracked for tensors of up to this many elements.
inline constexpr int64_t kMaxContent = 256;

/// The number of elements when every dimension is constant.
std::optional<int64_t> elementCount(llvm::ArrayRef<Size> dims);

/// "[batch, 3, 2*h]" for messages.
std::string describe(llvm::ArrayRef<Size> dims);
/// "float32[batch, 3]" in MLIR's type names.
std::string describe(const Tensor &tensor);

} // namespace tenon::importer

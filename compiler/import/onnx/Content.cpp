//===- Content.cpp - known elements: from constants, and back to values -----===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/GraphBuilder.h"

#include <cmath>

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

/// A float as a fraction with a small power of two below, so that float arithmetic on sizes (exact up to
/// 2^24) and arithmetic on fractions agree.
std::optional<std::pair<int64_t, int64_t>> smallFraction(double v) {
  constexpr double limit = 1 << 20;
  for (int64_t den = 1; den <= 4096; den *= 2) {
    double num = v * static_cast<double>(den);
    if (!(std::fabs(num) < limit))
      return std::nullopt;
    if (num == std::floor(num))
      return std::pair(static_cast<int64_t>(num), den);
  }
  return std::nullopt;
}

std::optional<Content> contentOf(SizeContext &sizes, DenseElementsAttr attr) {
  if (attr.getNumElements() > kMaxContent)
    return std::nullopt;
  Content content;
  Type element = attr.getElementType();
  if (auto integer = dyn_cast<IntegerType>(element)) {
    for (APInt v : attr.getValues<APInt>()) {
      bool isSigned = !integer.isUnsigned() && integer.getWidth() > 1;
      if (!isSigned && v.getActiveBits() > 62)
        return std::nullopt;
      content.push_back({sizes.constant(isSigned ? v.getSExtValue() : v.getZExtValue()), sizes.constant(1)});
    }
    return content;
  }
  if (!element.isF32() && !element.isF64())
    return std::nullopt;
  for (const APFloat &v : attr.getValues<APFloat>()) {
    auto fraction = smallFraction(v.convertToDouble());
    if (!fraction || (v.isZero() && v.isNegative()))
      return std::nullopt;
    content.push_back({sizes.constant(fraction->first), sizes.constant(fraction->second)});
  }
  return content;
}

/// All constants: a DenseElementsAttr; otherwise nothing.
DenseElementsAttr constantOf(const Content &content, RankedTensorType type) {
  SmallVector<Attribute> elements;
  Type element = type.getElementType();
  for (const SizeFraction &f : content) {
    auto num = f.num.constant(), den = f.den.constant();
    if (!num || !den || *den == 0)
      return nullptr;
    if (isa<FloatType>(element))
      elements.push_back(FloatAttr::get(element, static_cast<double>(*num) / static_cast<double>(*den)));
    else
      elements.push_back(
          IntegerAttr::get(element, APInt(element.getIntOrFloatBitWidth(), *num, /*isSigned=*/true,
                                          /*implicitTrunc=*/true)));
  }
  return DenseElementsAttr::get(type, elements);
}

} // namespace

Tensor GraphBuilder::fromConstant(DenseElementsAttr attr) {
  Tensor t;
  t.element = attr.getElementType();
  t.dims = dimsOf(attr.getType().getShape());
  t.constant = attr;
  t.content = contentOf(sizes, attr);
  return t;
}

Value GraphBuilder::value(const Tensor &t) {
  if (t.value)
    return t.value;
  RankedTensorType resultType = type(t.element, t.dims);
  DenseElementsAttr constant = t.constant ? t.constant : constantOf(*t.content, resultType);
  if (constant)
    return ConstantOp::create(builder, loc, resultType, constant);
  auto tensorOf = [&](bool denominators) {
    SmallVector<Size> list;
    for (const SizeFraction &f : *t.content)
      list.push_back(denominators ? f.den : f.num);
    Dims dims;
    if (t.rank() != 0)
      dims.push_back(size(list.size()));
    bool narrow = t.element.isInteger(32);
    Type integer = narrow ? builder.getI32Type() : builder.getI64Type();
    Value v = FromIndexOp::create(builder, loc, type(integer, dims), indices(list));
    return reshape(convert(wrap(v, dims), t.element), t.dims);
  };
  Tensor numerators = tensorOf(false);
  if (llvm::all_of(*t.content, [](const SizeFraction &f) { return f.isInteger(); }))
    return numerators.value;
  return binary<DivOp>(numerators, tensorOf(true)).value;
}

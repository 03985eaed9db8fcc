//===- ResizeOp.cpp - verification and sizes of interpolation ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

LogicalResult ResizeOp::verify() {
  RankedTensorType from = tensorType(getInput());
  if (failed(verifyElementType(*this, "the result", getType().getElementType(), from.getElementType())) ||
      failed(verifyRank(*this, "the result", getType().getRank(), from.getRank())) ||
      failed(verifySizeCount(*this, getType(), getSizes())) ||
      failed(verifyLength(*this, "scales", getScales().size(), getAxes().size())))
    return failure();
  SmallVector<int64_t> expected(from.getShape());
  for (int64_t axis : getAxes()) {
    if (failed(verifyAxis(*this, axis, from.getRank())))
      return failure();
    expected[axis] = kDynamic;
  }
  for (double scale : getScales())
    if (!(scale >= 0))
      return emitOpError() << "expected scales that are not negative, found " << scale;
  return verifyShape(*this, "the result", getType().getShape(), expected);
}

LogicalResult ResizeOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn index,
                                   SmallVectorImpl<Dims> &results) {
  Dims dims = namedDims(context, getType(), getSizes(), index);
  for (auto [d, size] : llvm::enumerate(dims))
    if (!llvm::is_contained(getAxes(), static_cast<int64_t>(d)))
      size = sameSize(operands[0][d], size);
  results.push_back(dims);
  return success();
}

//===----------------------------------------------------------------------===//
// Decomposition: one axis after the other, gathers at computed positions.
//===----------------------------------------------------------------------===//

namespace {

/// Interpolation along one axis.
class AxisResize {
public:
  AxisResize(ResizeOp op, CoreBuilder &b, Value x, int64_t axis, double scale, Value size)
      : op(op), b(b), x(x), axis(axis), scale(scale), to(size), from(b.dim(x, axis)) {
    element = tensorType(x).getElementType();
    coordinate = element.isF64() ? element : b.builder.getF32Type();
  }

  Value build() {
    if (op.getMode() == ResizeMode::nearest)
      return pick(nearest(coordinates()));
    return op.getMode() == ResizeMode::linear ? linear() : cubic();
  }

private:
  /// A scalar as a vector over the result positions.
  Value everywhere(Value scalar) { return b.broadcast(scalar, {to}); }
  Value sizeAsFloat(Value size) { return everywhere(b.fromIndex(size, coordinate, 1)); }
  Value last() { return sizeAsFloat(b.subIndex(from, b.index(1))); }

  Value scaleVector() {
    if (scale != 0)
      return everywhere(b.constant(scale, coordinate, 1));
    return b.div(sizeAsFloat(to), sizeAsFloat(from));
  }

  /// The input position of every result position.
  Value coordinates() {
    Value i = b.iota(coordinate, {to}, 0);
    auto halfPixel = [&] {
      return b.add(b.div(b.add(i, 0.5), scaleVector()), planted(Defect::ResizeOffByHalf) ? 0.0 : -0.5);
    };
    switch (op.getCoordinates()) {
    case ResizeCoordinates::asymmetric:
      return b.div(i, scaleVector());
    case ResizeCoordinates::half_pixel:
      return halfPixel();
    case ResizeCoordinates::pytorch_half_pixel:
      return b.select(b.compare(CmpPredicate::gt, sizeAsFloat(to), 1.0), halfPixel(), b.splat(0, i));
    case ResizeCoordinates::align_corners: {
      Value steps = b.max(b.add(sizeAsFloat(to), -1.0), 1.0);
      return b.div(b.mul(i, last()), steps);
    }
    case ResizeCoordinates::half_pixel_symmetric: {
      // The result's size may have been rounded; the difference is shared by both ends.
      Value exact = b.mul(scaleVector(), sizeAsFloat(from));
      Value adjustment = b.div(sizeAsFloat(to), exact);
      Value center = b.mul(sizeAsFloat(from), 0.5);
      Value offset = b.mul(center, b.sub(b.splat(1, adjustment), adjustment));
      return b.add(offset, halfPixel());
    }
    }
    llvm_unreachable("every coordinate mode is listed");
  }

  Value clamped(Value position) { return b.min(b.max(position, 0.0), last()); }
  Value pick(Value position) { return b.gather(x, b.cast(clamped(position), b.builder.getI64Type()), axis); }
  Value nearest(Value position) {
    switch (op.getRounding()) {
    case ResizeRounding::round_prefer_floor:
      return b.unary<CeilOp>(b.add(position, -0.5));
    case ResizeRounding::round_prefer_ceil:
      return b.unary<FloorOp>(b.add(position, 0.5));
    case ResizeRounding::floor:
      return b.unary<FloorOp>(position);
    case ResizeRounding::ceil:
      return b.unary<CeilOp>(position);
    }
    llvm_unreachable("every rounding is listed");
  }

  /// Factors along the axis with the shape of `like`.
  Value factors(Value vector, Value like) {
    CoreBuilder::Values sizes(tensorType(x).getRank(), b.index(1));
    sizes[axis] = to;
    return b.broadcastLike(b.cast(b.reshape(vector, sizes), element), like);
  }

  Value linear() {
    Value at = clamped(coordinates());
    Value low = b.unary<FloorOp>(at);
    Value first = pick(low), second = pick(b.add(low, 1.0));
    return b.add(first, b.mul(b.sub(second, first), factors(b.sub(at, low), first)));
  }

  /// Keys' kernel with the coefficient a, for a distance up to 1, or from 1 to 2.
  Value nearWeight(Value t, double a) {
    return b.add(b.mul(b.mul(b.add(b.mul(t, a + 2), -(a + 3)), t), t), 1.0);
  }
  Value farWeight(Value t, double a) {
    Value inner = b.add(b.mul(b.add(b.mul(t, a), -5 * a), t), 8 * a);
    return b.add(b.mul(inner, t), -4 * a);
  }

  Value cubic() {
    Value at = coordinates(), low = b.unary<FloorOp>(at), t = b.sub(at, low);
    double a = op.getCubicCoefficient().convertToDouble();
    Value rest = b.sub(b.splat(1, t), t);
    SmallVector<Value, 4> weights = {farWeight(b.add(t, 1.0), a), nearWeight(t, a), nearWeight(rest, a),
                                     farWeight(b.add(rest, 1.0), a)};
    if (op.getExcludeOutside()) {
      Value sum;
      for (auto [k, weight] : llvm::enumerate(weights)) {
        Value p = b.add(low, static_cast<double>(k) - 1);
        Value inside =
            b.binary<AndOp>(b.compare(CmpPredicate::ge, p, 0.0), b.compare(CmpPredicate::le, p, last()));
        weight = b.select(inside, weight, b.splat(0, weight));
        sum = sum ? b.add(sum, weight) : weight;
      }
      for (Value &weight : weights)
        weight = b.div(weight, sum);
    }
    Value result;
    for (auto [k, weight] : llvm::enumerate(weights)) {
      Value picked = pick(b.add(low, static_cast<double>(k) - 1));
      Value part = b.mul(picked, factors(weight, picked));
      result = result ? b.add(result, part) : part;
    }
    return result;
  }

  ResizeOp op;
  CoreBuilder &b;
  Value x;
  int64_t axis;
  double scale;
  Value to, from;
  Type element, coordinate;
};

} // namespace

FailureOr<SmallVector<Value>> ResizeOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  CoreBuilder::Values sizes;
  auto next = getSizes().begin();
  for (int64_t d : getType().getShape())
    sizes.push_back(d == kDynamic ? Value(*next++) : b.index(d));
  Value x = getInput();
  Type element = getType().getElementType();
  // Weighted sums of integers are taken in f32; narrow floats lose positions otherwise.
  bool weighted = getMode() != ResizeMode::nearest;
  if (weighted && !element.isF32() && !element.isF64())
    x = b.cast(x, builder.getF32Type());
  for (auto [axis, scale] : llvm::zip_equal(getAxes(), getScales())) {
    int64_t from = tensorType(getInput()).getDimSize(axis);
    bool kept = from != kDynamic && from == getType().getDimSize(axis) && (scale == 0 || scale == 1);
    if (!kept)
      x = AxisResize(*this, b, x, axis, scale, sizes[axis]).build();
  }
  return SmallVector<Value>{b.refine(b.cast(x, element), getType())};
}

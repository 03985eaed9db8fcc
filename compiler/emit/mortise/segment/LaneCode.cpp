//===- LaneCode.cpp - elementwise operations on lanes --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/LaneCode.h"
#include "compiler/emit/mortise/segment/TensorShape.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <algorithm>
#include <cmath>
#include <numbers>

using namespace mlir;

namespace tenon::npu {

namespace {

bool isFloat(Type type) { return type.isF32() || type.isBF16(); }
bool isInteger(Type type) { return type.isInteger(32) || type.isInteger(8) || type.isInteger(16); }

/// What an f32 holds exactly.
constexpr double kExact = 1 << 24;

/// Neither infinite nor near it.
bool isBounded(const Range &r) { return r.low > -1e30 && r.high < 1e30; }

/// Whether a value is that number everywhere.
bool isSplat(mlir::Value value, double number) {
  while (value.getDefiningOp() && isa<BroadcastOp, ReshapeOp, tensor::CastOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  auto constant = value.getDefiningOp<ConstantOp>();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  return dense && dense.isSplat() && isFloat(dense.getElementType()) &&
         dense.getSplatValue<APFloat>().convertToDouble() == number;
}

/// Whether a bitcast changes nothing on lanes but how bytes extend.
bool keepsLanes(mlir::Operation *op) {
  Type from = elementOf(op->getOperand(0)), to = elementOf(op->getResult(0));
  auto isWord = [](Type type) { return type.isF32() || type.isInteger(32); };
  return (isWord(from) && isWord(to)) || (from.isInteger(8) && to.isInteger(8));
}

Range joined(const Range &a, const Range &b) {
  return {std::min(a.low, b.low), std::max(a.high, b.high), a.integral && b.integral};
}

} // namespace

std::string LaneCode::whyNot(mlir::Operation *op) {
  auto says = [&](StringRef what) { return ("'" + op->getName().getStringRef() + "' " + what).str(); };
  for (mlir::Value v : op->getResults()) {
    Type type = elementOf(v);
    if (!isFloat(type) && !isInteger(type) && !type.isInteger(1))
      return says("computes a type that the vector core lacks");
  }
  if (isa<ConstantOp>(op)) {
    auto dense = dyn_cast<DenseElementsAttr>(cast<ConstantOp>(op).getValue());
    return dense && dense.isSplat() ? "" : says("has different elements");
  }
  if (isa<BroadcastOp, ReshapeOp, tensor::CastOp, CastOp, CmpOp, SelectOp>(op))
    return "";
  if (isa<BitcastOp>(op))
    return keepsLanes(op) ? "" : says("is of types that lie differently on lanes");
  if (auto pow = dyn_cast<PowOp>(op))
    return isFloat(elementOf(op->getResult(0))) && isSplat(pow.getRhs(), 2)
               ? ""
               : says("has another exponent than 2");
  bool integers = isInteger(elementOf(op->getResult(0)));
  if (integers && isa<AddOp, SubOp, MulOp, NegOp, MaxOp, MinOp>(op))
    return elementOf(op->getResult(0)).isInteger(32) || isa<MaxOp, MinOp>(op) ? ""
                                                                              : says("is of narrow integers");
  if (integers && isa<AndOp, OrOp, XorOp>(op))
    return "";
  if (elementOf(op->getResult(0)).isInteger(1))
    return isa<AndOp, OrOp, NotOp>(op) ? "" : says("is of booleans");
  if (!integers && isa<AddOp, SubOp, MulOp, DivOp, MaxOp, MinOp, NegOp, AbsOp, FloorOp, CeilOp, RoundOp,
                       SqrtOp, RsqrtOp, ExpOp, LogOp, TanhOp, ErfOp>(op))
    return "";
  return says("has no form on the vector core");
}

std::optional<LaneCode::ElementAccess> LaneCode::accessOf(Type element) {
  if (element.isF32() || element.isInteger(32))
    return ElementAccess{Id::VldW, Id::VstW, 4};
  if (element.isBF16())
    return ElementAccess{Id::VldBf, Id::VstBf, 2};
  if (element.isUnsignedInteger(8))
    return ElementAccess{Id::VldUb, Id::VstUb, 1};
  if (element.isInteger(8))
    return ElementAccess{Id::VldB, Id::VstB, 1};
  return std::nullopt;
}

Range LaneCode::rangeOf(Type element) {
  if (element.isUnsignedInteger(8))
    return {0, 255, true};
  if (element.isInteger(8))
    return {-128, 127, true};
  if (element.isInteger(32))
    return {-2147483648.0, 2147483647.0, true};
  return {};
}

LaneValue LaneCode::valueOf(mlir::Value value) {
  if (auto it = known.find(value); it != known.end())
    return it->second;
  LaneValue result = leaf(value);
  if (!result.value.isValid())
    result = compute(value.getDefiningOp());
  known[value] = result;
  return result;
}

LaneValue LaneCode::constant(mlir::Operation *op) {
  auto dense = cast<DenseElementsAttr>(cast<ConstantOp>(op).getValue());
  Type type = dense.getElementType();
  if (isFloat(type)) {
    float number = dense.getSplatValue<APFloat>().convertToDouble();
    return {b.splat(number), {number, number, number == std::nearbyint(number)}};
  }
  APInt bits = dense.getSplatValue<APInt>();
  if (type.isInteger(1))
    return {bits.isZero() ? b.op(Id::Pnot, kAlways) : kAlways, {}};
  int64_t number = type.isUnsignedInteger() ? static_cast<int64_t>(bits.getZExtValue()) : bits.getSExtValue();
  auto real = static_cast<double>(number);
  return {b.splatInt(static_cast<int32_t>(number)), {real, real, true}};
}

LaneValue LaneCode::compute(mlir::Operation *op) {
  if (isa<ConstantOp>(op))
    return constant(op);
  if (isa<BroadcastOp, ReshapeOp, tensor::CastOp, TransposeOp, SliceOp>(op))
    return valueOf(op->getOperand(0)); // leaves lie where the result's elements are
  if (isa<CastOp>(op))
    return convert(op);
  if (isa<BitcastOp>(op)) {
    Type type = elementOf(op->getResult(0));
    return {stored(valueOf(op->getOperand(0)), type), rangeOf(type)};
  }
  if (isa<CmpOp>(op))
    return compare(op);
  if (auto select = dyn_cast<SelectOp>(op)) {
    LaneValue yes = valueOf(select.getOnTrue()), no = valueOf(select.getOnFalse());
    return {b.select(valueOf(select.getCondition()).value, yes.value, no.value), joined(yes.range, no.range)};
  }
  if (elementOf(op->getResult(0)).isInteger(1)) {
    Value first = valueOf(op->getOperand(0)).value;
    if (isa<NotOp>(op))
      return {b.op(Id::Pnot, first), {}};
    return {b.op(isa<AndOp>(op) ? Id::Pand : Id::Por, first, valueOf(op->getOperand(1)).value), {}};
  }
  return isInteger(elementOf(op->getResult(0))) ? computeInteger(op) : computeFloat(op);
}

LaneValue LaneCode::computeInteger(mlir::Operation *op) {
  LaneValue x = valueOf(op->getOperand(0));
  if (isa<NegOp>(op))
    return {b.op(Id::VsubI, b.splatInt(0), x.value), rangeOf(elementOf(op->getResult(0)))};
  LaneValue y = valueOf(op->getOperand(1));
  if (isa<AndOp, OrOp, XorOp>(op)) // as bytes extend, so do the bits of two of them
    return {b.op(isa<AndOp>(op)  ? Id::Vand
                 : isa<OrOp>(op) ? Id::Vor
                                 : Id::Vxor,
                 x.value, y.value),
            rangeOf(elementOf(op->getResult(0)))};
  if (isa<MaxOp>(op))
    return {b.op(Id::VmaxI, x.value, y.value),
            {std::max(x.range.low, y.range.low), std::max(x.range.high, y.range.high), true}};
  if (isa<MinOp>(op))
    return {b.op(Id::VminI, x.value, y.value),
            {std::min(x.range.low, y.range.low), std::min(x.range.high, y.range.high), true}};
  Range range = rangeOf(elementOf(op->getResult(0)));
  auto within = [&](double low, double high) {
    if (low >= range.low && high <= range.high)
      range = {low, high, true};
  };
  if (isa<AddOp>(op)) {
    within(x.range.low + y.range.low, x.range.high + y.range.high);
    return {b.op(Id::VaddI, x.value, y.value), range};
  }
  if (isa<SubOp>(op)) {
    within(x.range.low - y.range.high, x.range.high - y.range.low);
    return {b.op(Id::VsubI, x.value, y.value), range};
  }
  return {b.op(Id::VmulI, x.value, y.value), range};
}

/// x / y, correctly rounded. Where one may be infinite, or y zero, the correction is no number and is left
/// out.
Value LaneCode::divide(const LaneValue &x, const LaneValue &y) {
  bool isConstant = y.range.low == y.range.high && y.range.low != 0;
  Value reciprocal, minus;
  if (isConstant) {
    auto number = static_cast<float>(y.range.low);
    int exponent = 0;
    reciprocal = b.splat(1 / number);
    if (std::frexp(std::fabs(number), &exponent) == 0.5F)
      return b.op(Id::VmulF, x.value, reciprocal); // a power of two
    minus = b.splat(-number);
  } else {
    reciprocal = b.op(Id::VrcpF, y.value);
    minus = b.op(Id::VnegF, y.value);
  }
  Value quotient = b.op(Id::VmulF, x.value, reciprocal);
  Value rest = b.op(Id::VfmaF, quotient, minus, x.value);
  Value corrected = b.op(Id::VfmaF, rest, reciprocal, quotient);
  bool isPlain =
      isBounded(x.range) && isBounded(y.range) && (isConstant || y.range.low > 0 || y.range.high < 0);
  return isPlain ? corrected : b.select(b.op(Id::VeqF, rest, rest), corrected, quotient);
}

/// e^x as 2^k 2^r with |r| <= 1/2: x * log2(e) alone would lose as many bits as x has in front of the point.
Value LaneCode::exponential(const LaneValue &x) {
  constexpr float high = 0.693359375F, low = -2.12194440e-4F; // ln 2 in two parts (Cody and Waite)
  constexpr float log2e = std::numbers::log2e_v<float>;
  constexpr double most = 150;
  Value bounded = x.value;
  if (x.range.low < -most)
    bounded = b.op(Id::VmaxF, bounded, b.splat(static_cast<float>(-most)));
  if (x.range.high > most)
    bounded = b.op(Id::VminF, bounded, b.splat(static_cast<float>(most)));
  Value k = b.op(Id::VrintF, b.op(Id::VmulF, bounded, b.splat(log2e)));
  Value rest = b.op(Id::VfmaF, k, b.splat(-high), bounded);
  rest = b.op(Id::VfmaF, k, b.splat(-low), rest);
  Value fraction = b.op(Id::Vexp2F, b.op(Id::VmulF, rest, b.splat(log2e)));
  return b.op(Id::VmulF, fraction, b.op(Id::Vexp2F, k));
}

/// erf(x) = x P(x^2) / Q(x^2) up to 3.93, from where it is 1 in f32; the minimax fit of the CPU's kernels.
Value LaneCode::errorFunction(Value x) {
  constexpr float p[] = {1.1283792F,    0.18514833F,   0.054254632F,  0.0038402898F,
                         3.7715945e-4F, 4.6198425e-6F, -1.2856924e-8F};
  constexpr float q[] = {1.0F, 0.49741694F, 0.11388701F, 0.015434805F, 0.0013023979F, 6.249875e-5F};
  Value limit = b.splat(3.93F), c = b.op(Id::VminF, b.op(Id::VmaxF, x, b.splat(-3.93F)), limit);
  Value square = b.op(Id::VmulF, c, c);
  auto polynomial = [&](ArrayRef<float> terms) {
    Value sum = b.splat(terms.back());
    for (float term : llvm::reverse(terms.drop_back()))
      sum = b.op(Id::VfmaF, sum, square, b.splat(term));
    return sum;
  };
  Value above = b.op(Id::VmulF, c, polynomial(p)), below = polynomial(q);
  Value reciprocal = b.op(Id::VrcpF, below), quotient = b.op(Id::VmulF, above, reciprocal);
  Value rest = b.op(Id::VfmaF, quotient, b.op(Id::VnegF, below), above);
  quotient = b.op(Id::VfmaF, rest, reciprocal, quotient);
  return b.op(Id::VminF, b.op(Id::VmaxF, quotient, b.splat(-1.0F)), b.splat(1.0F));
}

LaneValue LaneCode::computeFloat(mlir::Operation *op) {
  LaneValue x = valueOf(op->getOperand(0)),
            y = op->getNumOperands() > 1 ? valueOf(op->getOperand(1)) : LaneValue();
  Range range;
  bool whole = x.range.integral && (op->getNumOperands() == 1 || y.range.integral);
  // Bounds are a little wider than what rounding makes of them.
  auto exact = [&](double low, double high) {
    if (whole && low >= -kExact && high <= kExact)
      range = {low, high, true};
    else if (isBounded(x.range) && isBounded(y.range))
      range = {low - std::fabs(low) * 1e-6, high + std::fabs(high) * 1e-6, false};
  };
  Value result;
  if (isa<AddOp>(op)) {
    result = b.op(Id::VaddF, x.value, y.value);
    exact(x.range.low + y.range.low, x.range.high + y.range.high);
  } else if (isa<SubOp>(op)) {
    result = b.op(Id::VsubF, x.value, y.value);
    exact(x.range.low - y.range.high, x.range.high - y.range.low);
  } else if (isa<MulOp>(op)) {
    result = b.op(Id::VmulF, x.value, y.value);
    if (isBounded(x.range) && isBounded(y.range)) {
      auto [low, high] = std::minmax({x.range.low * y.range.low, x.range.low * y.range.high,
                                      x.range.high * y.range.low, x.range.high * y.range.high});
      range = {low - std::fabs(low) * 1e-6, high + std::fabs(high) * 1e-6, false};
    }
  } else if (isa<PowOp>(op)) {
    result = b.op(Id::VmulF, x.value, x.value);
  } else if (isa<DivOp>(op)) {
    result = divide(x, y);
  } else if (isa<MaxOp>(op)) {
    result = b.op(Id::VmaxF, x.value, y.value);
    range = {std::max(x.range.low, y.range.low), std::max(x.range.high, y.range.high), whole};
  } else if (isa<MinOp>(op)) {
    result = b.op(Id::VminF, x.value, y.value);
    range = {std::min(x.range.low, y.range.low), std::min(x.range.high, y.range.high), whole};
  } else if (isa<NegOp>(op)) {
    result = b.op(Id::VnegF, x.value);
    range = {-x.range.high, -x.range.low, whole};
  } else if (isa<AbsOp>(op)) {
    result = b.op(Id::VabsF, x.value);
    range.integral = whole;
  } else if (isa<FloorOp>(op)) {
    result = b.op(Id::VfloorF, x.value);
    range = {std::floor(x.range.low), x.range.high, true};
  } else if (isa<CeilOp>(op)) {
    result = b.op(Id::VnegF, b.op(Id::VfloorF, b.op(Id::VnegF, x.value)));
    range = {x.range.low, std::ceil(x.range.high), true};
  } else if (isa<RoundOp>(op)) {
    result = b.op(Id::VrintF, x.value);
    range = {std::nearbyint(x.range.low), std::nearbyint(x.range.high), true};
  } else if (isa<RsqrtOp>(op)) {
    result = b.op(Id::VrsqrtF, x.value);
  } else if (isa<SqrtOp>(op)) {
    // x rsqrt(x), corrected once; 0 stays what it is.
    Value reciprocal = b.op(Id::VrsqrtF, x.value), root = b.op(Id::VmulF, x.value, reciprocal);
    Value rest = b.op(Id::VfmaF, root, b.op(Id::VnegF, root), x.value);
    root = b.op(Id::VfmaF, rest, b.op(Id::VmulF, reciprocal, b.splat(0.5F)), root);
    result = b.select(b.op(Id::VeqF, x.value, b.splat(0.0F)), x.value, root);
  } else if (isa<ExpOp>(op)) {
    result = exponential(x);
    if (constexpr double finite = 80; x.range.high <= finite && elementOf(op->getResult(0)).isF32())
      range = {0, std::exp(x.range.high) * (1 + 1e-5), false};
  } else if (isa<LogOp>(op)) {
    result = b.op(Id::VmulF, b.op(Id::Vlog2F, x.value), b.splat(std::numbers::ln2_v<float>));
  } else if (isa<TanhOp>(op)) {
    result = b.op(Id::VtanhF, x.value);
  } else {
    result = errorFunction(x.value);
  }
  if (elementOf(op->getResult(0)).isBF16())
    result = roundToBf16(result);
  return {result, range};
}

LaneValue LaneCode::compare(mlir::Operation *op) {
  auto cmp = cast<CmpOp>(op);
  Value x = valueOf(cmp.getLhs()).value, y = valueOf(cmp.getRhs()).value;
  bool real = isFloat(elementOf(cmp.getLhs()));
  Id lt = real ? Id::VltF : Id::VltI, le = real ? Id::VleF : Id::VleI, eq = real ? Id::VeqF : Id::VeqI;
  switch (cmp.getPredicate()) {
  case CmpPredicate::lt:
    return {b.op(lt, x, y), {}};
  case CmpPredicate::le:
    return {b.op(le, x, y), {}};
  case CmpPredicate::gt:
    return {b.op(lt, y, x), {}};
  case CmpPredicate::ge:
    return {b.op(le, y, x), {}};
  case CmpPredicate::eq:
    return {b.op(eq, x, y), {}};
  case CmpPredicate::ne:
    return {b.op(Id::Pnot, b.op(eq, x, y)), {}};
  }
  llvm_unreachable("not a comparison");
}

/// The nearest bf16, ties to even, in f32.
Value LaneCode::roundToBf16(Value x) {
  Value last = b.op(Id::Vand, b.op(Id::Vshr, x, b.splatInt(16)), b.splatInt(1));
  Value sum = b.op(Id::VaddI, b.op(Id::VaddI, x, b.splatInt(0x7fff)), last);
  return b.op(Id::Vand, sum, b.splatInt(static_cast<int32_t>(0xffff0000)));
}

/// Towards zero, as f32.
Value LaneCode::truncate(Value x) {
  Value magnitude = b.op(Id::VfloorF, b.op(Id::VabsF, x));
  return b.select(b.op(Id::VltF, x, b.splat(0.0F)), b.op(Id::VnegF, magnitude), magnitude);
}

LaneValue LaneCode::convert(mlir::Operation *op) {
  LaneValue x = valueOf(op->getOperand(0));
  Type from = elementOf(op->getOperand(0)), to = elementOf(op->getResult(0));
  if (to.isInteger(1)) {
    Value zero = isFloat(from) ? b.splat(0.0F) : b.splatInt(0);
    return {from.isInteger(1) ? x.value
                              : b.op(Id::Pnot, b.op(isFloat(from) ? Id::VeqF : Id::VeqI, x.value, zero)),
            {}};
  }
  if (from.isInteger(1)) {
    bool real = isFloat(to);
    return {b.select(x.value, real ? b.splat(1.0F) : b.splatInt(1), real ? b.splat(0.0F) : b.splatInt(0)),
            {0, 1, true}};
  }
  if (isFloat(from) && isFloat(to))
    return to.isBF16() && !from.isBF16() ? LaneValue{roundToBf16(x.value), {}} : x;
  if (isFloat(to)) {
    bool fits = x.range.low >= -kExact && x.range.high <= kExact;
    Value real = b.op(Id::VcvtIf, x.value);
    return {to.isBF16() ? roundToBf16(real) : real, fits && !to.isBF16() ? x.range : Range()};
  }
  Range target = rangeOf(to);
  if (isFloat(from)) {
    Value whole = b.op(Id::VcvtFi, x.range.integral ? x.value : truncate(x.value));
    Range range{std::trunc(x.range.low), std::trunc(x.range.high), true};
    if (range.low >= target.low && range.high <= target.high)
      return {whole, range};
    x = {whole, rangeOf(op->getContext() ? IntegerType::get(op->getContext(), 32) : to)};
  }
  return {stored(x, to), x.range.low >= target.low && x.range.high <= target.high ? x.range : target};
}

Value LaneCode::stored(const LaneValue &x, Type element) {
  Range target = rangeOf(element);
  if (isFloat(element) || element.isInteger(32) || (x.range.low >= target.low && x.range.high <= target.high))
    return x.value;
  // The low bits: stores saturate.
  Value low = b.op(Id::Vand, x.value, b.splatInt(255));
  if (element.isUnsignedInteger(8))
    return low;
  return b.op(Id::Vsar, b.op(Id::Vshl, low, b.splatInt(24)), b.splatInt(24));
}

} // namespace tenon::npu

//===- QuantizeCode.cpp - floating numbers to bytes in few instructions
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/QuantizeCode.h"

#include "compiler/emit/cpu/UniformConstants.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <array>
#include <cmath>
#include <map>

using namespace mlir;

namespace tenon::cpu {
namespace {

/// 1 / scale, and what that rounds away.
std::pair<float, float> reciprocal(float scale) {
  double exact = 1.0 / static_cast<double>(scale);
  auto r = static_cast<float>(exact);
  return {r, static_cast<float>(exact - static_cast<double>(r))};
}

float quotient(float x, float scale) {
  auto [r, rest] = reciprocal(scale);
  return std::fmaf(x, r, x * rest);
}

/// Whether the quotient without division rounds as the division does, for all x up to `least` and `most`.
bool triedAlike(float scale, float least, float most) {
  constexpr int around = 8; // units of the last place; the quotients differ by less than two
  auto alike = [scale](float x) { return std::nearbyintf(x / scale) == std::nearbyintf(quotient(x, scale)); };
  bool all = alike(least) && alike(most);
  auto from = static_cast<int>(std::floor(least / scale)), to = static_cast<int>(std::ceil(most / scale));
  for (int i = from; i <= to && all; ++i) {
    float x = (static_cast<float>(i) + 0.5F) * scale;
    for (int n = 0; n < around; ++n)
      x = std::nextafterf(x, -INFINITY);
    for (int n = 0; n < 2 * around && all; ++n, x = std::nextafterf(x, INFINITY))
      all = x < least || x > most || alike(x);
  }
  return all;
}

/// The same, tried once for each scale and bounds that a thread meets: a kernel asks for every value of a
/// tile.
bool roundsAlike(float scale, float least, float most) {
  static thread_local std::map<std::array<float, 3>, bool> tried;
  auto [it, added] = tried.try_emplace({scale, least, most}, false);
  if (added)
    it->second = triedAlike(scale, least, most);
  return it->second;
}

} // namespace

std::optional<Quantization> matchQuantization(Operation *op) {
  auto narrow = dyn_cast<CastOp>(op);
  auto byte = narrow ? dyn_cast<IntegerType>(getElementTypeOrSelf(narrow.getType())) : IntegerType();
  auto whole = byte && byte.getWidth() == 8 ? narrow.getInput().getDefiningOp<CastOp>() : CastOp();
  if (!whole || !getElementTypeOrSelf(whole.getType()).isInteger(32))
    return std::nullopt;
  auto high = withNumber<MinOp>(whole.getInput(), true);
  auto low = high ? withNumber<MaxOp>(high->first, true) : std::nullopt;
  if (!low)
    return std::nullopt;
  Value rounded = low->first;
  float zero = 0;
  if (auto shifted = withNumber<AddOp>(rounded, true))
    std::tie(rounded, zero) = *shifted;
  auto round = rounded.getDefiningOp<RoundOp>();
  auto division = round ? withNumber<DivOp>(round.getInput(), false) : std::nullopt;
  if (!division)
    return std::nullopt;
  float scale = division->second, first = byte.isUnsigned() ? 0.0F : -128.0F;
  bool fits = low->second == first && high->second == first + 255 && zero == std::floor(zero) &&
              zero >= first && zero <= first + 255 && scale > 0x1p-60F && scale < 0x1p60F;
  // NaN becomes `low`, which as a signed byte with a zero point is not what the conversion makes of it.
  if (!fits || (!byte.isUnsigned() && zero != 0))
    return std::nullopt;
  Quantization how{division->first,
                   scale,
                   (first - zero) * scale,
                   (first + 255 - zero) * scale,
                   static_cast<int64_t>(zero),
                   byte.isUnsigned()};
  bool endsFit = std::nearbyintf(how.least / scale) == first - zero &&
                 std::nearbyintf(how.most / scale) == first + 255 - zero;
  if (!endsFit || !roundsAlike(scale, how.least, how.most))
    return std::nullopt;
  return how;
}

std::optional<Quantization> matchWidenedQuantization(Operation *op) {
  auto wide = dyn_cast<CastOp>(op);
  Operation *narrow = wide ? wide.getInput().getDefiningOp() : nullptr;
  if (!narrow || !getElementTypeOrSelf(wide.getType()).isInteger(32))
    return std::nullopt;
  std::optional<Quantization> how = matchQuantization(narrow);
  return how && how->isUnsigned ? how : std::nullopt;
}

Value emitQuotient(KernelBuilder &k, const Quantization &how, Value x, unsigned lanes) {
  OpBuilder &b = k.builder();
  Location loc = k.loc();
  auto number = [&](float v) {
    return k.splat(arith::ConstantOp::create(b, loc, b.getF32FloatAttr(v)), lanes);
  };
  auto choose = [&](arith::CmpFPredicate p, Value a, Value c) -> Value {
    return arith::SelectOp::create(b, loc, arith::CmpFOp::create(b, loc, p, a, c), a, c);
  };
  // Unsigned: NaN is not more than the bound, which becomes 0. Signed: it stays, and its conversion ends in
  // 0.
  Value least = number(how.least);
  Value y = how.least < 0 && how.zero == 0 ? choose(arith::CmpFPredicate::OGT, least, x)
                                           : choose(arith::CmpFPredicate::OGT, x, least);
  y = choose(arith::CmpFPredicate::OLT, number(how.most), y);
  auto [r, rest] = reciprocal(how.scale);
  // The rest of a power of two is 0.
  if (rest == 0)
    return arith::MulFOp::create(b, loc, y, number(r));
  return math::FmaOp::create(b, loc, y, number(r), arith::MulFOp::create(b, loc, y, number(rest)));
}

Value emitNearest(KernelBuilder &k, Value x, unsigned lanes) {
  OpBuilder &b = k.builder();
  std::string n = std::to_string(lanes);
  std::string suffix = lanes == 1 ? "i32.f32" : "v" + n + "i32.v" + n + "f32";
  return LLVM::CallIntrinsicOp::create(b, k.loc(), k.vectorOf(b.getI32Type(), lanes),
                                       b.getStringAttr("llvm.lrint." + suffix), ValueRange{x})
      .getResults();
}

Value emitQuantizedIntegers(KernelBuilder &k, const Quantization &how, Value x, unsigned lanes) {
  OpBuilder &b = k.builder();
  Value integers = emitNearest(k, emitQuotient(k, how, x, lanes), lanes);
  if (how.zero == 0)
    return integers;
  Value zero = k.splat(arith::ConstantOp::create(b, k.loc(), b.getI32IntegerAttr(how.zero)), lanes);
  return arith::AddIOp::create(b, k.loc(), integers, zero);
}

Value emitQuantization(KernelBuilder &k, const Quantization &how, Value x, unsigned lanes) {
  OpBuilder &b = k.builder();
  return arith::TruncIOp::create(b, k.loc(), k.vectorOf(b.getI8Type(), lanes),
                                 emitQuantizedIntegers(k, how, x, lanes));
}

} // namespace tenon::cpu

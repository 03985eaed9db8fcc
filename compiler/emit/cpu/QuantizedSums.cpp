//===- QuantizedSums.cpp - sums of two bytes to one byte
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/QuantizedSums.h"

#include "compiler/emit/cpu/UniformConstants.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <array>
#include <cmath>
#include <map>

using namespace mlir;

namespace tenon::cpu {
namespace {

/// What `v` dequantizes: (bytes - zero) * scale.
std::optional<std::pair<QuantizedSum::Part, float>> matchDequantized(Value v) {
  auto scaled = withNumber<MulOp>(v, true);
  auto floating = scaled ? scaled->first.getDefiningOp<CastOp>() : CastOp();
  if (!floating || !getElementTypeOrSelf(floating.getType()).isF32())
    return std::nullopt;
  QuantizedSum::Part part;
  Value integers = floating.getInput();
  if (auto less = integers.getDefiningOp<SubOp>()) {
    DenseElementsAttr zero = uniformElements(less.getRhs());
    if (!zero || !zero.getElementType().isInteger(32))
      return std::nullopt;
    part.zero = zero.getSplatValue<int32_t>();
    integers = less.getLhs();
  }
  if (auto wide = integers.getDefiningOp<CastOp>(); wide && getElementTypeOrSelf(integers).isInteger(32))
    integers = wide.getInput();
  auto byte = dyn_cast<IntegerType>(getElementTypeOrSelf(integers));
  if (!byte || byte.getWidth() != 8)
    return std::nullopt;
  part.bytes = integers;
  part.isUnsigned = byte.isUnsigned();
  return std::pair(part, scaled->second);
}

/// Searches factors that give the bytes of all pairs.
class SumTrial {
public:
  SumTrial(const Quantization &how, QuantizedSum::Part &a, float scaleA, QuantizedSum::Part &b, float scaleB);
  /// Sets the factors and the offset of `sum`; false where no try is right.
  bool find(QuantizedSum &sum) const;

private:
  static constexpr int64_t kBytes = 256;
  static int64_t first(const QuantizedSum::Part &part) { return part.isUnsigned ? 0 : -128; }
  /// What the code has of a byte: less the zero point where it is quantized in the kernel.
  static float held(const QuantizedSum::Part &part, int64_t i) {
    return static_cast<float>(first(part) + i - (part.fresh ? part.zero : 0));
  }
  int64_t clamped(float v) const {
    return std::clamp(static_cast<int64_t>(std::nearbyintf(v)), lowest, lowest + kBytes - 1);
  }
  bool right(float factorA, float factorB, float offset) const;

  const QuantizedSum::Part &a, &b;
  float quotientA, quotientB;
  int64_t lowest, zero;
  std::vector<int16_t> expected; // of byte a and byte b
};

SumTrial::SumTrial(const Quantization &how, QuantizedSum::Part &a, float scaleA, QuantizedSum::Part &b,
                   float scaleB)
    : a(a), b(b), quotientA(scaleA / how.scale), quotientB(scaleB / how.scale),
      lowest(how.isUnsigned ? 0 : -128), zero(how.zero) {
  for (int64_t i = 0; i < kBytes; ++i)
    for (int64_t j = 0; j < kBytes; ++j) {
      float x = static_cast<float>(first(a) + i - a.zero) * scaleA;
      float y = static_cast<float>(first(b) + j - b.zero) * scaleB;
      float sum = x + y; // in one rounding each
      expected.push_back(
          static_cast<int16_t>(clamped(std::nearbyintf(sum / how.scale) + static_cast<float>(zero))));
    }
}

bool SumTrial::right(float factorA, float factorB, float offset) const {
  auto next = expected.begin();
  std::array<float, kBytes> second;
  for (int64_t j = 0; j < kBytes; ++j)
    second[j] = std::fmaf(held(b, j), factorB, offset);
  for (int64_t i = 0; i < kBytes; ++i)
    for (float y : second)
      if (clamped(std::fmaf(held(a, i), factorA, y)) != *next++)
        return false;
  return true;
}

bool SumTrial::find(QuantizedSum &sum) const {
  constexpr int around = 4; // units of the last place
  auto shifted = [](float v, int by) {
    for (; by != 0; by += by < 0 ? 1 : -1)
      v = std::nextafterf(v, by < 0 ? -INFINITY : INFINITY);
    return v;
  };
  // Nearest first: 0, 1, -1, 2, ...
  auto step = [](int i) { return i % 2 == 1 ? (i + 1) / 2 : -i / 2; };
  for (int i = 0; i <= 2 * around; ++i)
    for (int j = 0; j <= 2 * around; ++j) {
      float factorA = shifted(quotientA, step(i)), factorB = shifted(quotientB, step(j));
      double offset = static_cast<double>(zero);
      for (auto [part, factor] : {std::pair(&a, factorA), std::pair(&b, factorB)})
        offset -= part->fresh ? 0 : static_cast<double>(part->zero) * static_cast<double>(factor);
      if (!right(factorA, factorB, static_cast<float>(offset)))
        continue;
      sum.a.factor = factorA;
      sum.b.factor = factorB;
      sum.offset = static_cast<float>(offset);
      return true;
    }
  return false;
}

/// The factors and the offset, searched once for each set of parameters that a thread meets.
bool findFactors(const Quantization &how, QuantizedSum &sum, float scaleA, float scaleB) {
  struct Found {
    bool any;
    float a, b, offset;
  };
  static thread_local std::map<std::array<float, 10>, Found> found;
  auto number = [](auto v) { return static_cast<float>(v); };
  std::array<float, 10> key{how.scale,
                            number(how.zero),
                            number(how.isUnsigned),
                            scaleA,
                            scaleB,
                            number(sum.a.zero),
                            number(sum.b.zero),
                            number(sum.a.isUnsigned ? 1 : 0) + number(sum.a.fresh ? 2 : 0),
                            number(sum.b.isUnsigned ? 1 : 0) + number(sum.b.fresh ? 2 : 0),
                            0};
  auto [it, added] = found.try_emplace(key);
  if (added) {
    bool any = SumTrial(how, sum.a, scaleA, sum.b, scaleB).find(sum);
    it->second = {any, sum.a.factor, sum.b.factor, sum.offset};
  }
  std::tie(sum.a.factor, sum.b.factor, sum.offset) =
      std::tuple(it->second.a, it->second.b, it->second.offset);
  return it->second.any;
}

} // namespace

std::optional<QuantizedSum> matchQuantizedSum(const Quantization &how,
                                              llvm::function_ref<bool(Value)> inKernel) {
  auto add = how.x.getDefiningOp<AddOp>();
  auto a = add ? matchDequantized(add.getLhs()) : std::nullopt;
  auto b = a ? matchDequantized(add.getRhs()) : std::nullopt;
  if (!b)
    return std::nullopt;
  QuantizedSum sum{a->first, b->first, 0, how.isUnsigned};
  // A signed byte of NaN is 0, which only the conversion to an integer gives.
  for (QuantizedSum::Part *part : {&sum.a, &sum.b})
    if (inKernel(part->bytes) && part->isUnsigned)
      if (std::optional<Quantization> fresh = matchQuantization(part->bytes.getDefiningOp());
          fresh && fresh->zero == part->zero)
        part->fresh = fresh;
  if (!findFactors(how, sum, a->second, b->second))
    return std::nullopt;
  return sum;
}

namespace {

/// The bytes of a part in f32; less their zero point where they are quantized here.
Value emitPart(KernelBuilder &k, const QuantizedSum::Part &part, Value v, unsigned lanes) {
  OpBuilder &b = k.builder();
  if (part.fresh)
    return math::RoundEvenOp::create(b, k.loc(), emitQuotient(k, *part.fresh, v, lanes));
  Type i32 = k.vectorOf(b.getI32Type(), lanes), f32 = k.vectorOf(b.getF32Type(), lanes);
  v = part.isUnsigned ? Value(arith::ExtUIOp::create(b, k.loc(), i32, v))
                      : Value(arith::ExtSIOp::create(b, k.loc(), i32, v));
  return arith::SIToFPOp::create(b, k.loc(), f32, v);
}

} // namespace

Value emitQuantizedSum(KernelBuilder &k, const QuantizedSum &sum, Value x, Value y, unsigned lanes) {
  OpBuilder &b = k.builder();
  Location loc = k.loc();
  auto number = [&](float v) {
    return k.splat(arith::ConstantOp::create(b, loc, b.getF32FloatAttr(v)), lanes);
  };
  auto integer = [&](int64_t v) {
    return k.splat(arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(v)), lanes);
  };
  Value second = emitPart(k, sum.b, y, lanes), factor = number(sum.b.factor);
  second = sum.offset == 0 ? Value(arith::MulFOp::create(b, loc, second, factor))
                           : Value(math::FmaOp::create(b, loc, second, factor, number(sum.offset)));
  Value first = emitPart(k, sum.a, x, lanes);
  Value integers = emitNearest(k, math::FmaOp::create(b, loc, first, number(sum.a.factor), second), lanes);
  if (packsBytes(k.target(), lanes))
    return packBytes(k, integers, 0, sum.isUnsigned, lanes);
  int64_t low = sum.isUnsigned ? 0 : -128;
  integers = arith::MaxSIOp::create(b, loc, integers, integer(low));
  integers = arith::MinSIOp::create(b, loc, integers, integer(low + 255));
  return arith::TruncIOp::create(b, loc, k.vectorOf(b.getI8Type(), lanes), integers);
}

} // namespace tenon::cpu

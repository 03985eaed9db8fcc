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
#include "mlir/Dialect/Vector/IR/VectorOps.h"

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
  // What an activation cuts off below the first byte's number is that byte anyhow, and so is NaN.
  if (auto cut = how.isUnsigned ? withNumber<MaxOp>(how.x, true) : std::nullopt;
      cut && cut->second <= how.least)
    how.x = cut->first;
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

namespace {

Value choose(KernelBuilder &k, arith::CmpFPredicate p, Value a, Value c) {
  OpBuilder &b = k.builder();
  return arith::SelectOp::create(b, k.loc(), arith::CmpFOp::create(b, k.loc(), p, a, c), a, c);
}

Value number(KernelBuilder &k, float v, unsigned lanes) {
  return k.splat(arith::ConstantOp::create(k.builder(), k.loc(), k.builder().getF32FloatAttr(v)), lanes);
}

/// y / scale for y not above `most`.
Value boundedQuotient(KernelBuilder &k, const Quantization &how, Value y, unsigned lanes) {
  OpBuilder &b = k.builder();
  auto [r, rest] = reciprocal(how.scale);
  // The rest of a power of two is 0.
  if (rest == 0)
    return arith::MulFOp::create(b, k.loc(), y, number(k, r, lanes));
  Value product = arith::MulFOp::create(b, k.loc(), y, number(k, rest, lanes));
  return math::FmaOp::create(b, k.loc(), y, number(k, r, lanes), product);
}

} // namespace

Value emitQuotient(KernelBuilder &k, const Quantization &how, Value x, unsigned lanes) {
  // Unsigned: NaN is not more than the bound, which becomes 0. Signed: it stays, and its conversion ends in
  // 0.
  Value least = number(k, how.least, lanes);
  Value y = how.least < 0 && how.zero == 0 ? choose(k, arith::CmpFPredicate::OGT, least, x)
                                           : choose(k, arith::CmpFPredicate::OGT, x, least);
  y = choose(k, arith::CmpFPredicate::OLT, number(k, how.most, lanes), y);
  return boundedQuotient(k, how, y, lanes);
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

namespace {

Value elements(KernelBuilder &k, Value v, int64_t from, int64_t count) {
  return vector::ExtractStridedSliceOp::create(k.builder(), k.loc(), v, ArrayRef<int64_t>{from},
                                               ArrayRef<int64_t>{count}, ArrayRef<int64_t>{1});
}

/// Two vectors narrowed to one of half the bits for each element, 128 bits of the one and of the other in
/// turn.
Value pack(KernelBuilder &k, const Twine &name, Type element, Value low, Value high) {
  int64_t lanes = 2 * cast<VectorType>(low.getType()).getNumElements();
  return LLVM::CallIntrinsicOp::create(k.builder(), k.loc(), VectorType::get({lanes}, element),
                                       k.builder().getStringAttr(name), ValueRange{low, high})
      .getResults();
}

} // namespace

bool packsBytes(const CpuTarget &target, unsigned lanes) {
  if (target.vectorBits == 256 || target.emulate)
    return llvm::is_contained({8U, 16U, 32U, 64U}, lanes);
  return target.vectorBits == 512 && lanes >= 32; // one register narrows in one instruction
}

Value packBytes(KernelBuilder &k, Value integers, int64_t zero, bool isUnsigned, unsigned lanes) {
  OpBuilder &b = k.builder();
  if (lanes == 64) {
    Value halves[2];
    for (int64_t half : {0, 1})
      halves[half] = packBytes(k, elements(k, integers, 32 * half, 32), zero, isUnsigned, 32);
    return vector::ShuffleOp::create(b, k.loc(), halves[0], halves[1],
                                     llvm::to_vector(llvm::seq<int64_t>(64)));
  }
  bool wide = k.target().vectorBits == 512 && !k.target().emulate;
  std::string sign = isUnsigned ? "us" : "ss";
  Type i16 = b.getI16Type(), i8 = b.getI8Type();
  auto add = [&](Value words) -> Value {
    if (zero == 0)
      return words;
    auto type = cast<VectorType>(words.getType());
    Value by = arith::ConstantOp::create(b, k.loc(), DenseElementsAttr::get(type, b.getI16IntegerAttr(zero)));
    return LLVM::SAddSat::create(b, k.loc(), type, words, by);
  };
  if (lanes == 8) {
    Value low = elements(k, integers, 0, 4), high = elements(k, integers, 4, 4);
    Value words = add(pack(k, "llvm.x86.sse2.packssdw.128", i16, low, high));
    return elements(k, pack(k, "llvm.x86.sse2.pack" + sign + "wb.128", i8, words, words), 0, 8);
  }
  auto words = [&](int64_t from) {
    return add(pack(k, "llvm.x86.avx2.packssdw", i16, elements(k, integers, from, 8),
                    elements(k, integers, from + 8, 8)));
  };
  // Fours of elements, of which packing takes every other one first.
  auto inOrder = [&](Value v, ArrayRef<int64_t> fours) {
    SmallVector<int64_t> order;
    for (int64_t four : fours)
      for (int64_t i = 0; i < 4; ++i)
        order.push_back(4 * four + i);
    return vector::ShuffleOp::create(b, k.loc(), v, v, order);
  };
  if (wide) {
    Value both = add(pack(k, "llvm.x86.avx512.packssdw.512", i16, elements(k, integers, 0, 16),
                          elements(k, integers, 16, 16)));
    return inOrder(pack(k, "llvm.x86.avx512.pack" + sign + "wb.512", i8, both, both),
                   {0, 4, 8, 12, 1, 5, 9, 13});
  }
  if (lanes == 16) {
    Value ordered = inOrder(words(0), {0, 2, 1, 3});
    return pack(k, "llvm.x86.sse2.pack" + sign + "wb.128", i8, elements(k, ordered, 0, 8),
                elements(k, ordered, 8, 8));
  }
  return inOrder(pack(k, "llvm.x86.avx2.pack" + sign + "wb", i8, words(0), words(16)),
                 {0, 4, 1, 5, 2, 6, 3, 7});
}

Value emitQuantization(KernelBuilder &k, const Quantization &how, Value x, unsigned lanes) {
  OpBuilder &b = k.builder();
  // Packs saturate, so that only what has no i32 is cut off; NaN becomes the least i32, then the byte 0.
  if (how.isUnsigned && packsBytes(k.target(), lanes)) {
    Value y = choose(k, arith::CmpFPredicate::OLT, number(k, how.most, lanes), x);
    return packBytes(k, emitNearest(k, boundedQuotient(k, how, y, lanes), lanes), how.zero, true, lanes);
  }
  return arith::TruncIOp::create(b, k.loc(), k.vectorOf(b.getI8Type(), lanes),
                                 emitQuantizedIntegers(k, how, x, lanes));
}

} // namespace tenon::cpu

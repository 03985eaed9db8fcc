//===- RegionNumbers.cpp - a region's value for given numbers --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/RegionNumbers.h"
#include "compiler/emit/mortise/segment/TensorShape.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/DenseMap.h"

#include <bit>
#include <cmath>
#include <memory>

using namespace mlir;

namespace tenon::npu {

namespace {

/// A step on earlier values; floats and integers have a place each.
struct Step {
  enum class Kind : uint8_t {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    Round,
    ToFloat,
    ToInteger,
    ToUnsignedByte,
    ToSignedByte,
    Copy,
    AddInteger,
    SubInteger,
    MulInteger,
    MaxInteger,
    MinInteger
  };
  Kind kind = Kind::Copy;
  unsigned a = 0, b = 0, to = 0;
};

/// `Real`: float for what the region says, double for its slopes.
template <typename Real> struct Places {
  std::vector<Real> reals;
  std::vector<int32_t> integers;
};

template <typename Real> void apply(const Step &s, Places<Real> &p) {
  Real x = p.reals[s.a], y = p.reals[s.b];
  int32_t i = p.integers[s.a], j = p.integers[s.b];
  auto wrap = [](uint32_t value) { return static_cast<int32_t>(value); };
  switch (s.kind) {
  case Step::Kind::Add:
    p.reals[s.to] = x + y;
    break;
  case Step::Kind::Sub:
    p.reals[s.to] = x - y;
    break;
  case Step::Kind::Mul:
    p.reals[s.to] = x * y;
    break;
  case Step::Kind::Div:
    p.reals[s.to] = x / y;
    break;
  case Step::Kind::Max:
    p.reals[s.to] = std::max(x, y);
    break;
  case Step::Kind::Min:
    p.reals[s.to] = std::min(x, y);
    break;
  case Step::Kind::Round:
    p.reals[s.to] = std::nearbyint(x);
    break;
  case Step::Kind::ToFloat:
    p.reals[s.to] = static_cast<Real>(i);
    break;
  case Step::Kind::ToInteger: // what does not fit is no byte's value anyway
    p.integers[s.to] = static_cast<int32_t>(std::min(std::max(x, Real(-2147483648.0)), Real(2147483520.0)));
    break;
  case Step::Kind::ToUnsignedByte:
    p.integers[s.to] = static_cast<uint8_t>(i);
    break;
  case Step::Kind::ToSignedByte:
    p.integers[s.to] =
        static_cast<int8_t>(i); // NOLINT(bugprone-signed-char-misuse): the sign is meant to extend
    break;
  case Step::Kind::Copy:
    p.reals[s.to] = x;
    p.integers[s.to] = i;
    break;
  case Step::Kind::AddInteger:
    p.integers[s.to] = wrap(static_cast<uint32_t>(i) + static_cast<uint32_t>(j));
    break;
  case Step::Kind::SubInteger:
    p.integers[s.to] = wrap(static_cast<uint32_t>(i) - static_cast<uint32_t>(j));
    break;
  case Step::Kind::MulInteger:
    p.integers[s.to] = wrap(static_cast<uint32_t>(i) * static_cast<uint32_t>(j));
    break;
  case Step::Kind::MaxInteger:
    p.integers[s.to] = std::max(i, j);
    break;
  case Step::Kind::MinInteger:
    p.integers[s.to] = std::min(i, j);
    break;
  }
}

/// The region's steps in order, written once and run for each pair of bytes.
class Tape {
public:
  /// The place of a value; nothing where a step has no form here.
  std::optional<unsigned> record(Value value, ArrayRef<Value> leaves);
  /// Runs the steps with bytes in the leaves' places.
  template <typename Real>
  const Places<Real> &run(Places<Real> &places, ArrayRef<unsigned> leaves, int32_t x, int32_t y) {
    places.integers[leaves[0]] = x;
    if (leaves.size() > 1)
      places.integers[leaves[1]] = y;
    for (const Step &step : steps)
      apply(step, places);
    return places;
  }
  Places<float> single;
  Places<double> wide;
  std::optional<unsigned> rounding; ///< the place that the last rounding reads

private:
  unsigned add() {
    single.reals.push_back(0);
    single.integers.push_back(0);
    wide.reals.push_back(0);
    wide.integers.push_back(0);
    return static_cast<unsigned>(single.reals.size()) - 1;
  }
  std::optional<unsigned> constant(ConstantOp op);
  std::optional<Step::Kind> kindOf(Operation *op);

  std::vector<Step> steps;
  llvm::DenseMap<Value, unsigned> known;
};

std::optional<unsigned> Tape::constant(ConstantOp op) {
  auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
  if (!dense || !dense.isSplat())
    return std::nullopt;
  unsigned place = add();
  if (dense.getElementType().isF32())
    wide.reals[place] = static_cast<double>(single.reals[place] = dense.getSplatValue<float>());
  else if (Type type = dense.getElementType(); type.isInteger(32) || type.isInteger(8)) {
    auto number = dense.getSplatValue<APInt>();
    wide.integers[place] = single.integers[place] = static_cast<int32_t>(
        type.isUnsignedInteger() ? number.getZExtValue() : static_cast<uint64_t>(number.getSExtValue()));
  } else
    return std::nullopt;
  return place;
}

std::optional<Step::Kind> Tape::kindOf(Operation *op) {
  Type to = elementOf(op->getResult(0));
  if (isa<BroadcastOp, ReshapeOp, tensor::CastOp>(op))
    return Step::Kind::Copy;
  if (isa<CastOp>(op)) {
    Type from = elementOf(op->getOperand(0));
    if (to.isF32())
      return from.isInteger(32) ? std::optional(Step::Kind::ToFloat) : std::nullopt;
    if (to.isInteger(32))
      return from.isF32() ? Step::Kind::ToInteger : Step::Kind::Copy; // bytes are whole already
    if (!to.isInteger(8) || !from.isInteger(32))
      return std::nullopt;
    return to.isUnsignedInteger() ? Step::Kind::ToUnsignedByte : Step::Kind::ToSignedByte;
  }
  if (!to.isF32() && !to.isInteger(32))
    return std::nullopt;
  bool real = to.isF32();
  if (isa<AddOp>(op))
    return real ? Step::Kind::Add : Step::Kind::AddInteger;
  if (isa<SubOp>(op))
    return real ? Step::Kind::Sub : Step::Kind::SubInteger;
  if (isa<MulOp>(op))
    return real ? Step::Kind::Mul : Step::Kind::MulInteger;
  if (isa<MaxOp>(op))
    return real ? Step::Kind::Max : Step::Kind::MaxInteger;
  if (isa<MinOp>(op))
    return real ? Step::Kind::Min : Step::Kind::MinInteger;
  if (isa<DivOp>(op) && real)
    return Step::Kind::Div;
  if (isa<RoundOp>(op))
    return Step::Kind::Round;
  return std::nullopt;
}

std::optional<unsigned> Tape::record(Value value, ArrayRef<Value> leaves) {
  if (auto it = known.find(value); it != known.end())
    return it->second;
  std::optional<unsigned> place;
  Operation *op = value.getDefiningOp();
  if (llvm::is_contained(leaves, value)) {
    place = add();
  } else if (auto c = dyn_cast_or_null<ConstantOp>(op)) {
    place = constant(c);
  } else if (std::optional<Step::Kind> kind = op ? kindOf(op) : std::nullopt) {
    Step step{*kind, 0, 0, 0};
    std::optional<unsigned> a = record(op->getOperand(0), leaves);
    std::optional<unsigned> b =
        op->getNumOperands() > 1 && *kind != Step::Kind::Copy ? record(op->getOperand(1), leaves) : a;
    if (!a || !b)
      return std::nullopt;
    step.a = *a;
    step.b = *b;
    step.to = add();
    if (*kind == Step::Kind::Round)
      rounding = step.a;
    steps.push_back(step);
    place = step.to;
  }
  if (place)
    known[value] = *place;
  return place;
}

} // namespace

std::optional<ByteFunction> byteFunction(Value result, ArrayRef<Value> leaves) {
  auto isByte = [](Value v) { return elementOf(v).isInteger(8); };
  if (leaves.empty() || leaves.size() > 2 || !isByte(result) || !llvm::all_of(leaves, isByte))
    return std::nullopt;
  auto tape = std::make_shared<Tape>();
  std::optional<unsigned> last = tape->record(result, leaves);
  SmallVector<unsigned> places;
  for (Value leaf : leaves)
    if (std::optional<unsigned> place = tape->record(leaf, leaves))
      places.push_back(*place);
  if (!last || !tape->rounding || places.size() != leaves.size())
    return std::nullopt;
  auto rangeOf = [&](size_t i) {
    return i < leaves.size()
               ? elementOf(leaves[i]).isUnsignedInteger() ? ByteRange{0, 255} : ByteRange{-128, 127}
               : ByteRange{0, 0};
  };
  ByteFunction function;
  function.first = rangeOf(0);
  function.second = rangeOf(1);
  function.byte = [=](int32_t x, int32_t y) { return tape->run(tape->single, places, x, y).integers[*last]; };
  function.rounded = [=](int32_t x, int32_t y) {
    return tape->run(tape->wide, places, x, y).reals[*tape->rounding];
  };
  return function;
}

std::optional<std::vector<uint32_t>> byteTable(Value value, Value byte) {
  Type type = elementOf(value);
  bool integer = type.isInteger(8) || type.isInteger(32);
  if (!type.isF32() && !integer)
    return std::nullopt;
  Tape tape;
  std::optional<unsigned> place = tape.record(byte, byte), last = tape.record(value, byte);
  if (!place || !last)
    return std::nullopt;
  std::vector<uint32_t> words(256);
  int32_t first = elementOf(byte).isUnsignedInteger() ? 0 : -128;
  for (int32_t x = first; x < first + 256; ++x) {
    const Places<float> &places = tape.run(tape.single, *place, x, 0);
    words[static_cast<size_t>(x & 255)] = integer ? std::bit_cast<uint32_t>(places.integers[*last])
                                                  : std::bit_cast<uint32_t>(places.reals[*last]);
  }
  return words;
}

} // namespace tenon::npu

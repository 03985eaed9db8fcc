//===- DrainChain.cpp - what the drain does of a product's epilogue --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/DrainChain.h"

#include "compiler/emit/mortise/segment/DrainProof.h"
#include "compiler/emit/mortise/segment/TensorShape.h"

#include <bit>
#include <cmath>
#include <limits>

using namespace mlir;

namespace tenon::npu {

namespace {

using Kind = RequantizeStep::Kind;

/// Goes along a value's only use.
Operation *nextOf(Value value) { return value.hasOneUse() ? *value.getUsers().begin() : nullptr; }
/// The operand of a binary operation beside `value`.
Value otherOperand(Operation *op, Value value) {
  return op->getOperand(0) == value ? op->getOperand(1) : op->getOperand(0);
}

template <typename T> std::vector<uint32_t> words(const std::vector<T> &values) {
  std::vector<uint32_t> result;
  for (T value : values)
    result.push_back(std::bit_cast<uint32_t>(value));
  return result;
}

constexpr int32_t kMinusInfinity = static_cast<int32_t>(0xff800000), kInfinity = 0x7f800000;

class Reader {
public:
  Reader(Value product, const KernelConstants &constants) : constants(constants) {
    chain.result = product;
    chain.form = {mortise::Type::I32,
                  false,
                  false,
                  0,
                  std::numeric_limits<int32_t>::min(),
                  std::numeric_limits<int32_t>::max()};
  }

  DrainChain read() {
    if (elementOf(chain.result).isF32())
      readFloat();
    else
      readInteger();
    return chain;
  }

private:
  template <typename OpTy> std::optional<std::vector<float>> numbersOf(Operation *op, Value value) {
    if (!isa_and_nonnull<OpTy>(op))
      return std::nullopt;
    return constants.perChannel<float>(otherOperand(op, value));
  }
  void toFloat(mortise::Type type) {
    chain.form.type = type;
    chain.form.low = kMinusInfinity;
    chain.form.high = kInfinity;
  }

  /// f32 sums: a bias, limits that are the same for all channels, bf16.
  void readFloat() {
    toFloat(mortise::Type::F32);
    Operation *op = nextOf(chain.result);
    if (auto bias = numbersOf<AddOp>(op, chain.result)) {
      chain.bias = words(*bias);
      chain.form.bias = true;
      chain.result = op->getResult(0);
      op = nextOf(chain.result);
    }
    // The drain takes the greater first: only in this order.
    if (auto low = numbersOf<MaxOp>(op, chain.result); low && low->size() == 1) {
      chain.form.low = std::bit_cast<int32_t>(low->front());
      chain.result = op->getResult(0);
      op = nextOf(chain.result);
    }
    if (auto high = numbersOf<MinOp>(op, chain.result); high && high->size() == 1) {
      chain.form.high = std::bit_cast<int32_t>(high->front());
      chain.result = op->getResult(0);
      op = nextOf(chain.result);
    }
    if (auto cast = dyn_cast_or_null<CastOp>(op); cast && elementOf(cast.getResult()).isBF16()) {
      chain.form.type = mortise::Type::Bf16;
      chain.result = cast.getResult();
    }
  }

  void readInteger() {
    Operation *op = nextOf(chain.result);
    if (isa_and_nonnull<AddOp>(op))
      if (auto bias = constants.perChannel<int32_t>(otherOperand(op, chain.result))) {
        chain.bias = words(*bias);
        chain.form.bias = true;
        chain.result = op->getResult(0);
        op = nextOf(chain.result);
      }
    auto toReal = dyn_cast_or_null<CastOp>(op);
    if (!toReal || !elementOf(toReal.getResult()).isF32())
      return;
    Value real = toReal.getResult();
    op = nextOf(real);
    auto scale = numbersOf<MulOp>(op, real);
    if (!scale)
      return;
    real = op->getResult(0);
    if (readBytes(real, *scale))
      return;
    chain.result = real;
    chain.scale = words(*scale);
    chain.form.scale = true;
    toFloat(mortise::Type::F32);
  }

  /// The steps up to a byte, if the drain has them.
  bool readBytes(Value real, const std::vector<float> &scale) {
    Requantization requantization{scale, {}};
    for (Operation *op = nextOf(real); op; op = nextOf(real)) {
      if (auto cast = dyn_cast<CastOp>(op)) {
        Type type = elementOf(cast.getResult());
        real = cast.getResult();
        if (type.isInteger(32))
          continue;
        if (!isa<IntegerType>(type) || type.getIntOrFloatBitWidth() != 8)
          return false;
        return take(real, requantization, type.isUnsignedInteger(8));
      }
      std::optional<RequantizeStep> step = stepOf(op, real);
      if (!step)
        return false;
      requantization.steps.push_back(*step);
      real = op->getResult(0);
    }
    return false;
  }

  std::optional<RequantizeStep> stepOf(Operation *op, Value value) {
    if (isa<RoundOp>(op))
      return RequantizeStep{Kind::Round, 0};
    bool commutes = isa<MulOp, AddOp, MaxOp, MinOp>(op);
    if (!commutes && !(isa<DivOp>(op) && op->getOperand(0) == value))
      return std::nullopt;
    std::optional<std::vector<float>> number = constants.perChannel<float>(otherOperand(op, value));
    if (!number || number->size() != 1)
      return std::nullopt;
    Kind kind = isa<MulOp>(op)   ? Kind::Multiply
                : isa<AddOp>(op) ? Kind::Add
                : isa<MaxOp>(op) ? Kind::Maximum
                : isa<MinOp>(op) ? Kind::Minimum
                                 : Kind::Divide;
    return RequantizeStep{kind, number->front()};
  }

  bool take(Value byte, const Requantization &requantization, bool isUnsigned) {
    std::optional<ExactDrain> drain = exactDrain(requantization);
    int64_t least = isUnsigned ? 0 : -128;
    if (!drain || drain->low < least || drain->high > least + 255)
      return false;
    chain.form = {isUnsigned ? mortise::Type::U8 : mortise::Type::I8,
                  chain.form.bias,
                  true,
                  drain->zero,
                  drain->low,
                  drain->high,
                  drain->step};
    chain.scale = words(requantization.scale);
    chain.result = byte;
    return true;
  }

  const KernelConstants &constants;
  DrainChain chain;
};

} // namespace

DrainChain drainChain(Value product, const KernelConstants &constants) {
  return Reader(product, constants).read();
}

} // namespace tenon::npu

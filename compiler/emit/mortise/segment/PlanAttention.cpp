//===- PlanAttention.cpp - kernels of attention for the machine --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/PlannedKernel.h"

#include "compiler/emit/mortise/attention/StaticAttention.h"
#include "compiler/emit/mortise/segment/KernelReader.h"
#include "compiler/emit/mortise/segment/TensorShape.h"

#include <cmath>

using namespace mlir;

namespace tenon::npu {

namespace {

constexpr size_t kAxes = 4; ///< batch, head, row, element
using Strides = std::array<int64_t, kAxes>;

/// Elements from one index of each axis to the next, as the tensor lies in memory.
Strides stridesOf(ArrayRef<int64_t> shape) {
  Strides strides{};
  int64_t next = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = next;
    next *= shape[i];
  }
  return strides;
}

/// An operand in memory, seen through transposes and broadcasts.
struct Seen {
  mlir::Value argument;
  Strides strides{};
};

/// Attention whose addresses are not known yet.
struct AttentionCode {
  StaticAttentionPlan plan;
  mlir::Value query, key, value, mask; ///< arguments of the region; no mask: null
};

class AttentionReader : KernelReader {
public:
  AttentionReader(KernelOp kernel, const mortise::Hardware &hardware, std::string &why)
      : KernelReader(kernel, hardware, why) {}

  std::optional<AttentionCode> make() {
    if (!findAttention() || !readForm() || !readOperands() || !readMask() || !readResult())
      return std::nullopt;
    std::optional<StaticAttentionPlan> plan = planStatic(a, hardware, why);
    if (!plan)
      return std::nullopt;
    code.plan = std::move(*plan);
    return std::move(code);
  }

private:
  bool findAttention() {
    for (mlir::Operation &candidate : kernel.getBody().front()) {
      if (!hasKnownSizes(candidate))
        return false;
      if (auto found = dyn_cast<AttentionOp>(candidate))
        op = found;
    }
    return op || decline("it has no attention");
  }

  bool readForm() {
    for (auto [value, what] : {std::pair(op.getLengths(), "lengths of sequences"),
                               {op.getSinks(), "sinks"},
                               {op.getPageTable(), "a page table"},
                               {op.getKeyScale(), "quantized keys"},
                               {op.getValueScale(), "quantized values"}})
      if (value)
        return decline(Twine("attention with ") + what + " has no form on the NPU");
    if (op.getWindow() != 0 || op.getSoftcap().convertToDouble() != 0)
      return decline("attention with a window or a softcap has no form on the NPU");
    ArrayRef<int64_t> query = shapeOf(op.getQuery()), key = shapeOf(op.getKey());
    a.batch = query[0];
    a.heads = query[1];
    a.queries = query[2];
    a.depth = query[3];
    a.kvHeads = key[1];
    a.keys = key[2];
    a.valueDepth = shapeOf(op.getValue())[3];
    a.causal = op.getCausal();
    a.scale = op.getScale().convertToDouble();
    if (a.scale == 0)
      a.scale = 1 / std::sqrt(static_cast<double>(a.depth));
    return true;
  }

  bool readOperands() {
    return readRows(op.getQuery(), "queries", a.query, code.query) &&
           readRows(op.getKey(), "keys", a.key, code.key) &&
           readRows(op.getValue(), "values", a.value, code.value);
  }

  bool readRows(mlir::Value value, const char *what, AttentionRows &rows, mlir::Value &argument) {
    if (elementOf(value).isF32() && !op->hasAttr("tenon.bf16_products"))
      return decline("its products are of f32, which the matrix unit does not have; --precision bf16 rounds "
                     "them");
    std::optional<Seen> seen = see(value, what);
    if (!seen || !readType(value, what, rows.type))
      return false;
    if (seen->strides[3] != 1)
      return decline(Twine("the elements of its ") + what + " do not lie side by side");
    argument = seen->argument;
    place(rows, seen->strides);
    return true;
  }

  bool readType(mlir::Value value, const char *what, mortise::Type &type) {
    if (!elementOf(value).isF32() && !elementOf(value).isBF16())
      return decline(Twine("its ") + what + " are neither f32 nor bf16");
    type = elementOf(value).isF32() ? mortise::Type::F32 : mortise::Type::Bf16;
    return true;
  }

  static void place(AttentionRows &rows, const Strides &strides) {
    int64_t size = rows.type == mortise::Type::F32 ? 4 : 2;
    rows.batch = strides[0] * size;
    rows.head = strides[1] * size;
    rows.row = strides[2] * size;
  }

  std::optional<Seen> see(mlir::Value value, const char *what) {
    auto none = [&](const Twine &reason) -> std::optional<Seen> { return refuse(reason); };
    if (isa<BlockArgument>(value)) {
      if (shapeOf(value).size() != kAxes)
        return none(Twine("its ") + what + " do not have four axes");
      return Seen{value, stridesOf(shapeOf(value))};
    }
    if (auto transpose = value.getDefiningOp<TransposeOp>()) {
      std::optional<Seen> from = see(transpose.getInput(), what);
      if (!from)
        return std::nullopt;
      Seen seen{from->argument};
      for (auto [i, axis] : llvm::enumerate(transpose.getPermutation()))
        seen.strides[i] = from->strides[static_cast<size_t>(axis)];
      return seen;
    }
    if (auto broadcast = value.getDefiningOp<BroadcastOp>()) {
      std::optional<Seen> from = see(broadcast.getInput(), what);
      if (!from)
        return std::nullopt;
      for (size_t i = 0; i < kAxes; ++i)
        if (shapeOf(broadcast.getInput())[i] != shapeOf(value)[i])
          from->strides[i] = 0;
      return from;
    }
    return none(Twine("its ") + what + " are computed within the kernel by '" +
                value.getDefiningOp()->getName().getStringRef() + "'");
  }

  bool readMask() {
    mlir::Value value = op.getMask();
    if (!value)
      return true;
    AttentionMask mask;
    if (elementOf(value).isInteger(1))
      mask.type = mortise::Type::U8;
    else if (!readType(value, "mask's elements", mask.type))
      return false;
    std::optional<Seen> seen = see(value, "mask's elements");
    if (!seen)
      return false;
    ArrayRef<int64_t> shape = shapeOf(value);
    Strides strides = seen->strides;
    for (size_t i = 0; i < kAxes; ++i)
      if (shape[i] == 1)
        strides[i] = 0;
    if (shape[3] != a.keys || (strides[3] != 1 && a.keys > 1))
      return decline("its mask has not a number for each key, side by side");
    auto size = static_cast<int64_t>(mortise::typeBits(mask.type)) / 8;
    mask.batch = strides[0] * size;
    mask.head = strides[1] * size;
    mask.query = strides[2] * size;
    a.mask = mask;
    code.mask = seen->argument;
    return true;
  }

  /// Behind the attention come transposes, then reshapes, which leave everything where it is.
  bool readResult() {
    mlir::Value value = op.getResult();
    if (!readType(value, "results", a.output.type))
      return false;
    std::array<size_t, kAxes> axisAt = {0, 1, 2, 3}; ///< the attention's axis at each of the value's
    bool reshaped = false;
    while (value != result()) {
      if (!value.hasOneUse())
        return decline("its result is used several times");
      mlir::Operation *user = *value.getUsers().begin();
      auto transpose = dyn_cast<TransposeOp>(user);
      if (!isa<ReshapeOp>(user) && (!transpose || reshaped))
        return decline(Twine("its result goes through '") + user->getName().getStringRef() + "'");
      reshaped |= !transpose;
      if (transpose) {
        std::array<size_t, kAxes> before = axisAt;
        for (auto [i, axis] : llvm::enumerate(transpose.getPermutation()))
          axisAt[i] = before[static_cast<size_t>(axis)];
      }
      value = user->getResult(0);
    }
    ArrayRef<int64_t> shape = shapeOf(op.getResult());
    SmallVector<int64_t> stored;
    for (size_t axis : axisAt)
      stored.push_back(shape[axis]);
    Strides there = stridesOf(stored), strides{};
    for (size_t i = 0; i < kAxes; ++i)
      strides[axisAt[i]] = there[i];
    place(a.output, strides);
    return strides[3] == 1 || decline("the elements of its result do not lie side by side");
  }

  AttentionOp op;
  StaticAttention a;
  AttentionCode code;
};

class PlannedAttention : public PlannedKernel {
public:
  PlannedAttention(KernelOp kernel, AttentionCode code, const mortise::Hardware &hardware)
      : PlannedKernel(kernel), code(std::move(code)), hardware(hardware) {}

  /// It was planned for all of the scratchpad.
  std::optional<double> cycles(const KernelPlaces &places) override {
    return places.room < hardware.scratchpad.bytes ? std::nullopt : std::optional(0.0);
  }

  std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t>) override {
    StaticAttention &attention = code.plan.attention;
    attention.node = node;
    attention.query.memory = program.addressOf(code.query);
    attention.key.memory = program.addressOf(code.key);
    attention.value.memory = program.addressOf(code.value);
    attention.output.memory = program.addressOf(kernel.getResult(0));
    if (code.mask)
      attention.mask->memory = program.addressOf(code.mask);
    for (auto [number, compiled] : llvm::zip_equal(code.plan.numbers, code.plan.kernels))
      if (!compiled.code.empty())
        number = program.addKernel(compiled);
    emitStatic(code.plan, program.hardware, program.stream);
    program.useAll();
    program.report("attention, " + std::to_string(code.plan.groups()) + " groups of queries, " +
                   std::to_string(code.plan.tile.panel) + " keys at a time");
    return {};
  }

private:
  AttentionCode code;
  const mortise::Hardware &hardware;
};

} // namespace

std::unique_ptr<PlannedKernel> planAttention(KernelOp kernel, const mortise::Hardware &hardware,
                                             const WeightBytes &, std::string &why) {
  std::optional<AttentionCode> code = AttentionReader(kernel, hardware, why).make();
  return code ? std::make_unique<PlannedAttention>(kernel, std::move(*code), hardware) : nullptr;
}

} // namespace tenon::npu

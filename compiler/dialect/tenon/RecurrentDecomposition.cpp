//===- RecurrentDecomposition.cpp - recurrent layers in core operations -----===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The products of the inputs with their weights are taken for all steps at once; a loop over the steps
// follows, or one step without a loop where the sequence has the constant length 1. Formulas: ONNX's LSTM,
// GRU and RNN.
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace tenon;

using Decomposed = FailureOr<SmallVector<Value>>;
using Values = CoreBuilder::Values;

namespace {

/// One step: the states after it, hidden state first, from x w^T + bias [B, gates * H] and the states before
/// it.
using StepFn = llvm::function_ref<Values(CoreBuilder &, Value, ValueRange)>;

/// An activation by ONNX's name, with the default parameters of the operator of that name.
Value activate(CoreBuilder &b, StringRef name, Value x) {
  auto make = [&]<typename OpTy, typename... Args>(Args... args) -> Value {
    return OpTy::create(b.builder, b.loc, x.getType(), x, args...);
  };
  auto f64 = [&](double v) { return b.builder.getF64FloatAttr(v); };
  if (name == "Sigmoid")
    return make.operator()<SigmoidOp>();
  if (name == "Tanh")
    return make.operator()<TanhOp>();
  if (name == "Relu")
    return make.operator()<ReluOp>();
  if (name == "Elu")
    return make.operator()<EluOp>(f64(1));
  if (name == "HardSigmoid")
    return make.operator()<HardSigmoidOp>(f64(0.2), f64(0.5));
  if (name == "LeakyRelu")
    return make.operator()<LeakyReluOp>(f64(0.01));
  if (name == "Softplus")
    return make.operator()<SoftplusOp>();
  if (name == "Softsign")
    return make.operator()<SoftsignOp>();
  if (name == "ThresholdedRelu")
    return make.operator()<ThresholdedReluOp>(f64(1));
  if (name == "ScaledTanh")
    return make.operator()<TanhOp>();
  assert(name == "Affine" && "the verifier admits no other name");
  return x;
}

/// What the three layers share.
template <typename LayerOp> class Layer {
public:
  Layer(LayerOp op, OpBuilder &builder, int64_t gates) : op(op), b(builder, op.getLoc()), gates(gates) {
    T = b.dim(op.getX(), 0), B = b.dim(op.getX(), 1), H = b.dim(op.getR(), 1);
    element = tensorType(op.getX()).getElementType();
  }

  Value clip(CoreBuilder &c, Value x) {
    if (!op.getClip())
      return x;
    double bound = op.getClip()->convertToDouble();
    return c.min(c.max(x, -bound), bound);
  }
  Value activation(CoreBuilder &c, unsigned which, StringRef otherwise, Value x) {
    ArrayAttr names = op.getActivationsAttr();
    return activate(c, names ? cast<StringAttr>(names[which]).getValue() : otherwise, clip(c, x));
  }
  /// Part `k` of a tensor of gates along its last axis.
  Value gate(CoreBuilder &c, Value all, int64_t k) {
    return c.slice(all, tensorType(all).getRank() - 1, c.mulIndex(c.index(k), H), H);
  }
  /// Rows of gate `k` of recurrence weights [gates * H, H], from `k` on for `count` gates.
  Value rows(CoreBuilder &c, Value weights, int64_t k, int64_t count) {
    return c.slice(weights, 0, c.mulIndex(c.index(k), H), c.mulIndex(c.index(count), H));
  }
  /// A vector of H elements for every row of the batch.
  Value perRow(CoreBuilder &c, Value vector) {
    return c.broadcast(c.reshape(vector, {c.index(1), H}), {B, H});
  }
  /// Part `k` of the bias, H elements.
  Value biasPart(CoreBuilder &c, int64_t k, int64_t count = 1) {
    return c.slice(op.getBias(), 0, c.mulIndex(c.index(k), H), c.mulIndex(c.index(count), H));
  }
  Value initial(Value given) { return given ? given : b.broadcast(b.constant(0, element, 2), {B, H}); }

  /// Runs the steps. `recurrentBias` tells how many of r's biases, counted from the first gate, join the
  /// inputs' at once.
  Values run(Values states, int64_t recurrentBias, StepFn step) {
    Value inputs = inputProducts(recurrentBias);
    for (Value &state : states)
      state = b.refine(state, stateType());
    Value y;
    if (tensorType(op.getX()).getDimSize(0) == 1) {
      auto [next, out] = advance(b, inputs, b.index(0), states, step);
      y = b.reshape(out, {b.index(1), B, H});
      states = next;
    } else {
      y = loop(inputs, states, step);
    }
    states.insert(states.begin(), y);
    for (auto [value, result] : llvm::zip_equal(states, op->getResults()))
      value = b.refine(value, result.getType());
    return states;
  }

  LayerOp op;
  CoreBuilder b;
  int64_t gates;
  Value T, B, H;
  Type element;

private:
  Type stateType() {
    return RankedTensorType::get({tensorType(op.getX()).getDimSize(1), tensorType(op.getR()).getDimSize(1)},
                                 element);
  }

  Value inputProducts(int64_t recurrentBias) {
    Value products = b.contract(op.getX(), op.getW(), /*transposeRhs=*/true);
    if (!op.getBias())
      return products;
    Value bias = biasPart(b, 0, gates);
    if (recurrentBias == gates) {
      bias = b.add(bias, biasPart(b, gates, gates));
    } else {
      Value zero = b.broadcast(b.constant(0, element, 1), {b.mulIndex(b.index(gates - recurrentBias), H)});
      bias = b.add(bias, b.concat({biasPart(b, gates, recurrentBias), zero}, 0));
    }
    Value wide = b.reshape(bias, {b.index(1), b.index(1), b.dim(bias, 0)});
    return b.add(products, b.broadcastLike(wide, products));
  }

  /// The states after step `t`, and its row of Y: rows beyond their length keep their states and give 0.
  std::pair<Values, Value> advance(CoreBuilder &c, Value inputs, Value t, ValueRange states, StepFn step) {
    Value row = c.reshape(c.slice(inputs, 0, t, c.index(1)), {B, c.dim(inputs, 2)});
    Values next = step(c, row, states);
    Value out = next.front();
    if (op.getLengths()) {
      Value lengths = op.getLengths();
      Value now = c.fromIndex(t, tensorType(lengths).getElementType(), 1);
      Value running = c.compare(CmpPredicate::lt, c.broadcastLike(now, lengths), lengths);
      running = c.broadcast(c.reshape(running, {B, c.index(1)}), {B, H});
      for (auto [state, before] : llvm::zip_equal(next, states))
        state = c.select(running, state, before);
      out = c.select(running, out, c.splat(0, out));
    }
    for (Value &state : next)
      state = c.refine(state, stateType());
    return {next, out};
  }

  Value loop(Value inputs, Values &states, StepFn step) {
    Values carried = {b.broadcast(b.constant(0, element, 3), {T, B, H})};
    llvm::append_range(carried, states);
    auto body = [&](OpBuilder &builder, Location loc, Value i, ValueRange args) {
      CoreBuilder c(builder, loc);
      Value t = op.getReverse() ? c.subIndex(c.subIndex(T, c.index(1)), i) : i;
      auto [next, out] = advance(c, inputs, t, args.drop_front(), step);
      Value zero = c.index(0);
      Value y = c.updateSlice(args.front(), c.reshape(out, {c.index(1), B, H}), {t, zero, zero});
      Values yielded = {y};
      llvm::append_range(yielded, next);
      scf::YieldOp::create(builder, loc, yielded);
    };
    auto op = scf::ForOp::create(b.builder, b.loc, b.index(0), T, b.index(1), carried, body);
    states.assign(op.getResults().begin() + 1, op.getResults().end());
    return op.getResult(0);
  }
};

} // namespace

Decomposed LstmOp::decompose(OpBuilder &builder) {
  Layer<LstmOp> layer(*this, builder, 4);
  auto peep = [&](CoreBuilder &c, Value x, Value cell, int64_t k) {
    return getPeephole() ? c.add(x, c.mul(cell, layer.perRow(c, layer.gate(c, getPeephole(), k)))) : x;
  };
  auto step = [&](CoreBuilder &c, Value row, ValueRange states) {
    Value hidden = states[0], cell = states[1];
    Value all = c.add(row, c.contract(hidden, getR(), /*transposeRhs=*/true));
    Value in = layer.activation(c, 0, "Sigmoid", peep(c, layer.gate(c, all, 0), cell, 0));
    Value forget = getInputForget()
                       ? c.sub(c.splat(1, in), in)
                       : layer.activation(
                             c, 0, "Sigmoid",
                             peep(c, layer.gate(c, all, planted(Defect::LstmGatesSwapped) ? 1 : 2), cell, 2));
    Value candidate = layer.activation(c, 1, "Tanh", layer.gate(c, all, 3));
    Value next = c.add(c.mul(forget, cell), c.mul(in, candidate));
    Value out = layer.activation(c, 0, "Sigmoid", peep(c, layer.gate(c, all, 1), next, 1));
    ArrayAttr names = getActivationsAttr();
    // Clipping is for the gates, not for the cell.
    Value shown = activate(c, names ? cast<StringAttr>(names[2]).getValue() : StringRef("Tanh"), next);
    return Values{c.mul(out, shown), next};
  };
  return layer.run({layer.initial(getInitialH()), layer.initial(getInitialC())}, 4, step);
}

Decomposed GruOp::decompose(OpBuilder &builder) {
  Layer<GruOp> layer(*this, builder, 3);
  bool linear = getLinearBeforeReset();
  auto step = [&](CoreBuilder &c, Value row, ValueRange states) {
    Value hidden = states[0];
    Value gates = c.contract(hidden, layer.rows(c, getR(), 0, 2), /*transposeRhs=*/true);
    Value update = layer.activation(c, 0, "Sigmoid", c.add(layer.gate(c, row, 0), layer.gate(c, gates, 0)));
    Value reset = layer.activation(c, 0, "Sigmoid", c.add(layer.gate(c, row, 1), layer.gate(c, gates, 1)));
    Value weights = layer.rows(c, getR(), 2, 1), inner;
    if (linear) {
      inner = c.contract(hidden, weights, /*transposeRhs=*/true);
      if (getBias())
        inner = c.add(inner, layer.perRow(c, layer.biasPart(c, 5)));
      inner = c.mul(reset, inner);
    } else {
      inner = c.contract(c.mul(reset, hidden), weights, /*transposeRhs=*/true);
    }
    Value candidate = layer.activation(c, 1, "Tanh", c.add(layer.gate(c, row, 2), inner));
    Value fresh = c.mul(c.sub(c.splat(1, update), update), candidate);
    return Values{c.add(fresh, c.mul(update, hidden))};
  };
  return layer.run({layer.initial(getInitialH())}, linear ? 2 : 3, step);
}

Decomposed RnnOp::decompose(OpBuilder &builder) {
  Layer<RnnOp> layer(*this, builder, 1);
  auto step = [&](CoreBuilder &c, Value row, ValueRange states) {
    Value sum = c.add(row, c.contract(states[0], getR(), /*transposeRhs=*/true));
    return Values{layer.activation(c, 0, "Tanh", sum)};
  };
  return layer.run({layer.initial(getInitialH())}, 1, step);
}

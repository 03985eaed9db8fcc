//===- RecurrentHandlers.cpp - LSTM, GRU and RNN ----------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeContext.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

enum class Cell { Rnn, Gru, Lstm };

/// The inputs and attributes that the three layers share.
class Recurrent {
public:
  Recurrent(NodeContext &n, Cell cell)
      : n(n), g(n.g), cell(cell), gates(cell == Cell::Lstm  ? 4
                                        : cell == Cell::Gru ? 3
                                                            : 1) {}
  LogicalResult run();

private:
  LogicalResult read();
  LogicalResult checkShapes();
  LogicalResult build(int64_t direction);
  /// A direction's part of a parameter, without the leading dimension; null when absent.
  Value part(int64_t input, int64_t direction);
  ArrayAttr activationsOf(int64_t direction);
  LogicalResult finish();

  NodeContext &n;
  GraphBuilder &g;
  Cell cell;
  int64_t gates;
  Tensor x;
  int64_t hidden = 0, directions = 1;
  bool backwardFirst = false, batchFirst = false;
  std::optional<SmallVector<std::string>> activations;
  FloatAttr clip;
  SmallVector<Tensor> y, yh, yc;
};

LogicalResult Recurrent::read() {
  if (failed(n.needInputs(3)) || failed(n.needFloat(0)) || n.in(0).rank() != 3)
    return n.invalid("expected X [sequence, batch, input], W and R");
  std::string direction = n.stringAttr("direction", "forward");
  directions = direction == "bidirectional" ? 2 : 1;
  backwardFirst = direction == "reverse";
  if (directions == 1 && !backwardFirst && direction != "forward")
    return n.invalid("expected direction forward, reverse or bidirectional, found '" + direction + "'");
  batchFirst = n.intAttr("layout", 0);
  x = batchFirst ? g.transpose(n.in(0), {1, 0, 2}) : n.in(0);
  if (n.in(2).rank() != 3 || !n.in(2).dims[2].constant())
    return n.invalid("expected R [directions, gates * hidden, hidden], found " + describe(n.in(2)));
  hidden = *n.in(2).dims[2].constant();
  activations = n.stringsAttr("activations");
  size_t each = cell == Cell::Lstm ? 3 : cell == Cell::Gru ? 2 : 1;
  if (activations && activations->size() != each * directions)
    return n.invalid("expected " + Twine(each * directions) + " activations, found " +
                     Twine(activations->size()));
  if (n.attr("activation_alpha") || n.attr("activation_beta"))
    return n.unsupported("activations with parameters are not supported");
  for (const std::string &name : activations.value_or(SmallVector<std::string>()))
    if (!llvm::is_contained({"Sigmoid", "Tanh", "Relu"}, name))
      return n.unsupported("expected the activations Sigmoid, Tanh or Relu, found '" + name + "'");
  if (n.attr("clip"))
    clip = g.builder.getF64FloatAttr(n.floatAttr("clip", 0));
  return success();
}

LogicalResult Recurrent::checkShapes() {
  Size d = g.size(directions), h = g.size(hidden), gh = g.size(gates * hidden), batch = x.dims[1];
  auto check = [&](int64_t input, StringRef name, Dims expected) -> LogicalResult {
    if (!n.has(input))
      return success();
    const Tensor &t = n.in(input);
    if (t.element != x.element || t.rank() != static_cast<int64_t>(expected.size()))
      return n.invalid("expected " + name + " " + describe(expected) + " of the input's type, found " +
                       describe(t));
    for (auto [want, found] : llvm::zip_equal(expected, t.dims))
      if (failed(n.sameSize(
              want, found,
              ("the shape " + describe(expected) + " of " + name.str() + ", found " + describe(t)))))
        return failure();
    return success();
  };
  Dims state = batchFirst ? Dims{batch, d, h} : Dims{d, batch, h};
  if (failed(check(1, "W", {d, gh, x.dims[2]})) || failed(check(2, "R", {d, gh, h})) ||
      failed(check(3, "B", {d, gh * 2})) || failed(check(5, "initial_h", state)))
    return failure();
  if (cell == Cell::Lstm && (failed(check(6, "initial_c", state)) || failed(check(7, "P", {d, h * 3}))))
    return failure();
  if (n.has(4) && (n.in(4).rank() != 1 || !n.in(4).element.isInteger(32)))
    return n.invalid("expected an int32 length for each sequence, found " + describe(n.in(4)));
  return success();
}

Value Recurrent::part(int64_t input, int64_t direction) {
  if (!n.has(input))
    return {};
  Tensor t = n.in(input);
  bool isState = input == 5 || (input == 6 && cell == Cell::Lstm);
  if (isState && batchFirst)
    t = g.transpose(t, {1, 0, 2});
  return g.value(g.squeeze(g.sliceAxis(t, 0, g.size(direction), g.size(1)), 0));
}

ArrayAttr Recurrent::activationsOf(int64_t direction) {
  if (!activations)
    return {};
  size_t each = activations->size() / directions;
  SmallVector<StringRef> names;
  for (size_t i = 0; i < each; ++i)
    names.push_back((*activations)[direction * each + i]);
  return g.builder.getStrArrayAttr(names);
}

LogicalResult Recurrent::build(int64_t direction) {
  OpBuilder &b = g.builder;
  Dims sequence{x.dims[0], x.dims[1], g.size(hidden)}, last{x.dims[1], g.size(hidden)};
  Type yType = g.type(x.element, sequence), hType = g.type(x.element, last);
  Value v = g.value(x), w = part(1, direction), r = part(2, direction), bias = part(3, direction);
  Value lengths = n.has(4) ? g.value(n.in(4)) : Value(), h0 = part(5, direction);
  UnitAttr reverse = backwardFirst || direction == 1 ? b.getUnitAttr() : UnitAttr();
  ArrayAttr names = activationsOf(direction);
  Operation *op;
  if (cell == Cell::Lstm) {
    Value c0 = part(6, direction), peephole = part(7, direction);
    UnitAttr forget = n.intAttr("input_forget", 0) ? b.getUnitAttr() : UnitAttr();
    op = LstmOp::create(b, g.loc, TypeRange{yType, hType, hType}, v, w, r, bias, lengths, h0, c0, peephole,
                        reverse, forget, clip, names);
    yc.push_back(g.wrap(op->getResult(2), last));
  } else if (cell == Cell::Gru) {
    UnitAttr before = n.intAttr("linear_before_reset", 0) ? b.getUnitAttr() : UnitAttr();
    op = GruOp::create(b, g.loc, TypeRange{yType, hType}, v, w, r, bias, lengths, h0, reverse, before, clip,
                       names);
  } else {
    op = RnnOp::create(b, g.loc, TypeRange{yType, hType}, v, w, r, bias, lengths, h0, reverse, clip, names);
  }
  y.push_back(g.wrap(op->getResult(0), sequence));
  yh.push_back(g.wrap(op->getResult(1), last));
  return success();
}

LogicalResult Recurrent::finish() {
  auto join = [&](ArrayRef<Tensor> parts, int64_t axis) {
    SmallVector<Tensor> list;
    for (const Tensor &t : parts)
      list.push_back(g.unsqueeze(t, axis));
    return g.concat(list, axis);
  };
  // Y is [T, D, B, H], or [B, T, D, H]; the last states [D, B, H], or [B, D, H].
  if (n.wants(0)) {
    Tensor all = join(y, 1);
    (void)n.out(batchFirst ? g.transpose(all, {2, 0, 1, 3}) : all, 0);
  }
  if (n.wants(1))
    (void)n.out(join(yh, batchFirst ? 1 : 0), 1);
  if (n.wants(2) && cell == Cell::Lstm)
    (void)n.out(join(yc, batchFirst ? 1 : 0), 2);
  return success();
}

LogicalResult Recurrent::run() {
  if (failed(read()) || failed(checkShapes()))
    return failure();
  for (int64_t d = 0; d < directions; ++d)
    if (failed(build(d)))
      return failure();
  return finish();
}

LogicalResult lstm(NodeContext &n) { return Recurrent(n, Cell::Lstm).run(); }
LogicalResult gru(NodeContext &n) { return Recurrent(n, Cell::Gru).run(); }
LogicalResult rnn(NodeContext &n) { return Recurrent(n, Cell::Rnn).run(); }

} // namespace

void tenon::importer::registerRecurrent(OpTable &t) {
  t.add("LSTM", lstm);
  t.add("GRU", gru);
  t.add("RNN", rnn);
}

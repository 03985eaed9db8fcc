//===- LoopHandlers.cpp - Loop and Scan -------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A Loop whose number of iterations is known before it starts becomes scf.for, any other scf.while. Sizes of
// carried tensors that change from one iteration to the next are found by importing the body until its
// results have the sizes that its inputs were taken to have.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/GraphImporter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

/// Imports of a body until its sizes are settled; each makes at least one more size variable.
constexpr int kMaxBodyImports = 8;

/// Where a collected output puts the slice of an iteration.
struct Collected {
  int64_t axis = 0;
  bool backwards = false;
};

class LoopImporter {
public:
  LoopImporter(NodeContext &n, const ::onnx::GraphProto &body) : n(n), g(n.g), body(body) {}

  std::vector<Tensor> initial; // carried tensors
  std::optional<Size> trips;   // iterations, at most
  bool hasCondition = false;   // the body's first output says whether to go on
  Tensor condition;            // before the first iteration, when not known to hold
  size_t firstCarried = 0;     // index of the first carried tensor in the body's inputs
  std::vector<Collected> collected;
  /// Binds the body's other inputs; `iteration` counts from 0.
  std::function<LogicalResult(Scope &, Size iteration)> bind;

  LogicalResult run();

private:
  LogicalResult importBody();
  /// Compares the results' sizes with those assumed; true when they agree.
  FailureOr<bool> settle();
  LogicalResult checkResults();
  LogicalResult buildFor();
  LogicalResult buildWhile(const Tensor &goOn);
  FailureOr<SmallVector<Tensor>> collectBuffers();
  SmallVector<Value> startValues();
  LogicalResult publish(ValueRange results);

  NodeContext &n;
  GraphBuilder &g;
  const ::onnx::GraphProto &body;
  std::unique_ptr<Region> region;
  std::vector<Dims> dims;                           // assumed of carried tensors; null sizes vary
  std::vector<Tensor> results;                      // of the body
  std::map<std::string, Value, std::less<>> inside; // symbols at the body's end
  SmallVector<Dims> bufferDims;
  Size iteration;
  size_t carriedResult() const { return hasCondition ? 1 : 0; }
  Block &block() { return region->front(); }
};

LogicalResult LoopImporter::importBody() {
  region = std::make_unique<Region>();
  region->push_back(new Block());
  OpBuilder::InsertionGuard guard(g.builder);
  g.builder.setInsertionPointToStart(&block());
  auto outer = g.symbols;
  Value counter = block().addArgument(g.builder.getIndexType(), g.loc);
  iteration = g.sizes.fresh("iteration", 0, trips ? trips->range().max : std::nullopt);
  g.symbols[iteration.symbol().str()] = counter;
  Scope scope;
  scope.parent = &n.scope;
  scope.frame = n.scope.frame;
  for (auto [i, t] : llvm::enumerate(initial)) {
    SmallVector<int64_t> shape;
    for (Size s : dims[i])
      shape.push_back(s ? s.constant().value_or(ShapedType::kDynamic) : ShapedType::kDynamic);
    Value argument = block().addArgument(RankedTensorType::get(shape, t.element), g.loc);
    Dims sizes = dims[i];
    for (auto [axis, s] : llvm::enumerate(sizes)) {
      if (s)
        continue;
      s = g.sizes.fresh("carried", 0, std::nullopt);
      g.symbols[s.symbol().str()] =
          tensor::DimOp::create(g.builder, g.loc, argument, static_cast<int64_t>(axis));
    }
    scope.values[body.input(firstCarried + i).name()] = g.wrap(argument, sizes);
  }
  LogicalResult ok = bind(scope, iteration);
  if (succeeded(ok))
    ok = n.importer.importGraph(body, scope);
  if (succeeded(ok)) {
    auto list = n.importer.graphOutputs(body, scope);
    ok = success(succeeded(list));
    if (succeeded(list))
      results = *list;
  }
  inside = g.symbols;
  g.symbols = outer;
  return ok;
}

LogicalResult LoopImporter::checkResults() {
  for (const Tensor &t : results)
    if (t.sequence)
      return n.unsupported("sequences carried by a loop");
  for (auto [i, t] : llvm::enumerate(initial)) {
    const Tensor &r = results[carriedResult() + i];
    if (r.element != t.element || r.rank() != t.rank())
      return n.unsupported("a carried tensor changes its type or rank from " + describe(t) + " to " +
                           describe(r));
  }
  return success();
}

FailureOr<bool> LoopImporter::settle() {
  bool settled = true;
  for (size_t i = 0; i < initial.size(); ++i) {
    const Tensor &r = results[carriedResult() + i];
    for (size_t axis = 0; axis < dims[i].size(); ++axis) {
      Size &assumed = dims[i][axis];
      if (!assumed || assumed == r.dims[axis])
        continue;
      assumed = Size();
      settled = false;
    }
  }
  return settled;
}

LogicalResult LoopImporter::run() {
  for (const Tensor &t : initial)
    dims.push_back(t.dims);
  size_t wanted = carriedResult() + initial.size() + collected.size();
  if (static_cast<size_t>(body.output_size()) != wanted)
    return n.invalid("expected " + Twine(wanted) + " results of the body, found " +
                     Twine(body.output_size()));
  if (static_cast<size_t>(body.input_size()) < firstCarried + initial.size())
    return n.invalid("expected at least " + Twine(firstCarried + initial.size()) +
                     " inputs of the body, found " + Twine(body.input_size()));
  for (int attempt = 0;; ++attempt) {
    GraphImporter::Mark mark = n.importer.mark();
    if (failed(importBody()) || failed(checkResults()))
      return failure();
    ONNX_TRY(settled, settle());
    if (settled)
      break;
    if (attempt == kMaxBodyImports)
      return n.unsupported("the sizes of carried tensors do not settle");
    n.importer.rewind(mark);
  }
  Tensor goOn = hasCondition ? results[0] : Tensor();
  if (hasCondition && (!goOn.element.isInteger(1) || elementCount(goOn.dims).value_or(1) != 1))
    return n.invalid("expected the body's first result to be one boolean, found " + describe(goOn));
  bool always = !condition && (!goOn || (goOn.content && (*goOn.content)[0].constant() == 1));
  if (always && trips)
    return buildFor();
  if (!collected.empty())
    return n.unsupported("outputs collected over iterations whose number only the run knows");
  return buildWhile(goOn);
}

SmallVector<Value> LoopImporter::startValues() {
  SmallVector<Value> values;
  for (auto [i, t] : llvm::enumerate(initial))
    values.push_back(g.conform(g.value(t), block().getArgument(1 + i).getType()));
  return values;
}

/// Tensors with room for every iteration, to be filled slice by slice.
FailureOr<SmallVector<Tensor>> LoopImporter::collectBuffers() {
  SmallVector<Tensor> buffers;
  for (auto [i, c] : llvm::enumerate(collected)) {
    Tensor slice = results[carriedResult() + initial.size() + i];
    if (!n.importer.visible(slice.dims))
      return n.unsupported("a collected output whose size changes from one iteration to the next: " +
                           describe(slice));
    ONNX_TRY(axis, n.axis(c.axis, slice.rank() + 1));
    c.axis = axis;
    Dims all = slice.dims;
    all.insert(all.begin() + axis, *trips);
    bufferDims.push_back(all);
    Tensor zero = g.fullInt(0, slice.element, all);
    buffers.push_back(g.wrap(g.value(zero), all));
  }
  return buffers;
}

LogicalResult LoopImporter::publish(ValueRange values) {
  int64_t output = 0;
  for (size_t i = 0; i < initial.size(); ++i, ++output) {
    Dims sizes = dims[i];
    for (auto [axis, s] : llvm::enumerate(sizes)) {
      if (s)
        continue;
      s = g.sizes.fresh("loop", 0, std::nullopt);
      g.symbols[s.symbol().str()] =
          tensor::DimOp::create(g.builder, g.loc, values[i], static_cast<int64_t>(axis));
    }
    (void)n.out(g.wrap(values[i], sizes), output);
  }
  for (size_t i = 0; i < bufferDims.size(); ++i, ++output)
    (void)n.out(g.wrap(values[initial.size() + i], bufferDims[i]), output);
  return success();
}

LogicalResult LoopImporter::buildFor() {
  ONNX_TRY(buffers, collectBuffers());
  SmallVector<Value> start = startValues();
  if (trips->isConstant(0)) {
    for (const Tensor &b : buffers)
      start.push_back(b.value);
    return publish(start);
  }
  for (const Tensor &b : buffers) {
    start.push_back(b.value);
    block().addArgument(b.value.getType(), g.loc);
  }
  Value zero = g.index(g.size(0)), one = g.index(g.size(1)), count = g.index(*trips);
  {
    OpBuilder::InsertionGuard guard(g.builder);
    g.builder.setInsertionPointToEnd(&block());
    auto outer = g.symbols;
    g.symbols = inside;
    SmallVector<Value> next;
    for (size_t i = 0; i < initial.size(); ++i)
      next.push_back(g.conform(g.value(results[carriedResult() + i]), block().getArgument(1 + i).getType()));
    for (auto [i, c] : llvm::enumerate(collected)) {
      const Tensor &slice = results[carriedResult() + initial.size() + i];
      Tensor buffer = g.wrap(block().getArgument(1 + initial.size() + i), bufferDims[i]);
      Dims offsets(buffer.rank(), g.size(0));
      offsets[c.axis] = c.backwards ? *trips - 1 - iteration : iteration;
      next.push_back(g.updateSlice(buffer, g.unsqueeze(slice, c.axis), offsets).value);
    }
    scf::YieldOp::create(g.builder, g.loc, next);
    g.symbols = outer;
  }
  auto loop = scf::ForOp::create(g.builder, g.loc, zero, count, one, start);
  loop.getRegion().takeBody(*region);
  return publish(loop.getResults());
}

LogicalResult LoopImporter::buildWhile(const Tensor &goOn) {
  // Carried: the iteration, whether to go on, the model's own tensors.
  OpBuilder &b = g.builder;
  SmallVector<Value> start{g.index(g.size(0))};
  auto bitOf = [&](const Tensor &t) -> Value {
    if (!t)
      return arith::ConstantIntOp::create(b, g.loc, 1, 1);
    return tensor::ExtractOp::create(b, g.loc, g.value(g.reshape(t, {})), ValueRange{});
  };
  start.push_back(bitOf(condition));
  llvm::append_range(start, startValues());
  Value limit = trips ? g.index(*trips) : Value();
  block().insertArgument(1u, b.getI1Type(), g.loc);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(&block());
    auto outer = g.symbols;
    g.symbols = inside;
    SmallVector<Value> next{arith::AddIOp::create(b, g.loc, block().getArgument(0), g.index(g.size(1))),
                            bitOf(goOn)};
    for (size_t i = 0; i < initial.size(); ++i)
      next.push_back(g.conform(g.value(results[carriedResult() + i]), block().getArgument(2 + i).getType()));
    scf::YieldOp::create(b, g.loc, next);
    g.symbols = outer;
  }
  SmallVector<Type> types = llvm::map_to_vector(start, [](Value v) { return v.getType(); });
  auto loop = scf::WhileOp::create(b, g.loc, types, start);
  {
    OpBuilder::InsertionGuard guard(b);
    Block *before = b.createBlock(&loop.getBefore(), {}, types, SmallVector<Location>(types.size(), g.loc));
    Value more = before->getArgument(1);
    if (limit) {
      Value below = arith::CmpIOp::create(b, g.loc, arith::CmpIPredicate::slt, before->getArgument(0), limit);
      more = arith::AndIOp::create(b, g.loc, more, below);
    }
    scf::ConditionOp::create(b, g.loc, more, before->getArguments());
  }
  loop.getAfter().takeBody(*region);
  return publish(loop.getResults().drop_front(2));
}

const ::onnx::GraphProto *bodyOf(NodeContext &n) {
  const auto *a = n.attr("body");
  return a && a->has_g() ? &a->g() : nullptr;
}

LogicalResult loop(NodeContext &n) {
  const auto *body = bodyOf(n);
  if (!body || body->input_size() < 2)
    return n.invalid("expected a body with the inputs iteration and condition");
  LoopImporter l(n, *body);
  l.hasCondition = true;
  l.firstCarried = 2;
  if (n.has(0)) {
    if (n.in(0).sequence || elementCount(n.in(0).dims) != 1)
      return n.invalid("expected one number of iterations, found " + describe(n.in(0)));
    ONNX_TRY(trips, n.sizesOf(0));
    l.trips = trips[0].max(n.g.size(0));
  }
  if (n.has(1)) {
    const Tensor &c = n.in(1);
    if (c.sequence || !c.element.isInteger(1) || elementCount(c.dims).value_or(1) != 1)
      return n.invalid("expected one boolean as the condition, found " + describe(c));
    auto known = c.content ? (*c.content)[0].constant() : std::nullopt;
    if (known == 0)
      l.trips = n.g.size(0);
    else if (known != 1)
      l.condition = c;
  }
  for (int64_t i = 2; i < n.inputCount(); ++i) {
    if (!n.has(i) || n.in(i).sequence)
      return n.unsupported("sequences and absent values carried by a loop");
    l.initial.push_back(n.in(i));
  }
  int64_t extra = body->output_size() - 1 - static_cast<int64_t>(l.initial.size());
  l.collected.resize(std::max<int64_t>(extra, 0));
  l.bind = [&](Scope &scope, Size iteration) {
    scope.values[body->input(0).name()] = n.g.fromSize(iteration, n.i64());
    scope.values[body->input(1).name()] = n.g.fromSize(n.g.size(1), n.i1());
    return success();
  };
  return l.run();
}

LogicalResult scan(NodeContext &n) {
  const auto *body = bodyOf(n);
  int64_t scanned = n.intAttr("num_scan_inputs", 0), carried = n.inputCount() - scanned;
  if (n.opset < 9)
    return n.fail(103, "expected opset 9 or newer; convert the model with onnx.version_converter");
  if (!body || scanned < 1 || carried < 0 || body->input_size() != n.inputCount() ||
      body->output_size() < carried)
    return n.invalid("expected a body with as many inputs as the node and num_scan_inputs of at least 1");
  if (failed(n.needInputs(n.inputCount())))
    return failure();
  LoopImporter l(n, *body);
  for (int64_t i = 0; i < carried; ++i)
    l.initial.push_back(n.in(i));
  auto list = [&](StringRef name, int64_t count) {
    auto values = n.intsAttr(name);
    return values && static_cast<int64_t>(values->size()) == count ? *values : SmallVector<int64_t>(count, 0);
  };
  int64_t outputs = body->output_size() - carried;
  SmallVector<int64_t> axes = list("scan_input_axes", scanned),
                       backwards = list("scan_input_directions", scanned);
  SmallVector<int64_t> outAxes = list("scan_output_axes", outputs),
                       outBackwards = list("scan_output_directions", outputs);
  for (int64_t i = 0; i < outputs; ++i)
    l.collected.push_back({outAxes[i], outBackwards[i] != 0});
  for (int64_t i = 0; i < scanned; ++i) {
    const Tensor &t = n.in(carried + i);
    ONNX_TRY(axis, n.axis(axes[i], t.rank()));
    axes[i] = axis;
    if (!l.trips)
      l.trips = t.dims[axis];
    else if (failed(n.sameSize(*l.trips, t.dims[axis], "the lengths of the scanned inputs")))
      return failure();
  }
  l.bind = [&](Scope &scope, Size iteration) {
    for (int64_t i = 0; i < scanned; ++i) {
      Size at = backwards[i] ? *l.trips - 1 - iteration : iteration;
      Tensor slice = n.g.sliceAxis(n.in(carried + i), axes[i], at, n.g.size(1));
      scope.values[body->input(carried + i).name()] = n.g.squeeze(slice, axes[i]);
    }
    return success();
  };
  return l.run();
}

} // namespace

void tenon::importer::registerLoops(OpTable &t) {
  t.add("Loop", loop);
  t.add("Scan", scan);
}

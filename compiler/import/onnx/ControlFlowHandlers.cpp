//===- ControlFlowHandlers.cpp - If -----------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/GraphImporter.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

const ::onnx::GraphProto *subgraph(NodeContext &n, StringRef name) {
  const auto *a = n.attr(name);
  return a && a->has_g() ? &a->g() : nullptr;
}

/// A branch of an If: its operations in a block of its own, and its results.
struct Branch {
  std::unique_ptr<Region> region = std::make_unique<Region>();
  std::vector<Tensor> results;
  std::map<std::string, Value, std::less<>> symbols; // that are visible at its end
  std::vector<ImportDiagnostic> problems;
  bool ok = false;

  Block &block() { return region->front(); }
};

/// A condition that is known: its branch takes the node's place.
LogicalResult inlineBranch(NodeContext &n, const ::onnx::GraphProto &graph) {
  Scope scope;
  scope.parent = &n.scope;
  scope.frame = n.scope.frame;
  if (failed(n.importer.importGraph(graph, scope)))
    return failure();
  ONNX_TRY(results, n.importer.graphOutputs(graph, scope));
  if (static_cast<int64_t>(results.size()) < n.outputCount())
    return n.invalid("expected " + Twine(n.outputCount()) + " results of a branch, found " +
                     Twine(results.size()));
  for (auto [i, t] : llvm::enumerate(results))
    (void)n.out(t, i);
  return success();
}

void importBranch(NodeContext &n, const ::onnx::GraphProto &graph, Branch &branch) {
  GraphBuilder &g = n.g;
  branch.region->push_back(new Block());
  OpBuilder::InsertionGuard guard(g.builder);
  g.builder.setInsertionPointToStart(&branch.block());
  auto outer = g.symbols;
  size_t before = n.importer.diagnosticCount();
  Scope scope;
  scope.parent = &n.scope;
  scope.frame = n.scope.frame;
  if (succeeded(n.importer.importGraph(graph, scope))) {
    auto results = n.importer.graphOutputs(graph, scope);
    branch.ok = succeeded(results);
    if (branch.ok)
      branch.results = *results;
  }
  branch.symbols = g.symbols;
  g.symbols = outer;
  for (ImportDiagnostic &d : n.importer.takeDiagnostics(before))
    if (d.severity == ImportDiagnostic::Severity::Error)
      branch.problems.push_back(std::move(d));
}

/// Fills a branch that cannot run with the sizes that the inputs have: it reads the condition with bounds
/// that its value breaks, so that the run stops there with a message.
LogicalResult refuseBranch(NodeContext &n, const Tensor &condition, bool isThen, Branch &branch,
                           const Branch &other) {
  GraphBuilder &g = n.g;
  branch.region = std::make_unique<Region>();
  branch.region->push_back(new Block());
  OpBuilder::InsertionGuard guard(g.builder);
  g.builder.setInsertionPointToStart(&branch.block());
  auto outer = g.symbols;
  Size never = isThen ? g.readScalar(condition, 0, -1, 0) : g.readScalar(condition, 0, 1, 2);
  branch.results.clear();
  for (const Tensor &t : other.results) {
    if (!n.importer.visible(t.dims))
      return failure();
    Tensor number = g.convert(g.fromSize(never, n.i64()), t.element);
    Tensor real = g.wrap(g.value(number), {});
    branch.results.push_back(g.broadcast(g.toRank(real, t.rank()), t.dims));
  }
  branch.symbols = g.symbols;
  g.symbols = outer;
  n.importer.warn(n, 122,
                  Twine("the ") + (isThen ? "then" : "else") +
                      " branch cannot run with these input sizes; the run will "
                      "fail if it is reached: " +
                      branch.problems.front().str());
  return success();
}

/// Joins the results of two branches: the sizes that differ, or that only a branch knows, become results as
/// well.
class Join {
public:
  Join(NodeContext &n, Branch &yes, Branch &no) : n(n), g(n.g), yes(yes), no(no) {}

  LogicalResult plan();
  LogicalResult build(Value condition);

private:
  void yield(Branch &branch);

  NodeContext &n;
  GraphBuilder &g;
  Branch &yes, &no;
  struct Extent {
    size_t result, axis;
    Size symbol;
  };
  SmallVector<Extent> extents;
  std::vector<Dims> dims;
};

LogicalResult Join::plan() {
  if (yes.results.size() != no.results.size() || static_cast<int64_t>(yes.results.size()) < n.outputCount())
    return n.invalid("expected as many results of both branches as the node has outputs, found " +
                     Twine(yes.results.size()) + " and " + Twine(no.results.size()));
  for (auto [i, a] : llvm::enumerate(yes.results)) {
    const Tensor &b = no.results[i];
    if (a.sequence || b.sequence)
      return n.unsupported("sequences as results of a branch that is chosen when the model runs");
    if (a.element != b.element || a.rank() != b.rank())
      return n.unsupported(
          "the branches' results differ in type or rank, " + describe(a) + " and " + describe(b) +
          ", and the condition depends on the run; fix sizes with --shape so that it is known");
    Dims joined;
    for (int64_t axis = 0; axis < a.rank(); ++axis) {
      if (a.dims[axis] == b.dims[axis] && n.importer.visible({a.dims[axis]})) {
        joined.push_back(a.dims[axis]);
        continue;
      }
      SizeRange ra = a.dims[axis].range(), rb = b.dims[axis].range();
      std::optional<int64_t> max;
      if (ra.max && rb.max)
        max = std::max(*ra.max, *rb.max);
      Size s =
          g.sizes.fresh("if", std::max<int64_t>(std::min(ra.min.value_or(0), rb.min.value_or(0)), 0), max);
      extents.push_back({i, static_cast<size_t>(axis), s});
      joined.push_back(s);
    }
    dims.push_back(joined);
  }
  return success();
}

void Join::yield(Branch &branch) {
  OpBuilder::InsertionGuard guard(g.builder);
  g.builder.setInsertionPointToEnd(&branch.block());
  auto outer = g.symbols;
  g.symbols = branch.symbols;
  SmallVector<Value> values;
  for (auto [t, joined] : llvm::zip_equal(branch.results, dims))
    values.push_back(g.conform(g.value(t), g.type(t.element, joined)));
  for (const Extent &e : extents)
    values.push_back(g.index(branch.results[e.result].dims[e.axis]));
  scf::YieldOp::create(g.builder, g.loc, values);
  g.symbols = outer;
}

LogicalResult Join::build(Value condition) {
  yield(yes);
  yield(no);
  SmallVector<Type> types(yes.block().getTerminator()->getOperandTypes());
  auto op =
      scf::IfOp::create(g.builder, g.loc, types, condition, /*addThenBlock=*/false, /*addElseBlock=*/false);
  op.getThenRegion().takeBody(*yes.region);
  op.getElseRegion().takeBody(*no.region);
  for (auto [i, e] : llvm::enumerate(extents))
    g.symbols[e.symbol.symbol().str()] = op.getResult(dims.size() + i);
  for (auto [i, joined] : llvm::enumerate(dims))
    (void)n.out(g.wrap(op.getResult(i), joined), i);
  return success();
}

LogicalResult ifElse(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  const auto *thenGraph = subgraph(n, "then_branch"), *elseGraph = subgraph(n, "else_branch");
  if (!thenGraph || !elseGraph)
    return n.invalid("expected the attributes then_branch and else_branch");
  GraphBuilder &g = n.g;
  const Tensor &condition = n.in(0);
  if (!condition.element.isInteger(1) || elementCount(condition.dims).value_or(1) != 1)
    return n.invalid("expected one boolean as the condition, found " + describe(condition));
  if (condition.content) {
    if (auto known = (*condition.content)[0].constant())
      return inlineBranch(n, *known ? *thenGraph : *elseGraph);
  }
  Tensor flag = g.wrap(g.value(g.reshape(condition, {})), {});
  Branch yes, no;
  importBranch(n, *thenGraph, yes);
  importBranch(n, *elseGraph, no);
  // A branch that is wrong for these sizes, and only for these sizes, may stand in a model that never takes
  // it.
  auto onlySizes = [](const Branch &b) {
    return llvm::all_of(b.problems, [](const ImportDiagnostic &d) { return d.code == 105; }) &&
           !b.problems.empty();
  };
  bool refused = false;
  if (yes.ok && !no.ok && onlySizes(no))
    refused = no.ok = succeeded(refuseBranch(n, flag, false, no, yes));
  else if (no.ok && !yes.ok && onlySizes(yes))
    refused = yes.ok = succeeded(refuseBranch(n, flag, true, yes, no));
  if (!refused)
    for (Branch *b : {&yes, &no})
      for (ImportDiagnostic &d : b->problems)
        n.importer.report(std::move(d));
  if (!yes.ok || !no.ok)
    return failure();
  Join join(n, yes, no);
  if (failed(join.plan()))
    return failure();
  Value bit = tensor::ExtractOp::create(g.builder, g.loc, g.value(flag), ValueRange{});
  return join.build(bit);
}

} // namespace

void tenon::importer::registerControlFlow(OpTable &t) { t.add("If", ifElse); }

//===- ControlFlowHandlers.cpp - If -----------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"
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
  Branch(bool isThen, GraphImporter &importer) : isThen(isThen), start(importer.mark()) {}
  bool isThen;
  GraphImporter::Mark start; // the importer's state before it
  std::unique_ptr<Region> region = std::make_unique<Region>();
  std::vector<Tensor> results;
  std::map<std::string, Value, std::less<>> symbols; // that are visible at its end
  std::vector<ImportDiagnostic> problems, warnings;
  std::vector<Equality> unproven;
  bool ok = false;
  bool refused = false;

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

/// Whether a branch is wrong for these sizes only: it may stand in a model that never takes it.
bool onlySizes(const Branch &b) {
  return !b.problems.empty() &&
         llvm::all_of(b.problems, [](const ImportDiagnostic &d) { return d.code == 105; });
}

void importBranchOnce(NodeContext &n, const ::onnx::GraphProto &graph, Branch &branch) {
  GraphBuilder &g = n.g;
  branch.region->push_back(new Block());
  OpBuilder::InsertionGuard guard(g.builder);
  g.builder.setInsertionPointToStart(&branch.block());
  auto outer = g.symbols;
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
  for (ImportDiagnostic &d : n.importer.takeDiagnostics(branch.start.diagnostics))
    (d.severity == ImportDiagnostic::Severity::Error ? branch.problems : branch.warnings)
        .push_back(std::move(d));
  auto firstUnproven = g.unproven.begin() + static_cast<std::ptrdiff_t>(branch.start.unproven);
  branch.unproven.assign(firstUnproven, g.unproven.end());
  g.unproven.erase(firstUnproven, g.unproven.end());
}

/// Imports a branch, again while another choice between branches inside it might do.
void importBranch(NodeContext &n, const ::onnx::GraphProto &graph, Branch &branch) {
  for (importBranchOnce(n, graph, branch);
       !branch.ok && onlySizes(branch) && n.importer.facts.flipChoice(branch.start.choices);
       importBranchOnce(n, graph, branch)) {
    n.importer.rewind(branch.start);
    Branch again(branch.isThen, n.importer);
    again.start = branch.start;
    branch = std::move(again);
  }
}

/// Fills a branch that does not run: it reads the condition with bounds that its value breaks, so that the
/// run stops there with a message.
LogicalResult refuseBranch(NodeContext &n, const Tensor &condition, Branch &branch, const Branch &other,
                           const Twine &why) {
  GraphBuilder &g = n.g;
  branch.region = std::make_unique<Region>();
  branch.region->push_back(new Block());
  OpBuilder::InsertionGuard guard(g.builder);
  g.builder.setInsertionPointToStart(&branch.block());
  auto outer = g.symbols;
  Size never = branch.isThen ? g.readScalar(condition, 0, -1, 0) : g.readScalar(condition, 0, 1, 2);
  std::string name = branch.isThen ? "then" : "else", reason = why.str();
  g.index(never).getDefiningOp()->setAttr(
      kMessageAttr, g.builder.getStringAttr("the " + name + " branch cannot run: " + reason));
  branch.results.clear();
  for (const Tensor &t : other.results) {
    if (!n.importer.visible(t.dims)) {
      g.symbols = outer;
      return failure();
    }
    Tensor number = g.convert(g.fromSize(never, n.i64()), t.element);
    Tensor real = g.wrap(g.value(number), {});
    branch.results.push_back(g.broadcast(g.toRank(real, t.rank()), t.dims));
  }
  branch.symbols = g.symbols;
  g.symbols = outer;
  branch.ok = branch.refused = true;
  std::string text =
      "the " + name +
      " branch cannot run with these input sizes; the run will fail if it is reached: " + reason;
  n.importer.excuseRows(branch.start, text);
  n.importer.warn(n, 122, text);
  return success();
}

/// Of two branches whose results differ in rank one stays: a condition that only the run knows cannot give a
/// value two ranks. Models squeeze an axis in the then branch if its size is 1, and go on with the smaller
/// rank. Where the model's rest contradicts, the import comes back here with the other choice.
LogicalResult chooseByRank(NodeContext &n, const Tensor &condition, Branch &yes, Branch &no) {
  for (auto [i, a, b] : llvm::enumerate(yes.results, no.results)) {
    if (a.sequence || b.sequence || a.element != b.element || a.rank() == b.rank())
      continue;
    bool preferThen = true;
    if (auto known = n.scope.declared.find(n.wants(i) ? n.node.output(static_cast<int>(i)) : "");
        known != n.scope.declared.end())
      preferThen = known->second->dim_size() != b.rank();
    std::string node = n.scope.frame->prefix + (n.node.output_size() ? n.node.output(0) : n.node.name());
    bool keepThen = n.importer.facts.keepThen(node, preferThen);
    Branch &kept = keepThen ? yes : no, &other = keepThen ? no : yes;
    return refuseBranch(n, condition, other, kept,
                        "its result has rank " + Twine((keepThen ? b : a).rank()) +
                            ", and the model goes on with rank " + Twine((keepThen ? a : b).rank()));
  }
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
  Branch yes(true, n.importer);
  importBranch(n, *thenGraph, yes);
  Branch no(false, n.importer);
  importBranch(n, *elseGraph, no);
  LogicalResult joinable = success();
  if (yes.ok && no.ok)
    joinable = chooseByRank(n, flag, yes, no);
  else if (yes.ok && onlySizes(no))
    joinable = refuseBranch(n, flag, no, yes, no.problems.front().str());
  else if (no.ok && onlySizes(yes))
    joinable = refuseBranch(n, flag, yes, no, yes.problems.front().str());
  for (Branch *b : {&yes, &no}) {
    if (b->refused)
      continue;
    llvm::append_range(g.unproven, b->unproven);
    for (ImportDiagnostic &d : b->ok ? b->warnings : b->problems)
      n.importer.report(std::move(d));
  }
  if (!yes.ok || !no.ok)
    return failure();
  if (failed(joinable))
    return n.unsupported("one branch cannot run with these input sizes, and the sizes of the other's results "
                         "are only known inside it; fix sizes with --shape so that the condition is known");
  Join join(n, yes, no);
  if (failed(join.plan()))
    return failure();
  Value bit = tensor::ExtractOp::create(g.builder, g.loc, g.value(flag), ValueRange{});
  return join.build(bit);
}

} // namespace

void tenon::importer::registerControlFlow(OpTable &t) { t.add("If", ifElse); }

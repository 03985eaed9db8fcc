//===- RunTimeAxes.cpp - axes that only the run knows -----------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/RunTimeAxes.h"

#include "compiler/import/onnx/SizeLogic.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

bool tenon::importer::isRunTime(NodeContext &n, int64_t input) {
  return n.has(input) && !n.in(input).sequence && !n.in(input).content;
}

FailureOr<SmallVector<Size>> tenon::importer::axisFlags(NodeContext &n, int64_t input, int64_t rank) {
  GraphBuilder &g = n.g;
  const Tensor &axes = n.in(input);
  auto count = elementCount(axes.dims);
  if (!count || *count > rank || !isa<IntegerType>(axes.element) || axes.rank() > 1)
    return n.unsupported("expected at most " + Twine(rank) + " axes of a known count, found " +
                         describe(axes));
  SmallVector<Size> flags(rank, g.size(0));
  for (int64_t i = 0; i < *count; ++i) {
    Size named = fromEnd(g, g.readScalar(axes, i, -rank, rank - 1), g.size(rank));
    for (int64_t axis = 0; axis < rank; ++axis)
      flags[axis] = flags[axis].max(isEqual(g, named, g.size(axis)));
  }
  return flags;
}

/// The sizes as bounded symbols: expressions of flags and sizes have no simple upper bound.
static void boundBy(GraphBuilder &g, Dims &result, ArrayRef<Size> dims) {
  int64_t most = 1;
  for (Size d : dims) {
    auto max = d.range().max;
    if (!max)
      return;
    most = std::max(most, *max);
  }
  for (Size &d : result)
    d = g.checked(d, 0, most);
}

Dims tenon::importer::unnamedDims(GraphBuilder &g, ArrayRef<Size> dims, ArrayRef<Size> flags, int64_t count) {
  Dims result(count, g.size(0));
  Size before = g.size(0); // dimensions that were kept so far
  for (auto [size, flag] : llvm::zip_equal(dims, flags)) {
    Size kept = g.size(1) - flag;
    for (int64_t position = 0; position < count; ++position)
      result[position] = result[position] + kept * isEqual(g, before, g.size(position)) * size;
    before = before + kept;
  }
  boundBy(g, result, dims);
  return result;
}

Dims tenon::importer::withUnitDims(GraphBuilder &g, ArrayRef<Size> dims, ArrayRef<Size> flags) {
  Dims result;
  Size before = g.size(0); // dimensions that were used so far
  for (Size flag : flags) {
    Size size = g.size(0);
    for (auto [i, d] : llvm::enumerate(dims))
      size = size + isEqual(g, before, g.size(static_cast<int64_t>(i))) * d;
    result.push_back(choose(flag, g.size(1), size));
    before = before + (g.size(1) - flag);
  }
  boundBy(g, result, dims);
  return result;
}

/// `f(x, axis)` where the flag is set, else `x`.
static Tensor alongAxisIf(NodeContext &n, const Tensor &x, int64_t axis, Size flag,
                          function_ref<Tensor(const Tensor &, int64_t)> f) {
  GraphBuilder &g = n.g;
  Value zero = g.index(g.size(0));
  Value condition = arith::CmpIOp::create(g.builder, g.loc, arith::CmpIPredicate::ne, g.index(flag), zero);
  Tensor same = g.wrap(g.value(x), x.dims);
  Size extent = x.dims[axis];
  SizeRange range = extent.range();
  int64_t least = std::min<int64_t>(std::max<int64_t>(range.min.value_or(0), 0), 1);
  std::optional<int64_t> most;
  if (range.max)
    most = std::max<int64_t>(*range.max, 1);
  Size joined = g.sizes.fresh("axis", least, most);
  Dims dims = x.dims;
  dims[axis] = joined;
  RankedTensorType type = g.type(x.element, dims);
  auto op = scf::IfOp::create(g.builder, g.loc, TypeRange{type, g.builder.getIndexType()}, condition,
                              /*addThenBlock=*/true, /*addElseBlock=*/true);
  auto fill = [&](Block &block, bool taken) {
    OpBuilder::InsertionGuard guard(g.builder);
    g.builder.setInsertionPointToStart(&block);
    auto outer = g.symbols;
    Tensor t = taken ? f(same, axis) : same;
    SmallVector<Value> values{g.conform(g.value(t), type), g.index(t.dims[axis])};
    scf::YieldOp::create(g.builder, g.loc, values);
    g.symbols = outer;
  };
  fill(*op.thenBlock(), true);
  fill(*op.elseBlock(), false);
  g.symbols[joined.symbol().str()] = op.getResult(1);
  return g.wrap(op.getResult(0), dims);
}

Tensor tenon::importer::alongNamedAxes(NodeContext &n, Tensor x, ArrayRef<Size> flags,
                                       function_ref<Tensor(const Tensor &, int64_t)> f) {
  for (auto [axis, flag] : llvm::enumerate(flags))
    x = alongAxisIf(n, x, static_cast<int64_t>(axis), flag, f);
  return x;
}

//===- EmitReduce.cpp - kernels around reductions: sums, softmax, norms
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two forms. Rows: the innermost axis is reduced; one item is one position of the kept axes, each reduction
// is a pass over the row in vectors, and the last pass writes the results. Columns: the innermost axis is
// kept; vectors run along it, and a single reduction loops over the reduced axes.
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/KernelFamilies.h"
#include "compiler/emit/cpu/SoftmaxRow.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

class ReduceEmitter {
public:
  ReduceEmitter(KernelBuilder &k, KernelShape &shape)
      : k(k), b(k.builder()), shape(shape), context(k.spec().context()) {}
  LogicalResult run();

private:
  bool isReduced(unsigned axis) const { return llvm::is_contained(axes, static_cast<int64_t>(axis)); }
  LogicalResult rows();
  LogicalResult columns();
  Value reduceRow(ReduceOp op, ArrayRef<Coord> kept);
  Value combine(ReduceOp op, Type type, Value acc, Value v);
  Value wideFrom(ReduceOp op, Value v, unsigned from, unsigned to, Type type);
  void bindReduced(ReduceOp op, Value reduced);
  void bindAll(Evaluator &e) {
    for (auto &[tensor, value] : bound)
      e.bind(tensor, value);
  }
  void chooseStaged();
  Value accumulatorStart(ReduceOp op, Type type, unsigned width);

  KernelBuilder &k;
  OpBuilder &b;
  KernelShape &shape;
  SizeContext &context;
  SmallVector<ReduceOp> reductions;
  std::optional<SoftmaxRow> softmax;
  SmallVector<int64_t> axes;
  Dims full; // sizes of the unreduced iteration space
  unsigned lanes = 1, narrow = 1;
  std::vector<std::pair<Value, Evaluator::Binding>> bound;
  llvm::MapVector<Value, Value>
      staged; // expensive row values -> scratch offset (elements), stored in the first pass
  llvm::DenseSet<Value> storedAlready;
  Operation *failed = nullptr;
};

/// Sums of narrow floats are kept in f32.
/// With the sign of integers, which orders them.
Type accumulatorType(KernelBuilder &k, Type element) {
  return element.isF16() || element.isBF16() ? Type(k.builder().getF32Type()) : element;
}

Value converted(KernelBuilder &k, Value v, Type element, unsigned lanes) {
  Type target = k.vectorOf(k.valueType(element), lanes);
  if (v.getType() == target)
    return v;
  Type from = getElementTypeOrSelf(v.getType());
  if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(k.builder(), k.loc(), target, v);
  return arith::TruncFOp::create(k.builder(), k.loc(), target, v);
}

Value ReduceEmitter::accumulatorStart(ReduceOp op, Type type, unsigned width) {
  TypedAttr neutral = neutralElement(k, op.getKind(), type);
  if (width == 1)
    return arith::ConstantOp::create(b, k.loc(), neutral);
  return arith::ConstantOp::create(
      b, k.loc(), DenseElementsAttr::get(cast<VectorType>(k.vectorOf(k.valueType(type), width)), neutral));
}

LogicalResult ReduceEmitter::run() {
  k.setOrigin(*k.spec().op().getBody().front().getOps<ReduceOp>().begin());
  for (auto r : k.spec().op().getBody().front().getOps<ReduceOp>())
    reductions.push_back(r);
  for (ReduceOp r : reductions)
    if (auto found = matchSoftmax(r))
      softmax = found;
  axes.assign(reductions.front().getAxes().begin(), reductions.front().getAxes().end());
  full = Dims(k.spec().dims(reductions.front().getInput()));
  Type element = cast<RankedTensorType>(reductions.front().getInput().getType()).getElementType();
  unsigned native = lanesOf(k, element);
  unsigned wanted = native * 4;
  if (auto c = full.back().constant())
    wanted = std::min<uint64_t>(wanted, llvm::PowerOf2Ceil(std::max<int64_t>(1, *c)));
  lanes = laneLimit(k, wanted);
  narrow = std::min(lanes, native);
  Size elements = productOf(context, full);
  shape.flops = elementwiseWork(k) + elements * static_cast<int64_t>(reductions.size());
  shape.cost = atVectorRate(shape.flops + elements, k.target());
  shape.scratch = context.constant(0);
  LogicalResult result = isReduced(full.size() - 1) ? rows() : columns();
  if (failed)
    return noForm(failed, "reduce");
  return result;
}

/// Values of the whole row that cost much and are needed by a reduction and again later: kept in scratch.
void ReduceEmitter::chooseStaged() {
  if (axes.size() != 1)
    return;
  Size offset = context.constant(0);
  for (Operation &op : k.spec().op().getBody().front()) {
    if (!op.hasTrait<ElementwiseTrait>() || elementwiseCost(&op) < 6)
      continue;
    Value v = op.getResult(0);
    auto type = cast<RankedTensorType>(v.getType());
    if (k.spec().dims(v)[axes[0]] != full[axes[0]] || full[axes[0]].isConstant(1))
      continue;
    bool feedsReduction = llvm::any_of(v.getUsers(), [](Operation *u) { return isa<ReduceOp>(u); });
    if (!feedsReduction || v.hasOneUse() || !isa<FloatType>(type.getElementType()))
      continue;
    staged[v] = k.size(offset);
    offset = offset + full[axes[0]].ceilDiv(16) * 16;
    shape.scratch = shape.scratch + full[axes[0]].ceilDiv(16) * 64 * (type.getElementType().isF64() ? 2 : 1);
  }
}

Value ReduceEmitter::combine(ReduceOp op, Type type, Value acc, Value v) {
  return emitCombine(k, op.getKind(), type, acc, v, !softmax || softmax->max != op);
}

/// The lanes of a wide accumulator folded onto a narrower one.
Value ReduceEmitter::wideFrom(ReduceOp op, Value v, unsigned from, unsigned to, Type type) {
  while (from > to) {
    unsigned half = from / 2;
    SmallVector<int64_t> low, high;
    for (unsigned i = 0; i < half; ++i) {
      low.push_back(i);
      high.push_back(half + i);
    }
    v = combine(op, type, vector::ShuffleOp::create(b, k.loc(), v, v, low),
                vector::ShuffleOp::create(b, k.loc(), v, v, high));
    from = half;
  }
  if (to == 1 && isa<VectorType>(v.getType()))
    v = vector::ExtractOp::create(b, k.loc(), v, int64_t(0));
  return v;
}

Value ReduceEmitter::reduceRow(ReduceOp op, ArrayRef<Coord> kept) {
  KernelBuilder::OriginScope origin(k, op);
  Type element = cast<RankedTensorType>(op.getInput().getType()).getElementType();
  Type accType = accumulatorType(k, element);
  Value extent = k.size(full[axes.back()]);
  SmallVector<Value> nowStored;
  // One vector's contribution at the position given by `at`.
  auto term = [&](Coords at, Value i, unsigned width, Value mask) -> Value {
    Evaluator e(k, width, mask);
    bindAll(e);
    at[axes.back()] = {i, width > 1 ? 1 : 0};
    for (auto &[value, offset] : staged) {
      if (storedAlready.contains(value) || op.getInput() != value)
        continue;
      Value v = e.eval(value, at);
      if (!v)
        break;
      Type t = cast<RankedTensorType>(value.getType()).getElementType();
      if (!planted(Defect::StagedRowStale))
        k.store(v, k.scratch(), k.add(offset, i), t, width, mask);
      if (!llvm::is_contained(nowStored, value))
        nowStored.push_back(value);
    }
    Value v = e.eval(op.getInput(), at);
    if (!v) {
      failed = e.failedOp();
      return accumulatorStart(op, accType, width);
    }
    v = converted(k, v, accType, width);
    if (mask)
      v = arith::SelectOp::create(b, k.loc(), mask, v, accumulatorStart(op, accType, width));
    return v;
  };
  // The innermost axis, continuing an accumulator of `lanes` lanes.
  std::function<Value(unsigned, Coords, Value)> nest = [&](unsigned depth, Coords at, Value acc) -> Value {
    if (depth + 1 < axes.size()) {
      return k.loop(k.constant(0), k.size(full[axes[depth]]), 1, acc, [&](Value i, ValueRange carried) {
        Coords inner = at;
        inner[axes[depth]] = {i};
        return SmallVector<Value>{nest(depth + 1, inner, carried[0])};
      })[0];
    }
    Value whole = k.mul(k.div(extent, k.constant(lanes)), k.constant(lanes));
    acc = k.loop(k.constant(0), whole, lanes, acc, [&](Value i, ValueRange carried) {
      return SmallVector<Value>{combine(op, accType, carried[0], term(at, i, lanes, {}))};
    })[0];
    if (lanes == 1)
      return acc;
    // The rest goes into the low lanes, in narrow vectors, the last one masked.
    Value end = extent;
    Value padded = k.mul(k.div(k.add(end, k.constant(narrow - 1)), k.constant(narrow)), k.constant(narrow));
    if (auto c = full[axes.back()].constant(); c && *c % lanes == 0)
      return acc;
    Value low = accumulatorStart(op, accType, narrow);
    low = k.loop(whole, padded, narrow, low, [&](Value i, ValueRange carried) {
      Value mask = narrow > 1 ? k.tailMask(i, end, narrow) : Value();
      return SmallVector<Value>{combine(op, accType, carried[0], term(at, i, narrow, mask))};
    })[0];
    if (lanes == narrow)
      return combine(op, accType, acc, low);
    SmallVector<int64_t> widen;
    for (unsigned i = 0; i < lanes; ++i)
      widen.push_back(i < narrow ? i : narrow + i % narrow);
    Value neutral = accumulatorStart(op, accType, narrow);
    return combine(op, accType, acc, vector::ShuffleOp::create(b, k.loc(), low, neutral, widen));
  };
  Value acc = nest(0, Coords(kept.begin(), kept.end()), accumulatorStart(op, accType, lanes));
  for (Value v : nowStored) {
    storedAlready.insert(v);
    Type t = cast<RankedTensorType>(v.getType()).getElementType();
    Value offset = staged[v];
    unsigned axis = axes[0];
    bound.emplace_back(v, [this, offset, t, axis](Evaluator &e, ArrayRef<Coord> at) {
      return k.load(k.scratch(), k.add(offset, at[axis].base), t, e.laneCount());
    });
  }
  Value sum = wideFrom(op, acc, lanes, 1, accType);
  return converted(k, sum, k.valueType(element), 1);
}

void ReduceEmitter::bindReduced(ReduceOp op, Value reduced) {
  bound.emplace_back(op.getResult(), [reduced](Evaluator &, ArrayRef<Coord>) { return reduced; });
  if (!softmax || softmax->sum != op)
    return;
  Value one = arith::ConstantOp::create(b, k.loc(), b.getF32FloatAttr(1));
  Value reciprocal = arith::DivFOp::create(b, k.loc(), one, reduced);
  DivOp quotient = softmax->quotient;
  bound.emplace_back(quotient.getResult(), [this, quotient, reduced, reciprocal](Evaluator &e,
                                                                                 ArrayRef<Coord> at) {
    DivOp op = quotient;
    Value dividend = e.eval(op.getLhs(), at);
    return dividend ? emitQuotientByReciprocal(k, dividend, reduced, reciprocal, e.laneCount()) : dividend;
  });
}

LogicalResult ReduceEmitter::rows() {
  chooseStaged();
  Value root = yielded(k, 0);
  Dims rootDims(k.spec().dims(root));
  bool reducedRoot = llvm::all_of(axes, [&](int64_t a) { return rootDims[a].isConstant(1); }) &&
                     !llvm::all_of(axes, [&](int64_t a) { return full[a].isConstant(1); });
  SmallVector<Value> extents;
  SmallVector<unsigned> keptAxes;
  Size rowCount = context.constant(1);
  for (unsigned a = 0; a < full.size(); ++a)
    if (!isReduced(a)) {
      keptAxes.push_back(a);
      extents.push_back(k.size(full[a]));
      rowCount = rowCount * full[a];
    }
  if (extents.empty())
    extents.push_back(k.constant(1));
  k.loop(k.begin(), k.end(), 1, [&](Value item) {
    SmallVector<Value> position = k.delinearize(item, extents);
    Coords kept(full.size(), Coord{k.constant(0)});
    for (auto [i, a] : llvm::enumerate(keptAxes))
      kept[a] = {position[i]};
    for (ReduceOp op : reductions) {
      bindReduced(op, reduceRow(op, kept));
    }
    auto write = [&](Coords at, unsigned width, Value mask) {
      Evaluator e(k, width, mask);
      bindAll(e);
      for (unsigned r = 0; r < k.spec().op().getNumResults(); ++r) {
        Value v = e.eval(yielded(k, r), at);
        if (!v) {
          failed = e.failedOp();
          return;
        }
        e.store(v, k.outputBuffer(r), at, k.spec().dims(yielded(k, r)),
                cast<RankedTensorType>(yielded(k, r).getType()).getElementType());
      }
    };
    if (reducedRoot) {
      write(kept, 1, {});
      return;
    }
    std::function<void(unsigned, Coords)> nest = [&](unsigned depth, Coords at) {
      if (depth + 1 < axes.size()) {
        k.loop(k.constant(0), k.size(full[axes[depth]]), 1, [&](Value i) {
          Coords inner = at;
          inner[axes[depth]] = {i};
          nest(depth + 1, inner);
        });
        return;
      }
      k.vectorLoop(k.constant(0), k.size(full[axes.back()]), lanes, narrow,
                   [&](Value i, unsigned width, Value mask) {
                     Coords inner = at;
                     inner[axes.back()] = {i, width > 1 ? 1 : 0};
                     write(inner, width, mask);
                   });
    };
    nest(0, kept);
  });
  shape.grid = rowCount;
  shape.schedule = "rows lanes=" + std::to_string(lanes) + " passes=" + std::to_string(reductions.size()) +
                   " staged=" + std::to_string(staged.size());
  return success();
}

LogicalResult ReduceEmitter::columns() {
  ReduceOp op = reductions.front();
  if (reductions.size() != 1)
    return noForm(reductions[1], "reduce");
  Value root = yielded(k, 0);
  Dims rootDims(k.spec().dims(root));
  Type element = cast<RankedTensorType>(op.getInput().getType()).getElementType();
  Type accType = accumulatorType(k, element);
  unsigned last = full.size() - 1;
  // One item is one block of columns.
  constexpr int64_t blockColumns = 64;
  Size blocks = full[last].ceilDiv(blockColumns);
  SmallVector<Value> extents;
  SmallVector<unsigned> keptAxes;
  Size rowCount = context.constant(1);
  for (unsigned a = 0; a < last; ++a)
    if (!isReduced(a)) {
      keptAxes.push_back(a);
      extents.push_back(k.size(full[a]));
      rowCount = rowCount * full[a];
    }
  extents.push_back(k.size(blocks));
  k.loop(k.begin(), k.end(), 1, [&](Value item) {
    SmallVector<Value> position = k.delinearize(item, extents);
    Coords kept(full.size(), Coord{k.constant(0)});
    for (auto [i, a] : llvm::enumerate(keptAxes))
      kept[a] = {position[i]};
    Value from = k.mul(position.back(), k.constant(blockColumns));
    Value to = k.min(k.add(from, k.constant(blockColumns)), k.size(full[last]));
    k.vectorLoop(from, to, lanes, narrow, [&](Value i, unsigned width, Value mask) {
      std::function<Value(unsigned, Coords, Value)> nest = [&](unsigned depth, Coords at,
                                                               Value acc) -> Value {
        if (depth == axes.size()) {
          Evaluator e(k, width, mask);
          Value v = e.eval(op.getInput(), at);
          if (!v) {
            failed = e.failedOp();
            return acc;
          }
          return combine(op, accType, acc, converted(k, v, accType, width));
        }
        return k.loop(k.constant(0), k.size(full[axes[depth]]), 1, acc, [&](Value j, ValueRange carried) {
          Coords inner = at;
          inner[axes[depth]] = {j};
          return SmallVector<Value>{nest(depth + 1, inner, carried[0])};
        })[0];
      };
      Coords at = kept;
      at[last] = {i, width > 1 ? 1 : 0};
      Value sum = nest(0, at, accumulatorStart(op, accType, width));
      sum = converted(k, sum, k.valueType(element), width);
      Evaluator e(k, width, mask);
      e.bind(op.getResult(), [sum](Evaluator &, ArrayRef<Coord>) { return sum; });
      Value v = e.eval(root, at);
      if (!v) {
        failed = e.failedOp();
        return;
      }
      e.store(v, k.outputBuffer(0), at, rootDims, cast<RankedTensorType>(root.getType()).getElementType());
    });
  });
  shape.grid = rowCount * blocks;
  shape.schedule = "columns lanes=" + std::to_string(lanes);
  return success();
}

} // namespace

LogicalResult emitReduce(KernelBuilder &k, KernelShape &shape) { return ReduceEmitter(k, shape).run(); }

} // namespace tenon::cpu

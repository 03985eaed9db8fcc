//===- EmitReduce.cpp - kernels around reductions: sums, softmax, norms
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two forms. Rows: the innermost axis is reduced; one item is one position of the kept axes, each reduction
// is a pass over the row in vectors, and the last pass writes the results. Short rows go several at a time:
// what folds the lanes of one, and all that waits for it, takes longer than its few vectors. Columns: the
// innermost axis is kept; vectors run along it, and a single reduction loops over the reduced axes.
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
      : k(k), b(k.builder()), shape(shape), context(k.spec().context()), rowCount(context.constant(1)),
        stagedElements(context.constant(0)) {}
  LogicalResult run();

private:
  /// A position of the kept axes, and what is known of its row.
  struct Row {
    Coords kept;
    Value scratch; // where its staged values begin, in elements
    std::vector<std::pair<Value, Evaluator::Binding>> bound = {};
  };
  bool isReduced(unsigned axis) const { return llvm::is_contained(axes, static_cast<int64_t>(axis)); }
  LogicalResult rows();
  LogicalResult columns();
  int64_t rowsTogether() const;
  void rowsFrom(ArrayRef<Value> items);
  void reduceRows(ReduceOp op, MutableArrayRef<Row> together);
  void writeRows(MutableArrayRef<Row> together);
  Value term(ReduceOp op, Type type, const Row &row, ArrayRef<Coord> at, unsigned width, Value mask);
  Coords vectorAt(const Row &row, ArrayRef<Value> outer, Value i, unsigned width) const;
  static Type elementOf(ReduceOp op) { return op.getInput().getType().getElementType(); }
  /// Whether this reduction's pass stores what it reduces.
  bool stages(ReduceOp op) const {
    return staged.contains(op.getInput()) && !storedAlready.contains(op.getInput());
  }
  Value combine(ReduceOp op, Type type, Value acc, Value v);
  Value wideFrom(ReduceOp op, Value v, unsigned from, unsigned to, Type type);
  void bindReduced(ReduceOp op, Value reduced, Row &row);
  static void bindAll(Evaluator &e, const Row &row) {
    for (auto &[tensor, value] : row.bound)
      e.bind(tensor, value);
  }
  bool seesRowsAsOneAxis() const;
  unsigned workOf(Value v) const;
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
  bool rowsAreOneAxis = false;
  Size rowCount;
  SmallVector<unsigned> keptAxes;
  SmallVector<Value> extents; // of the kept axes
  // Expensive values of a row -> their place in its scratch (elements), stored in the first pass.
  llvm::MapVector<Value, Value> staged;
  Size stagedElements; // of one row
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
  for (unsigned a = 0; a < full.size(); ++a)
    if (!isReduced(a)) {
      keptAxes.push_back(a);
      extents.push_back(k.size(full[a]));
      rowCount = rowCount * full[a];
    }
  Type element = cast<RankedTensorType>(reductions.front().getInput().getType()).getElementType();
  unsigned native = lanesOf(k, element);
  unsigned wanted = native * (4 / rowsTogether());
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

/// Whether all that is read and written lies row behind row, or is the same for all rows: the number of a row
/// then says where it is, and rows that go together lie at fixed distances.
bool ReduceEmitter::seesRowsAsOneAxis() const {
  if (axes.size() != 1 || !isReduced(full.size() - 1))
    return false;
  auto plain = [&](Value v) {
    if (!isa<RankedTensorType>(v.getType()))
      return true;
    ArrayRef<Size> own = k.spec().dims(v);
    if (own.empty())
      return true;
    ArrayRef<Size> kept = own.drop_back();
    return (own.size() == full.size() && kept == ArrayRef<Size>(full).drop_back()) ||
           llvm::all_of(kept, [](Size d) { return d.isConstant(1); });
  };
  return llvm::all_of(k.spec().op().getBody().front().without_terminator(), [&](Operation &op) {
    bool inPlace = op.hasTrait<ElementwiseTrait>() || isa<BroadcastOp, ReduceOp, ConstantOp>(op);
    return inPlace && llvm::all_of(op.getOperands(), plain) && llvm::all_of(op.getResults(), plain);
  });
}

/// What one element of a value costs that is computed anew, down to what is loaded or known for the row.
unsigned ReduceEmitter::workOf(Value v) const {
  constexpr unsigned most = 64;     // of interest
  constexpr unsigned lookingUp = 4; // where an index leads
  Operation *op = v.getDefiningOp();
  if (op && isa<GatherOp, GatherElementsOp, GatherNdOp>(op))
    return lookingUp;
  if (!op || isa<ReduceOp>(op) || !op->hasTrait<ElementwiseTrait>() || staged.contains(v))
    return 0;
  unsigned work = elementwiseCost(op);
  for (Value operand : op->getOperands())
    if (work < most)
      work += workOf(operand);
  return work;
}

/// Values of the whole row that cost much and are needed by a reduction and again later: kept in scratch.
void ReduceEmitter::chooseStaged() {
  constexpr unsigned worthAPlace = 6; // a store and loads
  if (axes.size() != 1)
    return;
  int64_t bytes = 4; // of an element
  for (Operation &op : k.spec().op().getBody().front()) {
    if (!op.hasTrait<ElementwiseTrait>() || workOf(op.getResult(0)) < worthAPlace)
      continue;
    Value v = op.getResult(0);
    auto type = cast<RankedTensorType>(v.getType());
    if (k.spec().dims(v)[axes[0]] != full[axes[0]] || full[axes[0]].isConstant(1))
      continue;
    bool feedsReduction = llvm::any_of(v.getUsers(), [](Operation *u) { return isa<ReduceOp>(u); });
    if (!feedsReduction || v.hasOneUse() || !isa<FloatType>(type.getElementType()))
      continue;
    // Places count elements: those of another width would lie across each other.
    if (int64_t own = type.getElementTypeBitWidth() / 8; staged.empty())
      bytes = own;
    else if (own != bytes)
      continue;
    staged[v] = k.size(stagedElements);
    stagedElements = stagedElements + full[axes[0]].ceilDiv(16) * 16;
  }
  shape.scratch = stagedElements * bytes;
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

/// How many rows go at a time. All take the same vectors as one row alone, so that it does not matter for the
/// bits of a row where the rows of a worker begin and end.
int64_t ReduceEmitter::rowsTogether() const {
  constexpr int64_t shortRow = 1024;
  auto extent = full.back().constant();
  bool several = axes.size() == 1 && isReduced(full.size() - 1) && !rowCount.isConstant(1) &&
                 (extent ? *extent <= shortRow : softmax.has_value());
  if (!several)
    return 1;
  return softmax ? 2 : 4;
}

/// A vector of the innermost axis from `i` on; `outer`: along the reduced axes before it.
Coords ReduceEmitter::vectorAt(const Row &row, ArrayRef<Value> outer, Value i, unsigned width) const {
  Coords at = row.kept;
  for (auto [axis, o] : llvm::zip_equal(ArrayRef<int64_t>(axes).drop_back(), outer))
    at[axis] = {o};
  at[axes.back()] = {i, width > 1 ? 1 : 0};
  return at;
}

/// What one vector of a row adds to a reduction; what is staged is stored on the way.
Value ReduceEmitter::term(ReduceOp op, Type type, const Row &row, ArrayRef<Coord> at, unsigned width,
                          Value mask) {
  Evaluator e(k, width, mask);
  bindAll(e, row);
  Value v = e.eval(op.getInput(), at);
  if (!v) {
    failed = e.failedOp();
    return accumulatorStart(op, type, width);
  }
  if (stages(op) && !planted(Defect::StagedRowStale)) {
    Value place = k.add(row.scratch, k.add(staged[op.getInput()], at[axes.back()].base));
    k.store(v, k.scratch(), place, elementOf(op), width, mask);
  }
  v = converted(k, v, type, width);
  if (mask)
    v = arith::SelectOp::create(b, k.loc(), mask, v, accumulatorStart(op, type, width));
  return v;
}

void ReduceEmitter::reduceRows(ReduceOp op, MutableArrayRef<Row> together) {
  KernelBuilder::OriginScope origin(k, op);
  Type element = cast<RankedTensorType>(op.getInput().getType()).getElementType();
  Type accType = accumulatorType(k, element);
  Value extent = k.size(full[axes.back()]);
  // The accumulators of all rows, a vector further.
  auto step = [&](ArrayRef<Value> outer, Value i, unsigned width, Value mask, ValueRange accs) {
    SmallVector<Value> next;
    for (auto [row, acc] : llvm::zip_equal(together, accs)) {
      Value v = term(op, accType, row, vectorAt(row, outer, i, width), width, mask);
      next.push_back(combine(op, accType, acc, v));
    }
    return next;
  };
  auto starts = [&](unsigned width) {
    return SmallVector<Value>(together.size(), accumulatorStart(op, accType, width));
  };
  auto innermost = [&](ArrayRef<Value> outer, ValueRange start) -> SmallVector<Value> {
    Value whole = k.mul(k.div(extent, k.constant(lanes)), k.constant(lanes));
    SmallVector<Value> accs = k.loop(k.constant(0), whole, lanes, start, [&](Value i, ValueRange carried) {
      return step(outer, i, lanes, {}, carried);
    });
    if (auto c = full[axes.back()].constant(); lanes == 1 || (c && *c % lanes == 0))
      return accs;
    // The rest goes into the low lanes, in narrow vectors, the last one masked.
    Value padded =
        k.mul(k.div(k.add(extent, k.constant(narrow - 1)), k.constant(narrow)), k.constant(narrow));
    SmallVector<Value> low = k.loop(whole, padded, narrow, starts(narrow), [&](Value i, ValueRange carried) {
      return step(outer, i, narrow, narrow > 1 ? k.tailMask(i, extent, narrow) : Value(), carried);
    });
    SmallVector<int64_t> widen;
    for (unsigned i = 0; i < lanes; ++i)
      widen.push_back(i < narrow ? i : narrow + i % narrow);
    for (auto [acc, rest] : llvm::zip_equal(accs, low)) {
      Value wide = rest;
      if (lanes != narrow)
        wide = vector::ShuffleOp::create(b, k.loc(), rest, accumulatorStart(op, accType, narrow), widen);
      acc = combine(op, accType, acc, wide);
    }
    return accs;
  };
  std::function<SmallVector<Value>(SmallVector<Value>, ValueRange)> nest =
      [&](SmallVector<Value> outer, ValueRange accs) -> SmallVector<Value> {
    if (outer.size() + 1 == axes.size())
      return innermost(outer, accs);
    return k.loop(k.constant(0), k.size(full[axes[outer.size()]]), 1, accs, [&](Value i, ValueRange carried) {
      SmallVector<Value> inner = outer;
      inner.push_back(i);
      return nest(inner, carried);
    });
  };
  SmallVector<Value> sums = nest({}, starts(lanes));
  bool stored = stages(op);
  for (auto [row, sum] : llvm::zip_equal(together, sums)) {
    if (stored) {
      Value offset = k.add(row.scratch, staged[op.getInput()]);
      int64_t axis = axes[0];
      row.bound.emplace_back(op.getInput(), [this, offset, element, axis](Evaluator &e, ArrayRef<Coord> at) {
        return k.load(k.scratch(), k.add(offset, at[axis].base), element, e.laneCount());
      });
    }
    Value folded = wideFrom(op, sum, lanes, 1, accType);
    bindReduced(op, converted(k, folded, k.valueType(element), 1), row);
  }
  if (stored)
    storedAlready.insert(op.getInput());
}

void ReduceEmitter::bindReduced(ReduceOp op, Value reduced, Row &row) {
  row.bound.emplace_back(op.getResult(), [reduced](Evaluator &, ArrayRef<Coord>) { return reduced; });
  if (softmax && softmax->max == op) {
    auto exp = softmax->sum.getInput().getDefiningOp<ExpOp>();
    row.bound.emplace_back(exp.getResult(), [this, exp](Evaluator &e, ArrayRef<Coord> at) {
      Value centred = e.eval(ExpOp(exp).getInput(), at);
      return centred ? emitExpAtMostZero(k, centred) : centred;
    });
  }
  if (!softmax || softmax->sum != op)
    return;
  Value one = arith::ConstantOp::create(b, k.loc(), b.getF32FloatAttr(1));
  Value reciprocal = arith::DivFOp::create(b, k.loc(), one, reduced);
  DivOp quotient = softmax->quotient;
  row.bound.emplace_back(quotient.getResult(), [this, quotient, reduced, reciprocal](Evaluator &e,
                                                                                     ArrayRef<Coord> at) {
    DivOp op = quotient;
    Value dividend = e.eval(op.getLhs(), at);
    return dividend ? emitQuotientByReciprocal(k, dividend, reduced, reciprocal, e.laneCount()) : dividend;
  });
}

void ReduceEmitter::writeRows(MutableArrayRef<Row> together) {
  Value root = yielded(k, 0);
  Dims rootDims(k.spec().dims(root));
  bool reducedRoot = llvm::all_of(axes, [&](int64_t a) { return rootDims[a].isConstant(1); }) &&
                     !llvm::all_of(axes, [&](int64_t a) { return full[a].isConstant(1); });
  // All rows are computed before one is stored: what they share is then read once, wherever results lie.
  auto write = [&](llvm::function_ref<Coords(const Row &)> coords, unsigned width, Value mask) {
    for (unsigned r = 0; r < k.spec().op().getNumResults(); ++r) {
      Value out = yielded(k, r);
      SmallVector<Value> values;
      for (const Row &row : together) {
        Evaluator e(k, width, mask);
        bindAll(e, row);
        values.push_back(e.eval(out, coords(row)));
        if (!values.back()) {
          failed = e.failedOp();
          return;
        }
      }
      Evaluator e(k, width, mask);
      for (auto [row, v] : llvm::zip_equal(together, values))
        e.store(v, k.outputBuffer(r), coords(row), k.spec().dims(out),
                cast<RankedTensorType>(out.getType()).getElementType());
    }
  };
  if (reducedRoot) {
    write([](const Row &row) { return row.kept; }, 1, {});
    return;
  }
  std::function<void(SmallVector<Value>)> nest = [&](SmallVector<Value> outer) {
    if (outer.size() + 1 < axes.size()) {
      k.loop(k.constant(0), k.size(full[axes[outer.size()]]), 1, [&](Value i) {
        SmallVector<Value> inner = outer;
        inner.push_back(i);
        nest(inner);
      });
      return;
    }
    k.vectorLoop(k.constant(0), k.size(full[axes.back()]), lanes, narrow,
                 [&](Value i, unsigned width, Value mask) {
                   write([&](const Row &row) { return vectorAt(row, outer, i, width); }, width, mask);
                 });
  };
  nest({});
}

/// Everything for the rows of these items, side by side.
void ReduceEmitter::rowsFrom(ArrayRef<Value> items) {
  storedAlready.clear();
  SmallVector<Row> together;
  Value scratch = k.constant(0);
  for (Value item : items) {
    SmallVector<Value> position = rowPosition(k, item, extents, rowsAreOneAxis);
    Coords kept(full.size(), Coord{k.constant(0)});
    for (auto [i, a] : llvm::enumerate(keptAxes))
      kept[a] = {position[i]};
    together.push_back({kept, scratch});
    scratch = k.add(scratch, k.size(stagedElements));
  }
  for (ReduceOp op : reductions)
    reduceRows(op, together);
  writeRows(together);
}

LogicalResult ReduceEmitter::rows() {
  chooseStaged();
  rowsAreOneAxis = seesRowsAsOneAxis();
  if (extents.empty())
    extents.push_back(k.constant(1));
  Value single = k.begin();
  int64_t together = rowsTogether();
  if (together > 1) {
    Value step = k.constant(together);
    Value whole = k.add(single, k.mul(k.div(k.sub(k.end(), single), step), step));
    k.loop(single, whole, together, [&](Value item) {
      SmallVector<Value> items;
      for (int64_t i = 0; i < together; ++i)
        items.push_back(k.add(item, k.constant(i)));
      rowsFrom(items);
    });
    shape.scratch = shape.scratch * together;
    single = whole;
  }
  k.loop(single, k.end(), 1, [&](Value item) { rowsFrom(item); });
  shape.grid = rowCount;
  shape.schedule = "rows lanes=" + std::to_string(lanes) + " passes=" + std::to_string(reductions.size()) +
                   " staged=" + std::to_string(staged.size()) +
                   (together > 1 ? " together=" + std::to_string(together) : "");
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
  extents.back() = k.size(blocks);
  keptAxes.pop_back();
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
  Size items = blocks;
  for (unsigned a : keptAxes)
    items = items * full[a];
  shape.grid = items;
  shape.schedule = "columns lanes=" + std::to_string(lanes);
  return success();
}

} // namespace

LogicalResult emitReduce(KernelBuilder &k, KernelShape &shape) { return ReduceEmitter(k, shape).run(); }

} // namespace tenon::cpu

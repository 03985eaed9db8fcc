//===- EmitIndexed.cpp - scans, positions, sorting and scattering
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Element-by-element loops. Operations along an axis take one item for each position of the other axes;
// scattering keeps the order of its updates, so it is one item.
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/KernelFamilies.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

class IndexedEmitter {
public:
  IndexedEmitter(KernelBuilder &k, KernelShape &shape)
      : k(k), b(k.builder()), shape(shape), context(k.spec().context()) {}
  LogicalResult run();

private:
  /// An axis of a dense tensor: element i of the line through an item is base + i * stride.
  struct Line {
    Value base, stride, extent;
  };
  Line lineOf(Value tensor, unsigned axis, Value item);
  void overLines(Value tensor, unsigned axis, llvm::function_ref<void(Value)> body);
  Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
  Value at(const Line &l, Value i) { return k.add(l.base, k.mul(i, l.stride)); }
  Value comesFirst(Type element, bool largest, Value a, Value c, bool orEqual);
  Value wideIndex(Value i) { return arith::IndexCastOp::create(b, k.loc(), b.getI64Type(), i); }
  Value target(Value indices, Value offset, Size extent);
  void combineInto(Value pointer, Value offset, Type element, ScatterKind kind, Value update);
  void copyWhole(Value from, Value to, Value tensor);

  void argReduce(ArgReduceOp op);
  void scan(ScanOp op);
  void topK(TopKOp op);
  void scatterElements(ScatterElementsOp op);
  void scatterNd(ScatterNdOp op);

  KernelBuilder &k;
  OpBuilder &b;
  KernelShape &shape;
  SizeContext &context;
};

LogicalResult IndexedEmitter::run() {
  shape.scratch = context.constant(0);
  for (Operation &op : k.spec().op().getBody().front()) {
    shape.schedule = op.getName().stripDialect().str();
    k.setOrigin(&op);
    if (auto o = dyn_cast<ArgReduceOp>(op))
      return argReduce(o), success();
    if (auto o = dyn_cast<ScanOp>(op))
      return scan(o), success();
    if (auto o = dyn_cast<TopKOp>(op))
      return topK(o), success();
    if (auto o = dyn_cast<ScatterElementsOp>(op))
      return scatterElements(o), success();
    if (auto o = dyn_cast<ScatterNdOp>(op))
      return scatterNd(o), success();
  }
  return noForm(&k.spec().op().getBody().front().front(), "indexed");
}

IndexedEmitter::Line IndexedEmitter::lineOf(Value tensor, unsigned axis, Value item) {
  ArrayRef<Size> dims = k.spec().dims(tensor);
  Size inner = productOf(context, dims.drop_front(axis + 1));
  Value stride = k.size(inner), extent = k.size(dims[axis]);
  Value outer = k.div(item, stride), rest = k.rem(item, stride);
  return {k.add(k.mul(outer, k.size(inner * dims[axis])), rest), stride, extent};
}

void IndexedEmitter::overLines(Value tensor, unsigned axis, llvm::function_ref<void(Value)> body) {
  ArrayRef<Size> dims = k.spec().dims(tensor);
  Size lines = context.constant(1);
  for (unsigned d = 0; d < dims.size(); ++d)
    if (d != axis)
      lines = lines * dims[d];
  shape.grid = lines;
  shape.flops = productOf(context, dims);
  shape.cost = shape.flops;
  k.loop(k.begin(), k.end(), 1, body);
}

/// Whether element a is placed before c; NaN counts as larger than every number.
Value IndexedEmitter::comesFirst(Type element, bool largest, Value a, Value c, bool orEqual) {
  if (isa<FloatType>(element)) {
    Value more =
        arith::CmpFOp::create(b, k.loc(),
                              largest ? (orEqual ? arith::CmpFPredicate::OGE : arith::CmpFPredicate::OGT)
                                      : (orEqual ? arith::CmpFPredicate::OLE : arith::CmpFPredicate::OLT),
                              a, c);
    Value nanA = arith::CmpFOp::create(b, k.loc(), arith::CmpFPredicate::UNO, a, a);
    Value nanC = arith::CmpFOp::create(b, k.loc(), arith::CmpFPredicate::UNO, c, c);
    Value yes = largest ? nanA : nanC, no = largest ? nanC : nanA;
    Value both = arith::AndIOp::create(b, k.loc(), nanA, nanC);
    Value one = arith::ConstantOp::create(b, k.loc(), b.getBoolAttr(true));
    Value onlyYes = arith::AndIOp::create(b, k.loc(), yes, arith::XOrIOp::create(b, k.loc(), no, one));
    if (orEqual)
      onlyYes = arith::OrIOp::create(b, k.loc(), onlyYes, both);
    return arith::OrIOp::create(b, k.loc(), more, onlyYes);
  }
  bool isUnsigned = element.isUnsignedInteger() || element.isInteger(1);
  using P = arith::CmpIPredicate;
  P p = largest ? (orEqual ? (isUnsigned ? P::uge : P::sge) : (isUnsigned ? P::ugt : P::sgt))
                : (orEqual ? (isUnsigned ? P::ule : P::sle) : (isUnsigned ? P::ult : P::slt));
  return arith::CmpIOp::create(b, k.loc(), p, a, c);
}

void IndexedEmitter::argReduce(ArgReduceOp op) {
  Type element = elementOf(op.getInput());
  unsigned axis = op.getAxis();
  bool largest = op.getKind() == ReduceKind::max;
  overLines(op.getInput(), axis, [&](Value item) {
    Line line = lineOf(op.getInput(), axis, item);
    Value input = k.bufferOf(op.getInput());
    Value first = k.load(input, line.base, element, 1);
    SmallVector<Value> best =
        k.loop(k.constant(1), line.extent, 1, ValueRange{first, k.constant(0)}, [&](Value i, ValueRange c) {
          Value v = k.load(input, at(line, i), element, 1);
          Value better = comesFirst(element, largest, v, c[0], op.getLast());
          return SmallVector<Value>{arith::SelectOp::create(b, k.loc(), better, v, c[0]),
                                    arith::SelectOp::create(b, k.loc(), better, i, c[1])};
        });
    k.store(wideIndex(best[1]), k.outputBuffer(0), item, b.getI64Type(), 1);
  });
}

void IndexedEmitter::scan(ScanOp op) {
  Type element = elementOf(op.getInput());
  unsigned axis = op.getAxis();
  overLines(op.getInput(), axis, [&](Value item) {
    Line line = lineOf(op.getInput(), axis, item);
    Value neutral = arith::ConstantOp::create(b, k.loc(), neutralElement(k, op.getKind(), element));
    k.loop(k.constant(0), line.extent, 1, neutral, [&](Value i, ValueRange c) {
      Value position = op.getReverse() ? k.sub(k.sub(line.extent, k.constant(1)), i) : i;
      Value v = k.load(k.bufferOf(op.getInput()), at(line, position), element, 1);
      Value next = emitCombine(k, op.getKind(), element, c[0], v);
      k.store(op.getExclusive() && !planted(Defect::ScanInclusive) ? c[0] : next, k.outputBuffer(0),
              at(line, position), element, 1);
      return SmallVector<Value>{next};
    });
  });
}

/// Insertion into the results, which are kept sorted: an element moves up while it comes before its
/// predecessor. Equal elements stay in order of position.
void IndexedEmitter::topK(TopKOp op) {
  Type element = elementOf(op.getInput());
  unsigned axis = op.getAxis();
  Type i64 = b.getI64Type();
  Value values = k.outputBuffer(0), positions = k.outputBuffer(1);
  overLines(op.getInput(), axis, [&](Value item) {
    Line in = lineOf(op.getInput(), axis, item), out = lineOf(op.getValues(), axis, item);
    k.loop(k.constant(0), in.extent, 1, [&](Value i) {
      Value v = k.load(k.bufferOf(op.getInput()), at(in, i), element, 1);
      Value filled = k.min(i, out.extent);
      // Where the element belongs: after all that come before it or are equal.
      auto loop = scf::WhileOp::create(b, k.loc(), TypeRange{b.getIndexType()}, ValueRange{filled});
      OpBuilder::InsertionGuard guard(b);
      Block *before = b.createBlock(&loop.getBefore(), {}, {b.getIndexType()}, {k.loc()});
      b.setInsertionPointToEnd(before);
      Value p = before->getArgument(0);
      Value some = k.less(k.constant(0), p);
      auto test = scf::IfOp::create(b, k.loc(), TypeRange{b.getI1Type()}, some, true);
      b.setInsertionPointToStart(test.thenBlock());
      Value previous = k.load(values, at(out, k.sub(p, k.constant(1))), element, 1);
      scf::YieldOp::create(
          b, k.loc(), comesFirst(element, !op.getSmallest(), v, previous, planted(Defect::TopKUnstable)));
      b.setInsertionPointToStart(test.elseBlock());
      scf::YieldOp::create(b, k.loc(), Value(arith::ConstantOp::create(b, k.loc(), b.getBoolAttr(false))));
      b.setInsertionPointToEnd(before);
      scf::ConditionOp::create(b, k.loc(), test.getResult(0), before->getArguments());
      Block *after = b.createBlock(&loop.getAfter(), {}, {b.getIndexType()}, {k.loc()});
      b.setInsertionPointToEnd(after);
      Value up = k.sub(after->getArgument(0), k.constant(1));
      k.ifThen(k.less(after->getArgument(0), out.extent), [&] {
        k.store(k.load(values, at(out, up), element, 1), values, at(out, after->getArgument(0)), element, 1);
        k.store(k.load(positions, at(out, up), i64, 1), positions, at(out, after->getArgument(0)), i64, 1);
      });
      scf::YieldOp::create(b, k.loc(), up);
      b.setInsertionPointAfter(loop);
      Value place = loop.getResult(0);
      k.ifThen(k.less(place, out.extent), [&] {
        k.store(v, values, at(out, place), element, 1);
        k.store(wideIndex(i), positions, at(out, place), i64, 1);
      });
    });
  });
  Size lines = shape.grid;
  shape.cost = shape.cost * 4 + lines;
}

/// The result starts as a copy of the input, unless they are one buffer (see `tenon.ties`).
void IndexedEmitter::copyWhole(Value from, Value to, Value tensor) {
  Type element = elementOf(tensor), i64 = b.getI64Type();
  unsigned lanes = lanesOf(k, element);
  Value differ = arith::CmpIOp::create(b, k.loc(), arith::CmpIPredicate::ne,
                                       LLVM::PtrToIntOp::create(b, k.loc(), i64, from),
                                       LLVM::PtrToIntOp::create(b, k.loc(), i64, to));
  k.ifThen(differ, [&] {
    k.vectorLoop(k.constant(0), k.size(productOf(context, k.spec().dims(tensor))), lanes, lanes,
                 [&](Value i, unsigned width, Value mask) {
                   k.store(k.load(from, i, element, width, mask), to, i, element, width, mask);
                 });
  });
}

/// An index element as a position: negative ones count from the end, all are clamped into the axis.
Value IndexedEmitter::target(Value indices, Value offset, Size extent) {
  Type element = elementOf(indices);
  Value v = k.load(k.bufferOf(indices), offset, element, 1);
  v = arith::IndexCastOp::create(b, k.loc(), b.getIndexType(), v);
  Value n = k.size(extent);
  v = arith::SelectOp::create(b, k.loc(), k.less(v, k.constant(0)), k.add(v, n), v);
  return k.max(k.min(v, k.sub(n, k.constant(1))), k.constant(0));
}

void IndexedEmitter::combineInto(Value pointer, Value offset, Type element, ScatterKind kind, Value update) {
  if (kind != ScatterKind::none && !planted(Defect::ScatterOverwrites)) {
    Value old = k.load(pointer, offset, element, 1);
    ReduceKind reduce = kind == ScatterKind::add   ? ReduceKind::sum
                        : kind == ScatterKind::mul ? ReduceKind::prod
                        : kind == ScatterKind::max ? ReduceKind::max
                                                   : ReduceKind::min;
    update = emitCombine(k, reduce, element, old, update);
  }
  k.store(update, pointer, offset, element, 1);
}

void IndexedEmitter::scatterElements(ScatterElementsOp op) {
  Type element = elementOf(op.getInput());
  unsigned axis = op.getAxis();
  ArrayRef<Size> dims = k.spec().dims(op.getInput()), updates = k.spec().dims(op.getUpdates());
  Size count = productOf(context, updates);
  shape.grid = context.constant(1);
  shape.flops = count;
  shape.cost = count * 2;
  k.loop(k.begin(), k.end(), 1, [&](Value) {
    Value result = k.outputBuffer(0);
    copyWhole(k.bufferOf(op.getInput()), result, op.getInput());
    SmallVector<Value> extents;
    for (Size d : updates)
      extents.push_back(k.size(d));
    k.loop(k.constant(0), k.size(count), 1, [&](Value i) {
      SmallVector<Value> position = k.delinearize(i, extents);
      position[axis] = target(op.getIndices(), i, dims[axis]);
      Value offset = k.constant(0);
      for (auto [p, d] : llvm::zip_equal(position, dims))
        offset = k.add(k.mul(offset, k.size(d)), p);
      combineInto(result, offset, element, op.getKind(), k.load(k.bufferOf(op.getUpdates()), i, element, 1));
    });
  });
}

void IndexedEmitter::scatterNd(ScatterNdOp op) {
  Type element = elementOf(op.getInput());
  ArrayRef<Size> dims = k.spec().dims(op.getInput()), index = k.spec().dims(op.getIndices());
  int64_t depth = *index.back().constant();
  Size vectors = productOf(context, index.drop_back());
  Size slice = productOf(context, dims.drop_front(depth));
  shape.grid = context.constant(1);
  shape.flops = vectors * slice;
  shape.cost = vectors * 8 + atVectorRate(vectors * slice * 2, k.target());
  k.loop(k.begin(), k.end(), 1, [&](Value) {
    Value result = k.outputBuffer(0);
    copyWhole(k.bufferOf(op.getInput()), result, op.getInput());
    k.loop(k.constant(0), k.size(vectors), 1, [&](Value i) {
      Value offset = k.constant(0);
      for (int64_t d = 0; d < depth; ++d) {
        Value position = target(op.getIndices(), k.add(k.mul(i, k.constant(depth)), k.constant(d)), dims[d]);
        offset = k.add(k.mul(offset, k.size(dims[d])), position);
      }
      offset = k.mul(offset, k.size(slice));
      Value from = k.mul(i, k.size(slice));
      k.loop(k.constant(0), k.size(slice), 1, [&](Value j) {
        combineInto(result, k.add(offset, j), element, op.getKind(),
                    k.load(k.bufferOf(op.getUpdates()), k.add(from, j), element, 1));
      });
    });
  });
}

} // namespace

LogicalResult emitIndexed(KernelBuilder &k, KernelShape &shape) { return IndexedEmitter(k, shape).run(); }

} // namespace tenon::cpu

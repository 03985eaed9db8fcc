//===- EmitWindow.cpp - depthwise convolution and pooling
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vectors run along the channels; a tile is a few neighbouring output positions of one image row and one
// block of channels. Tiles whose taps all lie inside the image take a path without tests; at the border a tap
// outside reads a row of neutral elements.
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/TileCode.h"
#include "compiler/emit/cpu/WindowGeometry.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

class WindowEmitter {
public:
  WindowEmitter(KernelBuilder &k, KernelShape &shape)
      : k(k), b(k.builder()), shape(shape), context(k.spec().context()) {}
  LogicalResult run();

private:
  void readConvolution(ConvOp op);
  void readPooling(ReduceWindowOp op);
  void rowOfTiles(Value image, ArrayRef<Value> outer);
  void channelBlocks(Value image, ArrayRef<Value> outer, Value x, unsigned count);
  void tile(Value image, ArrayRef<Value> outer, Value x, unsigned count, Value channel, unsigned vectors,
            unsigned lanes, Value mask);
  SmallVector<Value> accumulate(Value image, ArrayRef<Value> outer, Value x, unsigned count, Value channel,
                                unsigned vectors, unsigned lanes, Value mask, bool inner);
  Value allInside(ArrayRef<Value> outer, Value x, unsigned count);

  KernelBuilder &k;
  OpBuilder &b;
  KernelShape &shape;
  SizeContext &context;
  Value input, result, filter; // tensors; filter is null for pooling
  ReduceKind kind = ReduceKind::sum;
  WindowGeometry g;
  Size channels, batch;
  Type element, filterElement, accumulator;
  Value neutralRow;
  unsigned native = 1;
  int64_t taps = 1;
  Operation *failed = nullptr;
};

void WindowEmitter::readConvolution(ConvOp op) {
  input = op.getInput();
  result = op.getResult();
  filter = op.getFilter();
  auto type = cast<RankedTensorType>(filter.getType());
  filterElement = type.getElementType();
  unsigned rank = type.getRank() - 2;
  g.window.assign(type.getShape().begin(), type.getShape().begin() + rank);
  g.strides.assign(op.getStrides().begin(), op.getStrides().end());
  g.dilations.assign(op.getDilations().begin(), op.getDilations().end());
  g.low.assign(op.getLow().begin(), op.getLow().end());
  g.high.assign(op.getHigh().begin(), op.getHigh().end());
  g.inputDilations.assign(op.getInputDilations().begin(), op.getInputDilations().end());
}

void WindowEmitter::readPooling(ReduceWindowOp op) {
  input = op.getInput();
  result = op.getResult();
  kind = op.getKind();
  auto middle = [](ArrayRef<int64_t> a) { return SmallVector<int64_t>(a.drop_front().drop_back()); };
  g.window = middle(op.getWindow());
  g.strides = middle(op.getStrides());
  g.dilations = middle(op.getDilations());
  g.low = middle(op.getLow());
  g.high = middle(op.getHigh());
  g.inputDilations.assign(g.window.size(), 1);
}

LogicalResult WindowEmitter::run() {
  if (auto conv = theOp<ConvOp>(k))
    readConvolution(conv);
  else
    readPooling(theOp<ReduceWindowOp>(k));
  ArrayRef<Size> in = k.spec().dims(input), out = k.spec().dims(result);
  g.in.assign(in.begin() + 1, in.end() - 1);
  g.out.assign(out.begin() + 1, out.end() - 1);
  channels = in.back();
  batch = in.front();
  element = cast<RankedTensorType>(input.getType()).getElementType();
  accumulator = accumulatorFor(k, element, cast<RankedTensorType>(result.getType()).getElementType());
  for (int64_t w : g.window)
    taps *= w;
  native = lanesOf(k, accumulator);
  if (auto c = channels.constant())
    native = std::min<unsigned>(native, llvm::PowerOf2Ceil(*c));
  if (!g.unpadded() || !g.plainInput()) {
    TypedAttr neutral = neutralElement(k, planted(Defect::MaxPoolPadsZero) ? ReduceKind::sum : kind, element);
    neutralRow = k.constantRow(element, llvm::alignTo(channels.constant().value_or(1), 64), neutral);
    if (!channels.constant())
      return noForm(result.getDefiningOp(), "window");
  }

  // One item is one output row of one image.
  SmallVector<Value> extents{k.size(batch)};
  Size rowsCount = batch;
  for (Size d : ArrayRef<Size>(g.out).drop_back()) {
    extents.push_back(k.size(d));
    rowsCount = rowsCount * d;
  }
  shape.grid = rowsCount;
  shape.scratch = context.constant(0);
  Size elements = productOf(context, out);
  shape.flops = elements * (2 * taps);
  shape.cost = (elements * (taps + elementwiseWork(k) + 2)).ceilDiv(int64_t(native) * 2);
  shape.schedule = "window lanes=" + std::to_string(native);
  k.loop(k.begin(), k.end(), 1, [&](Value item) {
    SmallVector<Value> at = k.delinearize(item, extents);
    rowOfTiles(at[0], ArrayRef<Value>(at).drop_front());
  });
  return failed ? noForm(failed, "window") : success();
}

void WindowEmitter::rowOfTiles(Value image, ArrayRef<Value> outer) {
  unsigned most = k.target().vectorRegisters >= 32 ? 4 : 4;
  auto extent = g.out.back().constant();
  if (extent)
    most = std::min<unsigned>(most, std::max<int64_t>(1, *extent));
  tileRows(k, k.constant(0), k.size(g.out.back()), most, extent,
           [&](Value x, unsigned count) { channelBlocks(image, outer, x, count); });
}

void WindowEmitter::channelBlocks(Value image, ArrayRef<Value> outer, Value x, unsigned count) {
  unsigned vectors = 2;
  Value end = k.size(channels);
  auto extent = channels.constant();
  Value at = k.constant(0);
  for (unsigned v : {vectors, 1u}) {
    int64_t width = int64_t(v) * native;
    if (extent && *extent < width)
      continue;
    Value whole = k.add(at, k.mul(k.div(k.sub(end, at), k.constant(width)), k.constant(width)));
    k.loop(at, whole, width, [&](Value c) { tile(image, outer, x, count, c, v, native, {}); });
    at = whole;
    if (extent)
      *extent %= width;
  }
  if (native == 1 || (extent && *extent == 0))
    return;
  auto tail = [&] { tile(image, outer, x, count, at, 1, native, k.tailMask(at, end, native)); };
  if (extent)
    tail();
  else
    k.ifThen(k.less(at, end), tail);
}

/// Whether every tap of `count` positions from x on lies in the image; null when it always does.
Value WindowEmitter::allInside(ArrayRef<Value> outer, Value x, unsigned count) {
  if (g.unpadded() && g.plainInput())
    return {};
  Value ok;
  for (unsigned d = 0; d < g.rank(); ++d) {
    Value first = d + 1 == g.rank() ? x : outer[d];
    Value last = d + 1 == g.rank() ? k.add(x, k.constant(count - 1)) : outer[d];
    Value low = k.sub(k.mul(first, k.constant(g.strides[d])), k.constant(g.low[d]));
    Value high = k.add(k.sub(k.mul(last, k.constant(g.strides[d])), k.constant(g.low[d])),
                       k.constant((g.window[d] - 1) * g.dilations[d]));
    Value here = b.createOrFold<arith::AndIOp>(
        k.loc(), b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::sge, low, k.constant(0)),
        k.less(high, k.size(g.in[d])));
    ok = ok ? b.createOrFold<arith::AndIOp>(k.loc(), ok, here) : here;
  }
  return ok;
}

SmallVector<Value> WindowEmitter::accumulate(Value image, ArrayRef<Value> outer, Value x, unsigned count,
                                             Value channel, unsigned vectors, unsigned lanes, Value mask,
                                             bool inner) {
  TypedAttr neutral = neutralElement(k, kind, accumulator);
  Value start = lanes == 1
                    ? Value(arith::ConstantOp::create(b, k.loc(), neutral))
                    : Value(arith::ConstantOp::create(
                          b, k.loc(),
                          DenseElementsAttr::get(cast<VectorType>(k.vectorOf(accumulator, lanes)), neutral)));
  SmallVector<Value> acc(count * vectors, start);
  Size pixels = productOf(context, g.in);
  SmallVector<SmallVector<Value>> origins;
  for (unsigned i = 0; i < count; ++i) {
    SmallVector<Value> at(outer.begin(), outer.end());
    at.push_back(k.add(x, k.constant(i)));
    origins.push_back(windowOrigin(k, g, at));
  }
  WindowGeometry unclipped = g;
  if (inner) {
    unclipped.low.assign(g.rank(), 0);
    unclipped.high.assign(g.rank(), 0);
  }
  Value imageBase = k.mul(image, k.size(pixels));
  Value pointer = k.bufferOf(input);
  auto load = [&](Value base, Value offset, Type type) {
    Value v = k.load(base, offset, type, lanes, mask);
    Type target = k.vectorOf(accumulator, lanes);
    if (v.getType() == target)
      return v;
    if (isa<FloatType>(accumulator))
      return Value(arith::ExtFOp::create(b, k.loc(), target, v));
    if (type.isUnsignedInteger())
      return Value(arith::ExtUIOp::create(b, k.loc(), target, v));
    return Value(arith::ExtSIOp::create(b, k.loc(), target, v));
  };
  auto oneTap = [&](ArrayRef<Value> tap, Value tapIndex, SmallVector<Value> sums) {
    SmallVector<Value> weights;
    for (unsigned u = 0; filter && u < vectors; ++u) {
      Value offset = k.add(k.add(k.mul(tapIndex, k.size(channels)), channel), k.constant(u * lanes));
      weights.push_back(load(k.bufferOf(filter), offset, filterElement));
    }
    for (unsigned i = 0; i < count; ++i) {
      WindowTap w = windowTap(k, inner ? unclipped : g, origins[i], tap);
      Value offset = k.add(k.mul(k.add(imageBase, w.pixel), k.size(channels)), channel);
      Value base = pointer;
      if (w.inside) {
        base = arith::SelectOp::create(b, k.loc(), w.inside, k.address(pointer, offset, element), neutralRow);
        offset = k.constant(0);
      }
      for (unsigned u = 0; u < vectors; ++u) {
        Value v = load(base, k.add(offset, k.constant(u * lanes)), element);
        Value &a = sums[i * vectors + u];
        if (!filter)
          a = emitCombine(k, kind, accumulator, a, v);
        else if (isa<FloatType>(accumulator) && lanes > 1)
          a = vector::FMAOp::create(b, k.loc(), v, weights[u], a);
        else if (isa<FloatType>(accumulator))
          a = arith::AddFOp::create(b, k.loc(), a, arith::MulFOp::create(b, k.loc(), v, weights[u]));
        else
          a = arith::AddIOp::create(b, k.loc(), a, arith::MulIOp::create(b, k.loc(), v, weights[u]));
      }
    }
    return sums;
  };
  bool unroll = inner && taps <= 25;
  std::function<SmallVector<Value>(unsigned, SmallVector<Value>, Value, SmallVector<Value>)> nest =
      [&](unsigned axis, SmallVector<Value> tap, Value tapIndex,
          SmallVector<Value> sums) -> SmallVector<Value> {
    if (axis == g.rank())
      return oneTap(tap, tapIndex, sums);
    auto step = [&](Value i, SmallVector<Value> carried) {
      SmallVector<Value> next = tap;
      next.push_back(i);
      return nest(axis + 1, next, k.add(k.mul(tapIndex, k.constant(g.window[axis])), i), std::move(carried));
    };
    if (unroll) {
      for (int64_t i = 0; i < g.window[axis]; ++i)
        sums = step(k.constant(i), std::move(sums));
      return sums;
    }
    return k.loop(k.constant(0), k.constant(g.window[axis]), 1, ValueRange(sums),
                  [&](Value i, ValueRange carried) { return step(i, SmallVector<Value>(carried)); });
  };
  return nest(0, {}, k.constant(0), acc);
}

void WindowEmitter::tile(Value image, ArrayRef<Value> outer, Value x, unsigned count, Value channel,
                         unsigned vectors, unsigned lanes, Value mask) {
  auto write = [&](ArrayRef<Value> acc) {
    Value root = yielded(k, 0);
    Type resultElement = k.valueType(cast<RankedTensorType>(result.getType()).getElementType());
    for (unsigned i = 0; i < count; ++i)
      for (unsigned u = 0; u < vectors; ++u) {
        Value value = acc[i * vectors + u];
        if (resultElement != accumulator)
          value = arith::TruncFOp::create(b, k.loc(), k.vectorOf(resultElement, lanes), value);
        Evaluator e(k, lanes, mask);
        e.bind(result, [value](Evaluator &, ArrayRef<Coord>) { return value; });
        Coords at{{image}};
        for (Value o : outer)
          at.push_back({o});
        at.push_back({k.add(x, k.constant(i))});
        at.push_back({k.add(channel, k.constant(u * lanes)), lanes > 1 ? 1 : 0});
        Value out = e.eval(root, at);
        if (!out) {
          failed = e.failedOp();
          return;
        }
        e.store(out, k.outputBuffer(0), at, k.spec().dims(root),
                cast<RankedTensorType>(root.getType()).getElementType());
      }
  };
  auto path = [&](bool inner) {
    write(accumulate(image, outer, x, count, channel, vectors, lanes, mask, inner));
  };
  Value inside = g.plainInput() ? allInside(outer, x, count) : Value();
  if (g.unpadded() && g.plainInput())
    path(true);
  else if (inside)
    k.ifThen(inside, [&] { path(true); }, [&] { path(false); });
  else
    path(false);
}

} // namespace

LogicalResult emitWindow(KernelBuilder &k, KernelShape &shape) { return WindowEmitter(k, shape).run(); }

} // namespace tenon::cpu

//===- EmitWindow.cpp - depthwise convolution and pooling
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vectors run along the channels; a tile is a few neighbouring output positions of one image row and one
// block of channels. Taps above and below the image are left out of the loops. Tiles whose taps all lie
// between the image's sides take a path without tests; at the sides a tap outside reads a row of neutral
// elements. Where a convolution's padding is not neutral (a zero point), taps above and below read such a row
// too.
//
// The image may be computed by the kernel itself, line by line (`ProductLines`): items are then lines of a
// block of channels, and what follows each other in a range shares lines.
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/DepthwiseCode.h"
#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/ProductLines.h"
#include "compiler/emit/cpu/SumStart.h"
#include "compiler/emit/cpu/TileCode.h"
#include "compiler/emit/cpu/WindowSums.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

/// Rows of windows of up to this many taps are unrolled.
constexpr int64_t longestRow = 16;
/// Lines of up to this many positions go in a few tiles that each have code of their own, for the taps which
/// lie inside there.
constexpr int64_t shortLine = 28, widestTile = 7;

class WindowEmitter : Window {
public:
  WindowEmitter(KernelBuilder &k, KernelShape &shape)
      : k(k), b(k.builder()), shape(shape), context(k.spec().context()) {}
  LogicalResult run();

private:
  void readConvolution(ConvOp op);
  void readPooling(ReduceWindowOp op);
  void rowsOfLines();
  void channelParts(llvm::function_ref<void()> rows);
  void rowOfTiles(Value image, ArrayRef<Value> outer);
  void lineOfTiles(Value image, ArrayRef<Value> outer, unsigned most, bool rowsInside);
  void openLineOfTiles(WindowTile t, unsigned most);
  void channelBlocks(WindowTile t);
  void tile(const WindowTile &t);
  void write(const WindowTile &t, ArrayRef<Value> acc);
  Value allInside(Value x, unsigned count);
  Value insideRows(ArrayRef<Value> outer);
  bool sumsByDots() const;
  SmallVector<Value> accumulateDots(const WindowTile &t);

  KernelBuilder &k;
  OpBuilder &b;
  KernelShape &shape;
  SizeContext &context;
  Size batch;
  Value channelFrom, channelTo; // that are worked on now
  unsigned native = 1;
  std::optional<SumStart> start;     // of sums by dots
  std::optional<ProductLines> lines; // where the kernel computes the image
  Operation *failed = nullptr;
};

void WindowEmitter::readConvolution(ConvOp op) {
  input = op.getInput();
  result = op.getResult();
  filter = op.getFilter();
  padValue = op.getPadValue();
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
  k.setOrigin(result.getDefiningOp());
  ArrayRef<Size> in = k.spec().dims(input), out = k.spec().dims(result);
  g.in.assign(in.begin() + 1, in.end() - 1);
  g.out.assign(out.begin() + 1, out.end() - 1);
  channels = in.back();
  batch = in.front();
  element = cast<RankedTensorType>(input.getType()).getElementType();
  auto resultElement = cast<RankedTensorType>(result.getType()).getElementType();
  accumulator = accumulatorFor(k, element, resultElement);
  summed = isa<FloatType>(accumulator) ? accumulator : resultElement;
  for (int64_t w : g.window)
    taps *= w;
  native = lanesOf(k, accumulator);
  if (auto c = channels.constant())
    native = std::min<unsigned>(native, llvm::PowerOf2Ceil(*c));
  if (sumsByDots())
    start.emplace(k, result);
  if ((!g.unpadded() || !g.plainInput()) && !sumsByDots()) {
    TypedAttr padding =
        filter ? paddingElement(k, element, padValue)
               : neutralElement(k, planted(Defect::MaxPoolPadsZero) ? ReduceKind::sum : kind, element);
    paddingRow = k.constantRow(element, llvm::alignTo(channels.constant().value_or(1), 64), padding);
    if (!channels.constant())
      return noForm(result.getDefiningOp(), "window");
  }

  if (!k.bufferOf(input))
    lines.emplace(k, input, (g.window.front() - 1) * g.dilations.front() + 1);

  // One item is one output row of one image.
  SmallVector<Value> extents{k.size(batch)};
  Size rowsCount = batch;
  for (Size d : ArrayRef<Size>(g.out).drop_back()) {
    extents.push_back(k.size(d));
    rowsCount = rowsCount * d;
  }
  shape.grid = rowsCount;
  shape.scratch = context.constant(0);
  shape.schedule = "window lanes=" + std::to_string(native);
  Size elements = productOf(context, out);
  shape.flops = elements * (2 * taps);
  // Every tap loads its operands.
  shape.cost = atVectorRate(shape.flops + elementwiseWork(k) + elements, k.target());
  if (lines) {
    rowsOfLines();
    return failed ? noForm(failed, "window") : success();
  }
  channelParts([&] {
    k.loop(k.begin(), k.end(), 1, [&](Value item) {
      SmallVector<Value> at = k.delinearize(item, extents);
      rowOfTiles(at[0], ArrayRef<Value>(at).drop_front());
    });
  });
  return failed ? noForm(failed, "window") : success();
}

/// Lines of the output that one worker computes at least, of `height` lines in each of `blocks`: some lines
/// of the input are computed again for every range, and whole groups share out evenly.
int64_t linesAtOnce(std::optional<int64_t> height, std::optional<int64_t> blocks) {
  constexpr int64_t least = 4, usual = 8, most = 14, groups = 4;
  if (!height)
    return usual;
  for (int64_t lines = most; lines > least; --lines)
    if (*height % lines == 0 && *height / lines * blocks.value_or(1) >= groups)
      return lines;
  return least;
}

/// Lines that the item before has read are there still: but for those that are new, only a range's first item
/// of a block computes all of its lines. One item is an output row of a block of channels, of one half of an
/// image: workers then read different parts of the product's operand, as workers do that wrote it.
void WindowEmitter::rowsOfLines() {
  Size blocks = lines->blocks(), height = g.out.front();
  bool halves = !blocks.isConstant(1);
  Size perPart = halves ? height.ceilDiv(2) : height, parts = context.constant(halves ? 2 : 1);
  shape.grid = batch * parts * blocks * perPart;
  shape.grain = linesAtOnce(perPart.constant(), (parts * blocks).constant());
  shape.scratch = lines->scratchBytes();
  shape.cost = shape.cost + atShareOfPeak(lines->flops(), k.target(), 0.9);
  shape.flops = shape.flops + lines->flops();
  shape.schedule += lines->schedule();
  Value stride = k.constant(g.strides.front()), low = k.constant(g.low.front());
  Value span = k.constant((g.window.front() - 1) * g.dilations.front() + 1);
  SmallVector<Value> extents{k.size(batch), k.size(parts), k.size(blocks), k.size(perPart)};
  k.loop(k.begin(), k.end(), 1, {k.constant(0)}, [&](Value item, ValueRange done) {
    SmallVector<Value> at = k.delinearize(item, extents);
    Value part = k.add(k.mul(at[0], extents[1]), at[1]);
    Value y = k.add(k.mul(at[1], extents[3]), at[3]);
    auto row = [&] {
      lines->enter(at[0], k.add(k.mul(part, extents[2]), at[2]), at[2]);
      channelFrom = lines->channelFrom();
      channelTo = lines->channelTo();
      Value top = k.sub(k.mul(y, stride), low), first = lines->firstLine();
      Value from = k.max(done[0], k.add(first, k.max(top, k.constant(0))));
      Value to = k.add(first, k.min(k.add(top, span), k.size(g.in.front())));
      if (!lines->fill(from, to))
        failed = lines->failedOp();
      rowOfTiles(at[0], {y});
      return k.max(done[0], to);
    };
    if (!halves || height.knownDivisor() % 2 == 0)
      return SmallVector<Value>{row()};
    return SmallVector<Value>{k.ifValue(k.less(y, k.size(height)), row, [&] { return Value(done[0]); })};
  });
}

/// Rows of the output read lines of the input that the row before has read, too: where these do not stay in
/// the first cache with all of their channels, rows go by with some of the channels at a time.
void WindowEmitter::channelParts(llvm::function_ref<void()> rows) {
  Value all = k.size(channels);
  channelFrom = k.constant(0);
  channelTo = all;
  int64_t bytes = std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8), lines = 1;
  for (size_t d = 0; d + 1 < g.rank(); ++d)
    lines *= (g.window[d] - 1) * g.dilations[d] + 1;
  int64_t least = std::max<int64_t>(2 * native, 64 / bytes), step = lines * least * bytes;
  auto count = channels.constant(), width = g.in.back().constant();
  // Half of the cache, as results pass through it as well. Runs of few channels lie apart, which the CPU's
  // prefetching follows badly: they pay where lines are read often, and then even if not quite all fits.
  bool often = lines > 3;
  int64_t half = k.target().l1Bytes / 2, most = often ? k.target().l1Bytes * 5 / 4 : half;
  int64_t fewest = often ? 1 : 2;
  if (lines == 1 || !count || *count <= fewest * least)
    return rows();
  Value part;
  if (width) {
    int64_t line = step * std::max<int64_t>(1, *width);
    int64_t fits = std::max(half / line, std::min<int64_t>(1, most / line));
    if (fits < fewest || fits * least >= *count)
      return rows();
    part = k.constant(fits * least);
  } else {
    if (!often && *count < 4 * least) // of little use, and it takes a loop
      return rows();
    Value line = k.mul(k.max(k.size(g.in.back()), k.constant(1)), k.constant(step));
    Value fits = k.max(k.div(k.constant(half), line), k.min(k.constant(1), k.div(k.constant(most), line)));
    part = arith::SelectOp::create(b, k.loc(), k.less(fits, k.constant(fewest)), all,
                                   k.mul(fits, k.constant(least)));
  }
  k.loopWhileLess(k.constant(0), all, [&](Value from) {
    channelFrom = from;
    channelTo = k.min(k.add(from, part), all);
    Value next = channelTo;
    rows();
    return next;
  });
}

void WindowEmitter::rowOfTiles(Value image, ArrayRef<Value> outer) {
  auto extent = g.out.back().constant();
  unsigned most = sumsByDots() ? 4 : 6;
  if (sumsByDots()) {
    if (extent)
      most = *extent <= 7 ? static_cast<unsigned>(*extent) : bestTileRows(*extent, 4, 7);
    if (Value inside = insideRows(outer))
      k.ifThen(
          inside, [&] { lineOfTiles(image, outer, most, true); },
          [&] { lineOfTiles(image, outer, most, false); });
    else
      lineOfTiles(image, outer, most, true);
    return;
  }
  if (extent && *extent > 0 && *extent <= shortLine && g.in.back().constant() && !lines && g.plainInput()) {
    int64_t count = *extent <= widestTile ? *extent : bestTileRows(*extent, 4, widestTile);
    for (int64_t x = 0; x < *extent; x += count)
      channelBlocks(WindowTile{.image = image,
                               .outer = outer,
                               .x = k.constant(std::min(x, *extent - count)),
                               .count = static_cast<unsigned>(count)});
    return;
  }
  if (extent)
    most = std::min<unsigned>(most, std::max<int64_t>(1, *extent));
  lineOfTiles(image, outer, most, true);
}

/// Tiles at the ends of a line have constant positions where its length is known, so that which of their taps
/// meet padding is known as well; those between meet none.
void WindowEmitter::lineOfTiles(Value image, ArrayRef<Value> outer, unsigned most, bool rowsInside) {
  auto extent = g.out.back().constant(), width = g.in.back().constant();
  auto at = [&](Value x, unsigned count, bool columnsInside) {
    WindowTile t{.image = image, .outer = outer, .x = x, .count = count};
    t.rowsInside = rowsInside;
    t.columnsInside = columnsInside;
    channelBlocks(t);
  };
  if (!extent && !width && int64_t(most) * g.strides.back() >= g.low.back()) {
    WindowTile t{.image = image, .outer = outer, .x = {}, .count = most};
    t.rowsInside = rowsInside;
    openLineOfTiles(t, most);
    return;
  }
  if (!extent || !width || *extent < most) {
    tileRows(k, k.constant(0), k.size(g.out.back()), most, extent,
             [&](Value x, unsigned count) { at(x, count, false); });
    return;
  }
  int64_t last = *extent - most, stride = g.strides.back();
  int64_t middle = last > 0 ? (last - 1) / most * most : 0; // where the last tile between begins
  bool inside =
      most * stride >= g.low.back() &&
      (middle + most - 1) * stride - g.low.back() + (g.window.back() - 1) * g.dilations.back() < *width;
  // Rows at the image's border are few, and need not have code of their own for each place.
  if (middle > 0 && (!inside || !rowsInside)) {
    tileRows(k, k.constant(0), k.constant(*extent), most, extent,
             [&](Value x, unsigned count) { at(x, count, false); });
    return;
  }
  at(k.constant(0), most, false);
  if (middle > 0)
    k.loop(k.constant(most), k.constant(middle + 1), most, [&](Value x) { at(x, most, true); });
  if (last > 0)
    at(k.constant(last), most, false);
}

/// The same for lines of open length: where one is long enough, the first tile meets padding on its left
/// only, and those behind it none; what is left over tests each tap.
void WindowEmitter::openLineOfTiles(WindowTile t, unsigned most) {
  Value end = k.size(g.out.back()), width = k.size(g.in.back()), step = k.constant(most);
  auto at = [&](Value x, unsigned count, bool columnsInside, bool endsInside) {
    t.x = x;
    t.count = count;
    t.columnsInside = columnsInside;
    t.endsInside = endsInside;
    channelBlocks(t);
  };
  auto few = [&] {
    tileRows(k, k.constant(0), end, most, most - 1, [&](Value x, unsigned n) { at(x, n, false, false); });
  };
  auto line = [&] {
    Value last = k.sub(end, step);
    // What a tile reads beyond its first position, and the last place where all of it lies in the line.
    int64_t stride = g.strides.back(),
            beyond = (most - 1) * stride + (g.window.back() - 1) * g.dilations.back();
    Value room = k.add(k.sub(width, k.constant(1 + beyond)), k.constant(g.low.back()));
    Value whole = k.min(last, k.div(k.max(room, k.constant(0)), k.constant(stride)));
    auto whenLong = [&] {
      at(k.constant(0), most, false, true);
      Value behind =
          k.add(k.mul(k.div(whole, step), step), step); // the last such tile begins at `whole` at most
      k.loop(step, behind, most, [&](Value x) { at(x, most, true, true); });
      return behind;
    };
    Value from = k.ifValue(k.less(room, k.constant(0)), [&] { return k.constant(0); }, whenLong);
    k.loop(from, end, most, [&](Value x) { at(k.min(x, last), most, false, false); });
  };
  k.ifThen(k.less(end, step), few, line);
}

void WindowEmitter::channelBlocks(WindowTile t) {
  // The accumulators, a row of the input and the weights are held in registers at once.
  bool few = sumsByDots() && taps > 9; // groups of many taps fill the registers
  unsigned vectors = k.target().vectorRegisters >= 32 && !few ? 2 : 1;
  // Bytes of two vectors are quantized together, unless that would be one more form of much code.
  bool bytes = k.storageType(cast<RankedTensorType>(yielded(k, 0).getType()).getElementType()).isInteger(8);
  if (bytes && sumsByDots() && native == 8 && (taps <= 9 || channels.knownDivisor() % 16 == 0))
    vectors = 2;
  Value end = channelTo;
  auto extent = channels.constant();
  Value at = channelFrom;
  auto block = [&](Value channel, unsigned count, Value mask) {
    t.channel = channel;
    t.vectors = count;
    t.lanes = native;
    t.mask = mask;
    tile(t);
  };
  for (unsigned v = vectors; v >= 1; --v) {
    int64_t width = int64_t(v) * native;
    if (extent && *extent < width)
      continue;
    Value whole = k.add(at, k.mul(k.div(k.sub(end, at), k.constant(width)), k.constant(width)));
    k.loop(at, whole, width, [&](Value c) { block(c, v, {}); });
    at = whole;
    if (extent)
      *extent %= width;
  }
  if (native == 1 || (extent && *extent == 0))
    return;
  // Only the last part has a tail.
  k.ifThen(k.less(at, end), [&] { block(at, 1, k.tailMask(at, end, native)); });
}

/// Whether every tap of `count` positions from x on lies inside the image along the last axis; null when it
/// always does.
Value WindowEmitter::allInside(Value x, unsigned count) {
  unsigned d = g.rank() - 1;
  if (g.low[d] == 0 && g.high[d] == 0)
    return {};
  Value last = k.add(x, k.constant(count - 1));
  Value low = k.sub(k.mul(x, k.constant(g.strides[d])), k.constant(g.low[d]));
  Value high = k.add(k.sub(k.mul(last, k.constant(g.strides[d])), k.constant(g.low[d])),
                     k.constant((g.window[d] - 1) * g.dilations[d]));
  return b.createOrFold<arith::AndIOp>(
      k.loc(), b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::sge, low, k.constant(0)),
      k.less(high, k.size(g.in[d])));
}

/// Whether products of bytes can go several taps of a column at once.
bool WindowEmitter::sumsByDots() const {
  bool bytes = filter && element.isUnsignedInteger(8) && filterElement.isSignlessInteger(8);
  return bytes && accumulator.isInteger(32) && native >= 8 && g.rank() == 2 && g.window.front() > 1 &&
         taps <= kUnrolledTaps && g.plainInput();
}

/// Whether the rows under a line of tiles all lie in the image; null when they always do.
Value WindowEmitter::insideRows(ArrayRef<Value> outer) {
  if (g.low.front() == 0 && g.high.front() == 0)
    return {};
  Value first = k.sub(k.mul(outer.front(), k.constant(g.strides.front())), k.constant(g.low.front()));
  Value last = k.add(first, k.constant((g.window.front() - 1) * g.dilations.front()));
  return b.createOrFold<arith::AndIOp>(
      k.loc(), b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::sge, first, k.constant(0)),
      k.less(last, k.size(g.in.front())));
}

SmallVector<Value> WindowEmitter::accumulateDots(const WindowTile &t) {
  int64_t padding = planted(Defect::PadValueIgnored) ? 0 : padValue;
  DepthwiseOperands operands{k.bufferOf(input), k.bufferOf(filter), padding, channels,
                             element,           filterElement};
  SmallVector<Value> first;
  for (unsigned u = 0; u < t.vectors && !start->isZero(); ++u)
    first.push_back(start->at(k.add(t.channel, k.constant(u * t.lanes)), t.lanes, t.mask));
  return depthwiseDots(k, g, operands,
                       {t.image, t.outer.front(), t.x, t.count, t.channel, t.vectors, t.lanes, t.mask, first,
                        t.rowsInside, t.columnsInside});
}

void WindowEmitter::write(const WindowTile &t, ArrayRef<Value> acc) {
  Value root = yielded(k, 0);
  Type resultElement = k.valueType(cast<RankedTensorType>(result.getType()).getElementType());
  Type rootElement = cast<RankedTensorType>(root.getType()).getElementType();
  unsigned together =
      epilogueVectors(k, {t.count, t.vectors, t.lanes}, rootElement, static_cast<bool>(t.mask));
  for (unsigned i = 0; i < t.count; ++i)
    for (unsigned u = 0; u < t.vectors; u += together) {
      Value value = joined(k, acc.slice(i * t.vectors + u, together));
      if (resultElement != accumulator)
        value = arith::TruncFOp::create(b, k.loc(), k.vectorOf(resultElement, t.lanes * together), value);
      Evaluator e(k, t.lanes * together, t.mask);
      e.bind(start ? start->result() : result, [value](Evaluator &, ArrayRef<Coord>) { return value; });
      Coords at{{t.image}};
      for (Value o : t.outer)
        at.push_back({o});
      at.push_back({k.add(t.x, k.constant(i))});
      at.push_back({k.add(t.channel, k.constant(u * t.lanes)), t.lanes > 1 ? 1 : 0});
      Value out = e.eval(root, at);
      if (!out) {
        failed = e.failedOp();
        return;
      }
      e.store(out, k.outputBuffer(0), at, k.spec().dims(root), rootElement);
    }
}

void WindowEmitter::tile(const WindowTile &t) {
  WindowSums sums(k, *this, lines ? &*lines : nullptr);
  if (!g.plainInput() || g.window.back() > longestRow) {
    write(t, sums.accumulateTested(t));
    return;
  }
  if (sumsByDots()) {
    write(t, accumulateDots(t));
    return;
  }
  if (auto x = t.endsInside && !t.columnsInside ? getConstantIntValue(t.x) : std::nullopt) {
    write(t, sums.accumulate(t, *x * g.strides.back() >= g.low.back()));
    return;
  }
  Value inside = t.columnsInside ? Value() : allInside(t.x, t.count);
  if (auto known = inside ? getConstantIntValue(inside) : std::nullopt)
    write(t, sums.accumulate(t, *known != 0));
  else if (inside)
    k.ifThen(
        inside, [&] { write(t, sums.accumulate(t, true)); }, [&] { write(t, sums.accumulate(t, false)); });
  else
    write(t, sums.accumulate(t, true));
}

} // namespace

LogicalResult emitWindow(KernelBuilder &k, KernelShape &shape) { return WindowEmitter(k, shape).run(); }

} // namespace tenon::cpu

//===- ConvolutionTiles.cpp - register tiles of convolutions
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/ConvolutionTiles.h"

#include "compiler/defects/PlantedDefect.h"
#include "compiler/dialect/tenon/ProductAttributes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

#include <functional>

using namespace mlir;

namespace tenon::cpu {

Convolution::Convolution(KernelBuilder &k) : op(theOp<PackedConvOp>(k)), start(k, op.getResult()) {
  ArrayRef<Size> in = k.spec().dims(op.getInput()), out = k.spec().dims(op.getResult());
  auto filter = cast<RankedTensorType>(op.getFilter().getType());
  unsigned rank = in.size() - 2;
  g.in.assign(in.begin() + 1, in.end() - 1);
  g.out.assign(out.begin() + 1, out.end() - 1);
  g.window.assign(filter.getShape().begin() + 2, filter.getShape().begin() + 2 + rank);
  g.strides.assign(op.getStrides().begin(), op.getStrides().end());
  g.dilations.assign(op.getDilations().begin(), op.getDilations().end());
  g.low.assign(op.getLow().begin(), op.getLow().end());
  g.high.assign(op.getHigh().begin(), op.getHigh().end());
  g.inputDilations.assign(op.getInputDilations().begin(), op.getInputDilations().end());
  groups = filter.getDimSize(0);
  panelCount = filter.getDimSize(1);
  group = op.getGroup();
  channels = group > 1 ? *in.back().constant() / groups : filter.getDimSize(2 + rank);
  outputs = *out.back().constant() / groups;
  for (int64_t w : g.window)
    taps *= w;
  positions = productOf(k.spec().context(), g.out) * out.front();
  inElement = cast<RankedTensorType>(op.getInput().getType()).getElementType();
  filterElement = filter.getElementType();
  accumulator = accumulatorFor(k, inElement, cast<RankedTensorType>(op.getType()).getElementType());
  form = dotForm(k.target(), inElement, op->hasAttr(kPairsFitAttr));
  mergedTaps = g.unpadded() && g.plainInput() && g.dilations.back() == 1 && groups == 1 &&
               g.window.back() > 1 && channels % group == 0;
  padValue = op.getPadValue();
  if (!g.unpadded() || !g.plainInput())
    padding = k.constantRow(inElement, channels, paddingElement(k, inElement, padValue));
}

namespace {

/// Sums over the taps: a loop for each axis of the window, and the channels within.
class TapNest {
public:
  TapNest(KernelBuilder &k, const Convolution &c, const ConvolutionTile &tile)
      : k(k), b(k.builder()), c(c), g(c.g), tile(tile),
        panels(k, k.bufferOf(c.op.getFilter()), c.filterElement,
               k.spec().context().constant(c.panelElements()), c.groups * c.panelCount, c.group) {
    input = k.bufferOf(c.op.getInput());
    unsigned perPanel = 16 / tile.shape.lanes;
    Value groupPanels = k.mul(tile.group, k.constant(c.panelCount));
    for (unsigned u = 0; u < tile.shape.perRow(); ++u)
      panelBase.push_back(k.add(k.mul(k.add(groupPanels, k.add(tile.firstPanel, k.constant(u / perPanel))),
                                      k.constant(c.panelElements())),
                                k.constant(u % perPanel * tile.shape.lanes * c.group)));
    groupChannel = k.mul(tile.group, k.constant(planted(Defect::GroupOffsetMissing) ? 0 : c.channels));
  }
  virtual ~TapNest() = default;

  SmallVector<Value> sums() { return folded(k, tile.shape, nest(0, {}, k.constant(0), firstSums())); }

protected:
  /// Adds the products of one tap, whose number is `index`, to `acc`.
  virtual SmallVector<Value> tapProducts(ArrayRef<Value> tap, Value index, ValueRange acc) = 0;
  /// The taps of an axis that any row of the tile needs: [first, second).
  virtual std::pair<Value, Value> tapRange(unsigned axis) {
    return {k.constant(0), k.constant(g.window[axis])};
  }
  /// Whether the loop over an axis is written out.
  virtual bool unrolled(unsigned) { return false; }

  Value offsetOf(Value image, Value pixel) {
    Size pixels = productOf(k.spec().context(), g.in);
    return k.add(k.mul(k.add(k.mul(image, k.size(pixels)), pixel), k.constant(c.channels * c.groups)),
                 groupChannel);
  }
  SmallVector<Value> products(ArrayRef<TileRow> rows, Value tapIndex, ArrayRef<Value> acc);
  /// What the tile's sums begin with.
  SmallVector<Value> firstSums() {
    SmallVector<Value> sums = tileZero(k, tile.shape, c.accumulator);
    for (size_t i = 0; i < sums.size() && !tile.start.empty(); ++i)
      sums[i] = tile.start[i % tile.start.size()];
    return sums;
  }

  KernelBuilder &k;
  OpBuilder &b;
  const Convolution &c;
  const WindowGeometry &g;
  const ConvolutionTile &tile;
  Value input, groupChannel;

private:
  SmallVector<Value> nest(unsigned axis, SmallVector<Value> tap, Value index, ValueRange acc);

  PanelPrefetch panels;
  SmallVector<Value> panelBase;
};

SmallVector<Value> TapNest::nest(unsigned axis, SmallVector<Value> tap, Value index, ValueRange acc) {
  if (axis == c.tapAxes()) {
    if (c.mergedTaps)
      tap.push_back(k.constant(0));
    return tapProducts(tap, index, acc);
  }
  auto body = [&](Value i, ValueRange carried) {
    SmallVector<Value> inner = tap;
    inner.push_back(i);
    return nest(axis + 1, inner, k.add(k.mul(index, k.constant(g.window[axis])), i), carried);
  };
  if (g.window[axis] == 1 && g.low[axis] <= 0 && g.high[axis] <= 0)
    return body(k.constant(0), acc);
  if (unrolled(axis)) {
    SmallVector<Value> sums(acc);
    for (int64_t i = 0; i < g.window[axis]; ++i)
      sums = body(k.constant(i), sums);
    return sums;
  }
  auto [from, to] = tapRange(axis);
  return k.loop(from, to, 1, acc, body);
}

SmallVector<Value> TapNest::products(ArrayRef<TileRow> rows, Value tapIndex, ArrayRef<Value> acc) {
  TileShape shape = tile.shape;
  shape.rows = rows.size();
  SmallVector<TileColumn> columns;
  Value tapOffset = k.mul(tapIndex, k.constant(c.tapElements()));
  for (Value base : panelBase)
    columns.push_back({k.bufferOf(c.op.getFilter()), k.add(base, tapOffset), k.constant(16 * c.group)});
  SmallVector<TilePrefetch> prefetches =
      panels.at(tile.number, tile.only, shape.rows, panelBase.front(), llvm::divideCeil(shape.columns(), 16),
                k.mul(tapIndex, k.constant(c.tapElements() / (16 * c.group))));
  int64_t depth = c.widensRows() ? c.rowElements() : c.depth();
  if (c.group > 1)
    return tileDotProduct(k, shape, rows, columns, k.spec().context().constant(depth), c.group, c.form,
                          c.inElement, c.filterElement, acc, prefetches);
  return tileProduct(k, shape, rows, columns, k.constant(c.depth()), c.inElement, c.filterElement,
                     c.accumulator, acc, prefetches);
}

/// Rows that hold all taps.
class WidenedTaps : public TapNest {
public:
  using TapNest::TapNest;
  SmallVector<Value> sums(const WidenedRows &from, Value first) {
    SmallVector<TileRow> rows;
    for (unsigned r = 0; r < tile.shape.rows; ++r)
      rows.push_back(from.row(k.add(first, k.constant(r))));
    return products(rows, k.constant(0), firstSums());
  }

protected:
  SmallVector<Value> tapProducts(ArrayRef<Value>, Value, ValueRange acc) override { return acc; }
};

class PositionTaps : public TapNest {
public:
  PositionTaps(KernelBuilder &k, const Convolution &c, const ConvolutionTile &tile, Value position)
      : TapNest(k, c, tile) {
    SmallVector<Value> extents{k.size(k.spec().dims(c.op.getResult()).front())};
    for (Size d : g.out)
      extents.push_back(k.size(d));
    for (unsigned r = 0; r < tile.shape.rows; ++r) {
      SmallVector<Value> at = k.delinearize(k.add(position, k.constant(r)), extents);
      origins.push_back(windowOrigin(k, g, ArrayRef<Value>(at).drop_front()));
      images.push_back(at[0]);
    }
  }

protected:
  SmallVector<Value> tapProducts(ArrayRef<Value> tap, Value index, ValueRange acc) override {
    SmallVector<TileRow> rows;
    for (unsigned r = 0; r < tile.shape.rows; ++r) {
      WindowTap w = windowTap(k, g, origins[r], tap);
      Value offset = offsetOf(images[r], w.pixel);
      if (!w.inside) {
        rows.push_back({input, offset});
        continue;
      }
      Value pointer =
          arith::SelectOp::create(b, k.loc(), w.inside, k.address(input, offset, c.inElement), c.padding);
      rows.push_back({pointer, k.constant(0)});
    }
    return products(rows, index, SmallVector<Value>(acc));
  }

private:
  SmallVector<SmallVector<Value>> origins;
  SmallVector<Value> images;
};

class LineTaps : public TapNest {
public:
  LineTaps(KernelBuilder &k, const Convolution &c, const ConvolutionTile &tile, ArrayRef<Value> line,
           Value first)
      : TapNest(k, c, tile), image(line.front()) {
    SmallVector<Value> at(line.drop_front());
    at.push_back(first);
    origin = windowOrigin(k, g, at);
    auto length = g.out.back().constant();
    wholeLine = length && *length == tile.shape.rows && g.in.back().constant();
  }

protected:
  std::pair<Value, Value> tapRange(unsigned axis) override {
    if (axis + 1 == g.rank() || !isPadded(axis) || c.padValue != 0)
      return TapNest::tapRange(axis);
    // Taps t with 0 <= origin + t * dilation < extent.
    Value dilation = k.constant(g.dilations[axis]), up = k.constant(g.dilations[axis] - 1);
    Value before = k.sub(k.constant(0), origin[axis]);
    Value from = k.div(k.add(k.max(before, k.constant(0)), up), dilation);
    Value room = k.max(k.add(k.size(g.in[axis]), before), k.constant(0));
    Value to = k.min(k.div(k.add(room, up), dilation), k.constant(g.window[axis]));
    return {from, to};
  }
  bool unrolled(unsigned axis) override { return wholeLine && axis + 1 == g.rank() && axis < c.tapAxes(); }

  SmallVector<Value> tapProducts(ArrayRef<Value> tap, Value index, ValueRange acc) override {
    Value pixel = k.constant(0);
    for (unsigned d = 0; d < g.rank(); ++d)
      pixel = k.add(k.mul(pixel, k.size(g.in[d])), at(tap, d));
    Value base = offsetOf(image, pixel), inside = insideOuterAxes(tap);
    if (wholeLine && c.tapAxes() == g.rank())
      return wholeLineProducts(tap, base, inside, index, acc);
    SmallVector<TileRow> rows;
    for (unsigned r = 0; r < tile.shape.rows; ++r)
      rows.push_back(guarded(r, base, mayMeetPadding(r) ? insideLine(r, tap, inside) : inside));
    return products(rows, index, SmallVector<Value>(acc));
  }

private:
  Value at(ArrayRef<Value> tap, unsigned axis) {
    int64_t dilation = planted(Defect::DilationIgnored) ? 1 : g.dilations[axis];
    return k.add(origin[axis], k.mul(tap[axis], k.constant(dilation)));
  }
  TileRow plain(unsigned row, Value base) {
    return {input, k.add(base, k.constant(row * g.strides.back() * c.channels * c.groups))};
  }
  /// The row, or padding where `inside` is false; null is true.
  TileRow guarded(unsigned row, Value base, Value inside) {
    if (!inside)
      return plain(row, base);
    Value pointer = k.address(input, plain(row, base).offset, c.inElement);
    return {arith::SelectOp::create(b, k.loc(), inside, pointer, c.padding), k.constant(0)};
  }
  bool isPadded(unsigned axis) const { return g.low[axis] > 0 || g.high[axis] > 0; }
  Value isInside(unsigned axis, Value position) {
    return b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::ult, position, k.size(g.in[axis]));
  }
  /// Whether the tap meets the image along all axes but the last; null where `tapRange` sees to that.
  Value insideOuterAxes(ArrayRef<Value> tap) {
    Value all;
    for (unsigned d = 0; c.padValue != 0 && d + 1 < g.rank(); ++d)
      if (isPadded(d)) {
        Value here = isInside(d, at(tap, d));
        all = all ? b.createOrFold<arith::AndIOp>(k.loc(), all, here) : here;
      }
    return all;
  }
  Value insideLine(unsigned row, ArrayRef<Value> tap, Value outer) {
    unsigned last = g.rank() - 1;
    Value here = isInside(last, k.add(at(tap, last), k.constant(row * g.strides.back())));
    return outer ? b.createOrFold<arith::AndIOp>(k.loc(), outer, here) : here;
  }
  /// Only rows within the padding's reach of an end of the tile can meet it, since tiles lie within the line.
  bool mayMeetPadding(unsigned row) const {
    int64_t stride = g.strides.back();
    return row * stride < g.low.back() || (tile.shape.rows - 1 - row) * stride < g.high.back();
  }
  /// The tap's number along the line is a constant, and so is which rows it reaches.
  SmallVector<Value> wholeLineProducts(ArrayRef<Value> tap, Value base, Value inside, Value index,
                                       ValueRange acc) {
    int64_t number = *getConstantIntValue(tap.back());
    int64_t start = number * g.dilations.back() - g.low.back(), length = *g.in.back().constant();
    SmallVector<TileRow> rows;
    SmallVector<Value> sums(acc), some;
    unsigned first = 0, perRow = tile.shape.perRow();
    for (unsigned r = 0; r < tile.shape.rows; ++r) {
      int64_t column = start + r * g.strides.back();
      bool outside = column < 0 || column >= length;
      if (outside && c.padValue == 0)
        continue;
      if (rows.empty())
        first = r;
      rows.push_back(outside ? TileRow{c.padding, k.constant(0)} : guarded(r, base, inside));
    }
    if (rows.empty())
      return sums;
    llvm::append_range(some, ArrayRef<Value>(sums).slice(first * perRow, rows.size() * perRow));
    llvm::copy(products(rows, index, some), sums.begin() + first * perRow);
    return sums;
  }

  Value image;
  SmallVector<Value> origin;
  bool wholeLine;
};

} // namespace

SmallVector<Value> positionProducts(KernelBuilder &k, const Convolution &c, const ConvolutionTile &tile,
                                    Value position) {
  return PositionTaps(k, c, tile, position).sums();
}

SmallVector<Value> lineProducts(KernelBuilder &k, const Convolution &c, const ConvolutionTile &tile,
                                ArrayRef<Value> line, Value first) {
  return LineTaps(k, c, tile, line, first).sums();
}

SmallVector<Value> widenedProducts(KernelBuilder &k, const Convolution &c, const ConvolutionTile &tile,
                                   const WidenedRows &rows, Value first) {
  return WidenedTaps(k, c, tile).sums(rows, first);
}

void widenPositions(KernelBuilder &k, const Convolution &c, Value group, Value from, Value to,
                    WidenedRows &rows) {
  OpBuilder &b = k.builder();
  const WindowGeometry &g = c.g;
  SmallVector<Value> extents{k.size(k.spec().dims(c.op.getResult()).front())};
  for (Size d : g.out)
    extents.push_back(k.size(d));
  Size pixels = productOf(k.spec().context(), g.in), depth = k.spec().context().constant(c.depth());
  Value input = k.bufferOf(c.op.getInput());
  Value channel = k.mul(group, k.constant(planted(Defect::GroupOffsetMissing) ? 0 : c.channels));
  k.loop(from, to, 1, [&](Value position) {
    SmallVector<Value> at = k.delinearize(position, extents);
    SmallVector<Value> origin = windowOrigin(k, g, ArrayRef<Value>(at).drop_front());
    Value row = k.sub(position, from);
    std::function<void(SmallVector<Value>, Value)> nest = [&](SmallVector<Value> tap, Value index) {
      if (tap.size() < c.tapAxes()) {
        int64_t extent = g.window[tap.size()];
        k.loop(k.constant(0), k.constant(extent), 1, [&](Value i) {
          SmallVector<Value> inner(tap);
          inner.push_back(i);
          nest(inner, k.add(k.mul(index, k.constant(extent)), i));
        });
        return;
      }
      if (c.mergedTaps)
        tap.push_back(k.constant(0));
      WindowTap w = windowTap(k, g, origin, tap);
      Value pixel = k.add(k.mul(at[0], k.size(pixels)), w.pixel);
      Value offset = k.add(k.mul(pixel, k.constant(c.channels * c.groups)), channel);
      Value pointer = k.address(input, offset, c.inElement);
      if (w.inside)
        pointer = arith::SelectOp::create(b, k.loc(), w.inside, pointer, c.padding);
      rows.widen(row, k.mul(index, k.constant(c.tapElements() / 16)), pointer, k.constant(0), depth);
    };
    nest({}, k.constant(0));
  });
}

TileShape Convolution::tileOf(const CpuTarget &target, std::optional<int64_t> rows,
                              std::optional<int64_t> rowBytes) const {
  TileShape tile =
      tileFor(target, accumulator.getIntOrFloatBitWidth(), rows, outputs, rowBytes, stepsDivisor());
  return group > 1 ? dotTile(target, form, tile) : tile;
}

std::optional<LineTile> lineTile(KernelBuilder &k, const Convolution &c) {
  constexpr unsigned fewestRows = 4, fewestChains = 8;
  if (!c.g.plainInput() || c.widensRows())
    return std::nullopt;
  Size size = c.g.out.back();
  auto length = size.constant();
  int64_t rowBytes = c.channels * c.groups * c.g.strides.back() * (c.inElement.getIntOrFloatBitWidth() / 8);
  LineTile line{c.tileOf(k.target(), length, rowBytes), {}};
  TileShape &shape = line.shape;
  auto isFit = [&] { return shape.rows >= fewestRows && shape.rows * shape.vectors >= fewestChains; };
  if (length) {
    int64_t computed = llvm::divideCeil(*length, shape.rows) * shape.rows;
    bool wasteful = computed * 8 > *length * 9; // positions waste nothing but at the very end
    return isFit() && !wasteful ? std::optional(line) : std::nullopt;
  }
  // An open length consists of whole tiles, unless these have so few sums that each waits for the one before;
  // or what is computed twice is known when the kernel runs.
  constexpr unsigned enoughChains = 12;
  unsigned most = shape.rows;
  while (shape.rows >= fewestRows && size.knownDivisor() % shape.rows != 0)
    --shape.rows;
  if (isFit() && shape.rows * shape.vectors >= std::min(enoughChains, most * shape.vectors))
    return line;
  shape.rows = most;
  if (!isFit())
    return std::nullopt;
  Value extent = k.size(size), rows = k.constant(most);
  Value computed = k.mul(k.div(k.add(extent, k.constant(most - 1)), rows), rows);
  Value isShort = k.less(extent, rows);
  Value much = k.less(k.mul(extent, k.constant(9)), k.mul(computed, k.constant(8)));
  line.wasteful = arith::OrIOp::create(k.builder(), k.loc(), isShort, much);
  return line;
}

} // namespace tenon::cpu

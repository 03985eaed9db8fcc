//===- EmitWinograd.cpp - 3x3 convolutions with fewer products
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// F(4x4, 3x3): an output tile of 4x4 positions takes 36 products for each pair of channels instead of 144.
// Items are (block of tiles, panel of the filter). For each block, the tiles' windows of 6x6 are transformed
// into the worker's scratch, B^T d B, 36 matrices of tiles x channels; for each panel, 36 matrix products
// follow, and their transform A^T m A is the result, on which the epilogue works in registers.
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/CostModel.h"
#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/TileCode.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

constexpr int64_t kTile = 4, kWindow = 6, kElements = kWindow * kWindow;
/// Rows of scratch matrices do not begin at multiples of a page, where they would share cache sets.
constexpr int64_t kRowGap = 16;

class WinogradEmitter {
public:
  WinogradEmitter(KernelBuilder &k, KernelShape &shape)
      : k(k), b(k.builder()), shape(shape), context(k.spec().context()), op(theOp<WinogradConvOp>(k)) {}
  LogicalResult run();

private:
  using Vectors = SmallVector<Value>;
  void describe();
  SmallVector<Value> tilePosition(Value tile) {
    return k.delinearize(tile, {k.size(batch), k.size(down), k.size(across)});
  }
  void transformInput(Value firstTile, Value count);
  void transformWindow(Value tile, Value row);
  void products(Value count, Value panel, TileShape tile);
  void transformOutput(Value firstTile, Value count, Value panel, TileShape tile, bool masked);
  void write(ArrayRef<Value> position, Value column, ArrayRef<Value> result, Value mask, unsigned lanes);
  void store(ArrayRef<Value> position, Value column, Value value, Value mask, unsigned lanes);

  Vectors inputLine(ArrayRef<Value> x);
  Vectors outputLine(ArrayRef<Value> m);
  Value scaled(Value x, double factor, Value plus) {
    auto type = cast<VectorType>(x.getType());
    Value c = arith::ConstantOp::create(
        b, k.loc(), DenseElementsAttr::get(type, b.getF32FloatAttr(static_cast<float>(factor))));
    return vector::FMAOp::create(b, k.loc(), x, c, plus);
  }
  Value plus(Value x, Value y) { return arith::AddFOp::create(b, k.loc(), x, y); }
  Value minus(Value x, Value y) { return arith::SubFOp::create(b, k.loc(), x, y); }

  KernelBuilder &k;
  OpBuilder &b;
  KernelShape &shape;
  SizeContext &context;
  WinogradConvOp op;
  Type f32, inElement; // the input may be narrower
  Dims in, out;
  Size batch, down, across, tiles, blocks;
  int64_t channels = 0, outputs = 0, panelCount = 0, blockTiles = 0, rowStride = 0, grain = 1;
  TileShape tileShape;
  Value input, filter, zeros;
  Operation *failed = nullptr;
};

/// B^T x (Lavin and Gray, equation 15).
SmallVector<Value> WinogradEmitter::inputLine(ArrayRef<Value> x) {
  Value a = scaled(x[2], -4, x[4]), c = scaled(x[1], -4, x[3]);
  Value d = minus(x[4], x[2]), e = minus(x[3], x[1]);
  return {scaled(x[0], 4, scaled(x[2], -5, x[4])), plus(a, c), minus(a, c), scaled(e, 2, d), scaled(e, -2, d),
          scaled(x[1], 4, scaled(x[3], -5, x[5]))};
}

/// A^T m.
SmallVector<Value> WinogradEmitter::outputLine(ArrayRef<Value> m) {
  Value s = plus(m[1], m[2]), d = minus(m[1], m[2]), u = plus(m[3], m[4]), v = minus(m[3], m[4]);
  return {plus(plus(m[0], s), u), scaled(v, 2, d), scaled(u, 4, s), plus(scaled(v, 8, d), m[5])};
}

LogicalResult WinogradEmitter::run() {
  k.setOrigin(op);
  f32 = b.getF32Type();
  inElement = getElementTypeOrSelf(op.getInput());
  in = Dims(k.spec().dims(op.getInput()));
  out = Dims(k.spec().dims(op.getResult()));
  ArrayRef<int64_t> filterShape = cast<RankedTensorType>(op.getFilter().getType()).getShape();
  panelCount = filterShape[0];
  channels = filterShape[2];
  outputs = *out.back().constant();
  batch = out.front();
  down = out[1].ceilDiv(kTile);
  across = out[2].ceilDiv(kTile);
  tiles = batch * down * across;
  // A block's windows stay in half of a second cache beside the filter's panels.
  constexpr int64_t budget = 320 << 10, fewest = 16, most = 48;
  blockTiles = std::clamp(budget / (kElements * channels * 4), fewest, most);
  // Several workers share the blocks evenly where blocks stay large enough for that.
  constexpr int64_t workers = 4, useful = 12;
  Size least = tiles.ceilDiv(blockTiles);
  blocks = least.max((least.ceilDiv(workers) * workers).min(tiles.floorDiv(useful)));
  constexpr int64_t fewPanels = 8;
  grain = std::min(panelCount, fewPanels);
  rowStride = channels + kRowGap;
  input = k.bufferOf(op.getInput());
  filter = k.bufferOf(op.getFilter());
  zeros = k.constantRow(inElement, llvm::alignTo(channels, 64), b.getFloatAttr(inElement, 0));
  int64_t rows = blockTiles;
  if (tiles.constant())
    rows = static_cast<int64_t>(llvm::divideCeil(*tiles.constant(), *blocks.constant()));
  tileShape = tileFor(k.target(), 32, rows, outputs, rowStride * 4, channels);
  describe();

  PanelRange range;
  range.panels = context.constant(panelCount);
  range.ragged = outputs % 16 != 0;
  range.beside = tileShape.beside != 0;
  range.wholePanels = context.constant(range.ragged ? outputs / 16 : panelCount);
  unsigned perPanel = 16 / tileShape.lanes;
  range.perTile = tileShape.vectors / perPanel;
  range.grain = grain;
  Value panels = k.constant(panelCount), blockCount = k.size(blocks), tileCount = k.size(tiles);
  Value lastBlock = k.div(k.add(k.end(), k.constant(panelCount - 1)), panels);
  k.loop(k.div(k.begin(), panels), lastBlock, 1, [&](Value block) {
    Value first = k.div(k.mul(block, tileCount), blockCount);
    Value count = k.sub(k.div(k.mul(k.add(block, k.constant(1)), tileCount), blockCount), first);
    transformInput(first, count);
    Value from = k.max(k.begin(), k.mul(block, panels));
    Value to = k.min(k.end(), k.mul(k.add(block, k.constant(1)), panels));
    forPanels(k, range, from, to, [&](Value, Value panel, unsigned wide, bool masked) {
      TileShape tile = tileOfPanels(tileShape, wide, masked, outputs, channels);
      products(count, panel, tile);
      transformOutput(first, count, panel, tile, masked);
    });
  });
  return failed ? noForm(failed, "winograd") : success();
}

void WinogradEmitter::describe() {
  shape.grid = blocks * panelCount;
  // Each range transforms its windows anew.
  shape.grain = grain;
  shape.scratch = context.constant(kElements * blockTiles * 4 * (rowStride + 4 * 16));
  shape.flops = batch * out[1] * out[2] * (2 * 9 * channels * outputs);
  Size done = tiles * (kElements * (2 * channels * outputs + 8 * (channels + outputs)));
  shape.cost = atShareOfPeak(done, k.target(), 0.8);
  shape.schedule = "winograd F(4x4, 3x3) tile=" + std::to_string(tileShape.rows) + "x" +
                   std::to_string(tileShape.vectors * tileShape.lanes) +
                   " block_tiles=" + std::to_string(blockTiles);
}

void WinogradEmitter::transformInput(Value firstTile, Value count) {
  k.loop(k.constant(0), count, 1, [&](Value row) { transformWindow(k.add(firstTile, row), row); });
}

/// The window of one tile: all channels, into row `row` of the 36 matrices.
void WinogradEmitter::transformWindow(Value tile, Value row) {
  SmallVector<Value> at = tilePosition(tile);
  Value height = k.size(in[1]), width = k.size(in[2]);
  Value y = k.sub(k.mul(at[1], k.constant(kTile)), k.constant(op.getLow()[0]));
  Value x = k.sub(k.mul(at[2], k.constant(kTile)), k.constant(op.getLow()[1]));
  Value corner = k.add(k.mul(k.add(k.mul(at[0], height), y), width), x);
  auto offsetOf = [&](int64_t i, int64_t j) {
    Value pixel = k.add(k.add(corner, k.mul(k.constant(i), width)), k.constant(j));
    return k.mul(pixel, k.constant(channels));
  };
  auto inside = [&](Value v, Value extent) {
    return b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::ult, v, extent);
  };
  auto transform = [&](ArrayRef<TileRow> pixels) {
    unsigned lanes = k.target().lanes(32);
    k.vectorLoop(k.constant(0), k.constant(channels), lanes, lanes, [&](Value c, unsigned count, Value mask) {
      SmallVector<Vectors> lines;
      for (int64_t i = 0; i < kWindow; ++i) {
        Vectors line;
        for (int64_t j = 0; j < kWindow; ++j) {
          const TileRow &p = pixels[i * kWindow + j];
          Value v = k.load(p.pointer, k.add(p.offset, c), inElement, count, mask);
          line.push_back(
              inElement == f32 ? v : Value(arith::ExtFOp::create(b, k.loc(), k.vectorOf(f32, count), v)));
        }
        lines.push_back(inputLine(line));
      }
      for (int64_t j = 0; j < kWindow; ++j) {
        Vectors column;
        for (int64_t i = 0; i < kWindow; ++i)
          column.push_back(lines[i][j]);
        for (auto [i, v] : llvm::enumerate(inputLine(column))) {
          Value matrixRow = k.add(k.constant((i * kWindow + j) * blockTiles), row);
          k.store(v, k.scratch(), k.add(k.mul(matrixRow, k.constant(rowStride)), c), f32, count, mask);
        }
      }
    });
  };
  auto rim = [&](Value extent) { return k.max(k.sub(extent, k.constant(kWindow - 1)), k.constant(0)); };
  Value whole = b.createOrFold<arith::AndIOp>(k.loc(), inside(y, rim(height)), inside(x, rim(width)));
  k.ifThen(
      whole,
      [&] {
        SmallVector<TileRow> pixels;
        for (int64_t p = 0; p < kElements; ++p)
          pixels.push_back({input, offsetOf(p / kWindow, p % kWindow)});
        transform(pixels);
      },
      [&] {
        SmallVector<Value> rowsInside, columnsInside;
        for (int64_t i = 0; i < kWindow; ++i) {
          rowsInside.push_back(inside(k.add(y, k.constant(i)), height));
          columnsInside.push_back(inside(k.add(x, k.constant(i)), width));
        }
        SmallVector<TileRow> pixels;
        for (int64_t p = 0; p < kElements; ++p) {
          int64_t i = p / kWindow, j = p % kWindow;
          Value here = b.createOrFold<arith::AndIOp>(k.loc(), rowsInside[i], columnsInside[j]);
          Value pointer = k.address(input, offsetOf(i, j), inElement);
          if (planted(Defect::WinogradRimRead))
            here = b.createOrFold<arith::OrIOp>(k.loc(), here, columnsInside[j]);
          pixels.push_back({arith::SelectOp::create(b, k.loc(), here, pointer, zeros), k.constant(0)});
        }
        transform(pixels);
      });
}

/// The 36 products of the block's matrices with the filter's for the tile's panels.
void WinogradEmitter::products(Value count, Value panel, TileShape tile) {
  unsigned perPanel = 16 / tile.lanes;
  int64_t sums = kElements * blockTiles * rowStride; // where the products begin in the scratch
  k.loop(k.constant(0), k.constant(kElements), 1, [&](Value element) {
    SmallVector<TileColumn> columns;
    SmallVector<TilePrefetch> next;
    for (unsigned u = 0; u < tile.perRow(); ++u) {
      Value matrix = k.add(k.mul(k.add(panel, k.constant(u / perPanel)), k.constant(kElements)), element);
      Value base = k.mul(matrix, k.constant(channels * 16));
      columns.push_back({filter, k.add(base, k.constant(u % perPanel * tile.lanes)), k.constant(16)});
      if (u % perPanel == 0)
        next.push_back({filter, k.add(base, k.constant(channels * 16)), k.constant(16)});
    }
    auto extent = tiles.constant() && *tiles.constant() % *blocks.constant() == 0
                      ? std::optional<int64_t>(*tiles.constant() / *blocks.constant())
                      : std::nullopt;
    tileRows(k, k.constant(0), count, tileShape.rows, extent, [&](Value m, unsigned rows) {
      TileShape part = tile;
      part.rows = rows;
      Value first = k.add(k.mul(element, k.constant(blockTiles)), m);
      SmallVector<TileRow> tileRowList;
      for (unsigned r = 0; r < rows; ++r)
        tileRowList.push_back({k.scratch(), k.mul(k.add(first, k.constant(r)), k.constant(rowStride))});
      Vectors acc = tileProduct(k, part, tileRowList, columns, k.constant(channels), f32, f32, f32,
                                tileZero(k, part, f32), next);
      acc = folded(k, part, acc);
      for (unsigned r = 0; r < rows; ++r)
        for (unsigned u = 0; u < part.perRow(); ++u) {
          Value row = k.mul(k.add(first, k.constant(r)), k.constant(tile.columns()));
          k.store(acc[r * part.perRow() + u], k.scratch(), k.add(row, k.constant(sums + u * tile.lanes)), f32,
                  tile.lanesOf(u));
        }
    });
  });
}

void WinogradEmitter::transformOutput(Value firstTile, Value count, Value panel, TileShape tile,
                                      bool masked) {
  int64_t sums = kElements * blockTiles * rowStride, width = tile.columns();
  k.loop(k.constant(0), count, 1, [&](Value row) {
    SmallVector<Value> at = tilePosition(k.add(firstTile, row));
    auto vector = [&](Value inPanel, unsigned lanes, bool incomplete) {
      Value column = k.add(k.mul(panel, k.constant(16)), inPanel);
      Value mask = incomplete ? k.tailMask(column, k.constant(outputs), lanes) : Value();
      SmallVector<Vectors> lines;
      for (int64_t j = 0; j < kWindow; ++j) {
        Vectors products;
        for (int64_t i = 0; i < kWindow; ++i) {
          Value matrixRow = k.add(k.constant((i * kWindow + j) * blockTiles), row);
          Value offset = k.add(k.add(k.mul(matrixRow, k.constant(width)), inPanel), k.constant(sums));
          products.push_back(k.load(k.scratch(), offset, f32, lanes));
        }
        lines.push_back(outputLine(products));
      }
      Vectors result;
      for (int64_t i = 0; i < kTile; ++i) {
        Vectors line;
        for (int64_t j = 0; j < kWindow; ++j)
          line.push_back(lines[j][i]);
        llvm::append_range(result, outputLine(line));
      }
      write(at, column, result, mask, lanes);
    };
    k.loop(k.constant(0), k.constant(tile.vectors), 1, [&](Value u) {
      vector(k.mul(u, k.constant(tile.lanes)), tile.lanes, tile.isIncomplete(0, masked, outputs));
    });
    if (tile.beside)
      vector(k.constant(tile.vectors * tile.lanes), tile.beside,
             tile.isIncomplete(tile.vectors, masked, outputs));
  });
}

/// Stores the positions of a tile that exist.
void WinogradEmitter::write(ArrayRef<Value> position, Value column, ArrayRef<Value> result, Value mask,
                            unsigned lanes) {
  Value y = k.mul(position[1], k.constant(kTile)), x = k.mul(position[2], k.constant(kTile));
  auto where = [&](int64_t axis, Value base, int64_t i, llvm::function_ref<void(Value)> body) {
    Value at = k.add(base, k.constant(i));
    auto extent = out[axis].constant();
    if (i == 0 || (extent && *extent % kTile == 0)) // every tile has its first line
      return body(at);
    k.ifThen(k.less(at, k.size(out[axis])), [&] { body(at); });
  };
  for (int64_t i = 0; i < kTile; ++i)
    where(1, y, i, [&](Value row) {
      for (int64_t j = 0; j < kTile; ++j)
        where(2, x, j, [&](Value pixel) {
          store({position[0], row, pixel}, column, result[i * kTile + j], mask, lanes);
        });
    });
}

void WinogradEmitter::store(ArrayRef<Value> position, Value column, Value value, Value mask, unsigned lanes) {
  Value root = yielded(k, 0);
  Dims rootDims(k.spec().dims(root));
  Evaluator e(k, lanes, mask);
  e.bind(op.getResult(), [value](Evaluator &, ArrayRef<Coord>) { return value; });
  Coords at;
  for (Value p : position)
    at.push_back({p});
  at.push_back({column, 1});
  Value result = e.eval(root, at);
  if (!result) {
    failed = e.failedOp();
    return;
  }
  e.store(result, k.outputBuffer(0), at, rootDims, cast<RankedTensorType>(root.getType()).getElementType());
}

} // namespace

LogicalResult emitWinograd(KernelBuilder &k, KernelShape &shape) { return WinogradEmitter(k, shape).run(); }

} // namespace tenon::cpu

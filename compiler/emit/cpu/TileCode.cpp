//===- TileCode.cpp - register tiles of products
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/TileCode.h"

#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/QuantizeCode.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;

namespace tenon::cpu {

Type accumulatorFor(KernelBuilder &k, Type operand, Type result) {
  Type t = k.valueType(result);
  if (t.isF16() || t.isBF16())
    return k.builder().getF32Type();
  return t;
}

static Value widen(KernelBuilder &k, Value v, Type from, Type to, unsigned lanes) {
  Type target = k.vectorOf(to, lanes);
  if (v.getType() == target)
    return v;
  OpBuilder &b = k.builder();
  if (isa<FloatType>(to))
    return arith::ExtFOp::create(b, k.loc(), target, v);
  if (from.isUnsignedInteger())
    return arith::ExtUIOp::create(b, k.loc(), target, v);
  return arith::ExtSIOp::create(b, k.loc(), target, v);
}

SmallVector<Value> tileZero(KernelBuilder &k, TileShape tile, Type accumulator) {
  auto type = VectorType::get({static_cast<int64_t>(tile.lanes * tile.together)}, accumulator);
  Value zero = arith::ConstantOp::create(k.builder(), k.loc(), k.builder().getZeroAttr(type));
  return SmallVector<Value>(tile.rows * tile.perRow(), zero);
}

Value columnOf(KernelBuilder &k, const TileShape &tile, Value firstPanel, unsigned vector) {
  unsigned perPanel = 16 / tile.lanes;
  return k.add(k.mul(k.add(firstPanel, k.constant(vector / perPanel)), k.constant(16)),
               k.constant(vector % perPanel * tile.lanes));
}

Value maskOf(KernelBuilder &k, const TileShape &tile, Value firstPanel, unsigned vector, bool reachesEnd,
             Size columns) {
  if (!tile.isIncomplete(vector, reachesEnd, columns.knownDivisor()))
    return {};
  return k.tailMask(columnOf(k, tile, firstPanel, vector), k.size(columns), tile.lanesOf(vector));
}

unsigned epilogueVectors(KernelBuilder &k, TileShape tile, Type resultElement, bool masked) {
  bool bytes = k.storageType(resultElement).isInteger(8);
  return bytes && !masked && packsBytes(k.target(), 2 * tile.lanes) && tile.vectors % 2 == 0 ? 2 : 1;
}

/// A vector whose lane l is element `at(l)` of two vectors one behind the other.
static Value shuffled(KernelBuilder &k, Value a, Value b, unsigned lanes,
                      llvm::function_ref<int64_t(int64_t)> at) {
  SmallVector<int64_t> order;
  for (int64_t lane = 0; lane < lanes; ++lane)
    order.push_back(at(lane));
  return vector::ShuffleOp::create(k.builder(), k.loc(), a, b, order);
}

Value joined(KernelBuilder &k, ArrayRef<Value> vectors) {
  if (vectors.size() == 1)
    return vectors.front();
  int64_t lanes = cast<VectorType>(vectors.front().getType()).getNumElements();
  Value all = vectors.front();
  for (Value v : vectors.drop_front()) {
    auto order =
        llvm::to_vector(llvm::seq<int64_t>(cast<VectorType>(all.getType()).getNumElements() + lanes));
    all = vector::ShuffleOp::create(k.builder(), k.loc(), all, v, order);
  }
  return all;
}

/// The columns of some steps from `i` on.
static SmallVector<Value> loadSteps(KernelBuilder &k, const TileColumn &column, Value i, Type type,
                                    unsigned lanes, unsigned count) {
  SmallVector<Value> steps;
  for (unsigned s = 0; s < count; ++s)
    steps.push_back(k.load(column.pointer, k.add(column.offset, k.mul(k.add(i, k.constant(s)), column.step)),
                           type, lanes));
  return steps;
}

static void askFor(KernelBuilder &k, ArrayRef<TilePrefetch> prefetches, Value i, Type type, unsigned count) {
  for (const TilePrefetch &prefetch : prefetches)
    for (unsigned s = 0; s < count; ++s)
      k.prefetch(prefetch.pointer, k.add(prefetch.offset, k.mul(k.add(i, k.constant(s)), prefetch.step)),
                 type, prefetch.cache);
}

/// The columns of several steps, those of one column beside each other.
static Value columnsOfSteps(KernelBuilder &k, const TileColumn &column, Value i, Type type, unsigned lanes,
                            unsigned count) {
  SmallVector<Value> steps = loadSteps(k, column, i, type, lanes, count);
  while (steps.size() > 1) { // halves are woven into each other, so that neighbours become neighbours at last
    SmallVector<Value> woven;
    size_t half = steps.size() / 2;
    for (size_t s = 0; s < half; ++s) {
      int64_t lanes = cast<VectorType>(steps[s].getType()).getNumElements();
      woven.push_back(shuffled(k, steps[s], steps[s + half], 2 * lanes,
                               [&](int64_t lane) { return lane / 2 + lane % 2 * lanes; }));
    }
    steps = std::move(woven);
  }
  return steps.front();
}

/// `tileProduct` where vectors hold several steps of the depth.
static SmallVector<Value> productOfSteps(KernelBuilder &k, TileShape tile, ArrayRef<TileRow> rows,
                                         const TileColumn &column, Value depth, Type type,
                                         ArrayRef<Value> init, ArrayRef<TilePrefetch> prefetches) {
  unsigned together = tile.together;
  if (planted(Defect::ProductDepthShort))
    depth = k.sub(depth, k.constant(together));
  auto step = [&](Value i, ValueRange carried) {
    SmallVector<Value> acc(carried);
    askFor(k, prefetches, i, type, together);
    Value columns = columnsOfSteps(k, column, i, type, tile.lanes, together);
    for (unsigned r = 0; r < tile.rows; ++r) {
      Value steps = k.load(rows[r].pointer, k.add(rows[r].offset, i), type, together);
      Value row = shuffled(k, steps, steps, tile.lanes * together, [&](int64_t l) { return l % together; });
      acc[r] = vector::FMAOp::create(k.builder(), k.loc(), row, columns, acc[r]);
    }
    return acc;
  };
  // Of few steps, the columns stay in registers for all rows.
  constexpr int64_t fewSteps = 8;
  auto known = getConstantIntValue(depth);
  if (!known || *known > fewSteps * together)
    return k.loop(k.constant(0), depth, together, ValueRange(init), step);
  SmallVector<Value> acc(init);
  for (int64_t i = 0; i < *known; i += together)
    acc = step(k.constant(i), acc);
  return acc;
}

/// The elements of a row for columns of steps one behind the other, of its elements in all lanes of a vector
/// each.
static Value narrowRow(KernelBuilder &k, ArrayRef<Value> elements, unsigned lanes) {
  SmallVector<Value> parts(elements);
  // LLVM sees that a lane of these is any other and would permute in two instructions.
  if (!k.target().emulate)
    for (Value &part : parts)
      part = k.opaque(part);
  for (unsigned width = lanes; parts.size() > 1; width *= 2) {
    SmallVector<Value> halves;
    int64_t all = cast<VectorType>(parts.front().getType()).getNumElements();
    for (size_t p = 0; p < parts.size(); p += 2)
      halves.push_back(shuffled(k, parts[p], parts[p + 1], all,
                                [&](int64_t lane) { return lane / width % 2 * all + lane; }));
    parts = std::move(halves);
  }
  return parts.front();
}

/// `tileProduct` with a narrow panel beside a whole one. A row's elements of several steps are loaded once
/// for both panels; where moves take pipes from products, once for each.
static SmallVector<Value> productBeside(KernelBuilder &k, TileShape tile, ArrayRef<TileRow> rows,
                                        ArrayRef<TileColumn> columns, Value depth, Type type,
                                        ArrayRef<Value> init, ArrayRef<TilePrefetch> prefetches) {
  OpBuilder &b = k.builder();
  unsigned steps = tile.lanes / tile.beside;
  bool moves = k.target().movesBesideProducts;
  if (planted(Defect::ProductDepthShort))
    depth = k.sub(depth, k.constant(steps));
  return k.loop(k.constant(0), depth, steps, ValueRange(init), [&](Value i, ValueRange carried) {
    SmallVector<Value> acc(carried);
    askFor(k, prefetches, i, type, steps);
    SmallVector<Value> whole = loadSteps(k, columns.front(), i, type, tile.lanes, steps);
    Value narrow = moves ? joined(k, loadSteps(k, columns.back(), i, type, tile.beside, steps))
                         : columnsOfSteps(k, columns.back(), i, type, tile.beside, steps);
    for (unsigned r = 0; r < tile.rows; ++r) {
      SmallVector<Value> elements;
      for (unsigned s = 0; s < steps; ++s) {
        elements.push_back(k.splat(
            k.load(rows[r].pointer, k.add(rows[r].offset, k.add(i, k.constant(s))), type, 1), tile.lanes));
        acc[2 * r] = vector::FMAOp::create(b, k.loc(), elements.back(), whole[s], acc[2 * r]);
      }
      Value row;
      if (moves) {
        row = narrowRow(k, elements, tile.beside);
      } else {
        Value some = k.load(rows[r].pointer, k.add(rows[r].offset, i), type, steps);
        row = shuffled(k, some, some, tile.lanes, [&](int64_t l) { return l % steps; });
      }
      acc[2 * r + 1] = vector::FMAOp::create(b, k.loc(), row, narrow, acc[2 * r + 1]);
    }
    return acc;
  });
}

/// What a vector has for the steps that it took together, as one: those of a lane lie beside each other, or
/// all lanes of one step do (`wholeSteps`).
static Value foldedSum(KernelBuilder &k, Value sum, unsigned lanes, unsigned together, bool wholeSteps) {
  for (; together > 1; together /= 2) {
    unsigned rest = lanes * together / 2;
    auto half = [&](int64_t which) {
      return shuffled(k, sum, sum, rest,
                      [&](int64_t lane) { return wholeSteps ? lane + which * rest : 2 * lane + which; });
    };
    sum = arith::AddFOp::create(k.builder(), k.loc(), half(0), half(1));
  }
  return sum;
}

/// The same for as many rows as there are steps, whose sums go beside each other: every addition does it for
/// all of them, in the same order. Even and odd lanes are picked within 128 bits, which is cheapest.
static SmallVector<Value> foldedRows(KernelBuilder &k, ArrayRef<Value> rows, unsigned lanes) {
  unsigned steps = rows.size(), all = lanes * steps;
  SmallVector<Value> sums(rows);
  while (sums.size() > 1) {
    SmallVector<Value> pairs;
    for (size_t i = 0; i < sums.size(); i += 2) {
      auto half = [&](int64_t which) {
        return shuffled(k, sums[i], sums[i + 1], all, [&](int64_t lane) {
          return lane % 4 / 2 * all + lane / 4 * 4 + lane % 2 * 2 + which;
        });
      };
      pairs.push_back(arith::AddFOp::create(k.builder(), k.loc(), half(0), half(1)));
    }
    sums = std::move(pairs);
  }
  // A quarter of a register has 4 / steps lanes of each row.
  unsigned inQuarter = 4 / steps;
  SmallVector<Value> results;
  for (unsigned r = 0; r < steps; ++r)
    results.push_back(shuffled(k, sums.front(), sums.front(), lanes, [&](int64_t lane) {
      return lane / inQuarter * 4 + r * inQuarter + lane % inQuarter;
    }));
  return results;
}

SmallVector<Value> folded(KernelBuilder &k, TileShape tile, ArrayRef<Value> sums) {
  SmallVector<Value> results(sums);
  if (tile.beside) {
    for (unsigned r = 0; r < tile.rows; ++r)
      results[2 * r + 1] = foldedSum(k, results[2 * r + 1], tile.beside, tile.lanes / tile.beside,
                                     k.target().movesBesideProducts);
    return results;
  }
  size_t done = 0;
  for (; tile.together > 1 && done + tile.together <= results.size(); done += tile.together)
    llvm::copy(foldedRows(k, sums.slice(done, tile.together), tile.lanes), &results[done]);
  for (; done < results.size(); ++done)
    results[done] = foldedSum(k, results[done], tile.lanes, tile.together, false);
  return results;
}

SmallVector<Value> tileProduct(KernelBuilder &k, TileShape tile, ArrayRef<TileRow> rows,
                               ArrayRef<TileColumn> columns, Value depth, Type rowElement, Type columnElement,
                               Type accumulator, ArrayRef<Value> init, ArrayRef<TilePrefetch> prefetches) {
  if (tile.beside)
    return productBeside(k, tile, rows, columns, depth, accumulator, init, prefetches);
  if (tile.together > 1)
    return productOfSteps(k, tile, rows, columns.front(), depth, accumulator, init, prefetches);
  OpBuilder &b = k.builder();
  bool isFloat = isa<FloatType>(accumulator);
  if (planted(Defect::ProductDepthShort))
    depth = k.sub(depth, k.constant(1));
  return k.loop(k.constant(0), depth, 1, ValueRange(init), [&](Value i, ValueRange carried) {
    SmallVector<Value> acc(carried);
    askFor(k, prefetches, i, columnElement, 1);
    SmallVector<Value> column;
    for (const TileColumn &c : columns) {
      Value at = k.add(c.offset, k.mul(i, c.step));
      column.push_back(widen(k, k.load(c.pointer, at, columnElement, tile.lanes, c.mask), columnElement,
                             accumulator, tile.lanes));
    }
    for (unsigned r = 0; r < tile.rows; ++r) {
      Value step = rows[r].stride ? k.mul(i, rows[r].stride) : i;
      Value element = k.load(rows[r].pointer, k.add(rows[r].offset, step), rowElement, 1);
      Value wide = k.splat(widen(k, element, rowElement, accumulator, 1), tile.lanes);
      for (unsigned u = 0; u < tile.vectors; ++u) {
        Value &a = acc[r * tile.vectors + u];
        if (isFloat)
          a = vector::FMAOp::create(b, k.loc(), wide, column[u], a);
        else
          a = arith::AddIOp::create(b, k.loc(), a, arith::MulIOp::create(b, k.loc(), wide, column[u]));
      }
    }
    return acc;
  });
}

int64_t stepsDivisor(Type row, Type column, Type accumulator, int64_t depthDivisor) {
  return accumulator.isF32() && row == accumulator && column == accumulator ? depthDivisor : 1;
}

/// The lanes of the last panel of a product where it takes several steps of the depth in a register of `all`
/// lanes; 0 where it does not.
static unsigned narrowLanes(unsigned all, int64_t columns, int64_t depthDivisor) {
  constexpr int64_t kMany = 256;
  int64_t last = columns % 16;
  for (unsigned lanes : {4u, 8u})
    if (columns < kMany && last > 0 && last <= lanes && lanes < all && depthDivisor % (all / lanes) == 0)
      return lanes;
  return 0;
}

TileShape tileOfPanels(TileShape most, unsigned panels, bool masked, std::optional<int64_t> columns,
                       int64_t depthDivisor) {
  TileShape tile = most;
  bool beside = masked && panels == 2;
  tile.vectors = (beside ? 1 : panels) * (16 / most.lanes);
  if (beside)
    return tile;
  tile.beside = 0;
  if (!masked || !columns || *columns % 16 > 8)
    return tile;
  if (unsigned lanes = narrowLanes(tile.lanes, *columns, depthDivisor)) {
    tile.vectors = 1;
    tile.lanes = lanes;
    tile.together = most.lanes / lanes;
    return tile;
  }
  tile.lanes = std::min(tile.lanes, 8u);
  tile.vectors = std::max<unsigned>(1, llvm::divideCeil(*columns % 16, tile.lanes));
  return tile;
}

std::pair<Value, Value> rowsOfBlock(KernelBuilder &k, Value block, Value blocks, Value rows,
                                    unsigned tileRows) {
  Value height = k.constant(tileRows);
  Value tiles = k.div(k.add(rows, k.constant(tileRows - 1)), height);
  Value first = k.div(k.mul(block, tiles), blocks);
  Value last = k.div(k.mul(k.add(block, k.constant(1)), tiles), blocks);
  return {k.mul(first, height), k.min(rows, k.mul(last, height))};
}

void tileRows(KernelBuilder &k, Value from, Value to, unsigned most, std::optional<int64_t> extent,
              llvm::function_ref<void(Value, unsigned)> body) {
  Value count = k.sub(to, from);
  auto full = [&] {
    Value last = k.sub(to, k.constant(most));
    k.loop(from, to, most, [&](Value m) { body(k.min(m, last), most); });
  };
  auto few = [&] {
    Value at = from;
    for (unsigned rows : {4u, 2u, 1u}) {
      if (rows >= most || (extent && *extent < rows) || (rows == 1 && planted(Defect::RowRemainderDropped)))
        continue;
      Value end = k.add(at, k.mul(k.div(k.sub(to, at), k.constant(rows)), k.constant(rows)));
      k.loop(at, end, rows, [&](Value m) { body(m, rows); });
      at = end;
    }
  };
  if (extent && *extent >= most)
    full();
  else if (most == 1)
    k.loop(from, to, 1, [&](Value m) { body(m, 1); });
  else if (extent)
    few();
  else
    k.ifThen(k.less(count, k.constant(most)), few, full);
}

int64_t rowsPerBlock(std::optional<int64_t> depthBytes, std::optional<int64_t> panelBytes) {
  constexpr int64_t budget = 256 << 10, unit = 48;
  if (panelBytes && *panelBytes <= budget)
    return unit;
  int64_t rows = budget / std::max<int64_t>(1, depthBytes.value_or(4096));
  return std::clamp<int64_t>(rows / unit * unit, unit, 10 * unit);
}

void forPanels(KernelBuilder &k, const PanelRange &range, PanelBody body) {
  forPanels(k, range, k.begin(), k.end(), body);
}

void forPanels(KernelBuilder &k, const PanelRange &range, Value from, Value to, PanelBody body) {
  Value panels = k.size(range.panels), whole = k.size(range.wholePanels);
  auto constant = range.panels.constant();
  unsigned wide = range.perTile;
  // Ranges begin at multiples of the grain: then wide tiles never have to be cut.
  bool alwaysWide = constant && !range.ragged && *constant % wide == 0 && range.grain % wide == 0;
  k.loopWhileLess(from, to, [&](Value item) {
    Value outer = k.div(item, panels), panel = k.rem(item, panels);
    auto wideTile = [&] {
      body(outer, panel, wide, false);
      return k.add(item, k.constant(wide));
    };
    auto oneTile = [&] {
      auto plain = [&] { body(outer, panel, 1, false); };
      auto masked = [&] { body(outer, panel, 1, true); };
      // Of an even number of panels, none of an even grain ends between these two.
      auto two = [&] {
        body(outer, panel, 2, true);
        return k.add(item, k.constant(2));
      };
      if (range.beside && range.wholePanels.isConstant(1))
        return two();
      if (range.beside)
        return k.ifValue(
            k.less(k.add(panel, k.constant(1)), whole),
            [&] {
              plain();
              return k.add(item, k.constant(1));
            },
            two);
      if (!range.ragged)
        plain();
      else if (range.wholePanels.isConstant(0))
        masked();
      else
        k.ifThen(k.less(panel, whole), plain, masked);
      return k.add(item, k.constant(1));
    };
    if (alwaysWide)
      return wideTile();
    if (wide == 1 || (range.wholePanels.constant() && *range.wholePanels.constant() < wide))
      return oneTile();
    Value room = k.min(k.sub(to, item), k.sub(whole, panel));
    return k.ifValue(k.less(room, k.constant(wide)), oneTile, wideTile);
  });
}

unsigned bestTileRows(int64_t rows, unsigned least, unsigned most) {
  unsigned best = most;
  auto cost = [&](unsigned height) { return llvm::divideCeil(rows, height) * (2 * height + 1); };
  for (unsigned height = most; height >= least && height > 0; --height)
    if (cost(height) < cost(best))
      best = height;
  return best;
}

/// Rows of a tile whose current elements share the first cache: each of its sets holds eight lines.
static unsigned rowsWithoutConflict(int64_t rowBytes) {
  constexpr int64_t line = 64, sets = 64, ways = 8;
  if (rowBytes <= 0 || rowBytes % line != 0)
    return 1024;
  return ways * sets / std::gcd(sets, rowBytes / line);
}

/// Fewer rows take more panels at once.
static constexpr int64_t kFewRows = 4;

int64_t panelGrain(std::optional<int64_t> rows) { return rows && *rows < kFewRows ? 4 : 2; }

TileShape tileFor(const CpuTarget &target, unsigned elementBits, std::optional<int64_t> rows,
                  std::optional<int64_t> columns, std::optional<int64_t> rowBytes, int64_t depthDivisor) {
  TileShape tile;
  tile.lanes = std::min(16u, target.lanes(std::max(32u, elementBits)));
  unsigned perPanel = 16 / tile.lanes;
  bool many = target.vectorRegisters >= 32;
  // rows * vectors accumulators, `vectors` panel rows, one broadcast.
  unsigned wantedPanels = many ? 2 : 1;
  if (perPanel > 2)
    wantedPanels = 1;
  if (rows && *rows < kFewRows && many)
    wantedPanels = 4; // few rows: more columns keep enough chains in flight
  // Of one row little is lost where the last panels go by themselves.
  bool manyPanels = rows && *rows == 1 && columns && *columns / 16 >= 3 * wantedPanels;
  if (columns && !manyPanels) {
    int64_t whole = *columns / 16;
    while (wantedPanels > 1 && (whole < wantedPanels || (wantedPanels > 2 && whole % wantedPanels != 0)))
      wantedPanels /= 2;
  }
  tile.vectors = wantedPanels * perPanel;
  unsigned most = (target.vectorRegisters - tile.vectors - 1) / tile.vectors;
  if (columns && tile.lanes == 16 && *columns / 16 % 2 == 1) {
    tile.beside = narrowLanes(tile.lanes, *columns, depthDivisor);
    if (tile.beside) {
      // Columns and a row's elements of as many steps, the narrow columns, and what a row has for them;
      // weaving columns takes some more.
      unsigned own = 2 * (tile.lanes / tile.beside) + (target.movesBesideProducts ? 2 : 6);
      most = std::min(most, (target.vectorRegisters - own) / 2);
    }
  }
  most = std::min(most, many ? 14u : 6u);
  if (rowBytes)
    most = std::min(most, rowsWithoutConflict(*rowBytes));
  if (rows)
    tile.rows = *rows <= most ? std::max<int64_t>(1, *rows) : bestTileRows(*rows, std::min(most, 4u), most);
  else
    tile.rows = std::min(most, many ? (wantedPanels == 1 ? 12u : 8u) : 6u);
  return tile;
}

TileShape streamingTile(TileShape tile, std::optional<int64_t> columns, std::optional<int64_t> columnBytes) {
  constexpr unsigned streams = 4;
  constexpr int64_t staysInCache = 384 << 10;
  unsigned perPanel = 16 / tile.lanes;
  if (tile.rows == 1 && perPanel <= 2 && tile.vectors < streams * perPanel && columns &&
      *columns / 16 >= 3 * streams && (!columnBytes || *columns * *columnBytes > staysInCache))
    tile.vectors = streams * perPanel;
  return tile;
}

} // namespace tenon::cpu

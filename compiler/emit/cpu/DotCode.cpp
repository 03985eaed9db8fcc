//===- DotCode.cpp - products of narrow elements by dot products
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/DotCode.h"

#include "compiler/defects/PlantedDefect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tenon::cpu {

DotForm dotForm(const CpuTarget &target, Type rowElement, bool pairsFit) {
  if (rowElement.isBF16())
    return target.bf16 && !target.emulate ? DotForm::Bf16 : DotForm::WidenedBf16;
  if (target.vnni)
    return target.emulate ? DotForm::Words : DotForm::Bytes;
  return pairsFit ? DotForm::PairedBytes : DotForm::WidenedRows;
}

StringRef nameOf(DotForm form) {
  switch (form) {
  case DotForm::Bytes:
    return "dot of bytes";
  case DotForm::Words:
    return "dot of words";
  case DotForm::WidenedRows:
    return "dot of widened rows";
  case DotForm::PairedBytes:
    return "dot of paired bytes";
  case DotForm::Bf16:
    return "dot of bf16";
  case DotForm::WidenedBf16:
    return "widened bf16";
  }
  llvm_unreachable("every form is handled");
}

double rateOf(DotForm form) {
  switch (form) {
  case DotForm::Bytes:
    return 4;
  case DotForm::Words:
    return 1.4;
  case DotForm::WidenedRows:
    return 1.55;
  case DotForm::PairedBytes:
  case DotForm::Bf16:
    return 2;
  case DotForm::WidenedBf16:
    return 0.85;
  }
  llvm_unreachable("every form is handled");
}

TileShape dotTile(const CpuTarget &target, DotForm form, TileShape tile) {
  // Beside accumulators: two parts of each column, two of a row and a product.
  if (form == DotForm::Words || form == DotForm::WidenedBf16) {
    unsigned own = 2 * tile.vectors + 3;
    tile.rows = std::min(tile.rows, std::max(1u, (target.vectorRegisters - own) / tile.vectors));
  } else if (form == DotForm::WidenedRows) {
    // A panel, one vector of it at a time: two accumulators for each row, two parts of the columns, a row and
    // a product.
    tile.vectors = 16 / tile.lanes;
    tile.rows = std::min(tile.rows, (target.vectorRegisters - 4) / 2);
  } else if (form == DotForm::PairedBytes) { // ones, a row and a product
    tile.rows = std::min(tile.rows, std::max(1u, (target.vectorRegisters - 3 - tile.vectors) / tile.vectors));
  }
  return tile;
}

namespace {

/// The operations of one form on vectors of `lanes` 32-bit lanes.
class Dot {
public:
  Dot(KernelBuilder &k, DotForm form, unsigned lanes)
      : k(k), b(k.builder()), form(form), lanes(lanes), words(vectorOf(b.getI32Type(), 1)) {}

  using Parts = SmallVector<Value, 2>;
  /// What the products of a vector of 32-bit groups need; `isRow` groups are unsigned bytes.
  Parts parts(Value groups, bool isRow);
  Value add(Value acc, const Parts &row, const Parts &column);
  /// Two products of words and their sum, for each lane.
  Value sumPairs(Value x, Value y) {
    return call("llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512", words, {x, y});
  }
  Value as(Value v, Type element, unsigned perLane) {
    return vector::BitCastOp::create(b, k.loc(), vectorOf(element, perLane), v);
  }

private:
  VectorType vectorOf(Type element, unsigned perLane) {
    return VectorType::get({static_cast<int64_t>(lanes) * perLane}, element);
  }
  Value splat(int64_t v, Type element, unsigned perLane) {
    VectorType type = vectorOf(element, perLane);
    return arith::ConstantOp::create(b, k.loc(), DenseElementsAttr::get(type, b.getIntegerAttr(element, v)));
  }
  Value call(StringRef of256, StringRef of512, VectorType result, ArrayRef<Value> operands);
  Value half(Value v, unsigned index);

  KernelBuilder &k;
  OpBuilder &b;
  DotForm form;
  unsigned lanes;
  VectorType words;
};

Value Dot::half(Value v, unsigned index) {
  int64_t size = cast<VectorType>(v.getType()).getNumElements() / 2;
  return vector::ExtractStridedSliceOp::create(b, k.loc(), v, ArrayRef<int64_t>{index * size},
                                               ArrayRef<int64_t>{size}, ArrayRef<int64_t>{1});
}

/// Calls the instruction for the width; emulated vectors of 512 bits go in halves.
Value Dot::call(StringRef of256, StringRef of512, VectorType result, ArrayRef<Value> operands) {
  auto instruction = [&](StringRef name, VectorType type, ArrayRef<Value> values) -> Value {
    return LLVM::CallIntrinsicOp::create(b, k.loc(), type, b.getStringAttr(name), ValueRange(values))
        .getResults();
  };
  if (lanes == 8 || !k.target().emulate)
    return instruction(lanes == 8 ? of256 : of512, result, operands);
  auto type = VectorType::get({result.getNumElements() / 2}, result.getElementType());
  Value sum = arith::ConstantOp::create(b, k.loc(), b.getZeroAttr(result));
  for (unsigned i = 0; i < 2; ++i) {
    SmallVector<Value> halves;
    for (Value v : operands)
      halves.push_back(half(v, i));
    sum = vector::InsertStridedSliceOp::create(b, k.loc(), instruction(of256, type, halves), sum,
                                               ArrayRef<int64_t>{i * type.getNumElements()},
                                               ArrayRef<int64_t>{1});
  }
  return sum;
}

Dot::Parts Dot::parts(Value groups, bool isRow) {
  Type i16 = b.getI16Type();
  switch (form) {
  case DotForm::Bytes:
    return {groups};
  case DotForm::PairedBytes:
    return {as(groups, b.getI8Type(), 4)};
  case DotForm::Bf16:
    return {as(groups, b.getBF16Type(), 2)};
  case DotForm::WidenedBf16: {
    Value odd = arith::AndIOp::create(b, k.loc(), groups, splat(int64_t(0xffff0000), b.getI32Type(), 1));
    Value even = arith::ShLIOp::create(b, k.loc(), groups, splat(16, b.getI32Type(), 1));
    return {as(odd, b.getF32Type(), 1), as(even, b.getF32Type(), 1)};
  }
  case DotForm::Words:
    break;
  case DotForm::WidenedRows:
    llvm_unreachable("columns are widened as they are read");
  }
  Value pairs = as(groups, i16, 2), eight = splat(8, i16, 2);
  if (isRow)
    return {arith::AndIOp::create(b, k.loc(), pairs, splat(0xff, i16, 2)),
            arith::ShRUIOp::create(b, k.loc(), pairs, eight)};
  Value even = arith::ShLIOp::create(b, k.loc(), pairs, eight);
  auto widen = [&](Value v) -> Value {
    if (planted(Defect::WeightsUnsigned))
      return arith::ShRUIOp::create(b, k.loc(), v, eight);
    return arith::ShRSIOp::create(b, k.loc(), v, eight);
  };
  return {widen(even), widen(pairs)};
}

Value Dot::add(Value acc, const Parts &row, const Parts &column) {
  switch (form) {
  case DotForm::Bytes:
    return call("llvm.x86.avx512.vpdpbusd.256", "llvm.x86.avx512.vpdpbusd.512", words,
                {acc, as(row[0], b.getI8Type(), 4), as(column[0], b.getI8Type(), 4)});
  case DotForm::Bf16:
    return call("llvm.x86.avx512bf16.dpbf16ps.256", "llvm.x86.avx512bf16.dpbf16ps.512",
                vectorOf(b.getF32Type(), 1), {acc, row[0], column[0]});
  case DotForm::WidenedBf16:
    acc = vector::FMAOp::create(b, k.loc(), row[0], column[0], acc);
    return vector::FMAOp::create(b, k.loc(), row[1], column[1], acc);
  case DotForm::PairedBytes: {
    Value pairs = call("llvm.x86.avx2.pmadd.ub.sw", "llvm.x86.avx512.pmaddubs.w.512",
                       vectorOf(b.getI16Type(), 2), {row[0], column[0]});
    return arith::AddIOp::create(b, k.loc(), acc, sumPairs(pairs, splat(1, b.getI16Type(), 2)));
  }
  case DotForm::Words:
    for (auto [x, y] : llvm::zip_equal(row, column))
      acc = arith::AddIOp::create(b, k.loc(), acc, sumPairs(x, y));
    return acc;
  case DotForm::WidenedRows:
    return arith::AddIOp::create(b, k.loc(), acc, sumPairs(row[0], column[0]));
  }
  llvm_unreachable("every form is handled");
}

/// The 32 bits of a row's group from element `at` on; only `rest` elements are read where that is set.
Value rowGroup(KernelBuilder &k, Value pointer, Value at, Type element, int64_t group,
               std::optional<int64_t> rest) {
  OpBuilder &b = k.builder();
  Type i32 = b.getI32Type();
  unsigned bits = 32 / group;
  auto piece = [&](int64_t from, int64_t count) -> Value {
    Value address = k.address(pointer, k.add(at, k.constant(from)), element);
    Type type = b.getIntegerType(count * bits);
    Value v = LLVM::LoadOp::create(b, k.loc(), type, address, std::max(1u, bits / 8));
    if (type != i32)
      v = arith::ExtUIOp::create(b, k.loc(), i32, v);
    return v;
  };
  if (!rest)
    return piece(0, group);
  Value bitsOfAll;
  for (int64_t from = 0; from < *rest;) {
    int64_t count = int64_t(1) << llvm::Log2_64(*rest - from);
    Value v = piece(from, count);
    if (from > 0) {
      Value shift = arith::ConstantOp::create(b, k.loc(), b.getI32IntegerAttr(from * bits));
      v = arith::OrIOp::create(b, k.loc(), bitsOfAll, arith::ShLIOp::create(b, k.loc(), v, shift));
    }
    bitsOfAll = v;
    from += count;
  }
  return bitsOfAll;
}

/// The same where only the run knows how many elements, fewer than `group`, are left.
Value maskedRowGroup(KernelBuilder &k, Value pointer, Value at, Type element, int64_t group, Value mask) {
  OpBuilder &b = k.builder();
  Value v = k.load(pointer, at, element, group, mask);
  Value bits = vector::BitCastOp::create(b, k.loc(), VectorType::get({1}, b.getI32Type()), v);
  return vector::ExtractOp::create(b, k.loc(), bits, int64_t(0));
}

/// Sums of vectors of columns whose rows are words. A vector of half the columns has lanes for the first and
/// for the second two products of a group; they are joined at the end.
class WidenedTile {
public:
  WidenedTile(KernelBuilder &k, TileShape tile)
      : k(k), b(k.builder()), dot(k, DotForm::WidenedRows, tile.lanes), tile(tile) {}
  /// Vectors of the tile that the registers hold at once.
  unsigned vectorsAtOnce() const {
    return std::clamp((k.target().vectorRegisters - 2) / (2 * (tile.rows + 1)), 1u, tile.vectors);
  }
  SmallVector<Value> sums(ArrayRef<TileRow> rows, ArrayRef<TileColumn> columns, Size depth,
                          ArrayRef<TilePrefetch> prefetches);

private:
  Value column(const TileColumn &c, Value step, unsigned half);
  Value row(const TileRow &r, Value step);
  Value join(Value low, Value high);

  KernelBuilder &k;
  OpBuilder &b;
  Dot dot;
  TileShape tile;
};

Value WidenedTile::column(const TileColumn &c, Value step, unsigned half) {
  unsigned elements = 2 * tile.lanes;
  Value at = k.add(k.add(c.offset, k.mul(step, c.step)), k.constant(half * elements));
  Value bytes = k.load(c.pointer, at, b.getI8Type(), elements);
  Type words = k.vectorOf(b.getI16Type(), elements);
  if (planted(Defect::WeightsUnsigned))
    return arith::ExtUIOp::create(b, k.loc(), words, bytes);
  return arith::ExtSIOp::create(b, k.loc(), words, bytes);
}

Value WidenedTile::row(const TileRow &r, Value step) {
  Value address = k.address(r.pointer, k.add(r.offset, k.mul(step, k.constant(4))), b.getI16Type());
  Value group = LLVM::LoadOp::create(b, k.loc(), b.getI64Type(), address, 2);
  return vector::BitCastOp::create(b, k.loc(), k.vectorOf(b.getI16Type(), 2 * tile.lanes),
                                   k.splat(group, tile.lanes / 2));
}

Value WidenedTile::join(Value low, Value high) {
  SmallVector<int64_t> even, odd;
  for (int64_t lane = 0; lane < tile.lanes; ++lane) {
    even.push_back(2 * lane);
    odd.push_back(2 * lane + 1);
  }
  return arith::AddIOp::create(b, k.loc(), vector::ShuffleOp::create(b, k.loc(), low, high, even),
                               vector::ShuffleOp::create(b, k.loc(), low, high, odd));
}

SmallVector<Value> WidenedTile::sums(ArrayRef<TileRow> rows, ArrayRef<TileColumn> columns, Size depth,
                                     ArrayRef<TilePrefetch> prefetches) {
  unsigned vectors = columns.size();
  TileShape halves = tile;
  halves.vectors = 2 * vectors;
  SmallVector<TileRow> from;
  for (const TileRow &r : rows)
    from.push_back({k.address(r.pointer, r.offset, b.getI16Type()), k.constant(0)});
  SmallVector<Value> acc =
      k.loop(k.constant(0), k.size(depth.floorDiv(4)), 1, tileZero(k, halves, b.getI32Type()),
             [&](Value step, ValueRange carried) {
               for (const TilePrefetch &prefetch : prefetches)
                 k.prefetch(prefetch.pointer, k.add(prefetch.offset, k.mul(step, prefetch.step)),
                            b.getI8Type(), KernelBuilder::Cache::Second);
               SmallVector<Value> next(carried), parts;
               for (const TileColumn &c : columns)
                 for (unsigned half : {0u, 1u})
                   parts.push_back(column(c, step, half));
               for (unsigned r = 0; r < tile.rows; ++r) {
                 Value group = row(from[r], step);
                 for (unsigned h = 0; h < halves.vectors; ++h) {
                   Value &sum = next[r * halves.vectors + h];
                   sum = dot.add(sum, {group}, {parts[h]});
                 }
               }
               return next;
             });
  SmallVector<Value> joined;
  for (unsigned i = 0; i < tile.rows * vectors; ++i)
    joined.push_back(join(acc[2 * i], acc[2 * i + 1]));
  return joined;
}

} // namespace

/// The same for rows of words, some vectors of the tile after the others.
static SmallVector<Value> widenedTileProduct(KernelBuilder &k, TileShape tile, ArrayRef<TileRow> rows,
                                             ArrayRef<TileColumn> columns, Size depth, ArrayRef<Value> init,
                                             ArrayRef<TilePrefetch> prefetches) {
  WidenedTile widened(k, tile);
  unsigned atOnce = widened.vectorsAtOnce();
  SmallVector<Value> result(init);
  for (unsigned first = 0; first < tile.vectors; first += atOnce) {
    unsigned count = std::min(atOnce, tile.vectors - first);
    SmallVector<Value> sums = widened.sums(rows, columns.slice(first, count), depth,
                                           first == 0 ? prefetches : ArrayRef<TilePrefetch>());
    for (unsigned r = 0; r < tile.rows; ++r)
      for (unsigned u = 0; u < count; ++u) {
        Value &sum = result[r * tile.vectors + first + u];
        sum = arith::AddIOp::create(k.builder(), k.loc(), sum, sums[r * count + u]);
      }
  }
  return result;
}

SmallVector<Value> tileDotProduct(KernelBuilder &k, TileShape tile, ArrayRef<TileRow> rows,
                                  ArrayRef<TileColumn> columns, Size depth, int64_t group, DotForm form,
                                  Type rowElement, Type columnElement, ArrayRef<Value> init,
                                  ArrayRef<TilePrefetch> prefetches) {
  if (form == DotForm::WidenedRows)
    return widenedTileProduct(k, tile, rows, columns, depth, init, prefetches);
  Dot dot(k, form, tile.lanes);
  unsigned packed = tile.lanes * group; // elements of a column vector
  auto step = [&](Value s, ArrayRef<Value> carried, llvm::function_ref<Value(const TileRow &, Value)> load) {
    SmallVector<Value> acc(carried);
    SmallVector<Dot::Parts> column;
    auto lanesOf32 = VectorType::get({static_cast<int64_t>(tile.lanes)}, k.builder().getI32Type());
    for (const TileColumn &c : columns) {
      Value v = k.load(c.pointer, k.add(c.offset, k.mul(s, c.step)), columnElement, packed);
      column.push_back(
          dot.parts(vector::BitCastOp::create(k.builder(), k.loc(), lanesOf32, v), /*isRow=*/false));
    }
    Value first = k.mul(s, k.constant(group));
    for (unsigned r = 0; r < tile.rows; ++r) {
      Value along = rows[r].stride ? k.mul(s, rows[r].stride) : first;
      Value bits = load(rows[r], k.add(rows[r].offset, along));
      Dot::Parts row = dot.parts(k.splat(bits, tile.lanes), /*isRow=*/true);
      for (unsigned u = 0; u < tile.vectors; ++u) {
        Value &a = acc[r * tile.vectors + u];
        a = dot.add(a, row, column[u]);
      }
    }
    return acc;
  };
  SmallVector<Value> acc = k.loop(
      k.constant(0), k.size(depth.floorDiv(group)), 1, ValueRange(init), [&](Value s, ValueRange carried) {
        for (const TilePrefetch &prefetch : prefetches)
          k.prefetch(prefetch.pointer, k.add(prefetch.offset, k.mul(s, prefetch.step)), columnElement,
                     KernelBuilder::Cache::Second);
        return step(s, SmallVector<Value>(carried), [&](const TileRow &row, Value at) {
          return rowGroup(k, row.pointer, at, rowElement, group, std::nullopt);
        });
      });
  if (depth.knownDivisor() % group == 0 || planted(Defect::LastGroupDropped))
    return acc;
  Value whole = k.size(depth.floorDiv(group));
  if (auto constant = depth.constant())
    return step(whole, acc, [&](const TileRow &row, Value at) {
      return rowGroup(k, row.pointer, at, rowElement, group, *constant % group);
    });
  return k.loop(whole, k.size(depth.ceilDiv(group)), 1, acc, [&](Value s, ValueRange carried) {
    Value mask = k.tailMask(k.mul(s, k.constant(group)), k.size(depth), group);
    return step(s, SmallVector<Value>(carried), [&](const TileRow &row, Value at) {
      return maskedRowGroup(k, row.pointer, at, rowElement, group, mask);
    });
  });
}

TapDots::TapDots(KernelBuilder &k, unsigned lanes)
    : k(k), lanes(lanes),
      form(dotForm(k.target(), k.builder().getIntegerType(8, false), /*pairsFit=*/false)) {}

Value TapDots::pack(ArrayRef<Value> taps, bool isUnsigned) {
  OpBuilder &b = k.builder();
  auto vectorOf = [&](Type element, unsigned perLane) {
    return VectorType::get({static_cast<int64_t>(lanes) * perLane}, element);
  };
  auto widened = [&](Value v, VectorType type) -> Value {
    if (isUnsigned)
      return arith::ExtUIOp::create(b, k.loc(), type, v);
    return arith::ExtSIOp::create(b, k.loc(), type, v);
  };
  VectorType i32 = vectorOf(b.getI32Type(), 1);
  // Whatever a weight's sign becomes in the other taps meets an activation of 0.
  if (taps.size() == 1)
    return widened(taps[0], i32);
  auto concat = [&](Value x, Value y) -> Value {
    int64_t size = cast<VectorType>(x.getType()).getNumElements();
    return vector::ShuffleOp::create(b, k.loc(), x, y, llvm::to_vector(llvm::seq<int64_t>(2 * size)));
  };
  // Channel by channel: element t of lane c is that of tap t.
  SmallVector<int64_t> order;
  for (int64_t c = 0; c < lanes; ++c)
    for (int64_t t = 0; t < group(); ++t)
      order.push_back(t * lanes + c);
  Value zero = arith::ConstantOp::create(b, k.loc(), b.getZeroAttr(vectorOf(b.getI8Type(), 1)));
  auto tap = [&](unsigned t) { return t < taps.size() ? taps[t] : zero; };
  Value first = tap(0), second = tap(1);
  if (form == DotForm::Bytes) {
    first = concat(tap(0), tap(1));
    second = concat(tap(2), tap(3));
  }
  Value packed = vector::ShuffleOp::create(b, k.loc(), first, second, order);
  if (form != DotForm::Bytes)
    packed = widened(packed, vectorOf(b.getI16Type(), 2));
  return vector::BitCastOp::create(b, k.loc(), i32, packed);
}

Value TapDots::add(Value acc, Value activations, Value weights) {
  Dot dot(k, form, lanes);
  if (form == DotForm::Bytes)
    return dot.add(acc, {activations}, {weights});
  OpBuilder &b = k.builder();
  Value sum = dot.sumPairs(dot.as(activations, b.getI16Type(), 2), dot.as(weights, b.getI16Type(), 2));
  return arith::AddIOp::create(b, k.loc(), acc, sum);
}

} // namespace tenon::cpu

//===- EmitAttention.cpp - fused attention
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One item is a block of queries of one head. Scores are computed transposed, keys down and queries across
// the lanes: keys and values are read as they lie in memory, only the block of queries is transposed, and the
// softmax needs no operation across lanes. Scores of the block stay in the worker's scratch.
//
// Products of bf16 take pairs of neighbours of the sum: keys, values and the block of queries are rounded and
// packed for each block, exponentials where they are computed, so that they take the place of their scores.
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/Bf16Pairs.h"
#include "compiler/emit/cpu/DotCode.h"
#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/SoftmaxRow.h"
#include "compiler/emit/cpu/TileCode.h"
#include "compiler/emit/cpu/TransposeCode.h"
#include "compiler/emit/cpu/VectorMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <cmath>

using namespace mlir;

namespace tenon::cpu {
namespace {

class AttentionEmitter {
public:
  AttentionEmitter(KernelBuilder &k, KernelShape &shape)
      : k(k), b(k.builder()), shape(shape), context(k.spec().context()), op(theOp<AttentionOp>(k)) {}
  LogicalResult run();

private:
  Value isFirstOfHead(Value item, Value blockOfHead);
  void block(Value batch, Value head, Value m0, Value firstOfHead);
  void packQueries(Value batch, Value head, Value m0, Value m1, Value panels);
  void packKeys(Value batch, Value keyHead);
  void packValues(Value batch, Value keyHead);
  std::optional<TileRow> row(Value tensor, Value batch, Value head, Value position);
  Value exponentials(Value largest, Value column);
  /// Whether no mask changes what the products are; their largest are found beside them then, in sumBase.
  bool scoresAreFinal() { return !op.getMask() && !op.getCausal(); }
  Value larger(Value x, Value y);
  void scores(Value batch, Value keyHead, Value panels);
  void scorePanels(Value batch, Value keyHead, Value panel, unsigned count);
  void softmax(Value batch, Value head, Value m0, Value panels);
  void output(Value batch, Value head, Value keyHead, Value m0, Value m1);
  void outputTile(Value batch, Value head, Value keyHead, Value m0, Value m, unsigned rows, Value column,
                  unsigned vectors, Value mask);
  Value loadScratch(Value base, Value offset, unsigned width) {
    return k.load(k.scratch(), k.add(base, offset), b.getF32Type(), width);
  }
  Value f32(double v, unsigned width) {
    return k.splat(arith::ConstantOp::create(b, k.loc(), b.getF32FloatAttr(static_cast<float>(v))), width);
  }
  bool maskLiesAcross();
  Value maskElements(Value batch, Value head, Coord m, Coord n, unsigned width, Value lanesInUse);
  Value masked(Value m, Value n, unsigned width, Value score, Value term);
  Value largestScores(Value batch, Value head, Value m, Value column);
  /// Coordinates of the attention's result -> coordinates of the kernel's result.
  Coords forward(Evaluator &e, Value tensor, Coords at);

  KernelBuilder &k;
  OpBuilder &b;
  KernelShape &shape;
  SizeContext &context;
  AttentionOp op;
  Size queries, keys, width, valueWidth, batch, heads, keyHeads;
  int64_t blockQueries = 64;
  unsigned lanes = 8;
  Value queryBase, scoreBase, sumBase; // element offsets in scratch
  Value keyBase, valueBase;            // of what is packed in pairs of bf16
  bool pairs = false;
  DotForm form = DotForm::Bf16;
  Type element;
  Operation *failed = nullptr;
};

LogicalResult AttentionEmitter::run() {
  k.setOrigin(op);
  ArrayRef<Size> q = k.spec().dims(op.getQuery()), key = k.spec().dims(op.getKey());
  batch = q[0];
  heads = q[1];
  queries = q[2];
  width = q[3];
  keyHeads = key[1];
  keys = key[2];
  valueWidth = k.spec().dims(op.getValue())[3];
  element = cast<RankedTensorType>(op.getQuery().getType()).getElementType();
  lanes = std::min(16u, k.target().lanes(32));
  if (auto m = queries.constant())
    blockQueries = std::min<int64_t>(64, (*m + 15) / 16 * 16);

  auto isF32 = [](Value v) { return getElementTypeOrSelf(v).isF32(); };
  auto wholeVectors = [](Size s) { return s.constant() && *s.constant() % 16 == 0; };
  pairs = op->hasAttr("tenon.bf16_products") && isF32(op.getQuery()) && isF32(op.getKey()) &&
          isF32(op.getValue()) && wholeVectors(width) && wholeVectors(valueWidth);
  form = dotForm(k.target(), b.getBF16Type(), false);
  Size queryFloats = width * blockQueries, scoreFloats = keys.ceilDiv(2) * (2 * blockQueries);
  queryBase = k.constant(0);
  scoreBase = k.size(queryFloats);
  sumBase = k.size(queryFloats + scoreFloats);
  Size floats = queryFloats + scoreFloats + blockQueries;
  if (pairs) {
    Size steps = keys.ceilDiv(2);
    keyBase = k.size(floats);
    valueBase = k.size(floats + steps * width);
    floats = floats + steps * (width + valueWidth);
  }
  shape.scratch = floats * 4;
  Size blocks = queries.ceilDiv(blockQueries);
  shape.grid = batch * heads * blocks;
  shape.flops = batch * heads * queries * keys * (width + valueWidth) * 2;
  shape.cost = atShareOfPeak(shape.flops, k.target(), pairs ? 0.5 * rateOf(form) : 0.65);
  shape.schedule = "attention queries=" + std::to_string(blockQueries) + " lanes=" + std::to_string(lanes) +
                   (pairs ? " " + nameOf(form).str() : "");
  SmallVector<Value> extents{k.size(batch), k.size(heads), k.size(blocks)};
  k.loop(k.begin(), k.end(), 1, [&](Value item) {
    SmallVector<Value> at = k.delinearize(item, extents);
    block(at[0], at[1], k.mul(at[2], k.constant(blockQueries)), isFirstOfHead(item, at[2]));
  });
  return failed ? noForm(failed, "attention") : success();
}

/// Whether the range's blocks before this one, if any, belong to another head.
Value AttentionEmitter::isFirstOfHead(Value item, Value blockOfHead) {
  Value first = arith::CmpIOp::create(b, k.loc(), arith::CmpIPredicate::eq, item, k.begin());
  Value next = arith::CmpIOp::create(b, k.loc(), arith::CmpIPredicate::eq, blockOfHead, k.constant(0));
  return arith::OrIOp::create(b, k.loc(), first, next);
}

void AttentionEmitter::block(Value batchIndex, Value head, Value m0, Value firstOfHead) {
  Value m1 = k.min(k.add(m0, k.constant(blockQueries)), k.size(queries));
  Value panels = k.div(k.add(k.sub(m1, m0), k.constant(15)), k.constant(16));
  Value group = heads == keyHeads ? k.constant(1) : k.div(k.size(heads), k.size(keyHeads));
  Value keyHead = planted(Defect::GroupedHeadsShareFirst) ? k.constant(0) : k.div(head, group);
  packQueries(batchIndex, head, m0, m1, panels);
  if (pairs)
    k.ifThen(firstOfHead, [&] {
      packKeys(batchIndex, keyHead);
      packValues(batchIndex, keyHead);
    });
  scores(batchIndex, keyHead, panels);
  softmax(batchIndex, head, m0, panels);
  output(batchIndex, head, keyHead, m0, m1);
}

/// Where the elements of a key or value lie.
std::optional<TileRow> AttentionEmitter::row(Value tensor, Value batchIndex, Value head, Value position) {
  Evaluator e(k, 1);
  auto at = e.addressOf(tensor, {{batchIndex}, {head}, {position}, {k.constant(0), 1}});
  if (at && !at->second.lanes && at->second.stride == 1)
    return TileRow{at->first, at->second.base};
  failed = op;
  return std::nullopt;
}

/// Scratch [n][width] in bf16.
void AttentionEmitter::packKeys(Value batchIndex, Value keyHead) {
  k.loop(k.constant(0), k.size(keys), 1, [&](Value n) {
    std::optional<TileRow> key = row(op.getKey(), batchIndex, keyHead, n);
    if (!key)
      return;
    k.loop(k.constant(0), k.size(width), lanes, [&](Value d) {
      Value v = k.load(key->pointer, k.add(key->offset, d), b.getF32Type(), lanes);
      v = arith::TruncFOp::create(b, k.loc(), k.vectorOf(b.getBF16Type(), lanes), v);
      Value first = k.mul(keyBase, k.constant(2));
      k.store(v, k.scratch(), k.add(first, k.add(k.mul(n, k.size(width)), d)), b.getBF16Type(), lanes);
    });
  });
}

/// Scratch [n / 2][width][2] in bf16; zeros behind the last.
void AttentionEmitter::packValues(Value batchIndex, Value keyHead) {
  Value count = k.size(keys), last = k.sub(count, k.constant(1));
  k.loop(k.constant(0), count, 2, [&](Value n) {
    Value next = k.add(n, k.constant(1));
    std::optional<TileRow> even = row(op.getValue(), batchIndex, keyHead, n);
    std::optional<TileRow> odd = row(op.getValue(), batchIndex, keyHead, k.min(next, last));
    if (!even || !odd)
      return;
    k.loop(k.constant(0), k.size(valueWidth), lanes, [&](Value c) {
      Value x = k.load(even->pointer, k.add(even->offset, c), b.getF32Type(), lanes);
      Value y = k.load(odd->pointer, k.add(odd->offset, c), b.getF32Type(), lanes);
      y = arith::SelectOp::create(b, k.loc(), k.less(next, count), y, f32(0.0, lanes));
      Value at = k.add(k.mul(k.div(n, k.constant(2)), k.size(valueWidth)), c);
      k.store(bf16Pairs(k, x, y, lanes), k.scratch(), k.add(valueBase, at), b.getI32Type(), lanes);
    });
  });
}

/// Scratch [panel][d][16] = scale * query[m0 + panel * 16 + lane, d]; lanes beyond the block hold zeros.
/// In pairs of bf16: [panel][d / 2][16][2].
void AttentionEmitter::packQueries(Value batchIndex, Value head, Value m0, Value m1, Value panels) {
  double scale = op.getScale().convertToDouble();
  Value factor;
  if (scale != 0.0) {
    factor = f32(scale, lanes);
  } else if (auto d = width.constant()) {
    factor = f32(1.0 / std::sqrt(static_cast<double>(*d)), lanes);
  } else {
    Value dimension = arith::SIToFPOp::create(
        b, k.loc(), b.getF32Type(), arith::IndexCastOp::create(b, k.loc(), b.getI64Type(), k.size(width)));
    factor = k.splat(
        arith::DivFOp::create(b, k.loc(), f32(1.0, 1), math::SqrtOp::create(b, k.loc(), dimension)), lanes);
  }
  auto query = [&](unsigned w, Value mask, Coord m, Coord d) -> Value {
    Evaluator e(k, w, mask);
    Value v = e.eval(op.getQuery(), {{batchIndex}, {head}, m, d});
    if (!v) {
      failed = e.failedOp();
      return f32(0.0, w);
    }
    Type wide = k.vectorOf(b.getF32Type(), w);
    if (v.getType() != wide)
      v = arith::ExtFOp::create(b, k.loc(), wide, v);
    return arith::MulFOp::create(b, k.loc(), v, factor);
  };
  auto place = [&](Value panel, unsigned part, Value d) {
    Value at = k.add(k.mul(k.add(k.mul(panel, k.size(width)), d), k.constant(16)), k.constant(part));
    return k.add(queryBase, at);
  };
  // Squares of lanes x lanes are read along the width and transposed in registers; what is left of the width
  // is gathered.
  Value squares = k.mul(k.div(k.size(width), k.constant(lanes)), k.constant(lanes));
  k.loop(k.constant(0), panels, 1, [&](Value panel) {
    for (unsigned part = 0; part < 16; part += lanes) {
      Value m = k.add(m0, k.add(k.mul(panel, k.constant(16)), k.constant(part)));
      k.loop(k.constant(0), squares, lanes, [&](Value d) {
        SmallVector<Value> rows;
        for (unsigned r = 0; r < lanes; ++r) {
          Value at = k.add(m, k.constant(r)), last = k.sub(m1, k.constant(1));
          Value row = query(lanes, {}, {k.min(at, last)}, {d, 1});
          rows.push_back(arith::SelectOp::create(b, k.loc(), k.less(at, m1), row, f32(0.0, lanes)));
        }
        rows = transposed(k, rows);
        for (unsigned l = 0; l < lanes && pairs; l += 2) {
          Value at = k.div(k.add(k.mul(panel, k.size(width)), k.add(d, k.constant(l))), k.constant(2));
          k.store(bf16Pairs(k, rows[l], rows[l + 1], lanes), k.scratch(),
                  k.add(queryBase, k.add(k.mul(at, k.constant(16)), k.constant(part))), b.getI32Type(),
                  lanes);
        }
        for (unsigned l = 0; l < lanes && !pairs; ++l)
          k.store(rows[l], k.scratch(), place(panel, part, k.add(d, k.constant(l))), b.getF32Type(), lanes);
      });
      Value mask = k.tailMask(m, m1, lanes);
      k.loop(squares, k.size(width), 1, [&](Value d) {
        Value v = query(lanes, mask, {m, 1}, {d});
        v = arith::SelectOp::create(b, k.loc(), mask, v, f32(0.0, lanes));
        k.store(v, k.scratch(), place(panel, part, d), b.getF32Type(), lanes);
      });
    }
  });
}

void AttentionEmitter::scores(Value batchIndex, Value keyHead, Value panels) {
  if (scoresAreFinal())
    k.loop(k.constant(0), k.mul(panels, k.constant(16)), lanes, [&](Value column) {
      k.store(f32(-std::numeric_limits<double>::infinity(), lanes), k.scratch(), k.add(sumBase, column),
              b.getF32Type(), lanes);
    });
  // Two panels at once halve the broadcasts of keys.
  unsigned wide = k.target().vectorRegisters >= 32 && blockQueries >= 32 ? 2 : 1;
  Value pairs = k.mul(k.div(panels, k.constant(wide)), k.constant(wide));
  k.loop(k.constant(0), pairs, wide, [&](Value panel) { scorePanels(batchIndex, keyHead, panel, wide); });
  if (wide > 1)
    k.loop(pairs, panels, 1, [&](Value panel) { scorePanels(batchIndex, keyHead, panel, 1); });
}

void AttentionEmitter::scorePanels(Value batchIndex, Value keyHead, Value panel, unsigned count) {
  TileShape tile;
  tile.lanes = lanes;
  unsigned perPanel = 16 / lanes;
  tile.vectors = perPanel * count;
  unsigned most = k.target().vectorRegisters >= 32 ? 12 : 6;
  if (pairs) {
    tile.rows = most;
    most = dotTile(k.target(), form, tile).rows;
  }
  auto extent = keys.constant();
  if (extent)
    most = std::min<unsigned>(most, std::max<int64_t>(1, *extent));
  Type keyElement = cast<RankedTensorType>(op.getKey().getType()).getElementType();
  Value panelBase = k.add(queryBase, k.mul(panel, k.size(width * 16)));
  Value pairsBase = k.add(k.mul(queryBase, k.constant(2)), k.mul(panel, k.size(width * 16))); // in bf16
  tileRows(k, k.constant(0), k.size(keys), most, extent, [&](Value n, unsigned rowCount) {
    tile.rows = rowCount;
    SmallVector<TileRow> rows;
    for (unsigned r = 0; r < rowCount; ++r) {
      Value position = k.add(n, k.constant(r));
      Value packed = pairs ? k.add(k.mul(keyBase, k.constant(2)), k.mul(position, k.size(width))) : Value();
      std::optional<TileRow> key =
          pairs ? TileRow{k.scratch(), packed} : row(op.getKey(), batchIndex, keyHead, position);
      if (!key)
        return;
      rows.push_back(*key);
    }
    SmallVector<TileColumn> columns;
    for (unsigned u = 0; u < tile.vectors; ++u) {
      Value offset =
          k.add(k.mul(k.constant(u / perPanel), k.size(width * 16)), k.constant(u % perPanel * lanes));
      columns.push_back({k.scratch(), k.add(panelBase, offset), k.constant(16)});
      if (pairs) {
        offset =
            k.add(k.mul(k.constant(u / perPanel), k.size(width * 16)), k.constant(u % perPanel * lanes * 2));
        columns.back() = {k.scratch(), k.add(pairsBase, offset), k.constant(32)};
      }
    }
    SmallVector<Value> acc = tileZero(k, tile, b.getF32Type());
    acc = pairs
              ? tileDotProduct(k, tile, rows, columns, width, 2, form, b.getBF16Type(), b.getBF16Type(), acc)
              : tileProduct(k, tile, rows, columns, k.size(width), keyElement, b.getF32Type(), b.getF32Type(),
                            acc);
    for (unsigned u = 0; u < tile.vectors; ++u) {
      Value column = k.add(k.mul(panel, k.constant(16)), k.constant(u * lanes)), largest;
      for (unsigned r = 0; r < rowCount; ++r) {
        Value score = acc[r * tile.vectors + u];
        Value at = k.add(k.mul(k.add(n, k.constant(r)), k.constant(blockQueries)), column);
        k.store(score, k.scratch(), k.add(scoreBase, at), b.getF32Type(), lanes);
        largest = largest ? larger(largest, score) : score;
      }
      if (!scoresAreFinal())
        continue;
      Value place = k.add(sumBase, column);
      Value before = k.load(k.scratch(), place, b.getF32Type(), lanes);
      k.store(larger(before, largest), k.scratch(), place, b.getF32Type(), lanes);
    }
  });
}

/// Whether the mask tells queries apart as well as keys, so that it lies across the lanes.
bool AttentionEmitter::maskLiesAcross() {
  if (!op.getMask())
    return false;
  ArrayRef<Size> dims = k.spec().dims(op.getMask());
  return !dims[2].isConstant(1) && !dims[3].isConstant(1);
}

/// Elements of the mask as what is added to scores.
Value AttentionEmitter::maskElements(Value batchIndex, Value head, Coord m, Coord n, unsigned w,
                                     Value lanesInUse) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Value mask = op.getMask();
  ArrayRef<Size> dims = k.spec().dims(mask);
  auto coordinate = [&](unsigned axis, Coord c) {
    return dims[axis].isConstant(1) ? Coord{k.constant(0)} : c;
  };
  Evaluator e(k, w, lanesInUse);
  Value v =
      e.eval(mask, {coordinate(0, {batchIndex}), coordinate(1, {head}), coordinate(2, m), coordinate(3, n)});
  if (!v) {
    failed = e.failedOp();
    return f32(0.0, w);
  }
  if (cast<RankedTensorType>(mask.getType()).getElementType().isInteger(1))
    return arith::SelectOp::create(b, k.loc(), v, f32(0.0, w), f32(-infinity, w));
  Type wide = k.vectorOf(b.getF32Type(), w);
  if (v.getType() != wide)
    v = arith::ExtFOp::create(b, k.loc(), wide, v);
  return planted(Defect::AttentionMaskNegated) ? Value(arith::NegFOp::create(b, k.loc(), v)) : v;
}

/// The score with the mask applied: queries m.. across the lanes, key n; `term` is what the mask adds, if
/// any.
Value AttentionEmitter::masked(Value m, Value n, unsigned w, Value score, Value term) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (term)
    score = arith::AddFOp::create(b, k.loc(), score, term);
  if (op.getCausal()) {
    // Key n is visible to query m when n - (keys - queries) <= m.
    Value limit = k.sub(n, k.sub(k.size(keys), k.size(queries)));
    if (planted(Defect::CausalOffByOne))
      limit = k.sub(limit, k.constant(1));
    Value wide = k.splat(arith::IndexCastOp::create(b, k.loc(), b.getI64Type(), limit), w);
    Value visible =
        arith::CmpIOp::create(b, k.loc(), arith::CmpIPredicate::sge, k.laneOffsets(m, 1, w), wide);
    score = arith::SelectOp::create(b, k.loc(), visible, score, f32(-infinity, w));
  }
  return score;
}

Value AttentionEmitter::larger(Value x, Value y) {
  Value greater = arith::CmpFOp::create(b, k.loc(), arith::CmpFPredicate::OGT, x, y);
  return arith::SelectOp::create(b, k.loc(), greater, x, y);
}

/// The largest score of each lane's query, with the masks applied to the scores in scratch.
Value AttentionEmitter::largestScores(Value batchIndex, Value head, Value m, Value column) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  auto at = [&](Value n) { return k.add(scoreBase, k.add(k.mul(n, k.constant(blockQueries)), column)); };
  if (scoresAreFinal())
    return k.load(k.scratch(), k.add(sumBase, column), b.getF32Type(), lanes);
  auto score = [&](Value n, Value term) {
    Value s = k.load(k.scratch(), at(n), b.getF32Type(), lanes);
    if (term || op.getCausal()) {
      s = masked(m, n, lanes, s, term);
      k.store(s, k.scratch(), at(n), b.getF32Type(), lanes);
    }
    return s;
  };
  Value largest = f32(-infinity, lanes), from = k.constant(0);
  if (maskLiesAcross()) {
    // Squares of the mask are read along the keys and transposed in registers.
    Value squares = k.mul(k.div(k.size(keys), k.constant(lanes)), k.constant(lanes));
    Value last = k.sub(k.size(queries), k.constant(1));
    largest = k.loop(from, squares, lanes, largest, [&](Value n, ValueRange carried) {
      SmallVector<Value> terms, scores;
      for (unsigned r = 0; r < lanes; ++r)
        terms.push_back(
            maskElements(batchIndex, head, {k.min(k.add(m, k.constant(r)), last)}, {n, 1}, lanes, {}));
      for (auto [l, term] : llvm::enumerate(transposed(k, terms)))
        scores.push_back(score(k.add(n, k.constant(l)), term));
      for (size_t half = lanes / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; ++i)
          scores[i] = larger(scores[i], scores[i + half]);
      return SmallVector<Value>{larger(carried[0], scores[0])};
    })[0];
    from = squares;
  }
  Value inUse = maskLiesAcross() ? k.tailMask(m, k.size(queries), lanes) : Value();
  return k.loop(from, k.size(keys), 1, largest, [&](Value n, ValueRange carried) {
    Value term = op.getMask() ? maskElements(batchIndex, head, {m, 1}, {n}, lanes, inUse) : Value();
    return SmallVector<Value>{larger(carried[0], score(n, term))};
  })[0];
}

/// Scores of a column of lanes become exp(score - largest), in pairs of bf16 those of keys n and n + 1 row n
/// / 2. Returns their sum.
Value AttentionEmitter::exponentials(Value largest, Value column) {
  auto at = [&](Value n) { return k.add(scoreBase, k.add(k.mul(n, k.constant(blockQueries)), column)); };
  auto exponential = [&](Value n) -> Value {
    Value s = k.load(k.scratch(), at(n), b.getF32Type(), lanes);
    return emitExpAtMostZero(k, arith::SubFOp::create(b, k.loc(), s, largest));
  };
  auto plus = [&](Value x, Value y) -> Value { return arith::AddFOp::create(b, k.loc(), x, y); };
  Value zero = f32(0.0, lanes), count = k.size(keys);
  if (!pairs)
    return k.loop(k.constant(0), count, 1, zero, [&](Value n, ValueRange carried) {
      Value e = exponential(n);
      k.store(e, k.scratch(), at(n), b.getF32Type(), lanes);
      return SmallVector<Value>{plus(carried[0], e)};
    })[0];
  auto store = [&](Value even, Value odd, Value n) {
    k.store(bf16Pairs(k, even, odd, lanes), k.scratch(), at(k.div(n, k.constant(2))), b.getI32Type(), lanes);
  };
  Value whole = k.mul(k.div(count, k.constant(2)), k.constant(2));
  Value sum = k.loop(k.constant(0), whole, 2, zero, [&](Value n, ValueRange carried) {
    Value even = exponential(n), odd = exponential(k.add(n, k.constant(1)));
    store(even, odd, n);
    return SmallVector<Value>{plus(carried[0], plus(even, odd))};
  })[0];
  return k.loop(whole, count, 1, sum, [&](Value n, ValueRange carried) {
    Value even = exponential(n);
    store(even, zero, n);
    return SmallVector<Value>{plus(carried[0], even)};
  })[0];
}

/// Scores become exponentials; the reciprocal of their sum goes to sumBase.
void AttentionEmitter::softmax(Value batchIndex, Value head, Value m0, Value panels) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Value parts = k.mul(panels, k.constant(16 / lanes));
  k.loop(k.constant(0), parts, 1, [&](Value part) {
    Value column = k.mul(part, k.constant(lanes)), m = k.add(m0, column);
    Value largest = largestScores(batchIndex, head, m, column);
    // A row that sees no key has no largest score; its exponentials are all zero.
    Value none = arith::CmpFOp::create(b, k.loc(), arith::CmpFPredicate::OEQ, largest, f32(-infinity, lanes));
    largest = arith::SelectOp::create(b, k.loc(), none, f32(0.0, lanes), largest);
    if (planted(Defect::SoftmaxWithoutMaximum))
      largest = f32(0.0, lanes);
    Value sum = exponentials(largest, column);
    Value empty = arith::CmpFOp::create(b, k.loc(), arith::CmpFPredicate::OEQ, sum, f32(0.0, lanes));
    Value inverse = arith::DivFOp::create(b, k.loc(), f32(1.0, lanes), sum);
    inverse = arith::SelectOp::create(b, k.loc(), empty, f32(0.0, lanes), inverse);
    k.store(inverse, k.scratch(), k.add(sumBase, column), b.getF32Type(), lanes);
  });
}

Coords AttentionEmitter::forward(Evaluator &e, Value tensor, Coords at) {
  Value root = yielded(k, 0);
  while (tensor != root) {
    Operation *user = *tensor.user_begin();
    if (auto t = dyn_cast<TransposeOp>(user)) {
      Coords out;
      for (int64_t p : t.getPermutation())
        out.push_back(at[p]);
      at = out;
    } else {
      auto r = cast<ReshapeOp>(user);
      at = e.throughReshape(at, k.spec().dims(r.getResult()), k.spec().dims(r.getInput()));
    }
    tensor = user->getResult(0);
  }
  return at;
}

void AttentionEmitter::outputTile(Value batchIndex, Value head, Value keyHead, Value m0, Value m,
                                  unsigned rows, Value column, unsigned vectors, Value mask) {
  TileShape tile{rows, vectors, lanes};
  Value local = k.sub(m, m0);
  SmallVector<TileRow> tileRowList;
  int64_t perPlace = pairs ? 2 : 1; // elements of a pair
  for (unsigned r = 0; r < rows; ++r)
    tileRowList.push_back({k.scratch(),
                           k.mul(k.add(scoreBase, k.add(local, k.constant(r))), k.constant(perPlace)),
                           k.constant(blockQueries * perPlace)});
  Type valueElement = cast<RankedTensorType>(op.getValue().getType()).getElementType();
  SmallVector<TileColumn> columns;
  for (unsigned u = 0; u < vectors; ++u) {
    Evaluator e(k, 1);
    Value c = k.add(column, k.constant(u * lanes));
    if (pairs) {
      columns.push_back({k.scratch(), k.mul(k.add(valueBase, c), k.constant(2)), k.size(valueWidth * 2)});
      continue;
    }
    auto first = e.addressOf(op.getValue(), {{batchIndex}, {keyHead}, {k.constant(0)}, {c, 1}});
    auto second = e.addressOf(op.getValue(), {{batchIndex}, {keyHead}, {k.constant(1)}, {c, 1}});
    if (!first || first->second.lanes || first->second.stride != 1) {
      failed = op;
      return;
    }
    columns.push_back(
        {first->first, first->second.base, k.sub(second->second.base, first->second.base), mask});
  }
  SmallVector<Value> acc = tileZero(k, tile, b.getF32Type());
  acc = pairs ? tileDotProduct(k, tile, tileRowList, columns, keys.ceilDiv(2) * 2, 2, form, b.getBF16Type(),
                               b.getBF16Type(), acc)
              : tileProduct(k, tile, tileRowList, columns, k.size(keys), b.getF32Type(), valueElement,
                            b.getF32Type(), acc);
  Value root = yielded(k, 0);
  for (unsigned r = 0; r < rows; ++r) {
    Value inverse = k.splat(loadScratch(sumBase, k.add(local, k.constant(r)), 1), lanes);
    for (unsigned u = 0; u < vectors; ++u) {
      Value v = arith::MulFOp::create(b, k.loc(), acc[r * vectors + u], inverse);
      Type type = k.vectorOf(k.valueType(element), lanes);
      if (v.getType() != type)
        v = arith::TruncFOp::create(b, k.loc(), type, v);
      Evaluator e(k, lanes, mask);
      Coords at = forward(
          e, op.getResult(),
          {{batchIndex}, {head}, {k.add(m, k.constant(r))}, {k.add(column, k.constant(u * lanes)), 1}});
      e.store(v, k.outputBuffer(0), at, k.spec().dims(root), element);
    }
  }
}

void AttentionEmitter::output(Value batchIndex, Value head, Value keyHead, Value m0, Value m1) {
  constexpr unsigned vectors = 2;
  // 64 queries are 5 tiles of 13.
  unsigned most = k.target().vectorRegisters >= 32 ? 13 : 6;
  if (pairs)
    most = dotTile(k.target(), form, {most, vectors, lanes}).rows;
  std::optional<int64_t> extent;
  if (auto m = queries.constant(); m && *m <= blockQueries)
    extent = m;
  if (extent)
    most = std::min<unsigned>(most, *extent);
  auto rows = [&](Value column, unsigned v, Value mask) {
    tileRows(k, m0, m1, most, extent, [&](Value m, unsigned count) {
      outputTile(batchIndex, head, keyHead, m0, m, count, column, v, mask);
    });
  };
  Value at = k.constant(0), end = k.size(valueWidth);
  auto left = valueWidth.constant();
  for (unsigned v : {vectors, 1u}) {
    int64_t w = int64_t(v) * lanes;
    if (left && *left < w)
      continue;
    Value whole = k.add(at, k.mul(k.div(k.sub(end, at), k.constant(w)), k.constant(w)));
    k.loop(at, whole, w, [&](Value column) { rows(column, v, {}); });
    at = whole;
    if (left)
      *left %= w;
  }
  if (left && *left == 0)
    return;
  auto tail = [&] { rows(at, 1, k.tailMask(at, end, lanes)); };
  if (left)
    tail();
  else
    k.ifThen(k.less(at, end), tail);
}

} // namespace

LogicalResult emitAttention(KernelBuilder &k, KernelShape &shape) { return AttentionEmitter(k, shape).run(); }

} // namespace tenon::cpu

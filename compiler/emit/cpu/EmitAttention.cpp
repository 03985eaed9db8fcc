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
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/TileCode.h"
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
  void block(Value batch, Value head, Value m0);
  void packQueries(Value batch, Value head, Value m0, Value m1, Value panels);
  void scores(Value batch, Value keyHead, Value panels);
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
  Value maskTerm(Value batch, Value head, Value m, Value n, unsigned width, Value score);
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

  Size queryFloats = width * blockQueries, scoreFloats = keys * blockQueries;
  queryBase = k.constant(0);
  scoreBase = k.size(queryFloats);
  sumBase = k.size(queryFloats + scoreFloats);
  shape.scratch = (queryFloats + scoreFloats + blockQueries) * 4;
  Size blocks = queries.ceilDiv(blockQueries);
  shape.grid = batch * heads * blocks;
  shape.flops = batch * heads * queries * keys * (width + valueWidth) * 2;
  shape.cost = shape.flops.ceilDiv(static_cast<int64_t>(std::max(1.0, k.target().peakGflops * 0.5)));
  shape.schedule = "attention queries=" + std::to_string(blockQueries) + " lanes=" + std::to_string(lanes);
  SmallVector<Value> extents{k.size(batch), k.size(heads), k.size(blocks)};
  k.loop(k.begin(), k.end(), 1, [&](Value item) {
    SmallVector<Value> at = k.delinearize(item, extents);
    block(at[0], at[1], k.mul(at[2], k.constant(blockQueries)));
  });
  return failed ? noForm(failed, "attention") : success();
}

void AttentionEmitter::block(Value batchIndex, Value head, Value m0) {
  Value m1 = k.min(k.add(m0, k.constant(blockQueries)), k.size(queries));
  Value panels = k.div(k.add(k.sub(m1, m0), k.constant(15)), k.constant(16));
  Value group = heads == keyHeads ? k.constant(1) : k.div(k.size(heads), k.size(keyHeads));
  Value keyHead = planted(Defect::GroupedHeadsShareFirst) ? k.constant(0) : k.div(head, group);
  packQueries(batchIndex, head, m0, m1, panels);
  scores(batchIndex, keyHead, panels);
  softmax(batchIndex, head, m0, panels);
  output(batchIndex, head, keyHead, m0, m1);
}

/// Scratch [panel][d][16] = scale * query[m0 + panel * 16 + lane, d]; lanes beyond the block hold zeros.
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
  k.loop(k.constant(0), panels, 1, [&](Value panel) {
    for (unsigned part = 0; part < 16; part += lanes) {
      Value m = k.add(m0, k.add(k.mul(panel, k.constant(16)), k.constant(part)));
      Value mask = k.tailMask(m, m1, lanes);
      k.loop(k.constant(0), k.size(width), 1, [&](Value d) {
        Evaluator e(k, lanes, mask);
        Value v = e.eval(op.getQuery(), {{batchIndex}, {head}, {m, 1}, {d}});
        if (!v) {
          failed = e.failedOp();
          return;
        }
        Type wide = k.vectorOf(b.getF32Type(), lanes);
        if (v.getType() != wide)
          v = arith::ExtFOp::create(b, k.loc(), wide, v);
        v = arith::MulFOp::create(b, k.loc(), v, factor);
        v = arith::SelectOp::create(b, k.loc(), mask, v, f32(0.0, lanes));
        Value at = k.add(k.mul(k.add(k.mul(panel, k.size(width)), d), k.constant(16)), k.constant(part));
        k.store(v, k.scratch(), k.add(queryBase, at), b.getF32Type(), lanes);
      });
    }
  });
}

void AttentionEmitter::scores(Value batchIndex, Value keyHead, Value panels) {
  TileShape tile;
  tile.lanes = lanes;
  tile.vectors = 16 / lanes;
  unsigned most = k.target().vectorRegisters >= 32 ? 12 : 6;
  auto extent = keys.constant();
  if (extent)
    most = std::min<unsigned>(most, std::max<int64_t>(1, *extent));
  Type keyElement = cast<RankedTensorType>(op.getKey().getType()).getElementType();
  k.loop(k.constant(0), panels, 1, [&](Value panel) {
    Value panelBase = k.add(queryBase, k.mul(panel, k.size(width * 16)));
    tileRows(k, k.constant(0), k.size(keys), most, extent, [&](Value n, unsigned count) {
      tile.rows = count;
      SmallVector<TileRow> rows;
      for (unsigned r = 0; r < count; ++r) {
        Evaluator e(k, 1);
        auto at = e.addressOf(op.getKey(),
                              {{batchIndex}, {keyHead}, {k.add(n, k.constant(r))}, {k.constant(0), 1}});
        if (!at || at->second.lanes || at->second.stride != 1) {
          failed = op;
          return;
        }
        rows.push_back({at->first, at->second.base});
      }
      SmallVector<TileColumn> columns;
      for (unsigned u = 0; u < tile.vectors; ++u)
        columns.push_back({k.scratch(), k.add(panelBase, k.constant(u * lanes)), k.constant(16)});
      SmallVector<Value> acc = tileProduct(k, tile, rows, columns, k.size(width), keyElement, b.getF32Type(),
                                           b.getF32Type(), tileZero(k, tile, b.getF32Type()));
      for (unsigned r = 0; r < count; ++r)
        for (unsigned u = 0; u < tile.vectors; ++u) {
          Value at = k.add(k.mul(k.add(n, k.constant(r)), k.constant(blockQueries)),
                           k.add(k.mul(panel, k.constant(16)), k.constant(u * lanes)));
          k.store(acc[r * tile.vectors + u], k.scratch(), k.add(scoreBase, at), b.getF32Type(), lanes);
        }
    });
  });
}

/// The score with the mask applied: queries m.. across the lanes, key n.
Value AttentionEmitter::maskTerm(Value batchIndex, Value head, Value m, Value n, unsigned w, Value score) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (Value mask = op.getMask()) {
    ArrayRef<Size> dims = k.spec().dims(mask);
    Evaluator e(k, w, dims[2].isConstant(1) ? Value() : k.tailMask(m, k.size(queries), w));
    auto coordinate = [&](unsigned axis, Value v, int64_t stride) {
      return dims[axis].isConstant(1) ? Coord{k.constant(0)} : Coord{v, stride};
    };
    Value v = e.eval(mask, {coordinate(0, batchIndex, 0), coordinate(1, head, 0), coordinate(2, m, 1), {n}});
    if (!v) {
      failed = e.failedOp();
      return score;
    }
    if (cast<RankedTensorType>(mask.getType()).getElementType().isInteger(1)) {
      score = arith::SelectOp::create(b, k.loc(), v, score, f32(-infinity, w));
    } else {
      Type wide = k.vectorOf(b.getF32Type(), w);
      if (v.getType() != wide)
        v = arith::ExtFOp::create(b, k.loc(), wide, v);
      if (planted(Defect::AttentionMaskNegated))
        v = arith::NegFOp::create(b, k.loc(), v);
      score = arith::AddFOp::create(b, k.loc(), score, v);
    }
  }
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

/// Scores become exp(score - largest); the reciprocal of their sum goes to sumBase.
void AttentionEmitter::softmax(Value batchIndex, Value head, Value m0, Value panels) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Value parts = k.mul(panels, k.constant(16 / lanes));
  k.loop(k.constant(0), parts, 1, [&](Value part) {
    Value column = k.mul(part, k.constant(lanes)), m = k.add(m0, column);
    auto at = [&](Value n) { return k.add(k.mul(n, k.constant(blockQueries)), column); };
    bool masked = op.getMask() || op.getCausal();
    Value largest =
        k.loop(k.constant(0), k.size(keys), 1, f32(-infinity, lanes), [&](Value n, ValueRange carried) {
          Value s = loadScratch(scoreBase, at(n), lanes);
          if (masked) {
            s = maskTerm(batchIndex, head, m, n, lanes, s);
            k.store(s, k.scratch(), k.add(scoreBase, at(n)), b.getF32Type(), lanes);
          }
          // NaN is kept: `carried > s` is false with it.
          Value more = arith::CmpFOp::create(b, k.loc(), arith::CmpFPredicate::OGT, carried[0], s);
          return SmallVector<Value>{arith::SelectOp::create(b, k.loc(), more, carried[0], s)};
        })[0];
    // A row that sees no key has no largest score; its exponentials are all zero.
    Value none = arith::CmpFOp::create(b, k.loc(), arith::CmpFPredicate::OEQ, largest, f32(-infinity, lanes));
    largest = arith::SelectOp::create(b, k.loc(), none, f32(0.0, lanes), largest);
    if (planted(Defect::SoftmaxWithoutMaximum))
      largest = f32(0.0, lanes);
    Value sum = k.loop(k.constant(0), k.size(keys), 1, f32(0.0, lanes), [&](Value n, ValueRange carried) {
      Value s = loadScratch(scoreBase, at(n), lanes);
      Value e = math::ExpOp::create(b, k.loc(), arith::SubFOp::create(b, k.loc(), s, largest));
      k.store(e, k.scratch(), k.add(scoreBase, at(n)), b.getF32Type(), lanes);
      return SmallVector<Value>{arith::AddFOp::create(b, k.loc(), carried[0], e)};
    })[0];
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
  for (unsigned r = 0; r < rows; ++r)
    tileRowList.push_back(
        {k.scratch(), k.add(scoreBase, k.add(local, k.constant(r))), k.constant(blockQueries)});
  Type valueElement = cast<RankedTensorType>(op.getValue().getType()).getElementType();
  SmallVector<TileColumn> columns;
  for (unsigned u = 0; u < vectors; ++u) {
    Evaluator e(k, 1);
    Value c = k.add(column, k.constant(u * lanes));
    auto first = e.addressOf(op.getValue(), {{batchIndex}, {keyHead}, {k.constant(0)}, {c, 1}});
    auto second = e.addressOf(op.getValue(), {{batchIndex}, {keyHead}, {k.constant(1)}, {c, 1}});
    if (!first || first->second.lanes || first->second.stride != 1) {
      failed = op;
      return;
    }
    columns.push_back(
        {first->first, first->second.base, k.sub(second->second.base, first->second.base), mask});
  }
  SmallVector<Value> acc = tileProduct(k, tile, tileRowList, columns, k.size(keys), b.getF32Type(),
                                       valueElement, b.getF32Type(), tileZero(k, tile, b.getF32Type()));
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
  unsigned vectors = k.target().vectorRegisters >= 32 ? 2 : 2;
  unsigned most = k.target().vectorRegisters >= 32 ? 8 : 6;
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

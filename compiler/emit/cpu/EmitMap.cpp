//===- EmitMap.cpp - kernels without reductions: elementwise and movement
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/KernelFamilies.h"
#include "compiler/emit/cpu/TurnedMap.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;

namespace tenon::cpu {

Value yielded(KernelBuilder &k, unsigned i) {
  return k.spec().op().getBody().front().getTerminator()->getOperand(i);
}

bool seesRowsAsOneAxis(KernelBuilder &k, Value product) {
  ArrayRef<Size> dims = k.spec().dims(product);
  auto oneRow = [&](Value v) {
    ArrayRef<Size> own = k.spec().dims(v);
    return own.empty() || llvm::all_of(own.drop_back(), [](Size d) { return d.isConstant(1); });
  };
  for (Operation &op : k.spec().op().getBody().front().without_terminator()) {
    if (&op == product.getDefiningOp())
      continue;
    for (Value result : op.getResults()) {
      bool elementwise = op.hasTrait<ElementwiseTrait>() && k.spec().dims(result) == dims;
      bool spread = isa<BroadcastOp>(op) && k.spec().dims(result) == dims && oneRow(op.getOperand(0)) &&
                    k.spec().dims(op.getOperand(0)).size() == dims.size();
      if (!elementwise && !spread && !oneRow(result))
        return false;
    }
  }
  return true;
}

SmallVector<Value> rowPosition(KernelBuilder &k, Value row, ArrayRef<Value> lead, bool oneAxis) {
  if (!oneAxis)
    return k.delinearize(row, lead);
  // The innermost axis takes the whole number, as far as it is one: coordinates along sizes of 1 count for
  // nothing.
  SmallVector<Value> position(lead.size(), k.constant(0));
  for (size_t i = lead.size(); i-- > 0;)
    if (i == 0 || getConstantIntValue(lead[i]) != 1) {
      position[i] = row;
      break;
    }
  return position;
}

LogicalResult noForm(Operation *op, StringRef family) {
  return op->emitError() << "TN0401: '" << op->getName()
                         << "' has no CPU form inside a kernel of the family '" << family
                         << "'; this is a limit of the compiler: report the model's node";
}

Size elementwiseWork(KernelBuilder &k) {
  Size work = k.spec().context().constant(0);
  for (Operation &op : k.spec().op().getBody().front())
    if (op.hasTrait<ElementwiseTrait>())
      work = work +
             productOf(k.spec().context(), k.spec().dims(op.getResult(0))) * int64_t(elementwiseCost(&op));
  return work;
}

unsigned lanesOf(KernelBuilder &k, Type element) {
  unsigned bits = std::max(32u, k.valueType(element).getIntOrFloatBitWidth());
  return k.target().lanes(bits);
}

/// True for a reshape of what lies before the innermost axis: lanes stay side by side.
static bool keepsInnermost(KernelBuilder &k, ReshapeOp reshape) {
  ArrayRef<Size> from = k.spec().dims(reshape.getInput()), to = k.spec().dims(reshape.getResult());
  return !from.empty() && !to.empty() && from.back() == to.back();
}

/// Of a piece of a concatenation that is read in vectors of its own; fewer do not pay.
static constexpr int64_t kFewestLanes = 4;

unsigned laneLimit(KernelBuilder &k, unsigned wanted, bool withConcats) {
  int64_t limit = wanted;
  for (auto reshape : k.spec().op().getBody().front().getOps<ReshapeOp>())
    for (Value v : {Value(reshape.getInput()), Value(reshape.getResult())}) {
      if (keepsInnermost(k, reshape))
        continue;
      ArrayRef<Size> dims = k.spec().dims(v);
      while (!dims.empty() && dims.back().isConstant(1))
        dims = dims.drop_back();
      if (dims.empty())
        continue;
      if (auto c = dims.back().constant())
        limit = std::gcd<int64_t, int64_t>(limit, *c);
    }
  // A vector that lies in one piece of a concatenation is read as it stands; below four lanes it does not
  // pay.
  for (auto concat : k.spec().op().getBody().front().getOps<ConcatOp>()) {
    bool innermost = concat.getAxis() + 1 == k.spec().dims(concat.getResult()).size();
    if (!withConcats || !innermost)
      continue;
    int64_t together = limit;
    for (Value input : concat.getInputs())
      together = std::gcd(together, k.spec().dims(input).back().constant().value_or(1));
    if (together >= kFewestLanes)
      limit = together;
  }
  return static_cast<unsigned>(std::max<int64_t>(1, limit));
}

/// True when the innermost axis of the result is not the innermost axis of some operand that is read: vectors
/// are then put together element by element, and wide ones only cost registers.
static bool readsAcross(KernelBuilder &k) {
  for (Operation &op : k.spec().op().getBody().front()) {
    if (auto t = dyn_cast<TransposeOp>(op))
      if (t.getPermutation().back() != static_cast<int64_t>(t.getPermutation().size()) - 1)
        return true;
    if (auto s = dyn_cast<SliceOp>(op); s && !s.getStrides().empty() && s.getStrides().back() != 1)
      return true;
    if (isa<GatherElementsOp, GatherNdOp>(op))
      return true;
    if (auto g = dyn_cast<GatherOp>(op))
      if (static_cast<int64_t>(g.getAxis()) == cast<RankedTensorType>(g.getInput().getType()).getRank() - 1)
        return true;
  }
  return false;
}

/// A map whose innermost axis is short and read across (an image whose channels move innermost): vectors run
/// along the axis before it, one for each position of the innermost, and are woven together when stored.
class WovenMap {
public:
  static bool fits(KernelBuilder &k) {
    constexpr int64_t mostStrands = 4;
    ArrayRef<Size> dims = k.spec().dims(yielded(k, 0));
    auto strands = dims.empty() ? std::nullopt : dims.back().constant();
    return readsAcross(k) && dims.size() >= 2 && strands && *strands >= 2 && *strands <= mostStrands;
  }
  WovenMap(KernelBuilder &k, KernelShape &shape) : k(k), b(k.builder()), shape(shape) {}
  LogicalResult run();

private:
  void strip(ArrayRef<Value> lead, Value i, unsigned width, Value mask);
  void weave(ArrayRef<Value> strands, Value pointer, Value first, Type element, unsigned width, Value mask,
             Value room);

  KernelBuilder &k;
  OpBuilder &b;
  KernelShape &shape;
  Dims dims;
  Operation *failed = nullptr;
};

LogicalResult WovenMap::run() {
  SizeContext &context = k.spec().context();
  dims = Dims(k.spec().dims(yielded(k, 0)));
  ArrayRef<Size> lead = ArrayRef<Size>(dims).drop_back(2);
  unsigned native = lanesOf(k, cast<RankedTensorType>(yielded(k, 0).getType()).getElementType());
  unsigned lanes = laneLimit(k, native);
  SmallVector<Value> extents;
  for (Size d : lead)
    extents.push_back(k.size(d));
  k.forItems(extents, [&](ArrayRef<Value> at) {
    k.vectorLoop(k.constant(0), k.size(dims[dims.size() - 2]), lanes, lanes,
                 [&](Value i, unsigned width, Value mask) { strip(at, i, width, mask); });
  });
  if (failed)
    return noForm(failed, "map");
  Size elements = productOf(context, dims);
  shape.grid = productOf(context, lead);
  shape.scratch = context.constant(0);
  shape.flops = elementwiseWork(k);
  shape.cost = atVectorRate(shape.flops + elements * 4, k.target()); // loads, stores, and the weaving
  shape.schedule = "map woven lanes=" + std::to_string(lanes);
  return success();
}

void WovenMap::strip(ArrayRef<Value> lead, Value i, unsigned width, Value mask) {
  int64_t count = *dims.back().constant();
  Evaluator e(k, width, mask);
  // Several planes are read at once, at the same place of their pages, and as a rule from far: an image comes
  // from the caller. CPUs follow that badly by themselves (38 us became 17 for one of 224 x 224 that the
  // second cache had lost), unlike maps that read one place after the other, which get slower when asking.
  constexpr int64_t ahead = 28 * 64;
  e.askAhead(ahead);
  Coords at;
  for (Value v : lead)
    at.push_back({v});
  at.push_back({i, width > 1 ? 1 : 0});
  at.push_back({});
  for (unsigned r = 0; r < k.spec().op().getNumResults(); ++r) {
    Value out = yielded(k, r);
    Type element = cast<RankedTensorType>(out.getType()).getElementType();
    SmallVector<Value> strands;
    for (int64_t c = 0; c < count; ++c) {
      at.back() = {k.constant(c)};
      Value v = e.eval(out, at);
      if (!v) {
        failed = e.failedOp();
        return;
      }
      strands.push_back(v);
    }
    at[at.size() - 2].stride = 0;
    at.back() = {k.constant(0)};
    Value first = e.linearize(at, dims).base;
    at[at.size() - 2].stride = width > 1 ? 1 : 0;
    weave(strands, k.outputBuffer(r), first, element, width, mask,
          k.mul(k.sub(k.size(dims[dims.size() - 2]), i), k.constant(count)));
  }
}

/// Stores element l of strand c at first + l * strands + c, as far as `room` elements go if there is a mask.
void WovenMap::weave(ArrayRef<Value> strands, Value pointer, Value first, Type element, unsigned width,
                     Value mask, Value room) {
  int64_t count = strands.size();
  for (int64_t piece = 0; piece < count; ++piece) {
    // Lane l of the piece is element (piece * width + l) of the woven row; strands are merged in one by one.
    Value woven = strands[0];
    for (int64_t c = 0; c < count && width > 1; ++c) {
      SmallVector<int64_t> lanes;
      for (int64_t l = 0; l < width; ++l) {
        int64_t at = piece * width + l, source = at / count;
        lanes.push_back(at % count == c ? (c == 0 ? source : width + source) : c == 0 ? source : l);
      }
      woven = vector::ShuffleOp::create(b, k.loc(), woven, strands[c], lanes);
    }
    Value offset = k.constant(piece * width);
    Value kept = mask ? k.tailMask(offset, room, width) : Value();
    k.store(width > 1 ? woven : strands[piece], pointer, k.add(first, offset), element, width, kept);
  }
}

/// Where the pieces of a concatenation end along the innermost axis of the result, of `inner` elements: each
/// goes in vectors of its own, that lie in no other. Empty where there is none, or pieces are no multiples of
/// `kFewestLanes` elements.
static SmallVector<int64_t> piecesOf(KernelBuilder &k, Size inner) {
  SmallVector<int64_t> ends;
  for (auto concat : k.spec().op().getBody().front().getOps<ConcatOp>()) {
    ArrayRef<Size> dims = k.spec().dims(concat.getResult());
    if (concat.getAxis() + 1 != dims.size())
      continue;
    if (!ends.empty() || dims.back() != inner)
      return {};
    int64_t end = 0;
    for (Value input : concat.getInputs()) {
      auto size = k.spec().dims(input).back().constant();
      if (!size || *size % kFewestLanes != 0)
        return {};
      ends.push_back(end += *size);
    }
  }
  return ends;
}

LogicalResult emitMap(KernelBuilder &k, KernelShape &shape) {
  std::optional<TurnedForm> turned = turnedForm(k);
  if (turned && turned->group > 1)
    return emitTurnedMap(k, shape, *turned);
  if (WovenMap::fits(k))
    return WovenMap(k, shape).run();
  if (turned)
    return emitTurnedMap(k, shape, *turned);
  constexpr int64_t blockElements = 1024;
  SizeContext &context = k.spec().context();
  Value root = yielded(k, 0);
  Dims dims(k.spec().dims(root));
  Type element = cast<RankedTensorType>(root.getType()).getElementType();
  if (dims.empty())
    dims.push_back(context.constant(1));
  bool scalarRoot = cast<RankedTensorType>(root.getType()).getRank() == 0;
  Size inner = dims.back();
  unsigned native = lanesOf(k, element);
  unsigned wanted = readsAcross(k) ? native : native * 4;
  if (auto c = inner.constant())
    wanted = std::min<uint64_t>(wanted, llvm::PowerOf2Ceil(std::max<int64_t>(1, *c)));
  bool blocked = !inner.constant() || *inner.constant() > 2 * blockElements;
  SmallVector<int64_t> pieces = blocked || readsAcross(k) ? SmallVector<int64_t>() : piecesOf(k, inner);
  unsigned lanes = laneLimit(k, wanted, pieces.empty());
  unsigned narrow = std::min(lanes, native);

  Size blocks = blocked ? inner.ceilDiv(blockElements) : context.constant(1);
  if (blocked && planted(Defect::MapGridRoundsDown))
    blocks = inner.floorDiv(blockElements).max(context.constant(1));
  SmallVector<Value> extents;
  for (Size d : ArrayRef<Size>(dims).drop_back())
    extents.push_back(k.size(d));
  extents.push_back(k.size(blocks));

  Operation *failed = nullptr;
  k.forItems(extents, [&](ArrayRef<Value> at) {
    Value from = k.constant(0), to = k.size(inner);
    if (blocked) {
      from = k.mul(at.back(), k.constant(blockElements));
      to = k.min(k.add(from, k.constant(blockElements)), to);
    }
    auto vector = [&](Value i, unsigned width, Value mask) {
      Evaluator e(k, width, mask);
      Coords c;
      for (Value v : at.drop_back())
        c.push_back({v});
      c.push_back({i, width > 1 ? 1 : 0});
      for (unsigned r = 0; r < k.spec().op().getNumResults(); ++r) {
        Value out = yielded(k, r);
        Value v = e.eval(out, scalarRoot ? Coords{} : c);
        if (!v) {
          failed = e.failedOp();
          return;
        }
        e.store(v, k.outputBuffer(r), c, dims, cast<RankedTensorType>(out.getType()).getElementType());
      }
    };
    if (pieces.empty())
      k.vectorLoop(from, to, lanes, narrow, vector);
    int64_t begin = 0;
    for (int64_t end : pieces) {
      // Halves of a vector down to the piece's own remainder, so that none reaches beyond it.
      for (int64_t width = lanes; begin < end; width /= 2) {
        int64_t whole = begin + (end - begin) / width * width;
        if (begin < whole)
          k.vectorLoop(k.constant(begin), k.constant(whole), width, width, vector);
        begin = whole;
      }
    }
  });
  if (failed)
    return noForm(failed, "map");
  Size elements = productOf(context, dims);
  shape.grid = productOf(context, ArrayRef<Size>(dims).drop_back()) * blocks;
  shape.scratch = context.constant(0);
  shape.flops = elementwiseWork(k);
  // A load and a store. Vectors that are put together element by element, or hold a few, also find
  // coordinates.
  constexpr int64_t finding = 6;
  shape.cost = lanes < native || readsAcross(k)
                   ? atVectorRate(shape.flops + elements * (finding * native / (readsAcross(k) ? 1 : lanes)),
                                  k.target())
                   : atVectorRate(shape.flops + elements * 2, k.target());
  shape.schedule = "map lanes=" + std::to_string(lanes) + (blocked ? " block=1024" : "");
  return success();
}

} // namespace tenon::cpu

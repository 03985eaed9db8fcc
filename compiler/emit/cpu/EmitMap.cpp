//===- EmitMap.cpp - kernels without reductions: elementwise and movement
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/KernelFamilies.h"
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

int64_t elementwiseWork(KernelBuilder &k) {
  int64_t work = 0;
  for (Operation &op : k.spec().op().getBody().front())
    if (op.hasTrait<ElementwiseTrait>())
      work += elementwiseCost(&op);
  return work;
}

unsigned lanesOf(KernelBuilder &k, Type element) {
  unsigned bits = std::max(32u, k.valueType(element).getIntOrFloatBitWidth());
  return k.target().lanes(bits);
}

unsigned laneLimit(KernelBuilder &k, unsigned wanted) {
  int64_t limit = wanted;
  for (auto reshape : k.spec().op().getBody().front().getOps<ReshapeOp>())
    for (Value v : {Value(reshape.getInput()), Value(reshape.getResult())}) {
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
  constexpr int64_t fewestLanes = 4;
  for (auto concat : k.spec().op().getBody().front().getOps<ConcatOp>()) {
    if (static_cast<int64_t>(concat.getAxis()) + 1 != cast<RankedTensorType>(concat.getType()).getRank())
      continue;
    int64_t together = limit;
    for (Value input : concat.getInputs())
      together = std::gcd(together, k.spec().dims(input).back().constant().value_or(1));
    if (together >= fewestLanes)
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

LogicalResult emitMap(KernelBuilder &k, KernelShape &shape) {
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
  unsigned lanes = laneLimit(k, wanted);
  unsigned narrow = std::min(lanes, native);

  bool blocked = !inner.constant() || *inner.constant() > 2 * blockElements;
  Size blocks = blocked ? inner.ceilDiv(blockElements) : context.constant(1);
  if (blocked && planted(Defect::MapGridRoundsDown))
    blocks = inner.floorDiv(blockElements).max(context.constant(1));
  SmallVector<Value> extents;
  for (Size d : ArrayRef<Size>(dims).drop_back())
    extents.push_back(k.size(d));
  extents.push_back(k.size(blocks));

  Operation *failed = nullptr;
  k.loop(k.begin(), k.end(), 1, [&](Value item) {
    SmallVector<Value> at = k.delinearize(item, extents);
    Value from = k.constant(0), to = k.size(inner);
    if (blocked) {
      from = k.mul(at.back(), k.constant(blockElements));
      to = k.min(k.add(from, k.constant(blockElements)), to);
    }
    k.vectorLoop(from, to, lanes, narrow, [&](Value i, unsigned width, Value mask) {
      Evaluator e(k, width, mask);
      Coords c;
      for (Value v : ArrayRef<Value>(at).drop_back())
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
    });
  });
  if (failed)
    return noForm(failed, "map");
  Size elements = productOf(context, dims);
  int64_t work = elementwiseWork(k) + 2;
  shape.grid = productOf(context, ArrayRef<Size>(dims).drop_back()) * blocks;
  shape.scratch = context.constant(0);
  shape.cost = (elements * work).ceilDiv(int64_t(native) * 2);
  shape.flops = elements * elementwiseWork(k);
  shape.schedule = "map lanes=" + std::to_string(lanes) + (blocked ? " block=1024" : "");
  return success();
}

} // namespace tenon::cpu

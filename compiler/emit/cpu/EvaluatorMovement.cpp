//===- EvaluatorMovement.cpp - elements that come from one of several places
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Concatenations, paddings, slices that are replaced, and what computed indices look up.
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/Evaluator.h"

#include "compiler/defects/PlantedDefect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace tenon::cpu {

/// Selects lane by lane, or as a whole, depending on the condition's type.
static Value choose(KernelBuilder &k, Value condition, Value yes, Value no) {
  return k.builder().createOrFold<arith::SelectOp>(k.loc(), condition, yes, no);
}

Value Evaluator::evalConcat(ConcatOp op, ArrayRef<Coord> at) {
  unsigned axis = op.getAxis();
  OpBuilder &b = k.builder();
  Type type = k.vectorOf(k.valueType(cast<RankedTensorType>(op.getType()).getElementType()), lanes);
  SmallVector<Value> starts{k.constant(0)};
  Size start = k.spec().context().constant(0);
  for (Value input : op.getInputs()) {
    start = start + k.spec().dims(input)[axis];
    starts.push_back(k.size(start));
  }
  auto piece = [&](Evaluator &e, size_t i, bool clamp) {
    Coords in(at.begin(), at.end());
    in[axis] = affine(at[axis], 1, k.sub(k.constant(0), starts[i]));
    if (clamp)
      in[axis] = clampCoord(in[axis], k.constant(0),
                            k.max(k.size(k.spec().dims(op.getInputs()[i])[axis]), k.constant(1)));
    return e.eval(op.getInputs()[i], in);
  };
  size_t n = op.getInputs().size();
  if (auto range = at[axis].lanes ? std::nullopt : knownRange(at[axis].base)) {
    int64_t last = range->second + at[axis].stride * (lanes - 1);
    for (size_t i = 0; i < n; ++i) {
      auto from = getConstantIntValue(starts[i]), to = getConstantIntValue(starts[i + 1]);
      if (from && to && at[axis].stride >= 0 && *from <= range->first && last < *to)
        return piece(*this, i, false);
    }
  }
  auto whole = [&](Value input) {
    auto size = k.spec().dims(input)[axis].constant();
    return size && *size % lanes == 0;
  };
  bool aligned = !at[axis].lanes && at[axis].stride == 1 && knownMultiple(at[axis].base) % lanes == 0 &&
                 llvm::all_of(op.getInputs(), whole);
  if (at[axis].uniform() || aligned) {
    // Whole vectors lie in one piece: branch, so that the other pieces cost nothing.
    std::function<Value(size_t)> from = [&](size_t i) -> Value {
      if (i + 1 == n) {
        Evaluator inner(*this);
        Value v = piece(inner, i, false);
        failed = inner.failed;
        return v;
      }
      auto branch =
          scf::IfOp::create(b, k.loc(), TypeRange{type}, k.less(at[axis].base, starts[i + 1]), true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      Evaluator inner(*this);
      Value v = piece(inner, i, false);
      failed = failed ? failed : inner.failed;
      if (!v)
        v = arith::ConstantOp::create(b, k.loc(), b.getZeroAttr(type));
      scf::YieldOp::create(b, k.loc(), v);
      b.setInsertionPointToStart(branch.elseBlock());
      Value rest = from(i + 1);
      if (!rest)
        rest = arith::ConstantOp::create(b, k.loc(), b.getZeroAttr(type));
      scf::YieldOp::create(b, k.loc(), rest);
      return branch.getResult(0);
    };
    Value v = from(0);
    return failed ? Value() : v;
  }
  Value v = piece(*this, n - 1, true);
  for (size_t i = n - 1; i-- > 0 && v;) {
    Value p = piece(*this, i, true);
    if (!p)
      return {};
    v = choose(k, inside(at[axis], k.constant(0), starts[i + 1]), p, v);
  }
  return v;
}

bool Evaluator::takesAnyCoords(Value tensor) const {
  if (bindings.count(tensor))
    return false;
  Operation *op = tensor.getDefiningOp();
  if (!op || k.bufferOf(tensor))
    return true;
  bool plain = op->hasTrait<ElementwiseTrait>() || isa<TransposeOp>(op);
  return plain && llvm::all_of(op->getOperands(), [&](Value v) { return takesAnyCoords(v); });
}

Value Evaluator::evalPad(PadOp op, ArrayRef<Coord> at) {
  OpBuilder &b = k.builder();
  Coords in(at.begin(), at.end());
  // Loads of neighbours that leave out what lies outside need no clamped addresses, which would be gathers.
  bool direct = lanes > 1 && takesAnyCoords(op.getInput());
  unsigned dynamicLow = 0;
  Value keep; // one for all lanes first
  auto restrict = [&](Value here) {
    keep = keep ? b.createOrFold<arith::AndIOp>(k.loc(), keep, here) : here;
  };
  SmallVector<std::pair<Coord, Value>> varying;
  for (unsigned i = 0; i < in.size(); ++i) {
    int64_t low = op.getStaticLow()[i], high = op.getStaticHigh()[i];
    if (low == 0 && high == 0)
      continue;
    Value offset = low == kDynamic ? k.size(k.spec().index(op.getLow()[dynamicLow++])) : k.constant(low);
    if (planted(Defect::PadOffsetDropped))
      offset = k.constant(0);
    Value extent = k.size(k.spec().dims(op.getInput())[i]);
    in[i] = affine(in[i], 1, k.sub(k.constant(0), offset));
    if (in[i].uniform())
      restrict(inside(in[i], k.constant(0), extent));
    else
      varying.push_back({in[i], extent});
    if (!direct || in[i].uniform() || in[i].stride != 1)
      in[i] = clampCoord(in[i], k.constant(0), k.max(extent, k.constant(1)));
  }
  // What all lanes share becomes an empty range for the lanes: no mask has to be spread and joined.
  for (auto [coord, extent] : varying) {
    Value end = extent;
    if (keep && !isa<VectorType>(keep.getType())) {
      end = b.createOrFold<arith::SelectOp>(k.loc(), keep, extent, k.constant(0));
      keep = {};
    }
    restrict(inside(coord, k.constant(0), end));
  }
  Value fill = uniformly(op.getValue(), {});
  if (!fill)
    return {};
  fill = k.splat(fill, lanes);
  if (!keep)
    return eval(op.getInput(), in);
  Type type = fill.getType();
  if (!isa<VectorType>(keep.getType())) {
    auto branch = scf::IfOp::create(b, k.loc(), TypeRange{type}, keep, true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    Evaluator inner(*this);
    Value v = inner.eval(op.getInput(), in);
    failed = inner.failed;
    scf::YieldOp::create(b, k.loc(), v ? v : fill);
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, k.loc(), fill);
    return failed ? Value() : branch.getResult(0);
  }
  Evaluator kept(k, lanes, mask ? b.createOrFold<arith::AndIOp>(k.loc(), mask, keep) : keep);
  Evaluator &e = direct ? kept : *this;
  kept.bindings = bindings;
  kept.ahead = ahead;
  Value v = e.eval(op.getInput(), in);
  failed = failed ? failed : e.failed;
  return v ? choose(k, keep, v, fill) : Value();
}

Value Evaluator::evalUpdateSlice(UpdateSliceOp op, ArrayRef<Coord> at) {
  OpBuilder &b = k.builder();
  Coords in;
  Value keep;
  for (auto [i, c] : llvm::enumerate(at)) {
    Value offset = k.size(k.spec().index(op.getOffsets()[i]));
    Value extent = k.size(k.spec().dims(op.getUpdate())[i]);
    Coord shifted = affine(c, 1, k.sub(k.constant(0), offset));
    Value here = k.splat(inside(shifted, k.constant(0), extent), lanes);
    keep = keep ? b.createOrFold<arith::AndIOp>(k.loc(), keep, here) : here;
    in.push_back(clampCoord(shifted, k.constant(0), k.max(extent, k.constant(1))));
  }
  Value fresh = eval(op.getUpdate(), in), old = eval(op.getInput(), at);
  if (!fresh || !old)
    return {};
  return keep ? choose(k, keep, fresh, old) : fresh;
}

Coord Evaluator::coordFromElements(Value tensor, ArrayRef<Coord> at, Size extent) {
  OpBuilder &b = k.builder();
  bool same = llvm::all_of(at, [](const Coord &c) { return c.uniform(); });
  Evaluator scalar(k, 1);
  scalar.bindings = bindings;
  Value v = same ? scalar.eval(tensor, at) : eval(tensor, at);
  failed = failed ? failed : scalar.failed;
  if (!v)
    return fixed(0);
  unsigned width = same ? 1 : lanes;
  Type i64 = k.vectorOf(b.getI64Type(), width);
  if (v.getType() != i64)
    v = arith::ExtSIOp::create(b, k.loc(), i64, v);
  Value n = k.splat(b.createOrFold<arith::IndexCastOp>(k.loc(), b.getI64Type(), k.size(extent)), width);
  Value zero = arith::ConstantOp::create(b, k.loc(), b.getZeroAttr(i64));
  Value one = k.splat(arith::ConstantOp::create(b, k.loc(), b.getI64IntegerAttr(1)), width);
  Value negative = arith::CmpIOp::create(b, k.loc(), arith::CmpIPredicate::slt, v, zero);
  if (!planted(Defect::NegativeIndexClamped))
    v = arith::SelectOp::create(b, k.loc(), negative, arith::AddIOp::create(b, k.loc(), v, n), v);
  v = arith::MinSIOp::create(b, k.loc(), v, arith::SubIOp::create(b, k.loc(), n, one));
  v = arith::MaxSIOp::create(b, k.loc(), v, zero);
  if (width == 1)
    return {arith::IndexCastOp::create(b, k.loc(), b.getIndexType(), v)};
  return {Value(), 0, v};
}

Value Evaluator::evalGather(GatherOp op, ArrayRef<Coord> at) {
  unsigned axis = op.getAxis(), batch = op.getBatchDims();
  unsigned indexRank = cast<RankedTensorType>(op.getIndices().getType()).getRank();
  ArrayRef<Size> dims = k.spec().dims(op.getInput());
  Coords index(at.begin(), at.begin() + batch);
  llvm::append_range(index, at.slice(axis, indexRank - batch));
  Coords in(at.begin(), at.begin() + axis);
  in.push_back(coordFromElements(op.getIndices(), index, dims[axis]));
  llvm::append_range(in, at.drop_front(axis + indexRank - batch));
  return eval(op.getInput(), in);
}

Value Evaluator::evalGatherElements(GatherElementsOp op, ArrayRef<Coord> at) {
  Coords in(at.begin(), at.end());
  in[op.getAxis()] = coordFromElements(op.getIndices(), at, k.spec().dims(op.getInput())[op.getAxis()]);
  return eval(op.getInput(), in);
}

Value Evaluator::evalGatherNd(GatherNdOp op, ArrayRef<Coord> at) {
  auto indexType = cast<RankedTensorType>(op.getIndices().getType());
  unsigned batch = op.getBatchDims(), depth = indexType.getShape().back(), lead = indexType.getRank() - 1;
  ArrayRef<Size> dims = k.spec().dims(op.getInput());
  Coords in(at.begin(), at.begin() + batch);
  for (unsigned d = 0; d < depth; ++d) {
    Coords index(at.begin(), at.begin() + lead);
    index.push_back(fixed(d));
    in.push_back(coordFromElements(op.getIndices(), index, dims[batch + d]));
  }
  llvm::append_range(in, at.drop_front(lead));
  return eval(op.getInput(), in);
}

} // namespace tenon::cpu

//===- Evaluator.cpp - values of a kernel's body at a point
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/Evaluator.h"

#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/QuantizedSums.h"
#include "compiler/emit/cpu/TileCode.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"
#include <numeric>

using namespace mlir;

namespace tenon::cpu {

int64_t knownMultiple(Value index, unsigned depth) {
  if (auto c = getConstantIntValue(index))
    return *c < 0 ? -*c : *c; // 0 is divided by everything; gcd treats it so
  if (depth > 6)
    return 1;
  if (auto arg = dyn_cast<BlockArgument>(index)) {
    auto loop = dyn_cast_or_null<scf::ForOp>(arg.getOwner()->getParentOp());
    if (!loop || arg != loop.getInductionVar())
      return 1;
    return std::gcd(knownMultiple(loop.getLowerBound(), depth + 1), knownMultiple(loop.getStep(), depth + 1));
  }
  Operation *def = index.getDefiningOp();
  auto of = [&](unsigned i) { return knownMultiple(def->getOperand(i), depth + 1); };
  if (isa<arith::MulIOp>(def))
    return of(0) * of(1);
  if (isa<arith::AddIOp, arith::SubIOp, arith::RemUIOp>(def))
    return std::gcd(of(0), of(1));
  if (auto div = dyn_cast<arith::DivUIOp>(def)) {
    auto by = getConstantIntValue(div.getRhs());
    return by && *by > 0 && of(0) % *by == 0 ? std::max<int64_t>(1, of(0) / *by) : 1;
  }
  return 1;
}

std::optional<std::pair<int64_t, int64_t>> knownRange(Value index) {
  if (auto c = getConstantIntValue(index))
    return std::make_pair(*c, *c);
  if (auto add = index.getDefiningOp<arith::AddIOp>()) {
    auto more = getConstantIntValue(add.getRhs());
    auto range = more ? knownRange(add.getLhs()) : std::nullopt;
    return range ? std::optional(std::make_pair(range->first + *more, range->second + *more)) : std::nullopt;
  }
  auto arg = dyn_cast<BlockArgument>(index);
  auto loop = arg ? dyn_cast_or_null<scf::ForOp>(arg.getOwner()->getParentOp()) : scf::ForOp();
  if (!loop || arg != loop.getInductionVar())
    return std::nullopt;
  auto from = getConstantIntValue(loop.getLowerBound()), to = getConstantIntValue(loop.getUpperBound()),
       step = getConstantIntValue(loop.getStep());
  if (!from || !to || !step || *to <= *from)
    return std::nullopt;
  return std::make_pair(*from, *from + (*to - 1 - *from) / *step * *step);
}

//===----------------------------------------------------------------------===//
// Coordinates.
//===----------------------------------------------------------------------===//

Value Evaluator::asLanes(Coord c) { return c.lanes ? c.lanes : k.laneOffsets(c.base, c.stride, lanes); }

Coord Evaluator::withOffsets(Value first, SmallVector<int64_t, 0> offsets) {
  if (llvm::all_equal(offsets))
    return {k.add(first, k.constant(offsets.front()))};
  OpBuilder &b = k.builder();
  Value start = k.splat(b.createOrFold<arith::IndexCastOp>(k.loc(), b.getI64Type(), first), lanes);
  Value steps = arith::ConstantOp::create(b, k.loc(), b.getI64VectorAttr(offsets));
  return {Value(), 0, arith::AddIOp::create(b, k.loc(), start, steps), first, std::move(offsets)};
}

std::optional<Coord> Evaluator::knownOffsets(const Coord &c) const {
  if (!c.offsets.empty())
    return c;
  if (c.lanes)
    return std::nullopt;
  Coord known = c;
  known.first = c.base;
  for (unsigned l = 0; l < lanes; ++l)
    known.offsets.push_back(l * c.stride);
  return known;
}

std::optional<std::pair<Coord, Coord>> Evaluator::splitOffsets(const Coord &linear, int64_t extent) {
  std::optional<Coord> known = knownOffsets(linear);
  if (!known || extent <= 0 || llvm::any_of(known->offsets, [](int64_t o) { return o < 0; }))
    return std::nullopt;
  Value row = k.constant(extent);
  int64_t multiple = knownMultiple(known->first), span = *llvm::max_element(known->offsets) + 1;
  SmallVector<int64_t, 0> in, out;
  if (multiple % extent == 0) {
    for (int64_t o : known->offsets) {
      in.push_back(o % extent);
      out.push_back(o / extent);
    }
    return std::pair(withOffsets(k.constant(0), in), withOffsets(k.div(known->first, row), out));
  }
  if (extent % span != 0 || multiple % span != 0)
    return std::nullopt;
  return std::pair(withOffsets(k.rem(known->first, row), known->offsets), Coord{k.div(known->first, row)});
}

Coord Evaluator::affine(Coord c, int64_t scale, Value offset) {
  if (!c.offsets.empty()) {
    SmallVector<int64_t, 0> scaled = llvm::map_to_vector<0>(c.offsets, [&](int64_t o) { return o * scale; });
    return withOffsets(k.add(k.mul(c.first, k.constant(scale)), offset), scaled);
  }
  if (c.lanes) {
    OpBuilder &b = k.builder();
    Value factor =
        k.splat(b.createOrFold<arith::IndexCastOp>(k.loc(), b.getI64Type(), k.constant(scale)), lanes);
    Value shift = k.splat(b.createOrFold<arith::IndexCastOp>(k.loc(), b.getI64Type(), offset), lanes);
    Value v = arith::MulIOp::create(b, k.loc(), c.lanes, factor);
    return {Value(), 0, arith::AddIOp::create(b, k.loc(), v, shift)};
  }
  return {k.add(k.mul(c.base, k.constant(scale)), offset), c.stride * scale};
}

Coord Evaluator::addCoords(Coord a, Coord c) {
  if (!a.lanes && !c.lanes)
    return {k.add(a.base, c.base), a.stride + c.stride};
  std::optional<Coord> left = knownOffsets(a), right = knownOffsets(c);
  if (left && right) {
    for (auto [o, more] : llvm::zip_equal(left->offsets, right->offsets))
      o += more;
    return withOffsets(k.add(left->first, right->first), left->offsets);
  }
  return {Value(), 0, arith::AddIOp::create(k.builder(), k.loc(), asLanes(a), asLanes(c))};
}

Coord Evaluator::scaleCoord(Coord c, Size by) {
  auto constant = by.constant();
  if (!c.lanes && (constant || c.stride == 0))
    return {k.mul(c.base, k.size(by)), constant ? c.stride * *constant : 0};
  if (constant && !c.offsets.empty())
    return affine(c, *constant, k.constant(0));
  OpBuilder &b = k.builder();
  Value factor = k.splat(b.createOrFold<arith::IndexCastOp>(k.loc(), b.getI64Type(), k.size(by)), lanes);
  return {Value(), 0, arith::MulIOp::create(b, k.loc(), asLanes(c), factor)};
}

Coord Evaluator::linearize(ArrayRef<Coord> at, ArrayRef<Size> dims) {
  Coord sum = fixed(0);
  Size stride = k.spec().context().constant(1);
  for (size_t i = at.size(); i-- > 0;) {
    sum = addCoords(sum, scaleCoord(at[i], stride));
    stride = stride * dims[planted(Defect::StridesReversed) ? at.size() - 1 - i : i];
  }
  return sum;
}

void Evaluator::splitCoord(Coord linear, ArrayRef<Size> extents, SmallVectorImpl<Coord> &out) {
  out.assign(extents.size(), Coord{});
  OpBuilder &b = k.builder();
  for (size_t i = extents.size(); i-- > 0;) {
    if (i == 0) {
      out[0] = linear;
      return;
    }
    Value extent = k.size(extents[i]);
    auto constant = extents[i].constant();
    if (linear.lanes || linear.stride != 0) {
      int64_t span = linear.stride * lanes;
      bool inRow = !linear.lanes && constant && linear.stride > 0 && *constant % span == 0 &&
                   knownMultiple(linear.base) % span == 0;
      auto parts = !inRow && constant ? splitOffsets(linear, *constant) : std::nullopt;
      if (parts) {
        std::tie(out[i], linear) = *parts;
        continue;
      }
      if (!inRow) {
        Value v = asLanes(linear);
        Value e = k.splat(b.createOrFold<arith::IndexCastOp>(k.loc(), b.getI64Type(), extent), lanes);
        out[i] = {Value(), 0, arith::RemUIOp::create(b, k.loc(), v, e)};
        linear = {Value(), 0, arith::DivUIOp::create(b, k.loc(), v, e)};
        continue;
      }
    }
    out[i] = {k.rem(linear.base, extent), linear.stride};
    linear = {k.div(linear.base, extent)};
  }
}

/// The ends of the shortest runs of extents from i and j on that have the same product.
static std::pair<size_t, size_t> equalRuns(ArrayRef<Size> from, ArrayRef<Size> to, size_t i, size_t j) {
  std::pair<size_t, size_t> best(from.size(), to.size());
  Size p = from[i];
  for (size_t x = i + 1;; p = p * from[x++]) {
    Size q = to[j];
    for (size_t y = j + 1; x + y < best.first + best.second; q = q * to[y++]) {
      if (p == q)
        best = {x, y};
      if (y == to.size())
        break;
    }
    if (x == from.size())
      return best;
  }
}

Coords Evaluator::throughReshape(ArrayRef<Coord> at, ArrayRef<Size> from, ArrayRef<Size> to) {
  Coords result(from.size(), fixed(0));
  // Both have the same number of elements, and so does what stands before equal ends, proven or not.
  while (!from.empty() && !to.empty() && from.back() == to.back()) {
    from = from.drop_back();
    to = to.drop_back();
    result[from.size()] = at[to.size()];
  }
  size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    if (i < from.size() && from[i].isConstant(1)) {
      ++i;
      continue;
    }
    if (j < to.size() && to[j].isConstant(1)) {
      ++j;
      continue;
    }
    if (i == from.size() || j == to.size())
      break; // only possible when an extent is empty
    size_t i0 = i, j0 = j;
    std::tie(i, j) = equalRuns(from, to, i, j);
    Coord linear = linearize(at.slice(j0, j - j0), to.slice(j0, j - j0));
    if (i - i0 == 1) {
      result[i0] = linear;
      continue;
    }
    SmallVector<Coord> parts;
    splitCoord(linear, from.slice(i0, i - i0), parts);
    for (size_t n = 0; n < parts.size(); ++n)
      result[i0 + n] = parts[n];
  }
  return result;
}

Value Evaluator::inside(Coord c, Value low, Value high) {
  OpBuilder &b = k.builder();
  if (c.uniform())
    return b.createOrFold<arith::AndIOp>(
        k.loc(), b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::sge, c.base, low),
        k.less(c.base, high));
  auto wide = [&](Value v) {
    return k.splat(b.createOrFold<arith::IndexCastOp>(k.loc(), b.getI64Type(), v), lanes);
  };
  Value v = asLanes(c);
  Value above = arith::CmpIOp::create(b, k.loc(), arith::CmpIPredicate::sge, v, wide(low));
  Value below = arith::CmpIOp::create(b, k.loc(), arith::CmpIPredicate::slt, v, wide(high));
  return arith::AndIOp::create(b, k.loc(), above, below);
}

Coord Evaluator::clampCoord(Coord c, Value low, Value high) {
  OpBuilder &b = k.builder();
  Value last = k.sub(high, k.constant(1));
  if (c.uniform())
    return {k.max(k.min(c.base, last), low)};
  auto wide = [&](Value v) {
    return k.splat(b.createOrFold<arith::IndexCastOp>(k.loc(), b.getI64Type(), v), lanes);
  };
  Value v = arith::MinSIOp::create(b, k.loc(), asLanes(c), wide(last));
  return {Value(), 0, arith::MaxSIOp::create(b, k.loc(), v, wide(low))};
}

//===----------------------------------------------------------------------===//
// Values.
//===----------------------------------------------------------------------===//

Evaluator::Key Evaluator::keyOf(Value tensor, ArrayRef<Coord> at) {
  Key key{{tensor.getAsOpaquePointer(), 0}};
  for (const Coord &c : at) {
    key.emplace_back(c.base.getAsOpaquePointer(), c.stride);
    key.emplace_back(c.lanes.getAsOpaquePointer(), 0);
  }
  return key;
}

Value Evaluator::eval(Value tensor, ArrayRef<Coord> at) {
  if (failed)
    return {};
  Key key = keyOf(tensor, at);
  auto it = known.find(key);
  if (it != known.end())
    return it->second;
  Value v;
  auto bound = bindings.find(tensor);
  if (bound != bindings.end()) {
    v = bound->second(*this, at);
    if (v && lanes > 1)
      v = k.splat(v, lanes);
  } else if (lanes > 1 && llvm::all_of(at, [](const Coord &c) { return c.uniform(); }) &&
             !isa_and_nonnull<IotaOp>(tensor.getDefiningOp())) {
    v = uniformly(tensor, at);
  } else {
    v = compute(tensor, at);
  }
  known[key] = v;
  return v;
}

Value Evaluator::uniformly(Value tensor, ArrayRef<Coord> at) {
  Evaluator scalar(k, 1);
  scalar.bindings = bindings;
  // A binding that holds vectors answers vectors: then the operation is evaluated in vector form after all.
  bool dependsOnBinding = false;
  SmallVector<Value> work{tensor};
  llvm::DenseSet<Value> seen;
  while (!work.empty() && !dependsOnBinding) {
    Value v = work.pop_back_val();
    if (!seen.insert(v).second)
      continue;
    dependsOnBinding = bindings.contains(v);
    if (Operation *def = v.getDefiningOp(); def && !dependsOnBinding)
      for (Value operand : def->getOperands())
        if (isa<RankedTensorType>(operand.getType()))
          work.push_back(operand);
  }
  if (dependsOnBinding)
    return compute(tensor, at);
  Value v = scalar.eval(tensor, at);
  failed = scalar.failed;
  return v ? k.splat(v, lanes) : Value();
}

Value Evaluator::leaf(Value pointer, Value tensor, ArrayRef<Coord> at) {
  Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
  Coord c = linearize(at, k.spec().dims(tensor));
  if (c.uniform() || lanes == 1)
    return k.splat(k.load(pointer, c.base, element, 1), lanes);
  if (!c.lanes && c.stride == 1) {
    if (ahead > 0) {
      int64_t bytes = std::max<int64_t>(1, k.storageType(element).getIntOrFloatBitWidth() / 8);
      k.prefetch(pointer, k.add(c.base, k.constant(ahead / bytes)), element, KernelBuilder::Cache::First);
    }
    return k.load(pointer, c.base, element, lanes, mask);
  }
  if (Value v = mask ? Value() : besideEachOther(pointer, c, element))
    return v;
  return k.gather(pointer, asLanes(c), element, lanes, mask);
}

/// Elements that lie close to each other are read with those between, and picked; null where they are far.
Value Evaluator::besideEachOther(Value pointer, const Coord &c, Type element) {
  constexpr int64_t mostSpread = 4;
  std::optional<Coord> known = knownOffsets(c);
  int64_t count = std::min<int64_t>(lanes, k.target().lanes(32));
  if (!known)
    return {};
  // By registers of the result, so that none is put together from many.
  SmallVector<Value> parts;
  for (ArrayRef<int64_t> rest = known->offsets; !rest.empty(); rest = rest.drop_front(count)) {
    ArrayRef<int64_t> own = rest.take_front(count);
    auto [low, high] = std::minmax_element(own.begin(), own.end());
    int64_t span = *high - *low + 1, width = std::min(span, count);
    if (span > mostSpread * count)
      return {};
    // Whole vectors, the last of which ends with the last element: nothing beyond it is read.
    Value picked;
    int64_t next = 0; // behind what has been read
    for (int64_t begin = 0; next < span; begin = std::min(begin + width, span - width)) {
      Value piece = k.load(pointer, k.add(known->first, k.constant(*low + begin)), element, width);
      SmallVector<int64_t> from;
      for (auto [l, o] : llvm::enumerate(own)) {
        int64_t at = o - *low;
        bool here = at >= next && at < begin + width;
        from.push_back(!picked ? (here ? at : 0) : here ? count + at - begin : static_cast<int64_t>(l));
      }
      picked = vector::ShuffleOp::create(k.builder(), k.loc(), picked ? picked : piece, piece, from);
      next = begin + width;
    }
    parts.push_back(picked);
  }
  return joined(k, parts);
}

void Evaluator::store(Value value, Value pointer, ArrayRef<Coord> at, ArrayRef<Size> dims, Type element) {
  Coord c = linearize(at, dims);
  if (lanes == 1 || (!c.lanes && c.stride == 1)) {
    k.store(value, pointer, c.base, element, lanes, mask);
    return;
  }
  OpBuilder &b = k.builder();
  Value offsets = asLanes(c);
  for (unsigned l = 0; l < lanes; ++l) {
    auto one = [&] {
      Value o =
          arith::IndexCastOp::create(b, k.loc(), b.getIndexType(),
                                     vector::ExtractOp::create(b, k.loc(), offsets, static_cast<int64_t>(l)));
      k.store(vector::ExtractOp::create(b, k.loc(), value, static_cast<int64_t>(l)), pointer, o, element, 1);
    };
    if (mask)
      k.ifThen(vector::ExtractOp::create(b, k.loc(), mask, static_cast<int64_t>(l)), one);
    else
      one();
  }
}

std::pair<Value, Coords> Evaluator::moved(Operation *op, ArrayRef<Coord> at) {
  using Result = std::pair<Value, Coords>;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](TransposeOp t) -> Result {
        Coords in(at.size());
        for (auto [i, p] : llvm::enumerate(t.getPermutation())) {
          auto [from, to] = planted(Defect::TransposeInverted) ? std::pair<int64_t, int64_t>(p, i)
                                                               : std::pair<int64_t, int64_t>(i, p);
          in[to] = at[from];
        }
        return {t.getInput(), in};
      })
      .Case([&](tensor::CastOp t) -> Result { return {t.getSource(), Coords(at.begin(), at.end())}; })
      .Case([&](BroadcastOp t) -> Result {
        Coords in(at.begin(), at.end());
        auto type = cast<RankedTensorType>(t.getInput().getType());
        auto result = cast<RankedTensorType>(t.getType());
        for (auto [i, c] : llvm::enumerate(in))
          if (type.getDimSize(i) == 1 && result.getDimSize(i) != 1 && !planted(Defect::BroadcastStrideKept))
            c = fixed(0);
        return {t.getInput(), in};
      })
      .Case([&](ReshapeOp t) -> Result {
        return {t.getInput(), throughReshape(at, k.spec().dims(t.getInput()), k.spec().dims(t.getResult()))};
      })
      .Case([&](SliceOp t) -> Result {
        Coords in;
        unsigned dynamic = 0;
        for (auto [i, c] : llvm::enumerate(at)) {
          int64_t o = t.getStaticOffsets()[i];
          Value offset = o == kDynamic ? k.size(k.spec().index(t.getOffsets()[dynamic++])) : k.constant(o);
          if (planted(Defect::SliceOffsetDropped))
            offset = k.constant(0);
          in.push_back(affine(c, t.getStrides()[i], offset));
        }
        return {t.getInput(), in};
      })
      .Default([](Operation *) -> Result { return {}; });
}

std::optional<std::pair<Value, Coord>> Evaluator::addressOf(Value tensor, ArrayRef<Coord> at) {
  if (Value pointer = k.bufferOf(tensor))
    return std::make_pair(pointer, linearize(at, k.spec().dims(tensor)));
  Operation *def = tensor.getDefiningOp();
  auto [operand, in] = moved(def, at);
  if (!operand)
    return std::nullopt;
  return addressOf(operand, in);
}

bool Evaluator::reads(Value tensor, ArrayRef<Coord> at,
                      llvm::function_ref<void(Value, const Coord &)> found) {
  if (!named.insert(keyOf(tensor, at)).second)
    return true;
  if (Value pointer = k.bufferOf(tensor)) {
    found(pointer, linearize(at, k.spec().dims(tensor)));
    return true;
  }
  Operation *def = tensor.getDefiningOp();
  if (!def || isa<ConstantOp>(def))
    return def != nullptr;
  if (def->hasTrait<ElementwiseTrait>())
    return llvm::all_of(def->getOperands(), [&](Value v) { return reads(v, at, found); });
  auto [operand, in] = moved(def, at);
  return operand && reads(operand, in, found);
}

Value Evaluator::lookUp(Value tensor, Value source, ArrayRef<Coord> at) {
  Value bytes = eval(source, at);
  if (!bytes)
    return {};
  OpBuilder &b = k.builder();
  Value table = k.prepared(tensor, ByteTables::kEntries, [&](Value memory) {
    unsigned step = k.target().lanes(32);
    k.loop(k.constant(0), k.constant(ByteTables::kEntries), step, [&](Value first) {
      Evaluator entries(k, step);
      entries.makesTable = true;
      Value numbers =
          arith::TruncIOp::create(b, k.loc(), k.vectorOf(b.getI8Type(), step), k.laneOffsets(first, 1, step));
      entries.bind(source, [numbers](Evaluator &, ArrayRef<Coord>) { return numbers; });
      Value results = entries.eval(tensor, Coords(at.size(), fixed(0)));
      if (results)
        k.store(results, memory, first, b.getI8Type(), step);
      failed = entries.failed;
    });
  });
  return failed ? Value() : k.lookUp(table, bytes, lanes);
}

Value Evaluator::compute(Value tensor, ArrayRef<Coord> at) {
  if (Value pointer = k.bufferOf(tensor))
    return leaf(pointer, tensor, at);
  Operation *op = tensor.getDefiningOp();
  KernelBuilder::OriginScope origin(k, op);
  OpBuilder &b = k.builder();
  if (Value source = makesTable ? Value() : k.byteTables().sourceOf(tensor))
    return lookUp(tensor, source, at);
  auto inKernel = [&](Value v) { return !k.bufferOf(v) && !bindings.count(v); };
  if (std::optional<Quantization> how = matchQuantization(op)) {
    if (std::optional<QuantizedSum> sum = matchQuantizedSum(*how, inKernel)) {
      Value x = eval(sum->a.fresh ? sum->a.fresh->x : sum->a.bytes, at);
      Value y = x ? eval(sum->b.fresh ? sum->b.fresh->x : sum->b.bytes, at) : Value();
      return y ? emitQuantizedSum(k, *sum, x, y, lanes) : Value();
    }
    Value x = eval(how->x, at);
    return x ? emitQuantization(k, *how, x, lanes) : Value();
  }
  if (op->getNumOperands() == 1 && inKernel(op->getOperand(0)))
    if (std::optional<Quantization> how = matchWidenedQuantization(op)) {
      Value x = eval(how->x, at);
      return x ? emitQuantizedIntegers(k, *how, x, lanes) : Value();
    }
  if (op->hasTrait<ElementwiseTrait>()) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      operands.push_back(eval(operand, at));
      if (!operands.back())
        return {};
    }
    if (Value v = emitElementwise(k, op, operands, lanes))
      return v;
    failed = op;
    return {};
  }
  if (auto [operand, in] = moved(op, at); operand)
    return eval(operand, in);
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](ConstantOp c) -> Value {
        auto elements = dyn_cast<DenseElementsAttr>(c.getValue());
        if (!elements || !elements.isSplat()) {
          failed = op;
          return {};
        }
        Attribute a = elements.getSplatValue<Attribute>();
        Type type = k.valueType(elements.getElementType());
        if (auto i = dyn_cast<IntegerAttr>(a))
          a = b.getIntegerAttr(type, i.getValue());
        if (lanes == 1)
          return arith::ConstantOp::create(b, k.loc(), cast<TypedAttr>(a));
        return arith::ConstantOp::create(
            b, k.loc(), DenseElementsAttr::get(cast<VectorType>(k.vectorOf(type, lanes)), a));
      })
      .Case([&](ConcatOp t) { return evalConcat(t, at); })
      .Case([&](PadOp t) { return evalPad(t, at); })
      .Case([&](UpdateSliceOp t) { return evalUpdateSlice(t, at); })
      .Case([&](GatherOp t) { return evalGather(t, at); })
      .Case([&](GatherElementsOp t) { return evalGatherElements(t, at); })
      .Case([&](GatherNdOp t) { return evalGatherNd(t, at); })
      .Case([&](IotaOp t) { return evalIota(t, at); })
      .Case([&](FromIndexOp t) { return evalFromIndex(t, at); })
      .Default([&](Operation *) {
        failed = op;
        return Value();
      });
}

Value Evaluator::evalIota(IotaOp op, ArrayRef<Coord> at) {
  OpBuilder &b = k.builder();
  Coord c = at[op.getAxis()];
  Value v = c.uniform() && lanes == 1 ? b.createOrFold<arith::IndexCastOp>(k.loc(), b.getI64Type(), c.base)
                                      : asLanes(c);
  Type element = k.valueType(cast<RankedTensorType>(op.getType()).getElementType());
  Type type = k.vectorOf(element, lanes);
  if (isa<FloatType>(element))
    return arith::SIToFPOp::create(b, k.loc(), type, v);
  if (element.getIntOrFloatBitWidth() == 64)
    return v;
  return arith::TruncIOp::create(b, k.loc(), type, v);
}

Value Evaluator::evalFromIndex(FromIndexOp op, ArrayRef<Coord> at) {
  OpBuilder &b = k.builder();
  Type element = k.valueType(cast<RankedTensorType>(op.getType()).getElementType());
  auto value = [&](Value index) {
    return Value(arith::IndexCastOp::create(b, k.loc(), element, k.size(k.spec().index(index))));
  };
  Value v = k.splat(value(op.getValues()[0]), lanes);
  for (size_t i = 1; i < op.getValues().size(); ++i) {
    Value here = inside(at[0], k.constant(i), k.constant(i + 1));
    v = arith::SelectOp::create(b, k.loc(), here, k.splat(value(op.getValues()[i]), lanes), v);
  }
  return v;
}

} // namespace tenon::cpu

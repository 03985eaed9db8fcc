//===- TurnedMap.cpp - maps that turn matrices
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/TurnedMap.h"

#include "compiler/emit/cpu/TransposeCode.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

/// Vectors of fewer lanes are not worth the shuffles.
constexpr int64_t kFewestLanes = 4;
/// An item is a block of so many positions along either axis, and the last one has what remains: lines that
/// are read in part are still in the first cache when their other parts are.
constexpr int64_t kBlock = 64;

/// How a tensor's elements lie along one axis of the result.
enum class Lies { Same, Beside, Apart };

Lies lies(const Coord &c, int64_t step) {
  if (c.uniform())
    return Lies::Same;
  return !c.lanes && c.stride == step ? Lies::Beside : Lies::Apart;
}

class Finder {
public:
  explicit Finder(KernelBuilder &k) : k(k), out(yielded(k, 0)), dims(k.spec().dims(out)) {}
  std::optional<TurnedForm> find();

private:
  /// How each buffer is read along an axis; empty where the kernel does more than move and compute.
  SmallVector<Lies> along(unsigned axis, int64_t step, int64_t lanes) const;
  int64_t groupedElements() const;
  std::optional<unsigned> innermost(unsigned behind) const;
  static int64_t lanesWithin(Size extent) {
    constexpr int64_t most = 16;
    auto c = extent.constant();
    return c ? std::min<int64_t>(most, llvm::bit_floor(static_cast<uint64_t>(std::max<int64_t>(1, *c))))
             : most;
  }

  KernelBuilder &k;
  Value out;
  ArrayRef<Size> dims;
};

SmallVector<Lies> Finder::along(unsigned axis, int64_t step, int64_t lanes) const {
  Evaluator e(k, lanes);
  Coords at(dims.size(), e.fixed(0));
  at[axis].stride = 1;
  SmallVector<Lies> found;
  bool plain = e.reads(out, at, [&](Value, const Coord &c) { found.push_back(lies(c, step)); });
  return plain ? found : SmallVector<Lies>();
}

/// The last axis before `behind` that is not of size 1.
std::optional<unsigned> Finder::innermost(unsigned behind) const {
  while (behind > 0)
    if (!dims[--behind].isConstant(1))
      return behind;
  return std::nullopt;
}

/// The elements of the innermost axis, if they lie beside each other in the one operand as well and are moved
/// as one of 2 to 8 bytes; else 1.
int64_t Finder::groupedElements() const {
  constexpr int64_t most = 8; // bytes
  std::optional<unsigned> axis = innermost(dims.size());
  auto size = axis ? dims[*axis].constant() : std::nullopt;
  int64_t bytes =
      k.storageType(cast<RankedTensorType>(out.getType()).getElementType()).getIntOrFloatBitWidth() / 8;
  if (!size || !llvm::isPowerOf2_64(*size) || *size * bytes > most)
    return 1;
  Evaluator e(k, *size);
  Coords at(dims.size(), e.fixed(0));
  at[*axis].stride = 1;
  auto source = k.bufferOf(out) ? std::nullopt : e.addressOf(out, at);
  return source && lies(source->second, 1) == Lies::Beside ? *size : 1;
}

std::optional<TurnedForm> Finder::find() {
  TurnedForm form;
  form.group = groupedElements();
  std::optional<unsigned> last = innermost(dims.size());
  if (last && form.group > 1)
    last = innermost(*last);
  if (!last)
    return std::nullopt;
  form.along = *last;
  SmallVector<Lies> stored = along(form.along, form.group, lanesWithin(dims[form.along]));
  // What lies beside each other already is read as it is, and what is computed may be wanted so.
  if (!llvm::is_contained(stored, Lies::Apart))
    return std::nullopt;
  for (unsigned axis = 0; axis < form.along; ++axis) {
    if (dims[axis].isConstant(1))
      continue;
    form.mostLanes = std::min(lanesWithin(dims[axis]), lanesWithin(dims[form.along]));
    if (form.mostLanes < kFewestLanes)
      continue;
    SmallVector<Lies> read = along(axis, form.group, lanesWithin(dims[axis]));
    if (!llvm::is_contained(read, Lies::Beside) || llvm::is_contained(read, Lies::Apart))
      continue;
    form.across = axis;
    auto isMultiple = [&](unsigned a) {
      auto c = dims[a].constant();
      return c && *c % form.mostLanes == 0;
    };
    form.fixedSizes = isMultiple(axis) && isMultiple(form.along);
    // Groups are moved by address, which remainders would not find.
    if (form.group == 1 || form.fixedSizes)
      return form;
  }
  return std::nullopt;
}

class Emitter {
public:
  Emitter(KernelBuilder &k, KernelShape &shape, const TurnedForm &form)
      : k(k), b(k.builder()), shape(shape), form(form), out(yielded(k, 0)), dims(k.spec().dims(out)),
        element(cast<RankedTensorType>(out.getType()).getElementType()) {}
  LogicalResult run();

private:
  struct Range {
    Value from, to;
  };
  Range block(Value index, Size extent, Size blocks);
  void block(const Coords &at, Range across, Range along);
  void steps(Range range, llvm::function_ref<void(Value)> body);
  void tile(Coords at, Value across, Value along);
  void oneByOne(const Coords &at, Range across, Range along);
  Value read(ArrayRef<Coord> at);
  void write(Value v, ArrayRef<Coord> at);

  KernelBuilder &k;
  OpBuilder &b;
  KernelShape &shape;
  const TurnedForm &form;
  Value out;
  ArrayRef<Size> dims;
  Type element;
  int64_t lanes = 1;
  Operation *failed = nullptr;
};

/// The positions of a block: all blocks are whole, but the last one has what remains as well.
Emitter::Range Emitter::block(Value index, Size extent, Size blocks) {
  Value from = k.mul(index, k.constant(kBlock));
  if (blocks.isConstant(1))
    return {from, k.size(extent)};
  Value last = arith::CmpIOp::create(b, k.loc(), arith::CmpIPredicate::eq, index,
                                     k.sub(k.size(blocks), k.constant(1)));
  return {from, arith::SelectOp::create(b, k.loc(), last, k.size(extent), k.add(from, k.constant(kBlock)))};
}

/// Whole vectors along a range, the last of which begins early where they do not divide it.
void Emitter::steps(Range range, llvm::function_ref<void(Value)> body) {
  Value count = k.constant(lanes);
  Value whole = k.add(range.from, k.mul(k.div(k.sub(range.to, range.from), count), count));
  if (form.fixedSizes)
    whole = range.to;
  k.loop(range.from, whole, lanes, body);
  if (!form.fixedSizes)
    k.ifThen(k.less(whole, range.to), [&] { body(k.sub(range.to, count)); });
}

/// A vector that is read across.
Value Emitter::read(ArrayRef<Coord> at) {
  Evaluator e(k, lanes);
  if (form.group == 1) {
    Value v = e.eval(out, at);
    failed = v ? failed : e.failedOp();
    return v;
  }
  auto [pointer, place] = *e.addressOf(out, at);
  Type storage = k.storageType(element);
  Value v = k.load(pointer, place.base, storage, lanes * form.group);
  unsigned bits = storage.getIntOrFloatBitWidth() * form.group;
  return vector::BitCastOp::create(b, k.loc(), VectorType::get(lanes, b.getIntegerType(bits)), v);
}

void Emitter::write(Value v, ArrayRef<Coord> at) {
  Evaluator e(k, lanes);
  if (form.group == 1)
    return e.store(v, k.outputBuffer(0), at, dims, element);
  Type storage = k.storageType(element);
  v = vector::BitCastOp::create(b, k.loc(), VectorType::get(lanes * form.group, storage), v);
  k.store(v, k.outputBuffer(0), e.linearize(at, dims).base, storage, lanes * form.group);
}

/// As many positions along both axes as a vector has lanes.
void Emitter::tile(Coords at, Value across, Value along) {
  SmallVector<Value> rows;
  at[form.across] = {across, 1};
  for (int64_t r = 0; r < lanes; ++r) {
    at[form.along] = {k.add(along, k.constant(r))};
    rows.push_back(read(at));
    if (!rows.back())
      return;
  }
  rows = transposed(k, rows);
  at[form.along] = {along, 1};
  for (int64_t r = 0; r < lanes; ++r) {
    at[form.across] = {k.add(across, k.constant(r))};
    write(rows[r], at);
  }
}

void Emitter::oneByOne(const Coords &at, Range across, Range along) {
  k.loop(across.from, across.to, 1, [&](Value i) {
    k.loop(along.from, along.to, 1, [&](Value j) {
      Coords here = at;
      here[form.across] = {i};
      here[form.along] = {j};
      Evaluator e(k, 1);
      if (Value v = e.eval(out, here))
        e.store(v, k.outputBuffer(0), here, dims, element);
      else
        failed = e.failedOp();
    });
  });
}

void Emitter::block(const Coords &at, Range across, Range along) {
  auto tiles = [&] { steps(across, [&](Value i) { steps(along, [&](Value j) { tile(at, i, j); }); }); };
  auto wide = [&](unsigned axis) {
    auto c = dims[axis].constant();
    return c && *c >= lanes;
  };
  if (wide(form.across) && wide(form.along))
    return tiles();
  Value shorter = k.min(k.size(dims[form.across]), k.size(dims[form.along]));
  k.ifThen(k.less(k.constant(lanes - 1), shorter), tiles, [&] { oneByOne(at, across, along); });
}

LogicalResult Emitter::run() {
  SizeContext &context = k.spec().context();
  int64_t bits = k.valueType(element).getIntOrFloatBitWidth() * form.group;
  // Half of the registers hold what is turned.
  lanes =
      std::min({form.mostLanes, int64_t(k.target().lanes(bits)), int64_t(k.target().vectorRegisters) / 2});
  Size acrossBlocks = dims[form.across].floorDiv(kBlock).max(context.constant(1));
  Size alongBlocks = dims[form.along].floorDiv(kBlock).max(context.constant(1));
  SmallVector<unsigned> lead;
  SmallVector<Value> extents;
  shape.grid = acrossBlocks * alongBlocks;
  for (unsigned a = 0; a < dims.size(); ++a) {
    if (a == form.across || a == form.along || (form.group > 1 && a > form.along))
      continue;
    lead.push_back(a);
    extents.push_back(k.size(dims[a]));
    shape.grid = shape.grid * dims[a];
  }
  extents.push_back(k.size(acrossBlocks));
  extents.push_back(k.size(alongBlocks));
  k.forItems(extents, [&](ArrayRef<Value> item) {
    Coords at(dims.size(), Coord{k.constant(0)});
    for (auto [i, a] : llvm::enumerate(lead))
      at[a] = {item[i]};
    block(at, block(item[lead.size()], dims[form.across], acrossBlocks),
          block(item.back(), dims[form.along], alongBlocks));
  });
  if (failed)
    return noForm(failed, "map");
  shape.scratch = context.constant(0);
  shape.flops = elementwiseWork(k);
  // A load, a store, and the shuffles of a tile.
  int64_t moves = 2 + llvm::Log2_64(lanes);
  shape.cost = atVectorRate(shape.flops + productOf(context, dims) * moves, k.target());
  shape.schedule = "map turned tile=" + std::to_string(lanes) + "x" + std::to_string(lanes) +
                   (form.group > 1 ? " group=" + std::to_string(form.group) : "");
  return success();
}

} // namespace

std::optional<TurnedForm> turnedForm(KernelBuilder &k) {
  auto type = cast<RankedTensorType>(yielded(k, 0).getType());
  if (k.spec().op().getNumResults() != 1 || type.getRank() < 2 || type.getElementType().isInteger(1))
    return std::nullopt;
  return Finder(k).find();
}

LogicalResult emitTurnedMap(KernelBuilder &k, KernelShape &shape, const TurnedForm &form) {
  return Emitter(k, shape, form).run();
}

} // namespace tenon::cpu

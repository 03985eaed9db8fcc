//===- MapCode.cpp - elementwise regions as kernels of the vector core --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/MapCode.h"

#include "compiler/emit/mortise/segment/ByteTables.h"
#include "compiler/emit/mortise/segment/LaneCode.h"
#include "compiler/emit/mortise/segment/RegionNumbers.h"
#include "compiler/emit/mortise/segment/TensorShape.h"
#include "compiler/emit/mortise/tile/TileKernel.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tenon::npu {

namespace {

class MapMaker {
public:
  MapMaker(mlir::Value result, mlir::Value tile, const mortise::Hardware &hardware, std::string &why)
      : result(result), tile(tile), hardware(hardware), why(why), total(elementsOf(result)) {}

  std::optional<MapCode> make() {
    if (!LaneCode::accessOf(elementOf(result)))
      return refuse("its result is of a type that the vector core cannot store");
    if (!collect())
      return std::nullopt;
    code.resultBytes = LaneCode::accessOf(elementOf(result))->bytes;
    VectorFunction function("map");
    VectorBuilder b(function);
    build(b);
    std::optional<CompiledKernel> compiled = compileForTiles(function, hardware, why);
    if (!compiled)
      return std::nullopt;
    code.kernel = std::move(*compiled);
    const KernelStatistics &s = code.kernel.statistics;
    for (const LoopStatistics &loop : s.loops)
      code.vectorCycles =
          std::max<double>(code.vectorCycles, loop.interval ? loop.interval : loop.plainCycles);
    return std::move(code);
  }

private:
  std::nullopt_t refuse(const Twine &reason) {
    why = reason.str();
    return std::nullopt;
  }

  /// A value's part of the result: all of it, its last axis, or one element for all.
  std::optional<int64_t> periodOf(mlir::Value value) {
    int64_t count = elementsOf(value);
    if (count == total)
      return 0;
    if (count == 1)
      return 1;
    ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
    int64_t last = cast<RankedTensorType>(result.getType()).getShape().back();
    if (count == last && shape.back() == last && (period == 0 || period == last))
      return period = last;
    return std::nullopt;
  }
  bool isLeaf(mlir::Value value) { return value == tile || isa<BlockArgument>(value); }

  /// Finds what the result is computed from.
  bool collect() {
    tables.emplace(result, [this](mlir::Value value) { return isLeaf(value); });
    llvm::SetVector<mlir::Value> open;
    open.insert(result);
    for (size_t i = 0; i < open.size(); ++i) {
      mlir::Value value = open[i];
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type || !type.hasStaticShape())
        return refuse("sizes are not known when compiling"), false;
      std::optional<int64_t> repeats = periodOf(value);
      if (!repeats)
        return refuse("a value is neither of the result's size nor one for each channel"), false;
      if (isLeaf(value)) {
        if (!addLeaf(value, *repeats))
          return false;
        continue;
      }
      mlir::Operation *op = value.getDefiningOp();
      if (std::string reason = LaneCode::whyNot(op); !reason.empty())
        return refuse(reason), false;
      if (!isa<ConstantOp>(op))
        for (mlir::Value operand : op->getOperands())
          if (isa<RankedTensorType>(operand.getType()))
            open.insert(operand);
    }
    return true;
  }

  bool addLeaf(mlir::Value value, int64_t repeats) {
    std::optional<LaneCode::ElementAccess> access = LaneCode::accessOf(elementOf(value));
    if (!access)
      return refuse("it reads a type that the vector core lacks"), false;
    if (value == tile)
      return repeats == 0 || (refuse("the product's result is repeated"), false);
    constexpr size_t kMost = 12; // addresses beside registers for loops
    if (code.operands.size() == kMost)
      return refuse("it has too many operands"), false;
    code.operands.push_back({value, access->bytes, repeats});
    return true;
  }

  /// Loads of a row's vector, computation, store.
  struct Streams {
    llvm::SmallVector<Address> from; ///< of full operands and those with a period, in order
    Address to;
  };
  void step(VectorBuilder &b, Streams &s, Value predicate) {
    auto lanes = static_cast<int32_t>(period && tile ? 0 : hardware.vector.lanes); // to the next of a row
    LaneCode lane(b, [&](mlir::Value value) -> LaneValue {
      if (LaneValue found = tables->lookUp(value, b, lane, tablesAt); found.value.isValid())
        return found;
      for (auto [i, leaf] : llvm::enumerate(leaves)) {
        if (leaf.value != value)
          continue;
        Range range = LaneCode::rangeOf(elementOf(value));
        if (scalars[i].isValid())
          return {scalars[i], range};
        LaneCode::ElementAccess access = *LaneCode::accessOf(elementOf(value));
        return {b.loadAdvance(access.load, s.from[i], lanes * static_cast<int32_t>(access.bytes), predicate),
                range};
      }
      return {};
    });
    LaneValue computed = form ? computeForm(b, lane) : lane.valueOf(result);
    LaneCode::ElementAccess access = *LaneCode::accessOf(elementOf(result));
    b.storeAdvance(access.store, s.to, lane.stored(computed, elementOf(result)),
                   lanes * static_cast<int32_t>(access.bytes), predicate);
  }

  /// What one or two bytes become, in three or five operations.
  LaneValue computeForm(VectorBuilder &b, LaneCode &lane) {
    Value sum = b.splat(form->c);
    for (size_t i = leaves.size(); i--;)
      sum = b.op(Id::VfmaF, b.op(Id::VcvtIf, lane.valueOf(leaves[i].value).value),
                 b.splat(i ? form->b : form->a), sum);
    Value whole = b.op(Id::VcvtFi, sum);
    // Stores saturate.
    Range type = LaneCode::rangeOf(elementOf(result));
    if (form->low > type.low)
      whole = b.op(Id::VmaxI, whole, b.splatInt(form->low));
    if (form->high < type.high)
      whole = b.op(Id::VminI, whole, b.splatInt(form->high));
    return {whole, type};
  }

  /// One element for all lanes, loaded once.
  Value loadScalar(VectorBuilder &b, const Address &from, Type element) {
    if (element.isBF16())
      return b.load(Id::VlbBf, from);
    if (element.isInteger(8)) {
      Value byte = b.load(Id::VlbB, from);
      return element.isUnsignedInteger(8) ? b.op(Id::Vand, byte, b.splatInt(255)) : byte;
    }
    return b.load(Id::VlbW, from);
  }

  void build(VectorBuilder &b) {
    if (tile)
      leaves.push_back({tile, LaneCode::accessOf(elementOf(tile))->bytes, 0});
    llvm::append_range(leaves, code.operands);
    SmallVector<mlir::Value> values;
    for (const MapCode::Operand &leaf : leaves)
      values.push_back(leaf.value);
    if (std::optional<ByteFunction> function = byteFunction(result, values))
      form = byteForm(*function);
    if (!form)
      code.tables = tables->words();
    Streams start;
    for (auto [i, leaf] : llvm::enumerate(leaves)) {
      std::string name = "operand" + std::to_string(i);
      Value base = b.parameter(name);
      start.from.push_back({base, b.object(name, true)});
    }
    Value to = b.parameter("result");
    start.to = {to, b.object("result", true)};
    if (!code.tables.empty())
      tablesAt = b.parameter("tables");
    Value count = b.parameter("count");
    for (auto [i, leaf] : llvm::enumerate(leaves))
      scalars.push_back(leaf.period == 1 ? loadScalar(b, start.from[i], elementOf(leaf.value)) : Value());
    if (period && tile)
      buildColumns(b, start, count);
    else if (period)
      buildRows(b, start, count);
    else
      loopOver(b, count, start);
  }

  /// `count` vectors; afterwards the streams are behind them.
  void loopOver(VectorBuilder &b, TripCount count, Streams &s) {
    std::vector<Value> initial;
    for (auto [leaf, address] : llvm::zip_equal(leaves, s.from))
      if (leaf.period != 1)
        initial.push_back(address.base);
    initial.push_back(s.to.base);
    auto assign = [&](std::span<const Value> values) {
      size_t next = 0;
      for (auto [leaf, address] : llvm::zip_equal(leaves, s.from))
        if (leaf.period != 1)
          address.base = values[next++];
      s.to.base = values[next];
    };
    std::vector<Value> after = b.loop(count, initial, [&](std::span<const Value> values) {
      assign(values);
      step(b, s, kAlways);
      std::vector<Value> yielded;
      for (auto [leaf, address] : llvm::zip_equal(leaves, s.from))
        if (leaf.period != 1)
          yielded.push_back(address.base);
      yielded.push_back(s.to.base);
      return yielded;
    });
    assign(after);
  }

  /// Columns of vectors that have the same channels: numbers for each channel stay in registers.
  void buildColumns(VectorBuilder &b, Streams &start, Value vectors) {
    Value columns = b.parameter("columns"), row = b.parameter("row");
    // Bytes from a vector to the one below, for each size of elements.
    std::array<Value, 3> below = {row, b.op(Id::Shli, row, Immediate{1}), b.op(Id::Shli, row, Immediate{2})};
    auto belowOf = [&](int64_t bytes) { return below[bytes == 1 ? 0 : bytes == 2 ? 1 : 2]; };
    auto lanes = static_cast<int32_t>(hardware.vector.lanes);
    std::vector<Value> initial;
    for (auto [leaf, address] : llvm::zip_equal(leaves, start.from))
      if (leaf.period != 1)
        initial.push_back(address.base);
    initial.push_back(start.to.base);
    std::vector<Value> single = scalars;
    b.loop(columns, initial, [&](std::span<const Value> at) {
      scalars = single;
      std::vector<Value> moving, yielded;
      for (size_t i = 0, next = 0; i < leaves.size(); ++i) {
        if (leaves[i].period == 1)
          continue;
        Value base = at[next++];
        yielded.push_back(b.add(base, lanes * static_cast<int32_t>(leaves[i].bytes)));
        if (leaves[i].period == 0)
          moving.push_back(base);
        else
          scalars[i] =
              b.load(LaneCode::accessOf(elementOf(leaves[i].value))->load, {base, start.from[i].object});
      }
      moving.push_back(at.back());
      yielded.push_back(b.add(at.back(), lanes * static_cast<int32_t>(code.resultBytes)));
      b.loop(vectors, moving, [&](std::span<const Value> inside) {
        Streams s = start;
        std::vector<Value> further;
        for (size_t i = 0, next = 0; i < leaves.size(); ++i)
          if (leaves[i].period == 0) {
            s.from[i].base = inside[next++];
            further.push_back(b.op(Id::Add, s.from[i].base, belowOf(leaves[i].bytes)));
          }
        s.to.base = inside.back();
        further.push_back(b.op(Id::Add, s.to.base, belowOf(code.resultBytes)));
        step(b, s, kAlways);
        return further;
      });
      return yielded;
    });
  }

  /// Rows of a period: whole vectors, then the rest under a predicate.
  void buildRows(VectorBuilder &b, Streams &start, Value rows) {
    int64_t lanes = hardware.vector.lanes, whole = period / lanes, rest = period % lanes;
    std::vector<Value> initial;
    for (auto [leaf, address] : llvm::zip_equal(leaves, start.from))
      if (leaf.period == 0)
        initial.push_back(address.base);
    initial.push_back(start.to.base);
    Value tail = rest ? b.op(Id::Ptail, b.scalar(rest)) : kAlways;
    b.loop(rows, initial, [&](std::span<const Value> values) {
      Streams row = start;
      size_t next = 0;
      for (auto [leaf, address] : llvm::zip_equal(leaves, row.from))
        if (leaf.period == 0)
          address.base = values[next++];
      row.to.base = values[next];
      if (whole)
        loopOver(b, whole, row);
      if (rest)
        step(b, row, tail);
      // From the row's beginning, whatever the last vector advanced.
      std::vector<Value> yielded;
      next = 0;
      for (const MapCode::Operand &leaf : leaves)
        if (leaf.period == 0)
          yielded.push_back(b.add(values[next++], static_cast<int32_t>(period * leaf.bytes)));
      yielded.push_back(b.add(values[next], static_cast<int32_t>(period * code.resultBytes)));
      return yielded;
    });
  }

  mlir::Value result, tile;
  const mortise::Hardware &hardware;
  std::string &why;
  int64_t total, period = 0;
  MapCode code;
  std::vector<MapCode::Operand> leaves; ///< the tile first
  std::vector<Value> scalars;
  std::optional<ByteTables> tables;
  Value tablesAt;
  std::optional<ByteForm> form; ///< instead of the region's operations
};

} // namespace

MapStage MapCode::stage() const {
  MapStage stage;
  stage.resultBytes = resultBytes;
  stage.vectorCycles = vectorCycles;
  stage.tableBytes = static_cast<int64_t>(tables.size() * sizeof(uint32_t));
  for (const Operand &operand : operands)
    stage.operands.push_back({0, operand.bytes, operand.period});
  return stage;
}

std::optional<MapCode> makeMap(mlir::Value result, mlir::Value tile, const mortise::Hardware &hardware,
                               std::string &why) {
  return MapMaker(result, tile, hardware, why).make();
}

bool makeMapBehind(mlir::Value drained, KernelOp kernel, const mortise::Hardware &hardware,
                   std::optional<MapCode> &map, std::string &why) {
  mlir::Value result = yieldedBy(kernel);
  if (drained == result)
    return true;
  map = makeMap(result, drained, hardware, why);
  return map.has_value();
}

} // namespace tenon::npu

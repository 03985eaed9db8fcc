//===- PlanColumns.cpp - reductions over all axes but the last --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/PlannedKernel.h"

#include "compiler/emit/mortise/segment/KernelReader.h"
#include "compiler/emit/mortise/segment/TensorShape.h"
#include "compiler/emit/mortise/tile/Columns.h"
#include "compiler/emit/mortise/tile/TileKernel.h"

using namespace mlir;

namespace tenon::npu {

namespace {

/// A reduction whose addresses are not known yet.
struct ColumnsCode {
  Columns columns;
  mlir::Value input;        ///< what is reduced, in the region
  ChannelOperands operands; ///< as columns.tables has them
  CompiledKernel kernel;
  std::optional<CompiledKernel> inPlace; ///< for a resident input
};

class ColumnsReader : KernelReader {
public:
  ColumnsReader(KernelOp kernel, const mortise::Hardware &hardware, std::string &why)
      : KernelReader(kernel, hardware, why) {}

  std::optional<ColumnsCode> make() {
    if (!readAxes() || !collect(result(), false) || !collect(reduce.getInput(), true))
      return std::nullopt;
    if (!code.input)
      return refuse("it reduces no operand");
    Columns &c = code.columns;
    std::optional<LaneCode::ElementAccess> from = LaneCode::accessOf(elementOf(code.input)),
                                           to = LaneCode::accessOf(elementOf(result()));
    if (!from || !to)
      return refuse("it reads or stores a type that the vector core lacks");
    c.load = from->load;
    c.elementBytes = from->bytes;
    c.store = to->store;
    c.resultBytes = to->bytes;
    c.tables = code.operands.tables();
    std::optional<CompiledKernel> compiled = columnsKernel(c, body(), hardware, why);
    if (!compiled)
      return std::nullopt;
    code.kernel = std::move(*compiled);
    Columns resident = c;
    resident.inPlace = true;
    std::string declined; // then it reads memory
    code.inPlace = columnsKernel(resident, body(), hardware, declined);
    return std::move(code);
  }

private:
  bool readAxes() {
    for (mlir::Operation &op : kernel.getBody().front()) {
      if (!hasKnownSizes(op))
        return false;
      auto found = dyn_cast<ReduceOp>(op);
      if (found && reduce)
        return decline("it has several reductions");
      if (found)
        reduce = found;
    }
    if (!reduce)
      return decline("it has no sum, maximum or minimum over axes");
    Type type = elementOf(reduce.getResult());
    ReduceKind kind = reduce.getKind();
    if ((!type.isF32() && !type.isInteger(32)) ||
        (kind != ReduceKind::sum && kind != ReduceKind::max && kind != ReduceKind::min))
      return decline("the vector core does not combine elements of this type in this way");
    ArrayRef<int64_t> shape = shapeOf(reduce.getInput()), axes = reduce.getAxes();
    for (size_t i = 1; i < axes.size(); ++i)
      if (axes[i] != axes[i - 1] + 1)
        return decline("the axes of its reduction are not neighbours");
    auto first = static_cast<size_t>(axes.front()), last = static_cast<size_t>(axes.back());
    Columns &c = code.columns;
    for (auto [axis, extent] : llvm::enumerate(shape))
      (axis < first ? c.outer : axis <= last ? c.rows : c.channels) *= extent;
    return elementsOf(result()) == c.outer * c.channels ||
           decline("its result has not one element for each column");
  }

  /// Finds what a value is computed from: elements (`inside` the reduction) or totals, and tables.
  bool collect(mlir::Value root, bool inside) {
    return collectLeaves(
        root, [this](mlir::Value value) { return value == reduce.getResult(); },
        [this, inside](mlir::Value value) { return addLeaf(value, inside); });
  }

  bool addLeaf(mlir::Value value, bool inside) {
    if (inside && elementsOf(value) == elementsOf(reduce.getInput())) {
      if (code.input && code.input != value)
        return decline("it reduces several operands at once");
      code.input = value;
      return true;
    }
    if (llvm::is_contained(code.operands.values(), value))
      return true;
    // Tables lie along the last axis alone.
    return code.operands.add(value, shapeOf(reduce.getInput()).back(), why) &&
           (elementsOf(value) == 1 || code.columns.channels == elementsOf(value) ||
            decline("it reads an operand that is neither one number nor one for each channel"));
  }

  ColumnsBody body() {
    ColumnsBody body;
    bool real = elementOf(reduce.getResult()).isF32();
    ReduceKind kind = reduce.getKind();
    Id combine = kind == ReduceKind::sum   ? (real ? Id::VaddF : Id::VaddI)
                 : kind == ReduceKind::max ? (real ? Id::VmaxF : Id::VmaxI)
                                           : (real ? Id::VminF : Id::VminI);
    body.combine = [=](VectorBuilder &b, Value x, Value y) { return b.op(combine, x, y); };
    if (kind == ReduceKind::max)
      body.neutral = real ? static_cast<int32_t>(0xff800000) : INT32_MIN;
    if (kind == ReduceKind::min)
      body.neutral = real ? 0x7f800000 : INT32_MAX;
    body.map = [this](VectorBuilder &b, Value element, std::span<const Value> values) {
      return laneCode(b, code.input, element, values).valueOf(reduce.getInput()).value;
    };
    body.finish = [this](VectorBuilder &b, Value total, std::span<const Value> values) {
      LaneCode lane = laneCode(b, reduce.getResult(), total, values);
      return lane.stored(lane.valueOf(result()), elementOf(result()));
    };
    return body;
  }

  /// Where `known` has a value already.
  LaneCode laneCode(VectorBuilder &b, mlir::Value known, Value is, std::span<const Value> values) {
    return {b, [this, &b, known, is, values](mlir::Value value) -> LaneValue {
              if (value == known)
                return {is, LaneCode::rangeOf(elementOf(value))};
              return code.operands.leaf(b, value, {values.data(), values.size()}, 0);
            }};
  }

  ReduceOp reduce;
  ColumnsCode code;
};

class PlannedColumns : public PlannedKernel {
public:
  PlannedColumns(KernelOp kernel, ColumnsCode code, const mortise::Hardware &hardware)
      : PlannedKernel(kernel), code(std::move(code)), hardware(hardware) {}

  llvm::SmallVector<OperandUse> uses() override {
    llvm::SmallVector<OperandUse> uses;
    uses.push_back({code.input, code.inPlace ? std::optional(plain()) : std::nullopt});
    for (mlir::Value table : code.operands.values())
      uses.push_back({table, std::nullopt});
    return uses;
  }
  bool writes(const ResidentFrame &frame) override { return !frame.hasBorder(); }
  std::optional<double> cycles(const KernelPlaces &places) override {
    Columns columns = code.columns;
    columns.inPlace = isResident(places.addressOf(code.input));
    if (columns.bufferBytes(hardware) > std::min(places.room, bytesBesideAny(hardware)))
      return std::nullopt;
    return movedCycles(places, hardware);
  }

  std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t>) override {
    Columns &columns = code.columns;
    columns.node = node;
    columns.input = program.addressOf(code.input);
    columns.inPlace = isResident(columns.input);
    columns.kernel = program.addKernel(columns.inPlace ? *code.inPlace : code.kernel);
    columns.output = program.addressOf(kernel.getResult(0));
    program.locate(columns.tables, code.operands);
    program.emitPlaced(program.room(bytesBesideAny(program.hardware)), [&](int64_t start) {
      emitColumns(columns, program.hardware, start, program.stream);
      return true;
    });
    program.report("reduction on the vector core");
    return {};
  }

private:
  ColumnsCode code;
  const mortise::Hardware &hardware;
};

} // namespace

std::unique_ptr<PlannedKernel> planColumns(KernelOp kernel, const mortise::Hardware &hardware,
                                           const WeightBytes &, std::string &why) {
  std::optional<ColumnsCode> code = ColumnsReader(kernel, hardware, why).make();
  return code ? std::make_unique<PlannedColumns>(kernel, std::move(*code), hardware) : nullptr;
}

} // namespace tenon::npu

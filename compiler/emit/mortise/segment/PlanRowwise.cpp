//===- PlanRowwise.cpp - reductions over the last axis, and operands that repeat --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A region is seen as work on the rows of a matrix: what its reductions reduce is a row; without reductions a
// row is as long as the ways in which operands repeat allow. Every value of the region has a pattern: which
// of its elements an element of the matrix reads.
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/PlannedKernel.h"

#include "compiler/emit/mortise/segment/KernelReader.h"
#include "compiler/emit/mortise/segment/TensorShape.h"
#include "compiler/emit/mortise/tile/RepeatPattern.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

#include <numeric>

using namespace mlir;

namespace tenon::npu {

namespace {

std::span<const int64_t> spanOf(ArrayRef<int64_t> list) { return {list.data(), list.size()}; }

/// As memory has it: booleans are bytes.
std::optional<LaneCode::ElementAccess> accessOf(Type element) {
  if (element.isInteger(1))
    return LaneCode::ElementAccess{Id::VldUb, Id::VstUb, 1};
  return LaneCode::accessOf(element);
}

/// Elements that each of the result's combines.
int64_t reducedBy(ReduceOp reduce) {
  return elementsOf(reduce.getInput()) / std::max<int64_t>(1, elementsOf(reduce.getResult()));
}

/// What a value is broadcast or reshaped from.
mlir::Value sourceOf(mlir::Value value) {
  while (isa_and_nonnull<BroadcastOp, ReshapeOp, tensor::CastOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

/// Whether a value is a row less its largest element, in f32.
bool isBelowMaximum(mlir::Value value) {
  auto difference = value.getDefiningOp<SubOp>();
  auto most = difference ? sourceOf(difference.getRhs()).getDefiningOp<ReduceOp>() : ReduceOp();
  return most && most.getKind() == ReduceKind::max && most.getInput() == difference.getLhs() &&
         elementOf(value).isF32();
}

/// A region as work on rows.
class RowRegion {
public:
  explicit RowRegion(mlir::Value result) : result(result) {}

  mlir::Value result;
  SmallVector<ReduceOp> totals;
  SmallVector<mlir::Value> leaves; ///< operands of the region
  SmallVector<mlir::Value> kept;   ///< values that several passes want
  SmallVector<size_t> keptBy;
  std::vector<bool> isRow; ///< of a leaf

  size_t passes() const { return totals.size() + 1; }
  mlir::Value rootOf(size_t pass) { return pass < totals.size() ? totals[pass].getInput() : result; }

  /// What a pass computes, from its root on: neither leaves nor totals nor what `stops` says.
  void walk(mlir::Value root, llvm::SetVector<mlir::Value> &seen,
            llvm::function_ref<bool(mlir::Value)> stops) const {
    SmallVector<mlir::Value> open = {root};
    while (!open.empty()) {
      mlir::Value value = open.pop_back_val();
      mlir::Operation *op = value.getDefiningOp();
      bool isTotal = op && llvm::is_contained(totals, op);
      if (!op || isTotal || seen.contains(value) || stops(value))
        continue;
      seen.insert(value);
      llvm::append_range(open, op->getOperands());
    }
  }

  /// Finds values that are worth keeping.
  void findKept() {
    llvm::SetVector<mlir::Value> before;
    for (size_t pass = 0; pass < passes(); ++pass) {
      llvm::SetVector<mlir::Value> here;
      walk(rootOf(pass), here, [&](mlir::Value value) {
        if (llvm::is_contained(kept, value))
          return true;
        if (!before.contains(value) || elementOf(value).isInteger(1) || costOf(value) < kWorthKeeping)
          return false;
        keep(value);
        return true;
      });
      before.insert(here.begin(), here.end());
    }
  }

private:
  static constexpr int kWorthKeeping = 5;

  void keep(mlir::Value value) {
    for (size_t pass = 0; pass < passes(); ++pass) {
      llvm::SetVector<mlir::Value> seen;
      walk(rootOf(pass), seen, [](mlir::Value) { return false; });
      if (!seen.contains(value))
        continue;
      kept.push_back(value);
      keptBy.push_back(pass);
      return;
    }
  }

  /// Operations of the vector core, about; those of one number for a row are as good as none.
  int costOf(mlir::Value root) const {
    llvm::SetVector<mlir::Value> seen;
    walk(root, seen, [](mlir::Value) { return false; });
    int cost = 0;
    for (mlir::Value value : seen) {
      mlir::Operation *op = value.getDefiningOp();
      if (elementsOf(value) < elementsOf(root) || isa<ConstantOp, BroadcastOp, ReshapeOp, tensor::CastOp>(op))
        continue;
      cost += isa<ErfOp>(op) ? 20 : isa<ExpOp>(op) ? 10 : isa<DivOp, SqrtOp>(op) ? 5 : 1;
    }
    return cost;
  }
};

/// Values of a region at a vector of a row.
class RegionCode : public RowCode {
public:
  RegionCode(RowRegion &region, llvm::DenseMap<mlir::Value, Range> &ranges, VectorBuilder &builder,
             RowSource from)
      : region(region), ranges(ranges), b(builder), source(std::move(from)),
        lane(builder, [this](mlir::Value value) { return leaf(value); }) {}

  Value pass(size_t pass) override {
    mlir::Value root = region.rootOf(pass);
    LaneValue value = lane.valueOf(root);
    if (pass < region.totals.size())
      return value.value;
    if (elementOf(root).isInteger(1))
      return b.select(value.value, b.splatInt(1), b.splatInt(0));
    return lane.stored(value, elementOf(root));
  }
  Value kept(size_t number) override {
    LaneValue value = lane.valueOf(region.kept[number]);
    ranges[region.kept[number]] = value.range;
    return value.value;
  }

private:
  LaneValue leaf(mlir::Value value) {
    if (auto it = llvm::find(region.leaves, value); it != region.leaves.end())
      return loaded(value, static_cast<size_t>(it - region.leaves.begin()));
    if (auto reduce = value.getDefiningOp<ReduceOp>()) {
      auto total = llvm::find(region.totals, reduce);
      if (total == region.totals.end())
        return lane.valueOf(reduce.getInput()); // of rows of one element
      return {source.total(static_cast<size_t>(total - region.totals.begin())), rangeOfTotal(reduce)};
    }
    if (isBelowMaximum(value)) {
      Value x = lane.valueOf(value.getDefiningOp()->getOperand(0)).value;
      return {b.op(Id::VsubF, x, lane.valueOf(value.getDefiningOp()->getOperand(1)).value),
              {-1e300, 0, false}};
    }
    if (auto it = llvm::find(region.kept, value); it != region.kept.end())
      if (Value known = source.kept(static_cast<size_t>(it - region.kept.begin())); known.isValid())
        return {known, ranges.lookup(value)};
    return {};
  }

  /// Of the powers of a softmax one is 1, and none is larger.
  static Range rangeOfTotal(ReduceOp reduce) {
    auto power = reduce.getInput().getDefiningOp<ExpOp>();
    if (reduce.getKind() == ReduceKind::sum && power && isBelowMaximum(power->getOperand(0)))
      return {0.5, 2.0 * static_cast<double>(reducedBy(reduce)), false};
    return LaneCode::rangeOf(elementOf(reduce.getResult()));
  }

  LaneValue loaded(mlir::Value value, size_t number) {
    Value x = source.operand(number);
    Type type = elementOf(value);
    if (type.isInteger(1))
      return {b.op(Id::Pnot, b.op(Id::VeqI, x, b.splatInt(0))), {}};
    // One byte for all lanes comes with its sign.
    if (!region.isRow[number] && type.isUnsignedInteger(8))
      x = b.op(Id::Vand, x, b.splatInt(255));
    return {x, LaneCode::rangeOf(type)};
  }

  RowRegion &region;
  llvm::DenseMap<mlir::Value, Range> &ranges; ///< of kept values
  VectorBuilder &b;
  RowSource source;
  LaneCode lane;
};

/// Work whose addresses are not known yet.
struct RowwiseCode {
  Rowwise work;
  SmallVector<mlir::Value> operands; ///< as work.operands has them
  CompiledKernel kernel;
};

class RowwiseReader : KernelReader {
public:
  RowwiseReader(KernelOp kernel, const mortise::Hardware &hardware, std::string &why)
      : KernelReader(kernel, hardware, why), region(result()) {}

  std::optional<RowwiseCode> make() {
    std::optional<LaneCode::ElementAccess> to = accessOf(elementOf(result()));
    if (!to)
      return refuse("its result is of a type that the vector core cannot store");
    if (!readSizes() || !assignPatterns() || !chooseLength())
      return std::nullopt;
    Rowwise &w = code.work;
    w.store = to->store;
    w.resultBytes = to->bytes;
    if (!addOperands())
      return std::nullopt;
    region.findKept();
    RowBody body;
    body.begin = [&](VectorBuilder &b, const RowSource &source) {
      return std::make_unique<RegionCode>(region, ranges, b, source);
    };
    body.keptBy.assign(region.keptBy.begin(), region.keptBy.end());
    std::optional<CompiledKernel> compiled = rowwiseKernel(w, body, hardware, why);
    if (!compiled)
      return std::nullopt;
    code.kernel = std::move(*compiled);
    code.operands = region.leaves;
    return std::move(code);
  }

private:
  bool readSizes() {
    for (mlir::Operation &op : kernel.getBody().front()) {
      if (!hasKnownSizes(op))
        return false;
      if (auto reduce = dyn_cast<ReduceOp>(op); reduce && !readReduction(reduce))
        return false;
    }
    Rowwise &w = code.work;
    if (elementsOf(result()) == 0)
      return decline("its result is empty");
    if (region.totals.empty()) {
      w.rows = 1;
      w.length = elementsOf(result());
      return true;
    }
    w.isRow = elementsOf(result()) == w.rows * w.length;
    return w.isRow || elementsOf(result()) == w.rows ||
           decline("its result has neither as many elements as what is reduced nor one for each row of that");
  }

  bool readReduction(ReduceOp reduce) {
    Type type = elementOf(reduce.getResult());
    if ((!type.isF32() && !type.isInteger(32)) || reduce.getKind() == ReduceKind::prod)
      return decline("the vector core does not combine elements of this type in this way");
    if (elementsOf(reduce.getResult()) == 0)
      return decline("its result is empty");
    int64_t length = reducedBy(reduce), rows = elementsOf(reduce.getResult());
    if (length == 1)
      return true;
    int64_t last = 1;
    ArrayRef<int64_t> shape = shapeOf(reduce.getInput());
    for (size_t axis = shape.size(); axis-- && last < length;)
      if (llvm::is_contained(reduce.getAxes(), static_cast<int64_t>(axis)))
        last *= shape[axis];
      else if (shape[axis] != 1)
        return decline("it reduces over other axes than the last ones");
    Rowwise &w = code.work;
    if (!region.totals.empty() && (w.length != length || w.rows != rows))
      return decline("its reductions are not over rows of the same length");
    w.length = length;
    w.rows = rows;
    region.totals.push_back(reduce);
    w.totals.push_back(totalOf(reduce.getKind(), type.isF32()));
    return true;
  }

  static RowTotal totalOf(ReduceKind kind, bool real) {
    if (kind == ReduceKind::sum)
      return real ? RowTotal::SumF : RowTotal::SumI;
    if (kind == ReduceKind::max)
      return real ? RowTotal::MaxF : RowTotal::MaxI;
    return real ? RowTotal::MinF : RowTotal::MinI;
  }

  //--- Patterns ---

  RepeatPattern ofRows() { return RepeatPattern({{code.work.rows, 1}, {code.work.length, 0}}); }
  RepeatPattern ofAll() { return RepeatPattern(code.work.rows * code.work.length); }

  bool assignPatterns() {
    SmallVector<mlir::Value> open;
    auto give = [&](mlir::Value value, const RepeatPattern &pattern) {
      auto [place, fresh] = patterns.insert({value, pattern});
      if (fresh)
        open.push_back(value);
      return place->second == pattern || elementsOf(value) == 1 ||
             decline("an element depends on several elements of one operand");
    };
    if (!give(result(), code.work.isRow ? ofAll() : ofRows()))
      return false;
    while (!open.empty()) {
      mlir::Value value = open.pop_back_val();
      mlir::Operation *op = value.getDefiningOp();
      if (!op || isa<ConstantOp>(op)) {
        if (op && !isFit(op))
          return false;
        continue;
      }
      RepeatPattern pattern = patterns.find(value)->second;
      if (auto reduce = dyn_cast<ReduceOp>(op)) {
        bool isTotal = llvm::is_contained(region.totals, reduce);
        if (isTotal && !(pattern == ofRows()))
          return decline("a total is wanted by other rows than its own");
        if (!give(reduce.getInput(), isTotal ? ofAll() : pattern))
          return false;
        continue;
      }
      if (!isFit(op))
        return false;
      if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
        std::optional<RepeatPattern> inner =
            pattern.throughBroadcast(spanOf(shapeOf(broadcast.getInput())), spanOf(shapeOf(value)));
        if (!inner)
          return decline("an operand repeats in a way that rows cannot follow");
        if (!give(broadcast.getInput(), *inner))
          return false;
        continue;
      }
      for (mlir::Value operand : op->getOperands())
        if (isa<RankedTensorType>(operand.getType()) && !give(operand, pattern))
          return false;
    }
    return dropUnused();
  }

  bool isFit(mlir::Operation *op) {
    std::string reason = LaneCode::whyNot(op);
    return reason.empty() || decline(reason);
  }

  /// Leaves are what was reached; reductions that were not are none.
  bool dropUnused() {
    for (size_t i = region.totals.size(); i--;)
      if (!patterns.contains(region.totals[i].getResult())) {
        region.totals.erase(region.totals.begin() + static_cast<int64_t>(i));
        code.work.totals.erase(code.work.totals.begin() + static_cast<int64_t>(i));
      }
    for (auto &[value, pattern] : patterns)
      if (isa<BlockArgument>(value))
        region.leaves.push_back(value);
    return true;
  }

  //--- Rows ---

  /// Without reductions: rows within which every operand goes on element by element or stays at one.
  bool chooseLength() {
    Rowwise &w = code.work;
    if (!region.totals.empty())
      return true;
    int64_t total = w.rows * w.length, most = total;
    for (mlir::Value leaf : region.leaves)
      if (const RepeatPattern &pattern = patterns.find(leaf)->second; !pattern.isConstant())
        most = std::gcd(most, pattern.axes().back().count);
    w.length = bestLength(most);
    w.rows = total / w.length;
    return true;
  }

  /// The divisor of `most` whose rows cost the least for each element.
  int64_t bestLength(int64_t most) {
    // Rows of few vectors are straight code and overlap; a loop begins anew for each row.
    constexpr int64_t kFewVectors = 6, kMostBytes = 16384;
    constexpr double kOfRow = 0.5, kOfLoop = 5;
    int64_t lanes = hardware.vector.lanes, best = 1;
    double least = 1e30;
    for (int64_t length = 1; length <= std::min(most, kMostBytes); ++length) {
      if (most % length)
        continue;
      int64_t vectors = (length + lanes - 1) / lanes;
      double cost = (static_cast<double>(vectors) + (vectors <= kFewVectors ? kOfRow : kOfLoop)) /
                    static_cast<double>(length);
      if (cost < least) {
        least = cost;
        best = length;
      }
    }
    return best;
  }

  bool addOperands() {
    constexpr size_t kMost = 12; // addresses beside registers for loops
    if (region.leaves.size() > kMost)
      return decline("it has too many operands");
    for (mlir::Value leaf : region.leaves) {
      std::optional<LaneCode::ElementAccess> access = accessOf(elementOf(leaf));
      if (!access)
        return decline("it reads a type that the vector core lacks");
      std::optional<RepeatPattern::Split> split = patterns.find(leaf)->second.split(code.work.length);
      if (!split || (!split->isRow() && !split->isNumber()))
        return decline("an operand repeats within a row");
      RowOperand operand;
      operand.axes = split->rows;
      operand.isRow = split->isRow();
      operand.bytes = access->bytes;
      operand.load = operand.isRow              ? access->load
                     : elementOf(leaf).isBF16() ? Id::VlbBf
                     : access->bytes == 1       ? Id::VlbB
                                                : Id::VlbW;
      code.work.operands.push_back(std::move(operand));
      region.isRow.push_back(split->isRow());
    }
    return true;
  }

  RowRegion region;
  llvm::MapVector<mlir::Value, RepeatPattern> patterns;
  llvm::DenseMap<mlir::Value, Range> ranges;
  RowwiseCode code;
};

class PlannedRowwise : public PlannedKernel {
public:
  PlannedRowwise(KernelOp kernel, RowwiseCode code, const mortise::Hardware &hardware)
      : PlannedKernel(kernel), code(std::move(code)), hardware(hardware) {}

  llvm::SmallVector<OperandUse> uses() override {
    llvm::SmallVector<OperandUse> uses;
    for (auto [operand, value] : llvm::zip_equal(code.work.operands, code.operands)) {
      bool dense = operand.stays() || operand.isDense(code.work.length);
      uses.push_back({value, dense ? std::optional(plain()) : std::nullopt});
    }
    return uses;
  }
  bool writes(const ResidentFrame &frame) override { return !frame.hasBorder(); }
  std::optional<double> cycles(const KernelPlaces &places) override {
    Rowwise work = code.work;
    work.output = places.addressOf(kernel.getResult(0));
    for (auto [operand, value] : llvm::zip_equal(work.operands, code.operands))
      operand.memory = places.addressOf(value);
    work.scratchpadBytes = std::min(work.scratchpadBytes, places.room);
    if (work.tileRows() == 0)
      return std::nullopt;
    return movedCycles(places, hardware);
  }

  std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t>) override {
    Rowwise &work = code.work;
    work.kernel = program.addKernel(code.kernel);
    work.node = node;
    work.output = program.addressOf(kernel.getResult(0));
    for (auto [operand, value] : llvm::zip_equal(work.operands, code.operands))
      operand.memory = program.addressOf(value);
    work.scratchpadBytes = program.room(work.scratchpadBytes);
    program.emitPlaced(work.scratchpadBytes, [&](int64_t start) {
      emitRowwise(work, program.hardware, start, program.stream);
      return true;
    });
    program.report("rows of " + llvm::Twine(work.length) + " on the vector core");
    return {};
  }

private:
  RowwiseCode code;
  const mortise::Hardware &hardware;
};

} // namespace

bool reducesRows(KernelOp kernel) {
  return llvm::all_of(kernel.getBody().front().getOps<ReduceOp>(), [](ReduceOp reduce) {
    // Where sizes are not known, no form is better than another.
    if (!cast<RankedTensorType>(reduce.getInput().getType()).hasStaticShape())
      return true;
    auto last = static_cast<int64_t>(shapeOf(reduce.getInput()).size()) - 1;
    while (last > 0 && shapeOf(reduce.getInput())[static_cast<size_t>(last)] == 1)
      --last;
    return llvm::is_contained(reduce.getAxes(), last) || reducedBy(reduce) == 1;
  });
}

std::unique_ptr<PlannedKernel> planRowwise(KernelOp kernel, const mortise::Hardware &hardware,
                                           const WeightBytes &, std::string &why) {
  std::optional<RowwiseCode> code = RowwiseReader(kernel, hardware, why).make();
  return code ? std::make_unique<PlannedRowwise>(kernel, std::move(*code), hardware) : nullptr;
}

} // namespace tenon::npu

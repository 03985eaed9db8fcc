//===- MovementKernel.cpp - regions that move elements --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/MovementKernel.h"

#include "compiler/dialect/tenon/BufferTable.h"
#include "compiler/emit/mortise/segment/IndexMap.h"
#include "compiler/emit/mortise/segment/KernelReader.h"
#include "compiler/emit/mortise/segment/LaneCode.h"
#include "compiler/emit/mortise/segment/TensorShape.h"
#include "compiler/emit/mortise/tile/TileKernel.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cstring>

using namespace mlir;

namespace tenon::npu {

namespace {

bool isMovement(mlir::Operation *op) {
  return isa<TransposeOp, SliceOp, PadOp, ConcatOp, ReshapeOp, BroadcastOp, tensor::CastOp>(op);
}

/// An operand with nothing but movement behind it.
bool isMoved(mlir::Value value) {
  mlir::Operation *op = value.getDefiningOp();
  if (!op)
    return true;
  if (!isMovement(op))
    return false;
  return llvm::all_of(isa<ConcatOp>(op) ? op->getOperands() : op->getOperands().take_front(1), isMoved);
}

/// The bits of a constant with one number.
std::optional<int64_t> bitsOf(mlir::Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!elements || !elements.isSplat() || elements.getElementType().getIntOrFloatBitWidth() % 8 != 0)
    return std::nullopt;
  int64_t bits = 0;
  std::memcpy(&bits, elements.getRawData().data(), std::min<size_t>(8, elements.getRawData().size()));
  return bits;
}

class MovementReader : KernelReader {
public:
  MovementReader(KernelOp kernel, const mortise::Hardware &hardware, std::string &why)
      : KernelReader(kernel, hardware, why) {}

  std::optional<MovementKernel> read() {
    for (mlir::Operation &op : kernel.getBody().front())
      if (!hasKnownSizes(op))
        return std::nullopt;
    if (llvm::is_contained(shapeOf(result()), 0))
      return refuse("its result has no elements");
    digits.assign(shapeOf(result()).begin(), shapeOf(result()).end());
    llvm::SmallVector<DigitCut> cuts;
    // Cutting digits changes all maps: from the beginning, with finer ones.
    for (constexpr size_t kMostDigits = 24; digits.size() < kMostDigits;) {
      found = {};
      sources.clear();
      seen.clear();
      cut.reset();
      if (walk())
        return finish();
      if (!cut)
        return std::nullopt;
      digits[cut->digit] /= cut->inner;
      digits.insert(digits.begin() + static_cast<long>(cut->digit) + 1, cut->inner);
    }
    return refuse("its reshapes cut axes too often");
  }

private:
  using Boxes = std::vector<MovedBox>;

  bool walk() {
    // The digits of each axis, the last innermost: a number with as many digits as the axis was cut into.
    IndexMap map;
    size_t digit = 0;
    for (int64_t extent : shapeOf(result())) {
      AffineIndex index{0, llvm::SmallVector<int64_t>(digits.size(), 0)};
      int64_t place = extent;
      do {
        place /= digits[digit];
        index.factors[digit++] = place;
      } while (place > 1);
      map.push_back(index);
    }
    Boxes all = {{std::vector<int64_t>(digits.size(), 0), {digits.begin(), digits.end()}}};
    if (isMoved(result()))
      return addSource(result(), map, all);
    return walkOutside(result(), map, all);
  }

  /// What is moved behind the elementwise work.
  bool walkOutside(mlir::Value value, IndexMap map, Boxes boxes) {
    while (mlir::Operation *op = value.getDefiningOp()) {
      if (isa<ConcatOp>(op))
        return decline("it concatenates what it computes");
      if (auto pad = dyn_cast<PadOp>(op)) {
        std::optional<int64_t> bits = bitsOf(pad.getValue());
        if (!bits || (!found.movement.filled.empty() && found.movement.fill != *bits))
          return decline("what it pads with is not one number");
        found.movement.fill = *bits;
        boxes = inside(pad, map, boxes, &found.movement.filled);
      } else if (!isMovement(op)) {
        break;
      }
      if (!moveThrough(op, map))
        return false;
      value = op->getOperand(0);
    }
    return walkInside(value, map, boxes);
  }

  /// The part of boxes that lies in the padded tensor; `outside` gets the rest.
  Boxes inside(PadOp pad, const IndexMap &map, Boxes boxes, Boxes *outside) {
    Boxes rest;
    for (auto [axis, extent] : llvm::enumerate(shapeOf(pad.getInput()))) {
      Boxes in;
      int64_t low = pad.getStaticLow()[axis];
      cutBoxes(boxes, map[axis], low, low + extent, in, outside ? *outside : rest);
      boxes = std::move(in);
    }
    return boxes;
  }

  /// From the map of a movement's result to that of its operand.
  bool moveThrough(mlir::Operation *op, IndexMap &map) {
    if (auto transpose = dyn_cast<TransposeOp>(op)) {
      IndexMap from(map.size());
      for (auto [axis, of] : llvm::enumerate(transpose.getPermutation()))
        from[static_cast<size_t>(of)] = map[axis];
      map = std::move(from);
    } else if (auto slice = dyn_cast<SliceOp>(op)) {
      if (!slice.getOffsets().empty())
        return decline("its slices begin where data says");
      for (auto [axis, index] : llvm::enumerate(map)) {
        index.constant = index.constant * slice.getStrides()[axis] + slice.getStaticOffsets()[axis];
        for (int64_t &factor : index.factors)
          factor *= slice.getStrides()[axis];
      }
    } else if (auto pad = dyn_cast<PadOp>(op)) {
      if (!pad.getLow().empty() || !pad.getHigh().empty())
        return decline("it pads by as much as data says");
      for (auto [axis, index] : llvm::enumerate(map))
        index.constant -= pad.getStaticLow()[axis];
    } else if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
      for (auto [axis, extent] : llvm::enumerate(shapeOf(broadcast.getInput())))
        if (extent == 1)
          map[axis] = {0, llvm::SmallVector<int64_t>(digits.size(), 0)};
    } else if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      std::optional<IndexMap> from =
          throughReshape(map, shapeOf(reshape.getResult()), shapeOf(reshape.getInput()), digits, cut);
      if (!from)
        return decline("a reshape cuts across axes that have been moved");
      map = std::move(*from);
    }
    return true;
  }

  /// Elementwise work, down to what is moved in front of it.
  bool walkInside(mlir::Value value, const IndexMap &map, const Boxes &boxes) {
    if (auto constant = value.getDefiningOp<ConstantOp>()) {
      std::string reason = LaneCode::whyNot(constant);
      return reason.empty() || decline(reason);
    }
    if (auto before = seen.find(value); before != seen.end())
      return before->second == map || decline("it reads a value at two places for one element");
    seen[value] = map;
    if (isMoved(value))
      return addSource(value, map, boxes);
    mlir::Operation *op = value.getDefiningOp();
    if (isMovement(op)) {
      if (isa<PadOp, ConcatOp>(op))
        return decline("it pads or concatenates between elementwise operations");
      IndexMap from = map;
      return moveThrough(op, from) && walkInside(op->getOperand(0), from, boxes);
    }
    if (std::string reason = LaneCode::whyNot(op); !reason.empty())
      return decline(reason);
    return llvm::all_of(op->getOperands(), [&](mlir::Value operand) {
      return !isa<RankedTensorType>(operand.getType()) || walkInside(operand, map, boxes);
    });
  }

  bool addSource(mlir::Value value, const IndexMap &map, const Boxes &boxes) {
    int64_t bytes = storageBytes(elementOf(value));
    if (bytes != 1 && bytes != 2 && bytes != 4)
      return decline("it moves elements of a size that DMA lacks");
    MovedSource source;
    source.bytes = bytes;
    llvm::SmallVector<mlir::Value> operands;
    if (!addParts(value, map, boxes, source, operands))
      return false;
    auto repeats = [&](const MovedPart &part) {
      return llvm::all_of(part.strides, [](int64_t s) { return s == 0; });
    };
    // One element for all, whatever boxes they lie in.
    source.uniform = value != result() && !source.fill && llvm::all_of(source.parts, repeats) &&
                     llvm::all_equal(operands) && !source.parts.empty();
    if (source.uniform) {
      source.parts.resize(1);
      operands.resize(1);
    }
    sources.push_back(value);
    found.movement.sources.push_back(std::move(source));
    found.operands.emplace_back(operands.begin(), operands.end());
    constexpr size_t kMost = 12; // addresses beside registers for loops
    return sources.size() <= kMost || decline("it has too many operands");
  }

  bool addParts(mlir::Value value, IndexMap map, Boxes boxes, MovedSource &source,
                llvm::SmallVector<mlir::Value> &operands) {
    mlir::Operation *op = value.getDefiningOp();
    if (!op) {
      MovedPart part;
      part.strides.assign(digits.size(), 0);
      int64_t stride = 1;
      for (size_t axis = map.size(); axis-- > 0; stride *= shapeOf(value)[axis]) {
        part.offset += map[axis].constant * stride;
        for (auto [sum, factor] : llvm::zip_equal(part.strides, map[axis].factors))
          sum += factor * stride;
      }
      for (const MovedBox &box : boxes) {
        part.box = box;
        source.parts.push_back(part);
        operands.push_back(value);
      }
      return true;
    }
    if (auto concat = dyn_cast<ConcatOp>(op)) {
      auto axis = static_cast<size_t>(concat.getAxis());
      for (mlir::Value input : concat.getInputs()) {
        Boxes in, out;
        cutBoxes(boxes, map[axis], 0, shapeOf(input)[axis], in, out);
        if (!addParts(input, map, std::move(in), source, operands))
          return false;
        boxes = std::move(out);
        map[axis].constant -= shapeOf(input)[axis];
      }
      return true;
    }
    if (auto pad = dyn_cast<PadOp>(op)) {
      std::optional<int64_t> bits = bitsOf(pad.getValue());
      if (!bits || (source.fill && *source.fill != *bits))
        return decline("what it pads with is not one number");
      source.fill = bits;
      boxes = inside(pad, map, std::move(boxes), nullptr);
    }
    return moveThrough(op, map) &&
           addParts(op->getOperand(0), std::move(map), std::move(boxes), source, operands);
  }

  std::optional<MovementKernel> finish() {
    Movement &m = found.movement;
    m.extents.assign(digits.begin(), digits.end());
    m.resultBytes = storageBytes(elementOf(result()));
    if (isMoved(result()))
      return std::move(found);
    if (!LaneCode::accessOf(elementOf(result())))
      return refuse("its result is of a type that the vector core cannot store");
    for (mlir::Value source : sources)
      if (!LaneCode::accessOf(elementOf(source)))
        return refuse("it reads a type that the vector core lacks");
    VectorFunction function("moved");
    VectorBuilder b(function);
    build(b);
    found.kernel = compileForTiles(function, hardware, why);
    if (!found.kernel)
      return std::nullopt;
    m.kernel = 0;
    return std::move(found);
  }

  /// One element for all lanes.
  static Value loadUniform(VectorBuilder &b, const Address &from, Type element) {
    if (element.isBF16())
      return b.load(Id::VlbBf, from);
    if (!element.isInteger(8))
      return b.load(Id::VlbW, from);
    Value byte = b.load(Id::VlbB, from);
    return element.isUnsignedInteger(8) ? b.op(Id::Vand, byte, b.splatInt(255)) : byte;
  }

  void build(VectorBuilder &b) {
    std::vector<Address> from;
    for (size_t i = 0; i < sources.size(); ++i) {
      std::string name = "source" + std::to_string(i);
      Value base = b.parameter(name);
      from.push_back({base, b.object(name)});
    }
    Value to = b.parameter("result"), count = b.parameter("count");
    ObjectId stored = b.object("result", true);
    std::vector<Value> initial, uniform(sources.size());
    for (size_t i = 0; i < sources.size(); ++i) {
      if (found.movement.sources[i].uniform)
        uniform[i] = loadUniform(b, from[i], elementOf(sources[i]));
      else
        initial.push_back(from[i].base);
    }
    initial.push_back(to);
    auto lanes = static_cast<int32_t>(hardware.vector.lanes);
    b.loop(count, initial, [&](std::span<const Value> at) {
      std::vector<Value> next, loaded = uniform;
      for (size_t i = 0; i < sources.size(); ++i) {
        if (uniform[i].isValid())
          continue;
        LaneCode::ElementAccess access = *LaneCode::accessOf(elementOf(sources[i]));
        Address address{at[next.size()], from[i].object};
        loaded[i] = b.loadAdvance(access.load, address, lanes * static_cast<int32_t>(access.bytes));
        next.push_back(address.base);
      }
      LaneCode lane(b, [&](mlir::Value value) -> LaneValue {
        for (auto [source, number] : llvm::zip_equal(sources, loaded))
          if (source == value)
            return {number, LaneCode::rangeOf(elementOf(value))};
        return {};
      });
      // Elementwise work does not see what is moved behind it.
      mlir::Value computed = result();
      while (isMovement(computed.getDefiningOp()))
        computed = computed.getDefiningOp()->getOperand(0);
      LaneCode::ElementAccess access = *LaneCode::accessOf(elementOf(computed));
      Address address{at[next.size()], stored};
      b.storeAdvance(access.store, address, lane.stored(lane.valueOf(computed), elementOf(computed)),
                     lanes * static_cast<int32_t>(access.bytes));
      next.push_back(address.base);
      return next;
    });
  }

  llvm::SmallVector<int64_t> digits; ///< how far each counts
  std::optional<DigitCut> cut;
  llvm::SmallVector<mlir::Value> sources; ///< in the region, what the movement's sources hold
  llvm::DenseMap<mlir::Value, IndexMap> seen;
  MovementKernel found;
};

} // namespace

bool movesElements(KernelOp kernel) {
  return llvm::any_of(kernel.getBody().front(), llvm::IsaPred<TransposeOp, SliceOp, PadOp, ConcatOp>);
}

std::optional<MovementKernel> readMovement(KernelOp kernel, const mortise::Hardware &hardware,
                                           std::string &why) {
  return MovementReader(kernel, hardware, why).read();
}

} // namespace tenon::npu

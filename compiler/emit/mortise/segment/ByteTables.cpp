//===- ByteTables.cpp - long computations on one byte as tables --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/ByteTables.h"

#include "compiler/emit/mortise/segment/RegionNumbers.h"
#include "compiler/emit/mortise/segment/TensorShape.h"
#include "llvm/ADT/SetVector.h"

#include <algorithm>
#include <bit>
#include <cmath>

using namespace mlir;

namespace tenon::npu {

namespace {

bool isByte(mlir::Value value) { return elementOf(value).isInteger(8); }
/// Operands that are tensors.
SmallVector<mlir::Value> operandsOf(mlir::Value value) {
  SmallVector<mlir::Value> operands;
  for (mlir::Value operand : value.getDefiningOp()->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      operands.push_back(operand);
  return operands;
}

/// Computed from constants alone.
bool isConstant(mlir::Value value) {
  mlir::Operation *op = value.getDefiningOp();
  return op && (isa<ConstantOp>(op) || (op->getNumOperands() && llvm::all_of(op->getOperands(), isConstant)));
}

} // namespace

ByteTables::ByteTables(mlir::Value root, std::function<bool(mlir::Value)> isLeaf)
    : isLeaf(std::move(isLeaf)) {
  walk(root);
}

/// The one byte that a value depends on, the earliest there is; null where there is none.
mlir::Value ByteTables::sourceOf(mlir::Value value) {
  if (auto found = sources.find(value); found != sources.end())
    return found->second;
  mlir::Value source;
  if (isLeaf(value)) {
    source = isByte(value) ? value : mlir::Value();
  } else if (!isConstant(value)) {
    bool mixed = false;
    for (mlir::Value operand : operandsOf(value)) {
      if (isConstant(operand))
        continue;
      mlir::Value other = sourceOf(operand);
      mixed |= !other || (source && source != other);
      source = other;
    }
    if (mixed)
      source = isByte(value) ? value : mlir::Value();
  }
  return sources[value] = source;
}

/// Roughly the vector core's operations.
unsigned ByteTables::costBetween(mlir::Value value, mlir::Value byte) const {
  llvm::SetVector<mlir::Value> open;
  open.insert(value);
  unsigned cost = 0;
  for (size_t i = 0; i < open.size(); ++i) {
    if (open[i] == byte || isConstant(open[i]))
      continue;
    mlir::Operation *op = open[i].getDefiningOp();
    cost += isa<DivOp>(op) ? 8 : isa<RoundOp>(op) ? 2 : isa<BroadcastOp, ReshapeOp>(op) ? 0 : 1;
    for (mlir::Value operand : operandsOf(open[i]))
      open.insert(operand);
  }
  return cost;
}

bool ByteTables::addTable(mlir::Value value, mlir::Value byte) {
  std::optional<std::vector<uint32_t>> words = byteTable(value, byte);
  if (!words)
    return false;
  Table table{byte, all.size(), {INFINITY, -INFINITY, true}};
  bool real = elementOf(value).isF32();
  for (uint32_t word : *words) {
    double number = real ? std::bit_cast<float>(word) : std::bit_cast<int32_t>(word);
    table.range.low = std::min(table.range.low, number);
    table.range.high = std::max(table.range.high, number);
    table.range.integral &= number == std::trunc(number);
  }
  if (!std::isfinite(table.range.low) || !std::isfinite(table.range.high))
    return false;
  tables[value] = table;
  all.insert(all.end(), words->begin(), words->end());
  return true;
}

/// From the root: the first value on each way that a table can stand for has the longest chain behind it.
void ByteTables::walk(mlir::Value value) {
  // A gather waits for banks that several lanes want, and its table takes room.
  constexpr unsigned kLeastCost = 24;
  constexpr size_t kMostWords = 8 * 256;
  if (!walked.insert(value).second || isLeaf(value) || isConstant(value))
    return;
  mlir::Value byte = sourceOf(value);
  if (byte && byte != value && all.size() < kMostWords && costBetween(value, byte) >= kLeastCost &&
      addTable(value, byte)) {
    walk(byte);
    return;
  }
  for (mlir::Value operand : operandsOf(value))
    walk(operand);
}

LaneValue ByteTables::lookUp(mlir::Value value, VectorBuilder &b, LaneCode &lane, Value base) const {
  auto found = tables.find(value);
  if (found == tables.end())
    return {};
  const Table &table = found->second;
  Value index = b.op(Id::Vand, lane.valueOf(table.byte).value, b.splatInt(255));
  Value offset = b.op(Id::Vshl, index, b.splatInt(2));
  Address from{base, b.object("table"), static_cast<int32_t>(table.offset * sizeof(uint32_t))};
  return {b.gather(from, offset), table.range};
}

} // namespace tenon::npu

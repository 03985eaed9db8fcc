//===- BufferTable.cpp - the Memory phase's decisions as attributes -----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/BufferTable.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"
#include <optional>

using namespace mlir;

namespace tenon {

static StringRef regionName(BufferRegion region) {
  switch (region) {
  case BufferRegion::Arena:
    return "arena";
  case BufferRegion::Input:
    return "input";
  case BufferRegion::Output:
    return "output";
  case BufferRegion::State:
    return "state";
  case BufferRegion::Weight:
    return "weight";
  case BufferRegion::Constant:
    return "constant";
  }
  llvm_unreachable("not a region");
}

static std::optional<BufferRegion> regionFromName(StringRef name) {
  return llvm::StringSwitch<std::optional<BufferRegion>>(name)
      .Case("arena", BufferRegion::Arena)
      .Case("input", BufferRegion::Input)
      .Case("output", BufferRegion::Output)
      .Case("state", BufferRegion::State)
      .Case("weight", BufferRegion::Weight)
      .Case("constant", BufferRegion::Constant)
      .Default(std::nullopt);
}

void BufferTable::attach(func::FuncOp function) const {
  Builder builder(function.getContext());
  SmallVector<Attribute> rows;
  for (const BufferEntry &entry : entries) {
    SmallVector<NamedAttribute> row;
    row.push_back(builder.getNamedAttr("region", builder.getStringAttr(regionName(entry.region))));
    if (entry.region == BufferRegion::Input || entry.region == BufferRegion::Output)
      row.push_back(builder.getNamedAttr("index", builder.getI64IntegerAttr(entry.index)));
    if (!entry.symbol.empty())
      row.push_back(builder.getNamedAttr("symbol", builder.getStringAttr(entry.symbol)));
    if (!entry.conflicts.empty()) {
      SmallVector<int64_t> conflicts(entry.conflicts.begin(), entry.conflicts.end());
      row.push_back(builder.getNamedAttr("conflicts", builder.getDenseI64ArrayAttr(conflicts)));
    }
    rows.push_back(builder.getDictionaryAttr(row));
  }
  function->setAttr(kBufferTableAttr, builder.getArrayAttr(rows));
}

static LogicalResult parseRow(DictionaryAttr row, uint32_t position, BufferEntry &entry) {
  auto region = row.getAs<StringAttr>("region");
  std::optional<BufferRegion> known = region ? regionFromName(region.getValue()) : std::nullopt;
  if (!known)
    return failure();
  entry.region = *known;
  if (auto index = row.getAs<IntegerAttr>("index"))
    entry.index = static_cast<uint32_t>(index.getInt());
  if (auto symbol = row.getAs<StringAttr>("symbol"))
    entry.symbol = symbol.str();
  if (auto conflicts = row.getAs<DenseI64ArrayAttr>("conflicts"))
    for (int64_t earlier : conflicts.asArrayRef()) {
      if (earlier < 0 || earlier >= position)
        return failure();
      entry.conflicts.push_back(static_cast<uint32_t>(earlier));
    }
  return success();
}

FailureOr<BufferTable> BufferTable::of(func::FuncOp function) {
  auto rows = function->getAttrOfType<ArrayAttr>(kBufferTableAttr);
  if (!rows)
    return function.emitError() << "expected the attribute " << kBufferTableAttr
                                << ", which the Memory phase sets";
  BufferTable table;
  for (auto [position, attribute] : llvm::enumerate(rows)) {
    auto row = dyn_cast<DictionaryAttr>(attribute);
    BufferEntry &entry = table.entries.emplace_back();
    if (!row || failed(parseRow(row, static_cast<uint32_t>(position), entry)))
      return function.emitError() << "row " << position << " of " << kBufferTableAttr
                                  << " is malformed: " << attribute;
  }
  return table;
}

static int64_t entryAt(Operation *op, StringRef attribute, unsigned position) {
  auto buffers = op->getAttrOfType<DenseI64ArrayAttr>(attribute);
  return buffers && position < buffers.size() ? buffers[position] : -1;
}

int64_t tiedOperand(OpResult result) {
  return entryAt(result.getOwner(), kTiesAttr, result.getResultNumber());
}

int64_t storageBytes(Type element) { return llvm::divideCeil(element.getIntOrFloatBitWidth(), 8); }

int64_t bufferOf(Value value) {
  if (auto result = dyn_cast<OpResult>(value))
    return entryAt(result.getOwner(), kBuffersAttr, result.getResultNumber());
  auto argument = cast<BlockArgument>(value);
  Operation *parent = argument.getOwner()->getParentOp();
  unsigned number = argument.getArgNumber();
  if (isa<func::FuncOp>(parent))
    return entryAt(parent, kArgumentBuffersAttr, number);
  if (auto loop = dyn_cast<scf::ForOp>(parent))
    return number < loop.getNumInductionVars()
               ? -1
               : entryAt(loop, kBuffersAttr, number - loop.getNumInductionVars());
  if (auto loop = dyn_cast<scf::WhileOp>(parent))
    return entryAt(loop, argument.getOwner() == loop.getBeforeBody() ? kArgumentBuffersAttr : kBuffersAttr,
                   number);
  return -1;
}

} // namespace tenon

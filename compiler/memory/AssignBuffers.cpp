//===- AssignBuffers.cpp - the phase Memory ------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/memory/AssignBuffers.h"

#include "compiler/dialect/tenon/BufferTable.h"
#include "compiler/memory/ArenaPlan.h"
#include "compiler/memory/BufferClasses.h"
#include "compiler/memory/Timeline.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <map>

using namespace mlir;

namespace tenon::memory {

/// Calls f(value) for every tensor value outside kernels, in program order.
static void forEachTensor(func::FuncOp function, function_ref<void(Value)> f) {
  auto visit = [&](ValueRange values) {
    for (Value value : values)
      if (isa<RankedTensorType>(value.getType()))
        f(value);
  };
  function->walk<WalkOrder::PreOrder>([&](Operation *op) {
    visit(op->getResults());
    if (isa<KernelOp>(op))
      return WalkResult::skip();
    for (Region &region : op->getRegions())
      for (Block &block : region)
        visit(block.getArguments());
    return WalkResult::advance();
  });
}

static LiveRange rangeOf(const BufferClasses &classes, BufferClasses::ClassId id, const Timeline &timeline) {
  LiveRange range;
  for (Value value : classes.members(id)) {
    LiveRange part = timeline.liveRange(value);
    range.first = std::min(range.first, part.first);
    range.last = std::max(range.last, part.last);
  }
  return range;
}

/// Values of the symbols for which the arena is made small.
static std::map<std::string, int64_t> likelyValues(SizeAnalysis &sizes, Size size) {
  constexpr int64_t typicalExtent = 64;
  std::map<std::string, int64_t> values;
  for (StringRef name : size.symbols()) {
    const SymbolInfo *info = sizes.context().info(name);
    int64_t value = info->likely.empty()
                        ? std::max(info->min, std::min(info->max.value_or(typicalExtent), typicalExtent))
                        : info->likely.back();
    values[name.str()] = value;
  }
  return values;
}

static int64_t likelyBytes(SizeAnalysis &sizes, Value value) {
  Size elements = productOf(sizes.context(), sizes.dims(value));
  Size bytes = elements * storageBytes(cast<RankedTensorType>(value.getType()).getElementType());
  return std::max<int64_t>(0, bytes.evaluate(likelyValues(sizes, bytes)).value_or(0));
}

namespace {

/// Numbers the classes: those outside the arena first, then the arena's in their order of placement.
struct Numbering {
  BufferTable table;
  llvm::DenseMap<BufferClasses::ClassId, int64_t> numbers;
};

} // namespace

static Numbering numberClasses(BufferClasses &classes, const Timeline &timeline, SizeAnalysis &sizes) {
  Numbering result;
  SmallVector<BufferClasses::ClassId> arena;
  std::vector<ArenaRequest> requests;
  for (BufferClasses::ClassId id : classes.all()) {
    const BufferEntry &where = classes.placeOf(classes.members(id).front());
    if (where.region != BufferRegion::Arena) {
      result.numbers[id] = static_cast<int64_t>(result.table.entries.size());
      result.table.entries.push_back(where);
      continue;
    }
    LiveRange range = rangeOf(classes, id, timeline);
    int64_t bytes = 0;
    for (Value value : classes.members(id))
      bytes = std::max(bytes, likelyBytes(sizes, value));
    arena.push_back(id);
    requests.push_back({range.first, range.last, bytes});
  }
  auto base = static_cast<uint32_t>(result.table.entries.size());
  for (const ArenaPlan::Placement &placement : planArena(requests).placements) {
    result.numbers[arena[placement.request]] = static_cast<int64_t>(result.table.entries.size());
    BufferEntry &entry = result.table.entries.emplace_back();
    for (uint32_t earlier : placement.conflicts)
      entry.conflicts.push_back(base + earlier);
  }
  return result;
}

static void attachNumbers(func::FuncOp function, BufferClasses &classes, const Numbering &numbering) {
  Builder builder(function.getContext());
  auto attach = [&](Operation *op, StringRef name, ValueRange values) {
    SmallVector<int64_t> numbers;
    for (Value value : values)
      numbers.push_back(isa<RankedTensorType>(value.getType()) ? numbering.numbers.at(classes.of(value))
                                                               : -1);
    if (llvm::any_of(numbers, [](int64_t n) { return n >= 0; }))
      op->setAttr(name, builder.getDenseI64ArrayAttr(numbers));
  };
  attach(function, kArgumentBuffersAttr, function.getArguments());
  function->walk<WalkOrder::PreOrder>([&](Operation *op) {
    attach(op, kBuffersAttr, op->getResults());
    if (auto loop = dyn_cast<scf::WhileOp>(op))
      attach(op, kArgumentBuffersAttr, loop.getBeforeArguments());
    return isa<KernelOp>(op) ? WalkResult::skip() : WalkResult::advance();
  });
  numbering.table.attach(function);
}

LogicalResult assignBuffers(func::FuncOp function, SizeAnalysis &sizes) {
  FailureOr<BufferClasses> classes = formBufferClasses(function);
  if (failed(classes))
    return failure();
  Timeline timeline(function);
  attachNumbers(function, *classes, numberClasses(*classes, timeline, sizes));
  return success();
}

LogicalResult verifyBuffers(func::FuncOp function) {
  FailureOr<BufferTable> table = BufferTable::of(function);
  if (failed(table))
    return failure();
  Timeline timeline(function);
  std::vector<LiveRange> ranges(table->entries.size());
  LogicalResult result = success();
  forEachTensor(function,
                [&](Value value) {
                  int64_t buffer = bufferOf(value);
                  if (buffer < 0 || buffer >= static_cast<int64_t>(ranges.size())) {
                    if (succeeded(result))
                      emitError(value.getLoc())
                          << "expected every tensor to have a buffer of the table after the phase memory";
                    result = failure();
                    return;
                  }
                  LiveRange range = timeline.liveRange(value);
                  ranges[buffer].first = std::min(ranges[buffer].first, range.first);
                  ranges[buffer].last = std::max(ranges[buffer].last, range.last);
                });
  if (failed(result))
    return failure();
  for (size_t b = 0; b < ranges.size(); ++b)
    for (size_t a = 0; a < b; ++a) {
      if (table->entries[a].region != BufferRegion::Arena || table->entries[b].region != BufferRegion::Arena)
        continue;
      bool together = std::max(ranges[a].first, ranges[b].first) <= std::min(ranges[a].last, ranges[b].last);
      if (together && !llvm::is_contained(table->entries[b].conflicts, static_cast<uint32_t>(a)))
        return function.emitError() << "buffers " << a << " and " << b
                                    << " are alive at the same time and may overlap";
    }
  return success();
}

} // namespace tenon::memory

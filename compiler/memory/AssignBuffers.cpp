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
#include "llvm/ADT/StringSet.h"
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

namespace {

/// Values of the symbols for which the arena is made small: those that are said to be likely, else one item
/// of a batch (what only the first axis of inputs has), and several extents of everything else.
class LikelySizes {
public:
  LikelySizes(func::FuncOp function, SizeAnalysis &sizes);
  /// The bytes of a tensor for each of them.
  SmallVector<int64_t, 3> bytes(Value value);

private:
  int64_t valueOf(StringRef symbol, size_t sample);
  SizeAnalysis &sizes;
  llvm::StringSet<> batches;
  size_t samples = 1;
};

LikelySizes::LikelySizes(func::FuncOp function, SizeAnalysis &sizes) : sizes(sizes) {
  llvm::StringSet<> inner;
  for (Value argument : function.getArguments()) {
    if (!isa<RankedTensorType>(argument.getType()))
      continue;
    for (auto [axis, size] : llvm::enumerate(sizes.dims(argument)))
      for (StringRef name : size.symbols()) {
        samples = 3;
        (axis == 0 ? batches : inner).insert(name);
      }
  }
  for (const auto &name : inner)
    batches.erase(name.getKey());
}

int64_t LikelySizes::valueOf(StringRef symbol, size_t sample) {
  constexpr int64_t typicalExtents[] = {256, 64, 1024};
  const SymbolInfo *info = sizes.context().info(symbol);
  if (!info->likely.empty())
    return info->likely[info->likely.size() - 1 - std::min(sample, info->likely.size() - 1)];
  int64_t value = batches.contains(symbol) ? 1 : typicalExtents[sample];
  return std::max(info->min, std::min(info->max.value_or(value), value));
}

SmallVector<int64_t, 3> LikelySizes::bytes(Value value) {
  Size elements = productOf(sizes.context(), sizes.dims(value));
  Size bytes = elements * storageBytes(cast<RankedTensorType>(value.getType()).getElementType());
  SmallVector<int64_t, 3> result;
  for (size_t sample = 0; sample < samples; ++sample) {
    std::map<std::string, int64_t> values;
    for (StringRef name : bytes.symbols())
      values[name.str()] = valueOf(name, sample);
    result.push_back(std::max<int64_t>(0, bytes.evaluate(values).value_or(0)));
  }
  return result;
}

/// Numbers the classes: those outside the arena first, then the arena's in their order of placement.
struct Numbering {
  BufferTable table;
  llvm::DenseMap<BufferClasses::ClassId, int64_t> numbers;
};

} // namespace

static Numbering numberClasses(func::FuncOp function, BufferClasses &classes, const Timeline &timeline,
                               SizeAnalysis &sizes) {
  Numbering result;
  LikelySizes likely(function, sizes);
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
    ArenaRequest request{range.first, range.last, {}};
    for (Value value : classes.members(id)) {
      SmallVector<int64_t, 3> bytes = likely.bytes(value);
      request.likelyBytes.resize(bytes.size());
      for (auto [most, own] : llvm::zip_equal(request.likelyBytes, bytes))
        most = std::max(most, own);
    }
    arena.push_back(id);
    requests.push_back(std::move(request));
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
  attachNumbers(function, *classes, numberClasses(function, *classes, timeline, sizes));
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

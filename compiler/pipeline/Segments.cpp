//===- Segments.cpp - kernels of Mortise in a package ---------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Segments.h"

#include "compiler/emit/mortise/machine/Machine.h"
#include "compiler/emit/mortise/segment/SegmentCompiler.h"
#include "compiler/emit/plan/OrderQueues.h"
#include "compiler/place/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "package/writer.h"

using namespace mlir;

namespace tenon::pipeline {

/// Set in the index of a segment's kernel until the CPU's kernels are counted.
static constexpr uint32_t kSegmentBit = 0x80000000u;

void runSegments(ModuleOp module, const mortise::Hardware &hardware, const npu::Lowering &lowering,
                 function_ref<void(KernelOp, StringRef)> stays) {
  for (func::FuncOp function : module.getOps<func::FuncOp>()) {
    SizeAnalysis sizes(function);
    place::formSegments(function, [&](KernelOp op) {
      std::string reason = lowering.takes
                               ? lowering.takes(op, sizes, hardware)
                               : "Mortise has no form of kernels of family " + op.getFamily().str();
      if (!reason.empty() && stays)
        stays(op, reason);
      return reason;
    });
  }
}

npu::Lowering mortiseLowering(ModuleOp module, std::shared_ptr<importer::WeightStore> store, bool cascades) {
  auto weights = [module, store = std::move(store)](GetWeightOp read) mutable {
    auto weight = module.lookupSymbol<WeightOp>(read.getWeight());
    return weight ? store->bytes(weight.getPath(), static_cast<uint64_t>(weight.getOffset()),
                                 static_cast<uint64_t>(weight.getLength()))
                  : std::nullopt;
  };
  return npu::mortiseLowering(std::move(weights), {.cascades = cascades});
}

/// The numbers of the model's nodes that a location names.
static std::set<int64_t> nodesOf(Location location) {
  std::set<int64_t> nodes;
  location->walk([&](Location part) {
    auto name = dyn_cast<NameLoc>(part);
    StringRef text = name ? name.getName().getValue() : StringRef();
    int64_t number = 0;
    if (text.consume_front("node:") && !text.consumeInteger(10, number))
      nodes.insert(number);
    return WalkResult::advance();
  });
  return nodes;
}

std::map<int64_t, std::set<std::string>> placeNodes(ModuleOp module, const mortise::Hardware &hardware,
                                                    const npu::Lowering &lowering) {
  std::map<int64_t, std::set<std::string>> places;
  runSegments(module, hardware, lowering, [&](KernelOp op, StringRef reason) {
    for (int64_t node : nodesOf(op.getLoc()))
      places[node].insert(reason.str());
  });
  module.walk([&](KernelOp op) {
    if (place::isSegment(op))
      for (int64_t node : nodesOf(op.getLoc()))
        places.try_emplace(node);
  });
  return places;
}

/// The bytes of a weight or constant, also through reshapes.
std::optional<ArrayRef<uint8_t>> SegmentEmitter::bytesOf(Value value) {
  Operation *def = value.getDefiningOp();
  while (isa_and_nonnull<ReshapeOp, tensor::CastOp>(def))
    def = def->getOperand(0).getDefiningOp();
  if (auto read = dyn_cast_or_null<GetWeightOp>(def)) {
    auto weight = module.lookupSymbol<WeightOp>(read.getWeight());
    std::optional<StringRef> bytes =
        weight ? store.bytes(weight.getPath(), static_cast<uint64_t>(weight.getOffset()),
                             static_cast<uint64_t>(weight.getLength()))
               : std::nullopt;
    if (!bytes)
      return std::nullopt;
    return ArrayRef(reinterpret_cast<const uint8_t *>(bytes->data()), bytes->size());
  }
  auto constant = dyn_cast_or_null<ConstantOp>(def);
  auto elements = constant ? dyn_cast<ElementsAttr>(constant.getValue()) : ElementsAttr();
  std::optional<std::vector<uint8_t>> bytes = elements ? plan::bytesOf(elements) : std::nullopt;
  if (!bytes)
    return std::nullopt;
  return ArrayRef<uint8_t>(constants.emplace_back(std::move(*bytes)));
}

FailureOr<cpu::DispatchInfo> SegmentEmitter::add(KernelOp op, SizeAnalysis &sizes) {
  if (!lowering.compile)
    return op.emitError() << "TN0407: no lowering takes the segment; leave mortise out of --target";
  FailureOr<npu::CompiledSegment> compiled = lowering.compile(
      op, sizes, hardware, [&](unsigned operand) { return bytesOf(op.getInputs()[operand]); });
  if (failed(compiled))
    return failure();
  npu::MachineError error;
  std::optional<std::vector<uint8_t>> program = npu::binaryOf(compiled->program, error);
  if (!program)
    return op.emitError() << "TN0407: the program of the segment is malformed: " << error.code << ": "
                          << error.message;
  cpu::DispatchInfo info;
  info.kernel = kSegmentBit | static_cast<uint32_t>(segments.size());
  info.grid = sizes.context().constant(1);
  info.scalars = compiled->scalars;
  info.flops = compiled->flops;
  info.bytes = compiled->bytes;
  // `finish` needs slots with the sizes of new weights.
  for (const npu::ReplacedOperand &operand : compiled->replaced)
    info.scalars.push_back(sizes.context().constant(static_cast<int64_t>(operand.bytes.size())));
  Compiled &segment = segments.emplace_back();
  segment.kernel.name = "mortise_" + std::to_string(segments.size() - 1);
  segment.kernel.family = op.getFamily().str();
  segment.kernel.access.assign(op.getInputs().size(), package::Access::Read);
  segment.kernel.access.resize(op.getInputs().size() + op->getNumResults(), package::Access::Write);
  segment.kernel.symbolCount = static_cast<uint32_t>(compiled->scalars.size());
  segment.program = std::move(*program);
  segment.replaced = std::move(compiled->replaced);
  segment.schedule = std::move(compiled->schedule);
  return info;
}

/// Gives the dispatches of segments their final kernels and the operands that were replaced.
void SegmentEmitter::place(package::Function &function, package::Package &package, uint32_t firstKernel) {
  for (package::Command &command : function.commands) {
    auto *dispatch = std::get_if<package::Dispatch>(&command.body);
    if (!dispatch || !(dispatch->variants.front().kernel & kSegmentBit))
      continue;
    uint32_t index = dispatch->variants.front().kernel & ~kSegmentBit;
    Compiled &segment = segments[index];
    dispatch->variants.front().kernel = firstKernel + index;
    for (auto [i, operand] : llvm::enumerate(segment.replaced)) {
      package::Weight weight;
      weight.name = segment.kernel.name + "." + std::to_string(operand.operand);
      weight.dtype = package::DType::U8;
      weight.size = operand.bytes.size();
      weight.dims = {static_cast<int64_t>(weight.size)};
      weight.source = package::fromBytes(std::move(operand.bytes));
      package::Buffer buffer;
      buffer.region = package::Region::Weight;
      buffer.index = static_cast<uint32_t>(package.weights.size());
      buffer.size = dispatch->symbols[segment.kernel.symbolCount + i];
      package.weights.push_back(std::move(weight));
      dispatch->buffers[operand.operand] = static_cast<package::BufferId>(function.buffers.size());
      function.buffers.push_back(std::move(buffer));
    }
    dispatch->symbols.resize(segment.kernel.symbolCount);
  }
}

void SegmentEmitter::finish(package::Package &package) {
  if (segments.empty())
    return;
  auto firstKernel = static_cast<uint32_t>(package.kernels.size());
  package.devices.push_back({"mortise", mortise::toYaml(hardware)});
  for (package::Function &function : package.functions)
    place(function, package, firstKernel);
  bool replaced = false;
  for (Compiled &segment : segments) {
    replaced |= !segment.replaced.empty();
    segment.kernel.program = static_cast<uint32_t>(package.programs.size());
    package.programs.push_back({0, std::move(segment.program)});
    package.debug.schedules.push_back({static_cast<uint32_t>(package.kernels.size()), segment.schedule});
    package.kernels.push_back(std::move(segment.kernel));
  }
  for (package::Function &function : package.functions)
    plan::orderQueues(function, package);
  if (replaced)
    plan::dropUnusedWeights(package);
}

} // namespace tenon::pipeline

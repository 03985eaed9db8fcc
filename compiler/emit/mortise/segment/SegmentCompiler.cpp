//===- SegmentCompiler.cpp - kernels of a segment as a program of Mortise --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/SegmentCompiler.h"

#include "compiler/dialect/tenon/BufferTable.h"
#include "compiler/emit/mortise/segment/FoldImagePads.h"
#include "compiler/emit/mortise/segment/JoinRows.h"
#include "compiler/emit/mortise/segment/PlannedKernel.h"
#include "compiler/emit/mortise/segment/UnpackRight.h"
#include "compiler/emit/mortise/tile/Transfers.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace tenon::npu {

std::unique_ptr<PlannedKernel> planOf(KernelOp kernel, const mortise::Hardware &hardware,
                                      const WeightBytes &weights, std::string &why) {
  if (kernel->getNumResults() != 1) {
    why = "it has several results";
    return nullptr;
  }
  PlanKernel *plan = llvm::StringSwitch<PlanKernel *>(kernel.getFamily())
                         .Cases({"contraction", "conv"}, planProduct)
                         .Case("window", planWindow)
                         .Case("attention", planAttention)
                         .Case("reduce", reducesRows(kernel) ? planRowwise : planColumns)
                         .Case("map", planMap)
                         .Default(nullptr);
  if (plan)
    return plan(kernel, hardware, weights, why);
  why = ("kernels of the family '" + kernel.getFamily() + "' have no form on the NPU").str();
  return nullptr;
}

namespace {

/// "conv1 (Conv) and 2": the first of the model's nodes that does more than quantize, else the first, and how
/// many there are beside it. What several kernels share of quantization is told as a node of the first of
/// them.
std::string nodeName(Location location) {
  std::string text;
  bool quantizes = true;
  unsigned count = 0;
  location->walk([&](Location part) {
    auto name = dyn_cast<NameLoc>(part);
    StringRef found = name ? name.getName().getValue() : StringRef();
    if (!found.consume_front("node:"))
      return WalkResult::advance();
    auto [operation, node] = found.split(':').second.split(':');
    bool only = operation == "QuantizeLinear" || operation == "DequantizeLinear";
    if (!count++ || (quantizes && !only)) {
      text = (node + " (" + operation + ")").str();
      quantizes = only;
    }
    return WalkResult::advance();
  });
  if (count > 1)
    text += " and " + std::to_string(count - 1);
  return text.empty() ? "kernel" : text;
}

} // namespace

double PlannedKernel::movedCycles(const KernelPlaces &places, const mortise::Hardware &hardware) {
  constexpr double kExposed = 0.3;
  auto cyclesOf = [&](mlir::Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || !type.hasStaticShape())
      return 0.0;
    double bytes = static_cast<double>(type.getNumElements() * storageBytes(type.getElementType()));
    return bytes / memoryOf(places.addressOf(value), hardware).bytesPerCycle;
  };
  double sum = cyclesOf(kernel->getResult(0));
  for (BlockArgument argument : kernel.getBody().front().getArguments().take_front(kernel.getInputs().size()))
    sum += cyclesOf(argument);
  return kExposed * sum;
}

namespace {

class SegmentBuilder {
public:
  SegmentBuilder(KernelOp segment, const mortise::Hardware &hardware, const WeightBytes &weights,
                 const LoweringOptions &options)
      : segment(segment), hardware(hardware), weights(weights), options(options) {}

  FailureOr<CompiledSegment> build() {
    if (failed(planAll()))
      return failure();
    ResidentTensors residents;
    if (options.cascades)
      residents = chooseResidents();
    SegmentProgram program(segment, hardware, storedBytes, residents);
    for (auto &[kernel, plan] : plans) {
      std::optional<int64_t> stored;
      if (auto operand = storedOperands.find(kernel); operand != storedOperands.end())
        stored = program.addressOf(operand->second);
      uint32_t node = program.beginKernel(nodeName(plan->location()), kernel);
      if (std::string why = plan->emit(program, node, stored); !why.empty())
        return refuse(kernel, why);
    }
    FinishedStream finished = program.finish(result.schedule);
    if (!finished.error.empty())
      return segment.emitError() << "TN0408: the program for " << hardware.name
                                 << " is not right: " << finished.error;
    result.program = std::move(finished.program);
    return std::move(result);
  }

private:
  ResidentTensors chooseResidents() {
    std::vector<std::pair<KernelOp, PlannedKernel *>> kernels;
    for (auto &[kernel, plan] : plans)
      kernels.emplace_back(kernel, plan.get());
    return {segment, kernels, hardware};
  }

  LogicalResult planAll() {
    for (KernelOp kernel : segment.getBody().front().getOps<KernelOp>()) {
      std::string why;
      std::unique_ptr<PlannedKernel> plan = planOf(kernel, hardware, weights, why);
      if (!plan)
        return refuse(kernel, why);
      store(kernel, *plan);
      plans.emplace_back(kernel, std::move(plan));
    }
    return success();
  }
  LogicalResult refuse(KernelOp kernel, StringRef why) {
    return kernel.emitError() << "TN0408: " << hardware.name << " cannot run this kernel: " << why;
  }

  /// The package stores an operand as the machine wants it, if nothing else reads it.
  void store(KernelOp kernel, PlannedKernel &plan) {
    mlir::Value wanted = plan.repacked();
    auto argument =
        dyn_cast_or_null<BlockArgument>(wanted ? KernelConstants::within(wanted, segment) : wanted);
    if (!argument || argument.getOwner()->getParentOp() != segment || !argument.hasOneUse())
      return;
    result.replaced.push_back({argument.getArgNumber(), plan.pack()});
    storedBytes[argument] = static_cast<int64_t>(result.replaced.back().bytes.size());
    storedOperands[kernel] = argument;
  }

  KernelOp segment;
  const mortise::Hardware &hardware;
  const WeightBytes &weights;
  const LoweringOptions &options;
  std::vector<std::pair<KernelOp, std::unique_ptr<PlannedKernel>>> plans;
  llvm::DenseMap<mlir::Value, int64_t> storedBytes;
  llvm::DenseMap<mlir::Operation *, mlir::Value> storedOperands; ///< of a kernel
  CompiledSegment result;
};

} // namespace

Lowering mortiseLowering(WeightBytes weights, LoweringOptions options) {
  Lowering lowering;
  lowering.takes = [weights](KernelOp kernel, SizeAnalysis &, const mortise::Hardware &hardware) {
    std::string why;
    return planOf(kernel, hardware, weights, why) ? std::string() : why;
  };
  lowering.compile = [weights, options](KernelOp segment, SizeAnalysis &, const mortise::Hardware &hardware,
                                        const OperandBytes &) {
    OwningOpRef<KernelOp> joined(segment.clone());
    unpackRight(*joined, hardware, weights);
    foldImagePads(*joined, hardware, weights);
    joinRows(*joined, hardware);
    return SegmentBuilder(*joined, hardware, weights, options).build();
  };
  return lowering;
}

} // namespace tenon::npu

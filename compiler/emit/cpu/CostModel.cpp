//===- CostModel.cpp - how long a kernel takes, and what limits it --------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/CostModel.h"
#include "compiler/dialect/tenon/ProductAttributes.h"
#include <cmath>

using namespace mlir;

namespace tenon::cpu {

static int64_t picosecondsPerByte(double gigabytesPerSecond) {
  return std::max<int64_t>(1, std::llround(1000 / gigabytesPerSecond));
}

static Size bytesOf(Value tensor, SizeAnalysis &sizes) {
  Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
  return productOf(sizes.context(), sizes.dims(tensor)) *
         int64_t(std::max(1u, element.getIntOrFloatBitWidth() / 8));
}

/// The result, where an operation reads no more of `tensor` than it yields or changes; else nothing.
static Value readsOnlyPart(OpOperand &use) {
  Operation *user = use.getOwner();
  bool first = use.getOperandNumber() == 0;
  if (isa<SliceOp, GatherOp, GatherElementsOp, GatherNdOp>(user) && first)
    return user->getResult(0);
  if (auto scatter = dyn_cast<ScatterNdOp>(user); scatter && first)
    return scatter.getUpdates();
  if (auto scatter = dyn_cast<ScatterElementsOp>(user); scatter && first)
    return scatter.getUpdates();
  if (auto update = dyn_cast<UpdateSliceOp>(user); update && first)
    return update.getUpdate();
  return {};
}

/// Bytes that are read of a tensor inside the region.
static Size readOf(Value tensor, SizeAnalysis &sizes) {
  Size all = bytesOf(tensor, sizes), parts = sizes.context().constant(0);
  for (OpOperand &use : tensor.getUses()) {
    Value part = readsOnlyPart(use);
    bool moved = isa<ReshapeOp, TransposeOp>(use.getOwner());
    if (!part && !moved)
      return all;
    parts = parts + (moved ? readOf(use.getOwner()->getResult(0), sizes) : bytesOf(part, sizes));
  }
  return parts.min(all);
}

static Size writtenOf(Value yielded, Value result, SizeAnalysis &sizes) {
  if (Operation *writer = yielded.getDefiningOp();
      isa_and_nonnull<ScatterNdOp, ScatterElementsOp, UpdateSliceOp>(writer))
    return bytesOf(readsOnlyPart(writer->getOpOperand(0)), sizes);
  return bytesOf(result, sizes);
}

static bool isWeight(Value tensor) {
  while (auto reshape = tensor.getDefiningOp<ReshapeOp>())
    tensor = reshape.getInput();
  return isa_and_nonnull<GetWeightOp, ConstantOp>(tensor.getDefiningOp());
}

Traffic trafficOf(KernelOp kernel, SizeAnalysis &sizes) {
  Traffic traffic{sizes.context().constant(0), sizes.context().constant(0)};
  Block &body = kernel.getBody().front();
  for (auto [input, argument] : llvm::zip_equal(kernel.getInputs(), body.getArguments())) {
    Size &sum = isWeight(input) ? traffic.weights : traffic.activations;
    sum = sum + readOf(argument, sizes);
  }
  for (auto [yielded, result] : llvm::zip_equal(body.getTerminator()->getOperands(), kernel.getResults()))
    traffic.activations = traffic.activations + writtenOf(yielded, result, sizes);
  return traffic;
}

StringRef productTypeOf(KernelOp kernel) {
  for (Operation &op : kernel.getBody().front()) {
    if (!isa<ContractOp, ConvOp, PackedContractOp, PackedConvOp>(op))
      continue;
    Type element = cast<RankedTensorType>(op.getOperand(1).getType()).getElementType();
    return element.isInteger(8) ? "int8" : element.isBF16() ? "bf16" : "";
  }
  return "";
}

/// The machine's peak for what the region multiplies.
static double peakFor(KernelOp kernel, const CpuTarget &target) {
  StringRef type = productTypeOf(kernel);
  if (type == "int8")
    return target.peakGflops * target.int8PeakRatio();
  return target.peakGflops * (type == "bf16" && target.bf16 ? target.bf16PeakRatio() : 1.0);
}

/// What does not fit a level comes from the next one.
static Size activationTime(Size bytes, const CpuTarget &t) {
  int64_t l2 = picosecondsPerByte(t.l2GBs), l3 = picosecondsPerByte(t.l3GBs),
          dram = picosecondsPerByte(t.dramGBs);
  Size zero = bytes.context()->constant(0);
  Size beyondL2 = (bytes - t.l2Bytes).max(zero), beyondL3 = (bytes - t.l3Bytes).max(zero);
  return bytes * l2 + beyondL2 * std::max<int64_t>(0, l3 - l2) + beyondL3 * std::max<int64_t>(0, dram - l3);
}

static double weightBandwidth(const CpuTarget &t, int64_t modelWeights) {
  return modelWeights <= t.l2Bytes ? t.l2GBs : modelWeights <= t.l3Bytes ? t.l3GBs : t.dramGBs;
}

Prediction predict(KernelOp kernel, const CpuTarget &target, Size flops, Size computing,
                   const Traffic &traffic, int64_t modelWeights) {
  double bandwidth = weightBandwidth(target, modelWeights);
  if (auto reach = kernel->getAttrOfType<IntegerAttr>(kAskedAheadAttr);
      reach && target.holdsAhead(reach.getInt()))
    bandwidth = std::max(bandwidth, target.l3GBs);
  int64_t weight = picosecondsPerByte(bandwidth);
  double peak = peakFor(kernel, target);
  Prediction p;
  p.compute = flops.ceilDiv(std::max<int64_t>(1, std::llround(peak)));
  p.traffic = (traffic.weights * weight + activationTime(traffic.activations, target)).ceilDiv(1000);
  p.cost = computing.max(p.traffic) + kDispatchNs;
  return p;
}

Size atShareOfPeak(Size flops, const CpuTarget &target, double share) {
  return flops.ceilDiv(std::max<int64_t>(1, std::llround(target.peakGflops * share)));
}

Size atVectorRate(Size lanes, const CpuTarget &target) { return atShareOfPeak(lanes, target, 0.5); }

} // namespace tenon::cpu

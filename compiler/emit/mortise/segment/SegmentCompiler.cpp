//===- SegmentCompiler.cpp - kernels of a segment as a program of Mortise --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/SegmentCompiler.h"

#include "compiler/emit/mortise/segment/AttentionKernel.h"
#include "compiler/emit/mortise/segment/ColumnsKernel.h"
#include "compiler/emit/mortise/segment/CompileVector.h"
#include "compiler/emit/mortise/segment/MapCode.h"
#include "compiler/emit/mortise/segment/ProductKernel.h"
#include "compiler/emit/mortise/segment/SegmentMemory.h"
#include "compiler/emit/mortise/segment/WindowKernel.h"

using namespace mlir;

namespace tenon::npu {

namespace {

/// What a kernel becomes: a product, elementwise work, or a product whose results the vector core finishes.
struct KernelPlan {
  std::optional<ProductKernel> product;
  std::optional<MapCode> map;
  std::optional<WindowCode> window;
  std::optional<ColumnsCode> columns;
  std::optional<AttentionCode> attention;
};

mlir::Value yielded(KernelOp kernel) { return kernel.getBody().front().getTerminator()->getOperand(0); }

/// A stage with the operands' sizes; addresses are not known yet.
MapStage stageOf(const MapCode &code) {
  MapStage stage;
  stage.resultBytes = code.resultBytes;
  stage.vectorCycles = code.vectorCycles;
  for (const MapCode::Operand &operand : code.operands)
    stage.operands.push_back({0, operand.bytes, operand.period});
  return stage;
}

std::optional<KernelPlan> planProduct(KernelOp kernel, const mortise::Hardware &hardware,
                                      const WeightBytes &weights, std::string &why) {
  KernelPlan plan;
  plan.product = readProduct(kernel, hardware, weights, why);
  if (!plan.product)
    return std::nullopt;
  if (plan.product->drained != yielded(kernel)) {
    plan.map = makeMap(yielded(kernel), plan.product->drained, hardware, why);
    if (!plan.map)
      return std::nullopt;
    if (llvm::any_of(plan.map->operands, [](const MapCode::Operand &o) { return o.period != 0; })) {
      why = "the vector core's part of a product reads a value for each channel";
      return std::nullopt;
    }
    plan.product->layer.map = stageOf(*plan.map);
  }
  if (!cutProduct(plan.product->layer, hardware, hardware.scratchpad.bytes)) {
    why = "a row of its output needs more scratchpad or accumulators than there are";
    return std::nullopt;
  }
  return plan;
}

std::optional<KernelPlan> planOf(KernelOp kernel, const mortise::Hardware &hardware,
                                 const WeightBytes &weights, std::string &why) {
  if (kernel->getNumResults() != 1) {
    why = "it has several results";
    return std::nullopt;
  }
  StringRef family = kernel.getFamily();
  if (family == "contraction" || family == "conv")
    return planProduct(kernel, hardware, weights, why);
  KernelPlan plan;
  if (family == "window") {
    plan.window = makeWindow(kernel, hardware, why);
    if (!plan.window)
      return std::nullopt;
    Stream unused;
    if (!emitWindow(plan.window->window, hardware, 0, hardware.scratchpad.bytes, unused)) {
      why = "a row of its output needs more scratchpad than there is";
      return std::nullopt;
    }
    return plan;
  }
  if (family == "reduce") {
    plan.columns = makeColumns(kernel, hardware, why);
    if (!plan.columns)
      return std::nullopt;
    return plan;
  }
  if (family == "attention") {
    plan.attention = makeAttention(kernel, hardware, why);
    if (!plan.attention)
      return std::nullopt;
    return plan;
  }
  if (family != "map") {
    why = ("kernels of the family '" + family + "' have no form on the NPU").str();
    return std::nullopt;
  }
  plan.map = makeMap(yielded(kernel), {}, hardware, why);
  if (!plan.map)
    return std::nullopt;
  return plan;
}

/// "conv1 (Conv)": the first of the model's nodes, and how many there are beside it.
std::string nodeName(Location location) {
  std::string text;
  unsigned more = 0;
  location->walk([&](Location part) {
    auto name = dyn_cast<NameLoc>(part);
    StringRef found = name ? name.getName().getValue() : StringRef();
    if (!found.consume_front("node:"))
      return WalkResult::advance();
    auto [operation, node] = found.split(':').second.split(':');
    if (text.empty())
      text = (node + " (" + operation + ")").str();
    else
      ++more;
    return WalkResult::advance();
  });
  if (more)
    text += " and " + std::to_string(more);
  return text.empty() ? "kernel" : text;
}

class SegmentBuilder {
public:
  SegmentBuilder(KernelOp segment, const mortise::Hardware &hardware, const WeightBytes &weights)
      : segment(segment), hardware(hardware), weights(weights) {}

  FailureOr<CompiledSegment> build() {
    if (failed(planAll()))
      return failure();
    memory.emplace(segment, hardware, replacedBytes);
    for (auto &[kernel, plan] : plans)
      if (failed(emit(kernel, plan)))
        return failure();
    stream.tensors = memory->tensors();
    FinishedStream finished = finishStream(std::move(stream), hardware, {});
    if (!finished.error.empty())
      return segment.emitError() << "TN0408: the program for " << hardware.name
                                 << " is not right: " << finished.error;
    result.program = std::move(finished.program);
    return std::move(result);
  }

private:
  LogicalResult planAll() {
    for (mlir::Operation &op : segment.getBody().front()) {
      auto kernel = dyn_cast<KernelOp>(op);
      if (!kernel)
        continue;
      std::string why;
      std::optional<KernelPlan> plan = planOf(kernel, hardware, weights, why);
      if (!plan)
        return refuse(kernel, why);
      if (plan->product)
        replace(kernel, *plan->product);
      plans.emplace_back(kernel, std::move(*plan));
    }
    return success();
  }
  LogicalResult refuse(KernelOp kernel, StringRef why) {
    return kernel.emitError() << "TN0408: " << hardware.name << " cannot run this kernel: " << why;
  }

  /// The package stores a filter as the machine wants it, if nothing else reads it.
  void replace(KernelOp kernel, ProductKernel &product) {
    auto argument = dyn_cast<BlockArgument>(KernelConstants::within(product.filter, segment));
    if (!argument || argument.getOwner()->getParentOp() != segment || !argument.hasOneUse())
      return;
    replacedBytes[argument] = static_cast<int64_t>(product.weights.size());
    result.replaced.push_back({argument.getArgNumber(), std::move(product.weights)});
    filters[kernel] = argument;
  }

  LogicalResult emit(KernelOp kernel, KernelPlan &plan) {
    auto node = static_cast<uint32_t>(stream.nodes.size());
    stream.nodes.push_back(nodeName(plan.product ? plan.product->product->getLoc() : kernel.getLoc()));
    if (plan.window)
      return emitWindow(kernel, *plan.window, node);
    if (plan.columns)
      return emitColumns(kernel, *plan.columns, node);
    if (plan.attention)
      return emitAttention(kernel, *plan.attention, node);
    if (plan.product)
      return emitProduct(kernel, plan, node);
    Map map;
    map.stage = located(*plan.map);
    map.elements = cast<RankedTensorType>(kernel.getResult(0).getType()).getNumElements();
    map.result = memory->addressOf(kernel.getResult(0));
    map.node = node;
    if (!emitMap(map, hardware, 0, hardware.scratchpad.bytes, stream))
      return refuse(kernel, "two tiles of a row do not fit the scratchpad");
    result.schedule += stream.nodes.back() + ": elementwise\n";
    return success();
  }

  /// The number of a kernel of the vector core in the stream.
  uint32_t addKernel(const CompiledKernel &kernel) {
    stream.kernels.push_back({kernel.code});
    return static_cast<uint32_t>(stream.kernels.size()) - 1;
  }

  LogicalResult emitWindow(KernelOp kernel, WindowCode &code, uint32_t node) {
    Window &window = code.window;
    window.kernel = addKernel(code.kernel);
    window.node = node;
    window.image.memory = memory->addressOf(KernelConstants::within(code.image, segment));
    window.output = memory->addressOf(kernel.getResult(0));
    locate(window.tables, code.operands);
    if (!npu::emitWindow(window, hardware, 0, hardware.scratchpad.bytes, stream))
      return refuse(kernel, "a row of its output does not fit the scratchpad");
    result.schedule += stream.nodes.back() + ": window on the vector core\n";
    return success();
  }

  LogicalResult emitColumns(KernelOp kernel, ColumnsCode &code, uint32_t node) {
    Columns &columns = code.columns;
    columns.kernel = addKernel(code.kernel);
    columns.node = node;
    columns.input = memory->addressOf(KernelConstants::within(code.input, segment));
    columns.output = memory->addressOf(kernel.getResult(0));
    locate(columns.tables, code.operands);
    npu::emitColumns(columns, hardware, 0, stream);
    result.schedule += stream.nodes.back() + ": reduction on the vector core\n";
    return success();
  }

  LogicalResult emitAttention(KernelOp kernel, AttentionCode &code, uint32_t node) {
    StaticAttention &attention = code.plan.attention;
    attention.node = node;
    attention.query.memory = addressWithin(code.query);
    attention.key.memory = addressWithin(code.key);
    attention.value.memory = addressWithin(code.value);
    attention.output.memory = memory->addressOf(kernel.getResult(0));
    if (code.mask)
      attention.mask->memory = addressWithin(code.mask);
    for (auto [number, compiled] : llvm::zip_equal(code.plan.numbers, code.plan.kernels))
      if (!compiled.code.empty())
        number = addKernel(compiled);
    emitStatic(code.plan, hardware, stream);
    result.schedule += stream.nodes.back() + ": attention, " + std::to_string(code.plan.groups()) +
                       " groups of queries, " + std::to_string(code.plan.tile.panel) + " keys at a time\n";
    return success();
  }
  int64_t addressWithin(mlir::Value value) {
    return memory->addressOf(KernelConstants::within(value, segment));
  }

  void locate(std::vector<ChannelTable> &tables, const ChannelOperands &operands) {
    for (auto [table, value] : llvm::zip_equal(tables, operands.values()))
      table.memory = memory->addressOf(KernelConstants::within(value, segment));
  }

  LogicalResult emitProduct(KernelOp kernel, KernelPlan &plan, uint32_t node) {
    Product &layer = plan.product->layer;
    if (plan.map)
      layer.map = located(*plan.map);
    layer.node = node;
    layer.input = memory->addressOf(KernelConstants::within(plan.product->image, segment));
    layer.output = memory->addressOf(kernel.getResult(0));
    if (auto filter = filters.find(kernel); filter != filters.end())
      layer.weights = memory->addressOf(filter->second);
    else
      layer.weights = memory->addConstant("w" + std::to_string(node), std::move(plan.product->weights));
    std::optional<ProductCut> cut = cutProduct(layer, hardware, hardware.scratchpad.bytes);
    if (!cut)
      return refuse(kernel, "it does not fit");
    npu::emitProduct(layer, *cut, hardware, 0, stream);
    std::string text = ": tile " + std::to_string(cut->rows) + "x" + std::to_string(cut->span);
    if (cut->slice)
      text += ", " + std::to_string(cut->slice.panels) + " panels at a time, " +
              std::to_string(cut->slice.channels) + " channels at a time";
    else if (cut->resident)
      text += ", " + std::to_string(cut->resident) + " panels of weights stay";
    else
      text += ", weights stream";
    result.schedule += stream.nodes.back() + text + ", limited by " + cut->limit + "\n";
    return success();
  }

  MapStage located(const MapCode &code) {
    MapStage stage = stageOf(code);
    stage.kernel = addKernel(code.kernel);
    for (auto [operand, from] : llvm::zip_equal(stage.operands, code.operands))
      operand.memory = memory->addressOf(KernelConstants::within(from.value, segment));
    return stage;
  }

  KernelOp segment;
  const mortise::Hardware &hardware;
  const WeightBytes &weights;
  std::vector<std::pair<KernelOp, KernelPlan>> plans;
  llvm::DenseMap<mlir::Value, int64_t> replacedBytes;
  llvm::DenseMap<mlir::Operation *, mlir::Value> filters; ///< operands that hold a kernel's packed weights
  std::optional<SegmentMemory> memory;
  Stream stream;
  CompiledSegment result;
};

} // namespace

Lowering mortiseLowering(WeightBytes weights) {
  Lowering lowering;
  lowering.takes = [weights](KernelOp kernel, SizeAnalysis &, const mortise::Hardware &hardware) {
    std::string why;
    return planOf(kernel, hardware, weights, why) ? std::string() : why;
  };
  lowering.compile = [weights](KernelOp segment, SizeAnalysis &, const mortise::Hardware &hardware,
                               const OperandBytes &) {
    return SegmentBuilder(segment, hardware, weights).build();
  };
  return lowering;
}

} // namespace tenon::npu

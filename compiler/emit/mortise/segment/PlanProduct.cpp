//===- PlanProduct.cpp - products of matrices and convolutions on the matrix unit --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/MatricesKernel.h"
#include "compiler/emit/mortise/segment/PlannedKernel.h"
#include "compiler/emit/mortise/segment/ProductKernel.h"
#include "compiler/emit/mortise/tile/ImageLines.h"
#include "compiler/emit/mortise/tile/TileKernel.h"

using namespace mlir;

namespace tenon::npu {

namespace {

constexpr const char *kDoesNotFit =
    "a row of its output needs more scratchpad or accumulators than there are";

/// What buffers may have of the scratchpad.
int64_t bytesOf(const std::optional<MapCode> &map, const mortise::Hardware &hardware) {
  return map ? bytesBeside(map->kernel, hardware) : hardware.scratchpad.bytes;
}

class PlannedProduct : public PlannedKernel {
public:
  PlannedProduct(KernelOp kernel, ProductKernel product, std::optional<MapCode> map,
                 const mortise::Hardware &hardware, const WeightBytes &weights)
      : PlannedKernel(kernel), product(std::move(product)), map(std::move(map)), hardware(hardware),
        weights(weights) {}

  Location location() override { return product.product->getLoc(); }
  mlir::Value repacked() override { return product.filter; }
  std::vector<uint8_t> pack() override { return product.pack(hardware, weights); }

  llvm::SmallVector<OperandUse> uses() override {
    llvm::SmallVector<OperandUse> uses = {{product.image, imageOf(product.layer).frame()}};
    if (map)
      for (const MapCode::Operand &operand : map->operands)
        uses.push_back({operand.value, operand.period == 0 ? std::optional(plain()) : std::nullopt});
    return uses;
  }
  bool writes(const ResidentFrame &frame) override {
    const Product &p = product.layer;
    if (!frame.hasBorder() || map)
      return !frame.hasBorder();
    bool sameImage =
        frame.images == p.images && frame.height == p.outputHeight() && frame.width == p.outputWidth();
    return frame.pixelBytes == p.groups * p.outputs * p.resultBytes() &&
           (sameImage || (isLine(p) && frame.images * frame.height * frame.width == p.pixels()));
  }
  std::optional<double> cycles(const KernelPlaces &places) override {
    Product layer = product.layer;
    if (map) {
      layer.map = map->stage();
      for (auto [operand, from] : llvm::zip_equal(layer.map->operands, map->operands))
        operand.memory = places.addressOf(from.value);
    }
    setFrame(layer, places.frame);
    layer.input = places.addressOf(product.image);
    layer.output = places.addressOf(kernel.getResult(0));
    return priceOf(layer, std::min(places.room, bytesOf(map, hardware)));
  }

  std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t> stored) override {
    Product &layer = product.layer;
    if (map)
      layer.map = program.located(*map);
    layer.node = node;
    setFrame(layer, program.frameOf(kernel));
    layer.input = program.addressOf(product.image);
    layer.output = program.addressOf(kernel.getResult(0));
    layer.weights = stored ? *stored : program.addConstant("w" + std::to_string(node), pack());
    // Where tensors lie says which memories are busy.
    int64_t bytes = program.room(bytesOf(map, hardware));
    std::optional<GroupCut> found = cutGroups(layer, hardware, bytes);
    if (!found)
      return kDoesNotFit;
    for (int64_t first = 0; first < layer.groups; first += found->groups) {
      bool whole = first + found->groups <= layer.groups;
      Product part = layer.part(first, whole ? found->groups : layer.groups - first, hardware);
      std::optional<ProductCut> cut = whole ? found->cut : cutProduct(part, hardware, bytes);
      if (!cut)
        return kDoesNotFit;
      program.emitPlaced(bytes, [&](int64_t start) {
        emitProduct(part, *cut, hardware, start, program.stream);
        return true;
      });
    }
    report(program, *found);
    return {};
  }

private:
  /// What is known of cuts: the best one for some room is the best for less as long as it fits.
  struct KnownCut {
    std::vector<int64_t> memories; ///< of input, output and the map's operands
    int64_t room = 0, needed = 0;
    std::optional<double> price;
  };

  std::optional<double> priceOf(const Product &layer, int64_t room) {
    auto memory = [](int64_t address) {
      return isResident(address) ? 2 : static_cast<uint64_t>(address) >= mortise::kL2Base ? 1 : 0;
    };
    std::vector<int64_t> memories = {memory(layer.input), memory(layer.output), layer.frame.hasBorder()};
    if (layer.map)
      for (const MapStage::Operand &operand : layer.map->operands)
        memories.push_back(memory(operand.memory));
    for (const KnownCut &known : cuts)
      if (known.memories == memories && known.needed <= room && room <= known.room)
        return known.price;
    std::optional<GroupCut> found = cutGroups(layer, hardware, room);
    KnownCut known{std::move(memories), room, found ? found->cut.neededBytes : 0, {}};
    if (found)
      known.price = found->price;
    cuts.push_back(std::move(known));
    return cuts.back().price;
  }

  /// Whether pixels are one long line, which `setFrame` may break.
  static bool isLine(const Product &p) {
    return p.images == 1 && p.width == 1 && p.y.size * p.x.size == 1 && p.y.stride * p.x.stride == 1 &&
           p.y.low + p.y.high + p.x.low + p.x.high == 0;
  }
  static void setFrame(Product &layer, const ResidentFrame &frame) {
    layer.frame = frame;
    if (!frame.hasBorder() || !isLine(layer))
      return;
    layer.images = frame.images;
    layer.height = frame.height;
    layer.width = frame.width;
  }

  void report(SegmentProgram &program, const GroupCut &groups) const {
    const ProductCut &cut = groups.cut;
    std::string text = product.depthwise ? "each channel by itself on the array, " : "";
    if (groups.groups < product.layer.groups)
      text += std::to_string(groups.groups) + " groups together, ";
    text += "tile " + std::to_string(cut.rows) + "x" + std::to_string(cut.span);
    if (cut.slice)
      text += ", " + std::to_string(cut.slice.panels) + " panels at a time, " +
              std::to_string(cut.slice.channels) + " channels at a time";
    else if (cut.resident)
      text += ", " + std::to_string(cut.resident) + " panels of weights stay";
    else
      text += ", weights stream";
    program.report(text + ", limited by " + cut.limit);
  }

  ProductKernel product;
  std::optional<MapCode> map; ///< what the vector core does of it
  std::vector<KnownCut> cuts;
  const mortise::Hardware &hardware;
  const WeightBytes &weights;
};

/// With its image and result where a segment keeps them if there is room: they may begin or end in DRAM, but
/// that is not known before all kernels are planned.
Product atLikelyAddresses(Product layer, const mortise::Hardware &hardware) {
  int64_t input = layer.images * layer.height * layer.width * layer.inputPitch() * layer.leftBytes(),
          output = layer.pixels() * layer.outputPitch() * layer.resultBytes();
  if (input + output <= hardware.l2.bytes)
    layer.input = layer.output = mortise::kL2Base;
  return layer;
}

/// `cycles`: estimated.
std::unique_ptr<PlannedKernel> planRead(std::optional<ProductKernel> product, KernelOp kernel,
                                        const mortise::Hardware &hardware, const WeightBytes &weights,
                                        double &cycles, std::string &why) {
  if (!product)
    return nullptr;
  std::optional<MapCode> map;
  if (!makeMapBehind(product->drained, kernel, hardware, map, why))
    return nullptr;
  if (map)
    product->layer.map = map->stage();
  std::optional<GroupCut> cut =
      cutGroups(atLikelyAddresses(product->layer, hardware), hardware, bytesOf(map, hardware));
  if (!cut) {
    why = kDoesNotFit;
    return nullptr;
  }
  cycles = cut->cycles;
  return std::make_unique<PlannedProduct>(kernel, std::move(*product), std::move(map), hardware, weights);
}

} // namespace

std::unique_ptr<PlannedKernel> planProduct(KernelOp kernel, const mortise::Hardware &hardware,
                                           const WeightBytes &weights, std::string &why) {
  if (hasComputedRight(kernel, weights))
    return planMatrices(kernel, hardware, weights, why);
  double cycles = 0;
  return planRead(readProduct(kernel, hardware, weights, why), kernel, hardware, weights, cycles, why);
}

std::unique_ptr<PlannedKernel> planDepthwise(KernelOp kernel, const mortise::Hardware &hardware,
                                             const WeightBytes &weights, double &cycles, std::string &why) {
  return planRead(readDepthwise(kernel, hardware, weights, why), kernel, hardware, weights, cycles, why);
}

} // namespace tenon::npu

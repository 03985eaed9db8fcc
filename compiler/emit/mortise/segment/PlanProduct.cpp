//===- PlanProduct.cpp - products of matrices and convolutions on the matrix unit --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/MatricesKernel.h"
#include "compiler/emit/mortise/segment/PlannedKernel.h"
#include "compiler/emit/mortise/segment/ProductKernel.h"
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

  std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t> stored) override {
    Product &layer = product.layer;
    if (map)
      layer.map = program.located(*map);
    layer.node = node;
    layer.input = program.addressOf(product.image);
    layer.output = program.addressOf(kernel.getResult(0));
    layer.weights = stored ? *stored : program.addConstant("w" + std::to_string(node), pack());
    // Where tensors lie says which memories are busy.
    int64_t bytes = bytesOf(map, hardware);
    std::optional<ProductCut> cut = cutProduct(layer, hardware, bytes);
    if (!cut)
      return kDoesNotFit;
    program.emitPlaced(bytes, [&](int64_t start) {
      emitProduct(layer, *cut, hardware, start, program.stream);
      return true;
    });
    report(program, *cut);
    return {};
  }

private:
  static void report(SegmentProgram &program, const ProductCut &cut) {
    std::string text = "tile " + std::to_string(cut.rows) + "x" + std::to_string(cut.span);
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
  const mortise::Hardware &hardware;
  const WeightBytes &weights;
};

} // namespace

std::unique_ptr<PlannedKernel> planProduct(KernelOp kernel, const mortise::Hardware &hardware,
                                           const WeightBytes &weights, std::string &why) {
  if (hasComputedRight(kernel, weights))
    return planMatrices(kernel, hardware, weights, why);
  std::optional<ProductKernel> product = readProduct(kernel, hardware, weights, why);
  if (!product)
    return nullptr;
  std::optional<MapCode> map;
  if (!makeMapBehind(product->drained, kernel, hardware, map, why))
    return nullptr;
  if (map)
    product->layer.map = map->stage();
  if (!cutProduct(product->layer, hardware, bytesOf(map, hardware))) {
    why = kDoesNotFit;
    return nullptr;
  }
  return std::make_unique<PlannedProduct>(kernel, std::move(*product), std::move(map), hardware, weights);
}

} // namespace tenon::npu

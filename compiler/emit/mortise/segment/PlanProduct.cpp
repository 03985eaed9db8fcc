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

class PlannedProduct : public PlannedKernel {
public:
  PlannedProduct(KernelOp kernel, ProductKernel product, std::optional<MapCode> map, ProductCut cut,
                 const mortise::Hardware &hardware, const WeightBytes &weights)
      : PlannedKernel(kernel), product(std::move(product)), map(std::move(map)), cut(std::move(cut)),
        hardware(hardware), weights(weights) {}

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
    std::optional<ProductCut> best = cutProduct(layer, hardware, scratchpadBytes());
    program.emitPlaced(scratchpadBytes(), [&](int64_t start) {
      emitProduct(layer, best ? *best : cut, hardware, start, program.stream);
      return true;
    });
    report(program, best ? *best : cut);
    return {};
  }

  /// What buffers may have of the scratchpad.
  int64_t scratchpadBytes() const {
    return map ? bytesBeside(map->kernel, hardware) : hardware.scratchpad.bytes;
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
  ProductCut cut;
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
  int64_t bytes = hardware.scratchpad.bytes;
  if (mlir::Value result = kernel.getBody().front().getTerminator()->getOperand(0);
      product->drained != result) {
    map = makeMap(result, product->drained, hardware, why);
    if (!map)
      return nullptr;
    product->layer.map = map->stage();
    bytes = bytesBeside(map->kernel, hardware);
  }
  std::optional<ProductCut> cut = cutProduct(product->layer, hardware, bytes);
  if (!cut) {
    why = "a row of its output needs more scratchpad or accumulators than there are";
    return nullptr;
  }
  return std::make_unique<PlannedProduct>(kernel, std::move(*product), std::move(map), std::move(*cut),
                                          hardware, weights);
}

} // namespace tenon::npu

//===- PlanMatrices.cpp - products of computed matrices on the matrix unit --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/MatricesKernel.h"
#include "compiler/emit/mortise/segment/PlannedKernel.h"
#include "compiler/emit/mortise/tile/TileKernel.h"

using namespace mlir;

namespace tenon::npu {

namespace {

/// What buffers may have of the scratchpad.
int64_t bytesOf(const MatricesKernel &product, const std::optional<MapCode> &map,
                const mortise::Hardware &hardware) {
  int64_t bytes = hardware.scratchpad.bytes;
  if (product.startKernel)
    bytes = bytesBeside(*product.startKernel, hardware);
  return map ? std::min(bytes, bytesBeside(map->kernel, hardware)) : bytes;
}

class PlannedMatrices : public PlannedKernel {
public:
  PlannedMatrices(KernelOp kernel, MatricesKernel product, std::optional<MapCode> map, ProductCut cut,
                  const mortise::Hardware &hardware)
      : PlannedKernel(kernel), product(std::move(product)), map(std::move(map)), cut(std::move(cut)),
        hardware(hardware) {}

  Location location() override { return product.product->getLoc(); }

  llvm::SmallVector<OperandUse> uses() override {
    llvm::SmallVector<OperandUse> uses = {{product.left, plain()}, {product.right, std::nullopt}};
    for (mlir::Value operand : product.startOperands)
      uses.push_back({operand, std::nullopt});
    if (map)
      for (const MapCode::Operand &operand : map->operands)
        uses.push_back({operand.value, std::nullopt});
    return uses;
  }
  bool writes(const ResidentFrame &frame) override { return !frame.hasBorder() && !map; }
  std::optional<double> cycles(const KernelPlaces &places) override {
    std::optional<ProductCut> there = cutIn(places, places.room);
    // Smaller tiles leave the array idle for longer.
    if (!there || there->rows < cut.rows || there->resident < cut.resident)
      return std::nullopt;
    return movedCycles(places, hardware);
  }

  std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t>) override {
    Matrices &matrices = product.matrices;
    Product &layer = matrices.layer;
    if (map)
      layer.map = program.located(*map);
    layer.node = node;
    layer.input = program.addressOf(product.left);
    layer.output = program.addressOf(kernel.getResult(0));
    matrices.right.memory = program.addressOf(product.right);
    if (std::vector<uint8_t> tables = product.tables(program.hardware); !tables.empty())
      layer.weights = program.addConstant("w" + std::to_string(node), std::move(tables));
    if (matrices.start) {
      matrices.start->kernel = program.addKernel(*product.startKernel);
      for (auto [operand, value] : llvm::zip_equal(matrices.start->operands, product.startOperands))
        operand.memory = program.addressOf(value);
    }
    int64_t bytes = program.room(bytesOf(product, map, program.hardware));
    cut = *cutMatrices(matrices, hardware, bytes);
    program.emitPlaced(bytes, [&](int64_t start) {
      emitMatrices(matrices, cut, program.hardware, start, program.stream);
      return true;
    });
    program.report("matrices, tile of " + Twine(cut.rows) + " rows, " + Twine(cut.resident) +
                   " panels of the right operand at a time");
    return {};
  }

private:
  std::optional<ProductCut> cutIn(const KernelPlaces &places, int64_t room) const {
    Matrices matrices = product.matrices;
    matrices.layer.input = places.addressOf(product.left);
    matrices.layer.output = places.addressOf(kernel->getResult(0));
    return cutMatrices(matrices, hardware, std::min(room, bytesOf(product, map, hardware)));
  }

  MatricesKernel product;
  std::optional<MapCode> map; ///< what the vector core does of it
  ProductCut cut;             ///< with all of the scratchpad
  const mortise::Hardware &hardware;
};

} // namespace

std::unique_ptr<PlannedKernel> planMatrices(KernelOp kernel, const mortise::Hardware &hardware,
                                            const WeightBytes &weights, std::string &why) {
  std::optional<MatricesKernel> product = readMatrices(kernel, hardware, weights, why);
  if (!product)
    return nullptr;
  std::optional<MapCode> map;
  if (!makeMapBehind(product->drained, kernel, hardware, map, why))
    return nullptr;
  if (map)
    product->matrices.layer.map = map->stage();
  std::optional<ProductCut> cut = cutMatrices(product->matrices, hardware, bytesOf(*product, map, hardware));
  if (!cut) {
    why = "a row of its output needs more scratchpad or accumulators than there are";
    return nullptr;
  }
  return std::make_unique<PlannedMatrices>(kernel, std::move(*product), std::move(map), std::move(*cut),
                                           hardware);
}

} // namespace tenon::npu

//===- PlanMap.cpp - elementwise kernels on the vector core --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/MovementKernel.h"
#include "compiler/emit/mortise/segment/PlannedKernel.h"
#include "compiler/emit/mortise/segment/TensorShape.h"
#include "compiler/emit/mortise/tile/TileKernel.h"

using namespace mlir;

namespace tenon::npu {

namespace {

class PlannedMap : public PlannedKernel {
public:
  PlannedMap(KernelOp kernel, MapCode code, const mortise::Hardware &hardware)
      : PlannedKernel(kernel), code(std::move(code)), hardware(hardware) {}

  llvm::SmallVector<OperandUse> uses() override {
    llvm::SmallVector<OperandUse> uses;
    for (const MapCode::Operand &operand : code.operands)
      uses.push_back({operand.value, plain()});
    return uses;
  }
  bool writes(const ResidentFrame &frame) override { return !frame.hasBorder(); }
  std::optional<double> cycles(const KernelPlaces &places) override {
    Map map;
    map.stage = code.stage();
    for (auto [operand, from] : llvm::zip_equal(map.stage.operands, code.operands))
      operand.memory = places.addressOf(from.value);
    map.elements = elementsOf(kernel.getResult(0));
    map.result = places.addressOf(kernel.getResult(0));
    Stream tried;
    tried.kernels.emplace_back();
    if (!emitMap(map, hardware, 0, std::min(places.room, bytesBeside(code.kernel, hardware)), tried))
      return std::nullopt;
    return movedCycles(places, hardware);
  }

  std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t>) override {
    Map map;
    map.stage = program.located(code);
    map.elements = elementsOf(kernel.getResult(0));
    map.result = program.addressOf(kernel.getResult(0));
    map.node = node;
    int64_t bytes = program.room(bytesBeside(code.kernel, program.hardware));
    if (!program.emitPlaced(bytes, [&](int64_t start) {
          return emitMap(map, program.hardware, start, bytes, program.stream);
        }))
      return "two tiles of a row do not fit the scratchpad";
    program.report("elementwise");
    return {};
  }

private:
  MapCode code;
  const mortise::Hardware &hardware;
};

} // namespace

std::unique_ptr<PlannedKernel> planMap(KernelOp kernel, const mortise::Hardware &hardware,
                                       const WeightBytes &weights, std::string &why) {
  if (movesElements(kernel))
    return planMovement(kernel, hardware, weights, why);
  mlir::Value result = yieldedBy(kernel);
  if (std::optional<MapCode> code = makeMap(result, {}, hardware, why))
    return std::make_unique<PlannedMap>(kernel, std::move(*code), hardware);
  // Operands that repeat in other ways.
  return planRowwise(kernel, hardware, weights, why);
}

} // namespace tenon::npu

//===- PlanMap.cpp - elementwise kernels on the vector core --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/MovementKernel.h"
#include "compiler/emit/mortise/segment/PlannedKernel.h"
#include "compiler/emit/mortise/tile/TileKernel.h"

using namespace mlir;

namespace tenon::npu {

namespace {

class PlannedMap : public PlannedKernel {
public:
  PlannedMap(KernelOp kernel, MapCode code) : PlannedKernel(kernel), code(std::move(code)) {}

  std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t>) override {
    Map map;
    map.stage = program.located(code);
    map.elements = cast<RankedTensorType>(kernel.getResult(0).getType()).getNumElements();
    map.result = program.addressOf(kernel.getResult(0));
    map.node = node;
    int64_t bytes = bytesBeside(code.kernel, program.hardware);
    if (!program.emitPlaced(bytes, [&](int64_t start) {
          return emitMap(map, program.hardware, start, bytes, program.stream);
        }))
      return "two tiles of a row do not fit the scratchpad";
    program.report("elementwise");
    return {};
  }

private:
  MapCode code;
};

} // namespace

std::unique_ptr<PlannedKernel> planMap(KernelOp kernel, const mortise::Hardware &hardware,
                                       const WeightBytes &weights, std::string &why) {
  if (movesElements(kernel))
    return planMovement(kernel, hardware, weights, why);
  mlir::Value result = kernel.getBody().front().getTerminator()->getOperand(0);
  if (std::optional<MapCode> code = makeMap(result, {}, hardware, why))
    return std::make_unique<PlannedMap>(kernel, std::move(*code));
  // Operands that repeat in other ways.
  return planRowwise(kernel, hardware, weights, why);
}

} // namespace tenon::npu

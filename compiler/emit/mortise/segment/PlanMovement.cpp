//===- PlanMovement.cpp - kernels that move elements, by DMA --------------------===//
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

class PlannedMovement : public PlannedKernel {
public:
  PlannedMovement(KernelOp kernel, MovementKernel code) : PlannedKernel(kernel), code(std::move(code)) {}

  std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t>) override {
    Movement movement = code.movement;
    movement.node = node;
    movement.result = program.addressOf(kernel.getResult(0));
    for (auto [source, operands] : llvm::zip_equal(movement.sources, code.operands))
      for (auto [part, operand] : llvm::zip_equal(source.parts, operands))
        part.memory = program.addressOf(operand);
    int64_t bytes = program.hardware.scratchpad.bytes;
    if (code.kernel) {
      movement.kernel = program.addKernel(*code.kernel);
      bytes = bytesBeside(*code.kernel, program.hardware);
    }
    if (!program.emitPlaced(bytes, [&](int64_t start) {
          return emitMovement(movement, program.hardware, start, bytes, program.stream);
        }))
      return "two tiles of a vector do not fit the scratchpad";
    program.report(code.kernel ? "moved by DMA, elementwise" : "moved by DMA");
    return {};
  }

private:
  MovementKernel code;
};

} // namespace

std::unique_ptr<PlannedKernel> planMovement(KernelOp kernel, const mortise::Hardware &hardware,
                                            const WeightBytes &, std::string &why) {
  std::optional<MovementKernel> code = readMovement(kernel, hardware, why);
  return code ? std::make_unique<PlannedMovement>(kernel, std::move(*code)) : nullptr;
}

} // namespace tenon::npu

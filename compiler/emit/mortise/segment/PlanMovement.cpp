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
  PlannedMovement(KernelOp kernel, MovementKernel code, const mortise::Hardware &hardware)
      : PlannedKernel(kernel), code(std::move(code)), hardware(hardware) {}

  std::optional<double> cycles(const KernelPlaces &places) override {
    Movement movement = code.movement;
    Stream tried;
    tried.kernels.emplace_back();
    if (code.kernel)
      movement.kernel = 0;
    if (!emitMovement(movement, hardware, 0, std::min(places.room, bytes()), tried))
      return std::nullopt;
    return movedCycles(places, hardware);
  }

  std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t>) override {
    Movement movement = code.movement;
    movement.node = node;
    movement.result = program.addressOf(kernel.getResult(0));
    for (auto [source, operands] : llvm::zip_equal(movement.sources, code.operands))
      for (auto [part, operand] : llvm::zip_equal(source.parts, operands))
        part.memory = program.addressOf(operand);
    int64_t room = program.room(bytes());
    if (code.kernel)
      movement.kernel = program.addKernel(*code.kernel);
    if (!program.emitPlaced(room, [&](int64_t start) {
          return emitMovement(movement, program.hardware, start, room, program.stream);
        }))
      return "two tiles of a vector do not fit the scratchpad";
    program.report(code.kernel ? "moved by DMA, elementwise" : "moved by DMA");
    return {};
  }

private:
  /// What buffers may have of the scratchpad.
  int64_t bytes() const {
    return code.kernel ? bytesBeside(*code.kernel, hardware) : hardware.scratchpad.bytes;
  }

  MovementKernel code;
  const mortise::Hardware &hardware;
};

} // namespace

std::unique_ptr<PlannedKernel> planMovement(KernelOp kernel, const mortise::Hardware &hardware,
                                            const WeightBytes &, std::string &why) {
  std::optional<MovementKernel> code = readMovement(kernel, hardware, why);
  return code ? std::make_unique<PlannedMovement>(kernel, std::move(*code), hardware) : nullptr;
}

} // namespace tenon::npu

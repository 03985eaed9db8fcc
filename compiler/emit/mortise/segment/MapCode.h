//===- MapCode.h - elementwise regions as kernels of the vector core --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/mortise/tile/Product.h"
#include "compiler/emit/mortise/vector/CompileKernel.h"

namespace tenon::npu {

/// What a kernel of the vector core computes of a region, elements that lie alike.
struct MapCode {
  struct Operand {
    mlir::Value value;  ///< in the region
    int64_t bytes = 1;  ///< of an element
    int64_t period = 0; ///< 0: as many elements as the result
  };
  std::vector<Operand> operands; ///< without `tile`
  std::vector<uint32_t> tables;  ///< that the kernel looks numbers up in
  int64_t resultBytes = 1;
  CompiledKernel kernel; ///< parameters: see MapStage
  double vectorCycles = 0;

  /// Operands' sizes; addresses are not known yet.
  MapStage stage() const;
};

/// `result` of the region, where `tile` (or nothing) lies in the scratchpad already. Where the vector core
/// cannot, `why` says what is in the way.
std::optional<MapCode> makeMap(mlir::Value result, mlir::Value tile, const mortise::Hardware &hardware,
                               std::string &why);

/// As `makeMap`, for what the vector core does behind what the machine's array and drain make of a kernel;
/// no map where nothing is left. False where the vector core cannot.
bool makeMapBehind(mlir::Value drained, KernelOp kernel, const mortise::Hardware &hardware,
                   std::optional<MapCode> &map, std::string &why);

} // namespace tenon::npu

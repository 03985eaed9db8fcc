//===- Passes.td - passes of the phase Place
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_PLACE_PASSES_TD
#define TENON_PLACE_PASSES_TD
include "mlir/Pass/PassBase.td"

def FormSegments : Pass<"tenon-form-segments", "::mlir::func::FuncOp"> {
  let summary = "gather the kernels that a device takes into segments, one dispatch each";
  let description = [{
    Each kernel is shown to the device, which takes it or says why not (a remark `OnCpu`). Taken kernels of a block that can
    run one after the other become one kernel of family "mortise", whose body holds them and the reshapes between them.
    What lies between them and needs their results is moved behind, what they need stays in front; an operation with
    effects ends a segment. As a pass by itself it takes the kernels that have the attribute `tenon.take`.

    Before: `%1 = tenon.kernel "contraction" (...) ...  %2 = tenon.kernel "map" (%1, ...) ...`
    After: `%2 = tenon.kernel "mortise" (...) { %3 = tenon.kernel "contraction" ... %4 = tenon.kernel "map" ... }`
  }];
}
#endif

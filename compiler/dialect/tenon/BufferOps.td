//===- BufferOps.td - operations that the Memory phase introduces
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_BUFFER_OPS_TD
#define TENON_BUFFER_OPS_TD
include "compiler/dialect/tenon/TenonBase.td"

def Tenon_CopyOp : Tenon_CoreOp<"copy", [AllTypesMatch<["input", "result"]>]> {
  let summary = "the same value in a buffer of its own";
  let description = [{
    Made by the Memory phase where a value must lie in a given place (an output, a state, a loop's variable) and cannot
    be computed there. No earlier phase has it.

    Example: `%y = tenon.copy %x : tensor<?x8xf32>`
  }];
  let arguments = (ins Tenon_Tensor:$input);
  let results = (outs Tenon_Tensor:$result);
  let extraClassDefinition = Tenon_InferSameSizes;
  let assemblyFormat = "$input attr-dict `:` type($result)";
}
#endif

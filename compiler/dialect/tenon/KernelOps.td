//===- KernelOps.td - fused kernels
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_KERNEL_OPS_TD
#define TENON_KERNEL_OPS_TD
include "compiler/dialect/tenon/TenonBase.td"

def Tenon_KernelOp : Tenon_Op<"kernel", [Pure, IsolatedFromAbove, SingleBlock, AttrSizedOperandSegments,
                                         DeclareOpInterfaceMethods<Tenon_SizeInference>]> {
  let summary = "a fused kernel: core operations, on tensors, that run as one dispatch";
  let description = [{
    The block's arguments are `inputs`, then `sizes` (index values: the extents that the body names). The body holds
    core operations and kernel-form composites and ends in `tenon.yield`. `result_sizes` names the dynamic dimensions of
    all results in order. `schedule` is set by the Schedule phase; `family` by Kernel ("contraction", "conv", "row",
    "map", ...). Regions can be merged until they are outlined in Emit.
  }];
  let arguments = (ins Variadic<Tenon_Tensor>:$inputs, Variadic<Index>:$sizes, Variadic<Index>:$result_sizes,
                       StrAttr:$family, OptionalAttr<DictionaryAttr>:$schedule);
  let results = (outs Variadic<Tenon_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $family (`schedule` $schedule^)? `(` $inputs `)` `sizes` `(` $sizes `)` `result_sizes` `(` $result_sizes `)`
    attr-dict `:` functional-type($inputs, $outputs) $body
  }];
  let hasVerifier = 1;
}
def Tenon_YieldOp : Tenon_Op<"yield", [Pure, Terminator, HasParent<"KernelOp">]> {
  let summary = "the results of a kernel";
  let description = "Example: `tenon.yield %y : tensor<4xf32>`";
  let arguments = (ins Variadic<Tenon_Tensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}
#endif

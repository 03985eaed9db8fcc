//===- ReductionOps.td - core reductions and scans
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_REDUCTION_OPS_TD
#define TENON_REDUCTION_OPS_TD
include "compiler/dialect/tenon/TenonBase.td"

def Tenon_ReduceOp : Tenon_CoreOp<"reduce"> {
  let summary = "combines the elements along axes; the reduced dimensions stay, with size 1";
  let description = [{
    The result of an empty reduction is 0 for sum, 1 for prod, the lowest value of the type for max, the highest for min
    (the infinities for floats). NaN wins in max and min. i1 is allowed for max (any) and min (all).

    Example: `%y = tenon.reduce sum %x [1] : tensor<2x?xf32> -> tensor<2x1xf32>`
  }];
  let arguments = (ins Tenon_ReduceKind:$kind, Tenon_Tensor:$input, DenseI64ArrayAttr:$axes);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$kind $input $axes attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}
def Tenon_ArgReduceOp : Tenon_CoreOp<"arg_reduce"> {
  let summary = "the position of the largest (kind max) or smallest (min) element along an axis, which stays with size 1";
  let description = [{
    The first position of several equal ones, or the last when `last` is set.

    Example: `%y = tenon.arg_reduce max %x axis 1 : tensor<2x?xf32> -> tensor<2x1xi64>`
  }];
  let arguments = (ins Tenon_ReduceKind:$kind, Tenon_NumericTensor:$input, I64Attr:$axis, UnitAttr:$last);
  let results = (outs RankedTensorOf<[I64]>:$result);
  let assemblyFormat = "$kind $input `axis` $axis (`last` $last^)? attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}
def Tenon_ScanOp : Tenon_CoreOp<"scan", [SameOperandsAndResultType]> {
  let summary = "running combination along an axis (cumulative sum, product, ...)";
  let description = [{
    `exclusive` leaves out the element itself (the first result is the neutral element); `reverse` runs from the end.

    Example: `%y = tenon.scan sum %x axis 1 : tensor<2x?xf32>`
  }];
  let arguments = (ins Tenon_ReduceKind:$kind, Tenon_NumericTensor:$input, I64Attr:$axis, UnitAttr:$exclusive, UnitAttr:$reverse);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = "$kind $input `axis` $axis (`exclusive` $exclusive^)? (`reverse` $reverse^)? attr-dict `:` type($result)";
  let extraClassDefinition = Tenon_InferSameSizes;
  let hasVerifier = 1;
}
def Tenon_ReduceWindowOp : Tenon_CoreOp<"reduce_window"> {
  let summary = "combines the elements under a sliding window (pooling)";
  let description = [{
    One window size, stride, dilation, low and high padding per axis; padded positions hold the neutral element. The
    result has floor((size + low + high - dilation * (window - 1) - 1) / stride) + 1 positions along an axis.

    Example: `%y = tenon.reduce_window max %x window [1, 3, 3, 1] strides [1, 2, 2, 1] dilations [1, 1, 1, 1] low [0, 1, 1, 0] high [0, 1, 1, 0] : tensor<1x8x8x4xf32> -> tensor<1x4x4x4xf32>`
  }];
  let arguments = (ins Tenon_ReduceKind:$kind, Tenon_NumericTensor:$input, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = [{
    $kind $input `window` $window `strides` $strides `dilations` $dilations `low` $low `high` $high attr-dict
    `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}
#endif

//===- ContractionOps.td - core contractions and convolutions
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_CONTRACTION_OPS_TD
#define TENON_CONTRACTION_OPS_TD
include "compiler/dialect/tenon/TenonBase.td"

def Tenon_ContractOp : Tenon_CoreOp<"contract"> {
  let summary = "batched matrix product";
  let description = [{
    lhs is [batch..., M, K], rhs is [batch..., K, N], or [batch..., N, K] with `transpose_rhs`; the result is
    [batch..., M, N]. The batch dimensions are equal, or rhs has none at all: then it serves every batch. Integers
    accumulate in the result's type (i8 x i8 -> i32 and so on); f16 and bf16 accumulate in f32 and round once.

    Example: `%y = tenon.contract %a, %b : tensor<?x128x384xf32>, tensor<384x1536xf32> -> tensor<?x128x1536xf32>`
  }];
  let arguments = (ins Tenon_NumericTensor:$lhs, Tenon_NumericTensor:$rhs, UnitAttr:$transpose_rhs);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs (`transpose_rhs` $transpose_rhs^)? attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let hasVerifier = 1;
}
def Tenon_ConvOp : Tenon_CoreOp<"conv"> {
  let summary = "convolution (cross-correlation) of channels-last images of any spatial rank";
  let description = [{
    input [N, spatial..., C], filter [window..., C / groups, O], result [N, spatial'..., O]. One stride, window dilation,
    low and high zero padding, and input dilation (fractional stride: `input_dilations[d] - 1` zeros between neighbours,
    which makes a transposed convolution) per spatial axis. The result has
    floor(((size - 1) * input_dilation + 1 + low + high - dilation * (window - 1) - 1) / stride) + 1 positions along an axis.
    Padding may be negative, which crops. Integers accumulate in the result's type, as in `tenon.contract`; for integer
    inputs `pad_value` is what padding and the holes between dilated inputs read instead of zero: the zero point of
    a quantized input.

    Example: `%y = tenon.conv %x, %w strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x?x?x3xf32>, tensor<3x3x3x16xf32> -> tensor<1x?x?x16xf32>`
  }];
  let arguments = (ins Tenon_NumericTensor:$input, Tenon_NumericTensor:$filter, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high,
                       DenseI64ArrayAttr:$input_dilations, I64Attr:$groups,
                       DefaultValuedAttr<I64Attr, "0">:$pad_value);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = [{
    $input `,` $filter `strides` $strides `dilations` $dilations `low` $low `high` $high
    `input_dilations` $input_dilations `groups` $groups
    (`pad_value` $pad_value^)? attr-dict `:` type($input) `,` type($filter) `->` type($result)
  }];
  let hasVerifier = 1;
}
#endif

//===- MovementOps.td - core operations that move elements without computing on them
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_MOVEMENT_OPS_TD
#define TENON_MOVEMENT_OPS_TD
include "compiler/dialect/tenon/TenonBase.td"

def Tenon_ReshapeOp : Tenon_CoreOp<"reshape"> {
  let summary = "the same elements in row-major order under another shape";
  let description = [{
    `sizes` names the dynamic dimensions of the result, in order. The number of elements is equal.

    Example: `%y = tenon.reshape %x (%b, %s) : tensor<?x?x384xf32> -> tensor<?x?x12x32xf32>`
  }];
  let arguments = (ins Tenon_Tensor:$input, Variadic<Index>:$sizes);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input (`(` $sizes^ `)`)? attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}
def Tenon_BroadcastOp : Tenon_CoreOp<"broadcast"> {
  let summary = "repeats dimensions of size one";
  let description = [{
    Ranks are equal; each input dimension equals the result's, or is the constant 1. `sizes` names the dynamic
    dimensions of the result, in order. A tensor of lower rank is reshaped first.

    Example: `%y = tenon.broadcast %x (%b) : tensor<1x384xf32> -> tensor<?x384xf32>`
  }];
  let arguments = (ins Tenon_Tensor:$input, Variadic<Index>:$sizes);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input (`(` $sizes^ `)`)? attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}
def Tenon_TransposeOp : Tenon_CoreOp<"transpose"> {
  let summary = "permutes the dimensions: result dimension i is input dimension permutation[i]";
  let description = "Example: `%y = tenon.transpose %x [0, 2, 1] : tensor<2x?x4xf32> -> tensor<2x4x?xf32>`";
  let arguments = (ins Tenon_Tensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input $permutation attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}
def Tenon_SliceOp : Tenon_CoreOp<"slice", [AttrSizedOperandSegments]> {
  let summary = "a strided box: element i of an axis is input element offset + i * stride";
  let description = [{
    One offset per axis: `static_offsets[d]`, or the next of `offsets` where it is the dynamic marker (the minimum of
    i64, printed by its number). Strides are constants, negative ones walk backwards. `sizes` names the dynamic
    dimensions of the result, in order. The box lies inside the input.

    Example: `%y = tenon.slice %x offsets() [0, 4] sizes(%b) strides [1, 2] : tensor<?x16xf32> -> tensor<?x6xf32>`
  }];
  let arguments = (ins Tenon_Tensor:$input, Variadic<Index>:$offsets, Variadic<Index>:$sizes,
                       DenseI64ArrayAttr:$static_offsets, DenseI64ArrayAttr:$strides);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = [{
    $input `offsets` `(` $offsets `)` $static_offsets `sizes` `(` $sizes `)` `strides` $strides attr-dict
    `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}
def Tenon_ConcatOp : Tenon_CoreOp<"concat"> {
  let summary = "joins tensors along an axis";
  let description = "Example: `%y = tenon.concat %a, %b axis 1 : (tensor<2x?xf32>, tensor<2x3xf32>) -> tensor<2x?xf32>`";
  let arguments = (ins Variadic<Tenon_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$inputs `axis` $axis attr-dict `:` functional-type($inputs, $result)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}
def Tenon_PadOp : Tenon_CoreOp<"pad", [AttrSizedOperandSegments]> {
  let summary = "surrounds a tensor with a constant value";
  let description = [{
    `static_low` and `static_high` per axis, with the next of `low` / `high` where they hold the dynamic marker (the
    minimum of i64). Amounts are not negative: cropping is `tenon.slice`. `value` is a tensor of rank 0.

    Example: `%y = tenon.pad %x, %v low() [0, 1] high() [0, 1] : tensor<2x3xf32>, tensor<f32> -> tensor<2x5xf32>`
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_Tensor:$value, Variadic<Index>:$low, Variadic<Index>:$high,
                       DenseI64ArrayAttr:$static_low, DenseI64ArrayAttr:$static_high);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $value `low` `(` $low `)` $static_low `high` `(` $high `)` $static_high attr-dict
    `:` type($input) `,` type($value) `->` type($result)
  }];
  let hasVerifier = 1;
}
def Tenon_IotaOp : Tenon_CoreOp<"iota"> {
  let summary = "the index along an axis, as an element";
  let description = "Example: `%y = tenon.iota (%n) axis 0 : tensor<?x4xi64>`";
  let arguments = (ins Variadic<Index>:$sizes, I64Attr:$axis);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = "(`(` $sizes^ `)`)? `axis` $axis attr-dict `:` type($result)";
  let hasVerifier = 1;
}
#endif

//===- IndexedOps.td - core operations whose addresses are data
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_INDEXED_OPS_TD
#define TENON_INDEXED_OPS_TD
include "compiler/dialect/tenon/TenonBase.td"

// Indices count from the end when negative, as ONNX has it; out-of-range indices are clamped into the axis.

def Tenon_GatherOp : Tenon_CoreOp<"gather"> {
  let summary = "slices of an axis picked by an index tensor";
  let description = [{
    The result is input.shape[:axis] + indices.shape[batch_dims:] + input.shape[axis + 1:]; the leading `batch_dims`
    dimensions of input and indices correspond.

    Example: `%y = tenon.gather %table, %ids axis 0 batch 0 : tensor<30522x384xf32>, tensor<?x?xi64> -> tensor<?x?x384xf32>`
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_IndexTensor:$indices, I64Attr:$axis, I64Attr:$batch_dims);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input `,` $indices `axis` $axis `batch` $batch_dims attr-dict `:` type($input) `,` type($indices) `->` type($result)";
  let hasVerifier = 1;
}
def Tenon_GatherElementsOp : Tenon_CoreOp<"gather_elements"> {
  let summary = "result[i, j, k] = input[i, indices[i, j, k], k] for axis 1, and so on";
  let description = "Example: `%y = tenon.gather_elements %x, %i axis 1 : tensor<2x8xf32>, tensor<2x3xi64> -> tensor<2x3xf32>`";
  let arguments = (ins Tenon_Tensor:$input, Tenon_IndexTensor:$indices, I64Attr:$axis);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input `,` $indices `axis` $axis attr-dict `:` type($input) `,` type($indices) `->` type($result)";
  let hasVerifier = 1;
}
def Tenon_GatherNdOp : Tenon_CoreOp<"gather_nd"> {
  let summary = "slices picked by index vectors (ONNX GatherND)";
  let description = [{
    The last dimension of indices (constant) holds a position in input.shape[batch_dims:]; the result is
    indices.shape[:-1] + input.shape[batch_dims + indices.shape[-1]:].

    Example: `%y = tenon.gather_nd %x, %i batch 0 : tensor<4x5x6xf32>, tensor<?x2xi64> -> tensor<?x6xf32>`
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_IndexTensor:$indices, I64Attr:$batch_dims);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input `,` $indices `batch` $batch_dims attr-dict `:` type($input) `,` type($indices) `->` type($result)";
  let hasVerifier = 1;
}
def Tenon_ScatterElementsOp : Tenon_CoreOp<"scatter_elements", [AllTypesMatch<["input", "result"]>]> {
  let summary = "input with result[i, indices[i, j], k] combined with updates[i, j, k] (axis 1), in row-major order of updates";
  let description = "Example: `%y = tenon.scatter_elements add %x, %i, %u axis 1 : tensor<2x8xf32>, tensor<2x3xi64>, tensor<2x3xf32>`";
  let arguments = (ins Tenon_ScatterKind:$kind, Tenon_Tensor:$input, Tenon_IndexTensor:$indices, Tenon_Tensor:$updates, I64Attr:$axis);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$kind $input `,` $indices `,` $updates `axis` $axis attr-dict `:` type($input) `,` type($indices) `,` type($updates)";
  let hasVerifier = 1;
}
def Tenon_ScatterNdOp : Tenon_CoreOp<"scatter_nd", [AllTypesMatch<["input", "result"]>]> {
  let summary = "input with the slices at index vectors combined with updates, in row-major order (ONNX ScatterND)";
  let description = "Example: `%y = tenon.scatter_nd none %x, %i, %u : tensor<8x4xf32>, tensor<?x1xi64>, tensor<?x4xf32>`";
  let arguments = (ins Tenon_ScatterKind:$kind, Tenon_Tensor:$input, Tenon_IndexTensor:$indices, Tenon_Tensor:$updates);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$kind $input `,` $indices `,` $updates attr-dict `:` type($input) `,` type($indices) `,` type($updates)";
  let hasVerifier = 1;
}
def Tenon_UpdateSliceOp : Tenon_CoreOp<"update_slice", [AllTypesMatch<["input", "result"]>]> {
  let summary = "input with a box replaced, for states: the box starts at `offsets` (one per axis) and has the shape of `update`";
  let description = [{
    An offset that would put the box outside is an error at run time.

    Example: `%y = tenon.update_slice %kv, %new [%zero, %pos, %zero] : tensor<1x256x64xf32>, tensor<1x1x64xf32>`
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_Tensor:$update, Variadic<Index>:$offsets);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input `,` $update `[` $offsets `]` attr-dict `:` type($input) `,` type($update)";
  let hasVerifier = 1;
}
def Tenon_TopKOp : Tenon_CoreOp<"top_k"> {
  let summary = "the k largest (or smallest) elements along an axis, sorted, with their positions; ties keep the lower position";
  let description = [{
    k is the result's size along the axis, named by `sizes` (one operand) when it is dynamic. Sorting is k = size.

    Example: `%v, %i = tenon.top_k %x () axis 1 : tensor<2x8xf32> -> tensor<2x3xf32>, tensor<2x3xi64>`
  }];
  let arguments = (ins Tenon_NumericTensor:$input, Variadic<Index>:$sizes, I64Attr:$axis, UnitAttr:$smallest);
  let results = (outs Tenon_NumericTensor:$values, RankedTensorOf<[I64]>:$positions);
  let assemblyFormat = "$input `(` $sizes `)` `axis` $axis (`smallest` $smallest^)? attr-dict `:` type($input) `->` type($values) `,` type($positions)";
  let hasVerifier = 1;
}
def Tenon_NonZeroOp : Tenon_CoreOp<"non_zero"> {
  let summary = "the positions of the elements that are not zero, row-major, as [rank, capacity], and how many there are";
  let description = [{
    The first result has room for every element (its second dimension is the input's element count); the second result
    is the extent in use, a fresh symbol of the function. Columns beyond it hold 0; consumers slice with it.

    Example: `%p, %n = tenon.non_zero %x (%e) : tensor<?x4xf32> -> tensor<2x?xi64>`
  }];
  let arguments = (ins Tenon_Tensor:$input, Variadic<Index>:$sizes);
  let results = (outs RankedTensorOf<[I64]>:$positions, Index:$count);
  let assemblyFormat = "$input (`(` $sizes^ `)`)? attr-dict `:` type($input) `->` type($positions)";
  let hasVerifier = 1;
}
#endif

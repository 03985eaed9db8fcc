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

//===----------------------------------------------------------------------===//
// Kernel forms: what Kernel makes of core operations, for the inside of kernels. Panels are 16 columns wide (the layout
// atom shared by all ISA levels); the last one is padded with zeros. Panels of narrow elements hold groups of neighbouring
// summed elements that fill 32 bits, for dot products: 4 of i8 (for ui8 x i8 -> i32), 2 of bf16. A group that is cut short
// is padded with zeros.
//===----------------------------------------------------------------------===//

def Tenon_PackedContractOp : Tenon_CoreOp<"packed_contract"> {
  let summary = "contract with the right operand in panels";
  let description = [{
    lhs [batch..., M..., K], rhs [batch..., ceil(N / 16), K, 16], with as many batch dimensions or none, result
    [batch..., M..., N]: column n of the product is column n mod 16 of panel n / 16. Elements that are multiplied in groups of `group` lie
    together: rhs is [..., ceil(N / 16), ceil(K / group), 16, group] then.

    Example: `%y = tenon.packed_contract %a, %b : tensor<?x384xf32>, tensor<96x384x16xf32> -> tensor<?x1536xf32>`
  }];
  let arguments = (ins Tenon_NumericTensor:$lhs, Tenon_NumericTensor:$rhs, Variadic<Index>:$columns);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs (`columns` `(` $columns^ `)`)? attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Neighbouring elements of K that lie together in a panel; 1 without groups.
    int64_t getGroup();
    /// Axes of rhs behind those of the batch.
    unsigned getPanelRank() { return getGroup() == 1 ? 3 : 4; }
  }];
}
def Tenon_PackedConvOp : Tenon_CoreOp<"packed_conv"> {
  let summary = "conv with the filter in panels of output channels";
  let description = [{
    filter [groups, ceil(O / groups / 16), window..., C / groups, 16], the rest as `tenon.conv`. Where channels are
    multiplied in groups of `group`, filter [groups, ceil(O / groups / 16), window..., ceil(C / groups / group), 16, group].

    Example: `%y = tenon.packed_conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] : tensor<1x?x?x64xf32>, tensor<1x4x3x3x64x16xf32> -> tensor<1x?x?x64xf32>`
  }];
  let arguments = (ins Tenon_NumericTensor:$input, Tenon_NumericTensor:$filter, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high,
                       DenseI64ArrayAttr:$input_dilations, DefaultValuedAttr<I64Attr, "0">:$pad_value);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = [{
    $input `,` $filter `strides` $strides `dilations` $dilations `low` $low `high` $high
    `input_dilations` $input_dilations (`pad_value` $pad_value^)? attr-dict `:` type($input) `,` type($filter) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Neighbouring channels that lie together in a panel; 1 without groups.
    int64_t getGroup();
  }];
}
def Tenon_WinogradConvOp : Tenon_CoreOp<"winograd_conv"> {
  let summary = "conv of a 3x3 window with stride 1 by Winograd's F(4x4, 3x3)";
  let description = [{
    input [N, H, W, C], filter [ceil(O / 16), 36, C, 16]: the filter's transform G g G^T, its 36 elements row by row
    (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, section 4.2). Padding reads zeros. An input of bf16
    is computed with in f32.

    Example: `%y = tenon.winograd_conv %x, %u low [1, 1] high [1, 1] : tensor<1x?x?x64xf32>, tensor<4x36x64x16xf32> -> tensor<1x?x?x64xf32>`
  }];
  let arguments = (ins Tenon_NumericTensor:$input, Tenon_NumericTensor:$filter, DenseI64ArrayAttr:$low,
                       DenseI64ArrayAttr:$high);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = [{
    $input `,` $filter `low` $low `high` $high attr-dict `:` type($input) `,` type($filter) `->` type($result)
  }];
  let hasVerifier = 1;
}
#endif

//===- ShapeOps.td - symbols, constants, weights, states, and the way between sizes and tensors
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_SHAPE_OPS_TD
#define TENON_SHAPE_OPS_TD
include "compiler/dialect/tenon/TenonBase.td"

def Tenon_SymbolOp : Tenon_Op<"symbol", [Pure]> {
  let summary = "a size that is known when the function runs";
  let description = [{
    Function arguments name their sizes in the argument attribute `tenon.dims`: an array with a string (a symbol's
    name) or an integer for each dimension.

    Example: `%b = tenon.symbol "batch" min 1 max 64 multiple_of 1 likely [1, 8]`
  }];
  let arguments = (ins StrAttr:$name, I64Attr:$min, OptionalAttr<I64Attr>:$max, I64Attr:$multiple_of, DenseI64ArrayAttr:$likely);
  let results = (outs Index:$result);
  let assemblyFormat = "$name `min` $min (`max` $max^)? `multiple_of` $multiple_of `likely` $likely attr-dict";
  let hasVerifier = 1;
}
def Tenon_ReadScalarOp : Tenon_CoreOp<"read_scalar"> {
  let summary = "an element of an integer tensor as a size: a fresh symbol, known once the tensor is computed";
  let description = [{
    `position` counts elements in row-major order. `min` and `max` bound the value; it is checked at run time.

    Example: `%n = tenon.read_scalar %t at 0 min 0 max 512 : tensor<1xi64>`
  }];
  let arguments = (ins Tenon_IntOrBoolTensor:$input, I64Attr:$position, OptionalAttr<I64Attr>:$min, OptionalAttr<I64Attr>:$max);
  let results = (outs Index:$result);
  let assemblyFormat = "$input `at` $position (`min` $min^)? (`max` $max^)? attr-dict `:` type($input)";
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Tenon_FromIndexOp : Tenon_CoreOp<"from_index"> {
  let summary = "a one-dimensional integer tensor made of sizes (rank 0 when there is one value and the type says so)";
  let description = "Example: `%t = tenon.from_index %b, %s : tensor<2xi64>`";
  let arguments = (ins Variadic<Index>:$values);
  let results = (outs Tenon_IndexTensor:$result);
  let assemblyFormat = "$values attr-dict `:` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Tenon_ConstantOp : Tenon_CoreOp<"constant", [ConstantLike, AllTypesMatch<["value", "result"]>]> {
  let summary = "a small tensor held in the IR; large ones are weights";
  let description = "Example: `%c = tenon.constant dense<1.0> : tensor<f32>`";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$value attr-dict";
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Tenon_WeightOp : Tenon_Op<"weight", [Symbol]> {
  let summary = "a constant tensor outside the IR: bytes of the model file, or the result of a weight program";
  let description = [{
    `path` is relative to the model's folder ("" is the model file itself; "mem:<n>" a buffer held by the compilation);
    `offset` and `length` are in bytes, little-endian and row-major. `digest` is the BLAKE2b of the bytes in
    hexadecimal, empty until it is needed.

    Example: `tenon.weight @w0 : tensor<384x384xf32> = "", 1024, 589824, ""`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<Tenon_Tensor>:$type, StrAttr:$path, I64Attr:$offset,
                       I64Attr:$length, StrAttr:$digest);
  let assemblyFormat = "$sym_name `:` $type `=` $path `,` $offset `,` $length `,` $digest attr-dict";
  let hasVerifier = 1;
}
def Tenon_GetWeightOp : Tenon_CoreOp<"get_weight", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a weight";
  let description = "Example: `%w = tenon.get_weight @w0 : tensor<384x384xf32>`";
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}
def Tenon_StateOp : Tenon_Op<"state", [Symbol]> {
  let summary = "a tensor that a session keeps between calls; zero, or the named weight, to begin with";
  let description = "Example: `tenon.state @kv0 : tensor<1x256x64xf32>`";
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<Tenon_Tensor>:$type, OptionalAttr<FlatSymbolRefAttr>:$initial);
  let assemblyFormat = "$sym_name `:` $type (`initial` $initial^)? attr-dict";
  let hasVerifier = 1;
}
def Tenon_ReadStateOp : Tenon_Op<"read_state", [MemoryEffects<[MemRead]>, DeclareOpInterfaceMethods<Tenon_SizeInference>,
                                                DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a state at the start of the call";
  let description = "Example: `%s = tenon.read_state @kv0 : tensor<1x256x64xf32>`";
  let arguments = (ins FlatSymbolRefAttr:$state);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$state attr-dict `:` type($result)";
}
def Tenon_WriteStateOp : Tenon_Op<"write_state", [MemoryEffects<[MemWrite]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value that the state has for the next call; once per state and function, after every read";
  let description = "Example: `tenon.write_state @kv0, %new : tensor<1x256x64xf32>`";
  let arguments = (ins FlatSymbolRefAttr:$state, Tenon_Tensor:$value);
  let assemblyFormat = "$state `,` $value attr-dict `:` type($value)";
}
#endif

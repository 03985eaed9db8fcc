//===- ElementwiseOps.td - elementwise core operations
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_ELEMENTWISE_OPS_TD
#define TENON_ELEMENTWISE_OPS_TD
include "compiler/dialect/tenon/TenonBase.td"

// Operands and result have one shape; element by element. The C++ trait lets passes treat all of them alike.
def Tenon_Elementwise : NativeOpTrait<"ElementwiseTrait"> { let cppNamespace = "::tenon"; }

class Tenon_Unary<string mnemonic, Type type, string text>
    : Tenon_CoreOp<mnemonic, [SameOperandsAndResultType, Tenon_Elementwise]> {
  let summary = text;
  let description = "Example: `%y = tenon." # mnemonic # " %x : tensor<?x8xf32>`";
  let arguments = (ins type:$input);
  let results = (outs type:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
  let extraClassDefinition = Tenon_InferSameSizes;
}
class Tenon_Binary<string mnemonic, Type type, string text, list<Trait> traits = []>
    : Tenon_CoreOp<mnemonic, !listconcat([SameOperandsAndResultType, Tenon_Elementwise], traits)> {
  let summary = text;
  let description = "Example: `%y = tenon." # mnemonic # " %a, %b : tensor<?x8xf32>`";
  let arguments = (ins type:$lhs, type:$rhs);
  let results = (outs type:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
  let extraClassDefinition = Tenon_InferSameSizes;
}

def Tenon_AbsOp : Tenon_Unary<"abs", Tenon_NumericTensor, "absolute value; the smallest signed integer maps to itself">;
def Tenon_NegOp : Tenon_Unary<"neg", Tenon_NumericTensor, "negation; integers wrap">;
def Tenon_SignOp : Tenon_Unary<"sign", Tenon_NumericTensor, "-1, 0 or 1; NaN stays NaN">;
def Tenon_SqrtOp : Tenon_Unary<"sqrt", Tenon_FloatTensor, "square root">;
def Tenon_RsqrtOp : Tenon_Unary<"rsqrt", Tenon_FloatTensor, "reciprocal of the square root">;
def Tenon_ExpOp : Tenon_Unary<"exp", Tenon_FloatTensor, "e to the power of the element">;
def Tenon_LogOp : Tenon_Unary<"log", Tenon_FloatTensor, "natural logarithm">;
def Tenon_SinOp : Tenon_Unary<"sin", Tenon_FloatTensor, "sine of radians">;
def Tenon_CosOp : Tenon_Unary<"cos", Tenon_FloatTensor, "cosine of radians">;
def Tenon_AsinOp : Tenon_Unary<"asin", Tenon_FloatTensor, "inverse sine, in radians">;
def Tenon_AtanOp : Tenon_Unary<"atan", Tenon_FloatTensor, "inverse tangent, in radians">;
def Tenon_TanhOp : Tenon_Unary<"tanh", Tenon_FloatTensor, "hyperbolic tangent">;
def Tenon_ErfOp : Tenon_Unary<"erf", Tenon_FloatTensor, "Gauss error function">;
def Tenon_FloorOp : Tenon_Unary<"floor", Tenon_FloatTensor, "rounds towards minus infinity">;
def Tenon_CeilOp : Tenon_Unary<"ceil", Tenon_FloatTensor, "rounds towards plus infinity">;
def Tenon_RoundOp : Tenon_Unary<"round", Tenon_FloatTensor, "rounds to the nearest integer, ties to even">;
def Tenon_NotOp : Tenon_Unary<"not", Tenon_IntOrBoolTensor, "complement of a boolean, or of each bit of an integer">;

def Tenon_AddOp : Tenon_Binary<"add", Tenon_NumericTensor, "sum; integers wrap", [Commutative]>;
def Tenon_SubOp : Tenon_Binary<"sub", Tenon_NumericTensor, "difference; integers wrap">;
def Tenon_MulOp : Tenon_Binary<"mul", Tenon_NumericTensor, "product; integers wrap", [Commutative]>;
def Tenon_DivOp : Tenon_Binary<"div", Tenon_NumericTensor, "quotient; integers truncate towards zero, x / 0 is 0">;
def Tenon_RemOp : Tenon_Binary<"rem", Tenon_NumericTensor, "remainder with the sign of the dividend (C's % and fmod); x rem 0 is 0 for integers">;
def Tenon_PowOp : Tenon_Binary<"pow", Tenon_NumericTensor, "lhs to the power of rhs">;
def Tenon_MaxOp : Tenon_Binary<"max", Tenon_NumericTensor, "the larger; NaN if either is NaN", [Commutative]>;
def Tenon_MinOp : Tenon_Binary<"min", Tenon_NumericTensor, "the smaller; NaN if either is NaN", [Commutative]>;
def Tenon_AndOp : Tenon_Binary<"and", Tenon_IntOrBoolTensor, "conjunction, or bitwise and", [Commutative]>;
def Tenon_OrOp : Tenon_Binary<"or", Tenon_IntOrBoolTensor, "disjunction, or bitwise or", [Commutative]>;
def Tenon_XorOp : Tenon_Binary<"xor", Tenon_IntOrBoolTensor, "exclusive or", [Commutative]>;
def Tenon_ShlOp : Tenon_Binary<"shl", Tenon_IntTensor, "shift left; 0 when the amount is not below the width">;
def Tenon_ShrOp : Tenon_Binary<"shr", Tenon_IntTensor, "shift right, arithmetic for signed types; 0 (or the sign) when the amount is not below the width">;

def Tenon_CmpOp : Tenon_CoreOp<"cmp", [SameTypeOperands, SameOperandsAndResultShape, Tenon_Elementwise]> {
  let summary = "comparison; with NaN every predicate but `ne` is false";
  let description = "Example: `%y = tenon.cmp lt %a, %b : tensor<4xf32> -> tensor<4xi1>`";
  let arguments = (ins Tenon_CmpPredicate:$predicate, Tenon_Tensor:$lhs, Tenon_Tensor:$rhs);
  let results = (outs Tenon_BoolTensor:$result);
  let assemblyFormat = "$predicate $lhs `,` $rhs attr-dict `:` type($lhs) `->` type($result)";
  let extraClassDefinition = Tenon_InferSameSizes;
}
def Tenon_SelectOp : Tenon_CoreOp<"select", [SameOperandsAndResultShape, AllTypesMatch<["on_true", "on_false", "result"]>, Tenon_Elementwise]> {
  let summary = "the element of the second operand where the condition holds, else of the third";
  let description = "Example: `%y = tenon.select %c, %a, %b : tensor<4xi1>, tensor<4xf32>`";
  let arguments = (ins Tenon_BoolTensor:$condition, Tenon_Tensor:$on_true, Tenon_Tensor:$on_false);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$condition `,` $on_true `,` $on_false attr-dict `:` type($condition) `,` type($result)";
  let extraClassDefinition = Tenon_InferSameSizes;
  let hasFolder = 1;
}
def Tenon_CastOp : Tenon_CoreOp<"cast", [SameOperandsAndResultShape, Tenon_Elementwise]> {
  let summary = "conversion of the element type";
  let description = [{
    Float to integer truncates towards zero (out of range is undefined, as in ONNX); integer to narrower integer keeps
    the low bits; anything to boolean is `x != 0`; float to narrower float rounds to nearest even.

    Example: `%y = tenon.cast %x : tensor<4xf32> -> tensor<4xi64>`
  }];
  let arguments = (ins Tenon_Tensor:$input);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let extraClassDefinition = Tenon_InferSameSizes;
  let hasFolder = 1;
}
def Tenon_BitcastOp : Tenon_CoreOp<"bitcast", [SameOperandsAndResultShape, Tenon_Elementwise]> {
  let summary = "the same bits under another element type of the same width";
  let description = "Example: `%y = tenon.bitcast %x : tensor<4xf32> -> tensor<4xi32>`";
  let arguments = (ins Tenon_Tensor:$input);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let extraClassDefinition = Tenon_InferSameSizes;
  let hasVerifier = 1;
  let hasFolder = 1;
}
#endif

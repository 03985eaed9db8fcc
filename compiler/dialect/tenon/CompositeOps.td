//===- CompositeOps.td - composites: activations, norms, attention, pooling, recurrent cells
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_COMPOSITE_OPS_TD
#define TENON_COMPOSITE_OPS_TD
include "compiler/dialect/tenon/TenonBase.td"

//===----------------------------------------------------------------------===//
// Activations: elementwise, composed of core elementwise operations.
//===----------------------------------------------------------------------===//

class Tenon_Activation<string mnemonic, string text, dag parameters = (ins)>
    : Tenon_CompositeOp<mnemonic, [AllTypesMatch<["input", "result"]>]> {
  let summary = text;
  let description = "Example: `%y = tenon." # mnemonic # " %x : tensor<?x8xf32>`, with its parameters as attributes.";
  let arguments = !con((ins Tenon_NumericTensor:$input), parameters);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
  let extraClassDefinition = Tenon_InferSameSizes;
}
def Tenon_ReluOp : Tenon_Activation<"relu", "max(x, 0)">;
def Tenon_LeakyReluOp : Tenon_Activation<"leaky_relu", "x, or alpha * x when negative", (ins F64Attr:$alpha)>;
def Tenon_ClipOp : Tenon_Activation<"clip", "min(max(x, low), high), with constant bounds", (ins F64Attr:$low, F64Attr:$high)>;
def Tenon_SigmoidOp : Tenon_Activation<"sigmoid", "1 / (1 + exp(-x))">;
def Tenon_HardSigmoidOp : Tenon_Activation<"hard_sigmoid", "min(max(alpha * x + beta, 0), 1)", (ins F64Attr:$alpha, F64Attr:$beta)>;
def Tenon_HardSwishOp : Tenon_Activation<"hard_swish", "x * min(max(x / 6 + 1 / 2, 0), 1)">;
def Tenon_SiluOp : Tenon_Activation<"silu", "x * sigmoid(alpha * x)", (ins F64Attr:$alpha)>;
def Tenon_GeluOp : Tenon_Activation<"gelu", "x / 2 * (1 + erf(x / sqrt(2))), or its tanh approximation", (ins UnitAttr:$tanh_approximation)>;
def Tenon_EluOp : Tenon_Activation<"elu", "x, or alpha * (exp(x) - 1) when negative", (ins F64Attr:$alpha)>;
def Tenon_SeluOp : Tenon_Activation<"selu", "gamma * (x, or alpha * (exp(x) - 1) when not positive)", (ins F64Attr:$alpha, F64Attr:$gamma)>;
def Tenon_CeluOp : Tenon_Activation<"celu", "max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))", (ins F64Attr:$alpha)>;
def Tenon_SoftplusOp : Tenon_Activation<"softplus", "log(1 + exp(x)), without overflow">;
def Tenon_SoftsignOp : Tenon_Activation<"softsign", "x / (1 + abs(x))">;
def Tenon_MishOp : Tenon_Activation<"mish", "x * tanh(softplus(x))">;
def Tenon_ThresholdedReluOp : Tenon_Activation<"thresholded_relu", "x where x > alpha, else 0", (ins F64Attr:$alpha)>;
def Tenon_TanOp : Tenon_Activation<"tan", "sin(x) / cos(x)">;
def Tenon_AcosOp : Tenon_Activation<"acos", "pi / 2 - asin(x)">;
def Tenon_SinhOp : Tenon_Activation<"sinh", "hyperbolic sine">;
def Tenon_CoshOp : Tenon_Activation<"cosh", "hyperbolic cosine">;
def Tenon_AsinhOp : Tenon_Activation<"asinh", "inverse hyperbolic sine">;
def Tenon_AcoshOp : Tenon_Activation<"acosh", "inverse hyperbolic cosine">;
def Tenon_AtanhOp : Tenon_Activation<"atanh", "inverse hyperbolic tangent">;
def Tenon_ReciprocalOp : Tenon_Activation<"reciprocal", "1 / x">;

def Tenon_ModOp : Tenon_CompositeOp<"mod", [SameOperandsAndResultType]> {
  let summary = "integer remainder with the sign of the divisor (Python's %)";
  let description = "Example: `%y = tenon.mod %a, %b : tensor<4xi64>`";
  let arguments = (ins Tenon_NumericTensor:$lhs, Tenon_NumericTensor:$rhs);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
  let extraClassDefinition = Tenon_InferSameSizes;
}

//===----------------------------------------------------------------------===//
// Softmax and norms. Axes are the trailing ones where not said otherwise.
//===----------------------------------------------------------------------===//

class Tenon_AxisOp<string mnemonic, string text> : Tenon_CompositeOp<mnemonic, [SameOperandsAndResultType]> {
  let summary = text;
  let description = "Example: `%y = tenon." # mnemonic # " %x axis 1 : tensor<2x?xf32>`";
  let arguments = (ins Tenon_FloatTensor:$input, I64Attr:$axis);
  let results = (outs Tenon_FloatTensor:$result);
  let assemblyFormat = "$input `axis` $axis attr-dict `:` type($result)";
  let extraClassDefinition = Tenon_InferSameSizes;
  let hasVerifier = 1;
}
def Tenon_SoftmaxOp : Tenon_AxisOp<"softmax", "exp(x - max) / sum of it, along an axis">;
def Tenon_LogSoftmaxOp : Tenon_AxisOp<"log_softmax", "logarithm of softmax">;

def Tenon_LayerNormOp : Tenon_CompositeOp<"layer_norm", [AllTypesMatch<["input", "result"]>]> {
  let summary = "(x - mean) / sqrt(variance + epsilon) over the axes from `axis` on, times scale, plus bias";
  let description = [{
    scale and bias have the shape of the normalized axes and rank of the input (leading dimensions 1).

    Example: `%y = tenon.layer_norm %x, %g, %b axis 2 {epsilon = 1.0e-5} : tensor<?x?x384xf32>, tensor<1x1x384xf32>, tensor<1x1x384xf32>`
  }];
  let arguments = (ins Tenon_FloatTensor:$input, Tenon_FloatTensor:$scale, Optional<Tenon_FloatTensor>:$bias, I64Attr:$axis, F64Attr:$epsilon);
  let results = (outs Tenon_FloatTensor:$result);
  let assemblyFormat = "$input `,` $scale (`,` $bias^)? `axis` $axis attr-dict `:` type($input) `,` type($scale) (`,` type($bias)^)?";
  let hasVerifier = 1;
}
def Tenon_RmsNormOp : Tenon_CompositeOp<"rms_norm", [AllTypesMatch<["input", "result"]>]> {
  let summary = "x / sqrt(mean(x * x) + epsilon) over the axes from `axis` on, times scale";
  let description = "Example: `%y = tenon.rms_norm %x, %g axis 2 {epsilon = 1.0e-5} : tensor<?x?x384xf32>, tensor<1x1x384xf32>`";
  let arguments = (ins Tenon_FloatTensor:$input, Tenon_FloatTensor:$scale, I64Attr:$axis, F64Attr:$epsilon);
  let results = (outs Tenon_FloatTensor:$result);
  let assemblyFormat = "$input `,` $scale `axis` $axis attr-dict `:` type($input) `,` type($scale)";
  let hasVerifier = 1;
}
def Tenon_GroupNormOp : Tenon_CompositeOp<"group_norm", [AllTypesMatch<["input", "result"]>]> {
  let summary = "normalization over groups of channels and all positions of an image in ONNX order [N, C, ...]";
  let description = [{
    scale and bias are [C]; groups = C is instance normalization.

    Example: `%y = tenon.group_norm %x, %g, %b groups 4 {epsilon = 1.0e-5} : tensor<1x8x?x?xf32>, tensor<8xf32>, tensor<8xf32>`
  }];
  let arguments = (ins Tenon_FloatTensor:$input, Tenon_FloatTensor:$scale, Tenon_FloatTensor:$bias, I64Attr:$groups, F64Attr:$epsilon);
  let results = (outs Tenon_FloatTensor:$result);
  let assemblyFormat = "$input `,` $scale `,` $bias `groups` $groups attr-dict `:` type($input) `,` type($scale) `,` type($bias)";
  let hasVerifier = 1;
}
def Tenon_BatchNormOp : Tenon_CompositeOp<"batch_norm", [AllTypesMatch<["input", "result"]>,
                                                         AllTypesMatch<["scale", "bias", "mean", "variance"]>]> {
  let summary = "(x - mean) / sqrt(variance + epsilon) * scale + bias with constants per element of `axis`";
  let description = "Example: `%y = tenon.batch_norm %x, %g, %b, %m, %v axis 1 {epsilon = 1.0e-5} : tensor<1x8x4x4xf32>, tensor<8xf32>`";
  let arguments = (ins Tenon_FloatTensor:$input, Tenon_FloatTensor:$scale, Tenon_FloatTensor:$bias, Tenon_FloatTensor:$mean,
                       Tenon_FloatTensor:$variance, I64Attr:$axis, F64Attr:$epsilon);
  let results = (outs Tenon_FloatTensor:$result);
  let assemblyFormat = "$input `,` $scale `,` $bias `,` $mean `,` $variance `axis` $axis attr-dict `:` type($input) `,` type($scale)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Attention.
//===----------------------------------------------------------------------===//

def Tenon_AttentionOp : Tenon_CompositeOp<"attention", [AttrSizedOperandSegments]> {
  let summary = "softmax(scale * Q K^T + mask) V for every head";
  let description = [{
    query [B, H, M, D], key [B, G, N, D], value [B, G, N, E], result [B, H, M, E]; H is a multiple of G (grouped heads:
    query head h reads key head h / (H / G)). Optional operands: `mask` [B or 1, H or 1, M or 1, N], floating (added)
    or i1 (true keeps); `lengths` [B]: keys at or beyond it are ignored; `sinks` [H]: an extra logit per head that
    takes part in the softmax's sum only; `page_table` [B, pages]: key and value are then pools [pages, G, page, D];
    `key_scale`, `value_scale`: dequantization factors per position. `scale` 0 stands for 1 / sqrt(D). With `causal`,
    query i (counted so that the last query meets the last key that is not ignored) sees keys up to itself; `window` w > 0 hides keys
    more than w - 1 behind it. `softcap` c > 0 maps a logit to c * tanh(logit / c). Rows that see no key give 0.

    Example: `%y = tenon.attention %q, %k, %v mask(%m : tensor<1x1x1x?xf32>) {scale = 0.0 : f64} : tensor<?x12x?x32xf32>, tensor<?x12x?x32xf32>, tensor<?x12x?x32xf32> -> tensor<?x12x?x32xf32>`
  }];
  let arguments = (ins Tenon_FloatTensor:$query, Tenon_NumericTensor:$key, Tenon_NumericTensor:$value,
                       Optional<Tenon_Tensor>:$mask, Optional<Tenon_IndexTensor>:$lengths, Optional<Tenon_FloatTensor>:$sinks,
                       Optional<Tenon_IndexTensor>:$page_table, Optional<Tenon_FloatTensor>:$key_scale,
                       Optional<Tenon_FloatTensor>:$value_scale,
                       DefaultValuedAttr<F64Attr, "0.0">:$scale, UnitAttr:$causal, DefaultValuedAttr<I64Attr, "0">:$window,
                       DefaultValuedAttr<F64Attr, "0.0">:$softcap);
  let results = (outs Tenon_FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`mask` `(` $mask^ `:` type($mask) `)`)? (`lengths` `(` $lengths^ `:` type($lengths) `)`)?
    (`sinks` `(` $sinks^ `:` type($sinks) `)`)? (`pages` `(` $page_table^ `:` type($page_table) `)`)?
    (`key_scale` `(` $key_scale^ `:` type($key_scale) `)`)? (`value_scale` `(` $value_scale^ `:` type($value_scale) `)`)?
    attr-dict `:` type($query) `,` type($key) `,` type($value) `->` type($result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Images, channels-last: [N, spatial..., C].
//===----------------------------------------------------------------------===//

class Tenon_PoolOp<string mnemonic, string text, dag parameters = (ins)> : Tenon_CompositeOp<mnemonic> {
  let summary = text;
  let description = [{
    One window size, stride, dilation and padding per spatial axis. With `ceil_mode` the number of positions rounds up,
    but a window never starts in the high padding.
  }];
  let arguments = !con((ins Tenon_NumericTensor:$input, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides,
                            DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high, UnitAttr:$ceil_mode), parameters);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = [{
    $input `window` $window `strides` $strides `dilations` $dilations `low` $low `high` $high attr-dict
    `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}
def Tenon_MaxPoolOp : Tenon_PoolOp<"max_pool", "the largest element under a window">;
def Tenon_AvgPoolOp : Tenon_PoolOp<"avg_pool", "the mean under a window; padding counts when `include_pad` is set", (ins UnitAttr:$include_pad)>;

def Tenon_ResizeMode : I32EnumAttr<"ResizeMode", "interpolation", [
    I32EnumAttrCase<"nearest", 0>, I32EnumAttrCase<"linear", 1>, I32EnumAttrCase<"cubic", 2>]> { let cppNamespace = "::tenon"; }
def Tenon_ResizeCoordinates : I32EnumAttr<"ResizeCoordinates", "from output position to input position, as ONNX names them", [
    I32EnumAttrCase<"half_pixel", 0>, I32EnumAttrCase<"pytorch_half_pixel", 1>, I32EnumAttrCase<"align_corners", 2>,
    I32EnumAttrCase<"asymmetric", 3>, I32EnumAttrCase<"half_pixel_symmetric", 4>]> { let cppNamespace = "::tenon"; }
def Tenon_ResizeRounding : I32EnumAttr<"ResizeRounding", "which neighbour the mode nearest takes", [
    I32EnumAttrCase<"round_prefer_floor", 0>, I32EnumAttrCase<"round_prefer_ceil", 1>, I32EnumAttrCase<"floor", 2>, I32EnumAttrCase<"ceil", 3>]> { let cppNamespace = "::tenon"; }

def Tenon_ResizeOp : Tenon_CompositeOp<"resize"> {
  let summary = "interpolates along the given axes (any layout)";
  let description = [{
    `sizes` names the dynamic dimensions of the result. `scales` (one per axis in `axes`; 0 stands for result size /
    input size) enters the coordinate formula. cubic uses `cubic_coefficient`.

    Example: `%y = tenon.resize nearest %x (%h, %w) axes [1, 2] {coordinates = 3 : i32, rounding = 2 : i32, scales = array<f64: 2.0, 2.0>, cubic_coefficient = -0.75} : tensor<1x?x?x8xf32> -> tensor<1x?x?x8xf32>`
  }];
  let arguments = (ins Tenon_ResizeMode:$mode, Tenon_NumericTensor:$input, Variadic<Index>:$sizes, DenseI64ArrayAttr:$axes,
                       Tenon_ResizeCoordinates:$coordinates, Tenon_ResizeRounding:$rounding, DenseF64ArrayAttr:$scales,
                       F64Attr:$cubic_coefficient, UnitAttr:$exclude_outside);
  let results = (outs Tenon_NumericTensor:$result);
  let assemblyFormat = "$mode $input (`(` $sizes^ `)`)? `axes` $axes attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Recurrent layers, one direction. X is [T, B, I]; the result Y is [T, B, H].
//===----------------------------------------------------------------------===//

def Tenon_LstmOp : Tenon_CompositeOp<"lstm", [AttrSizedOperandSegments]> {
  let summary = "LSTM over a sequence, gates in ONNX order i, o, f, c";
  let description = [{
    weights w [4H, I], r [4H, H], bias [8H] (w's then r's), initial states [B, H], peepholes p [3H] (i, o, f) and
    lengths [B] optional. `reverse` runs from the end. Activations: sigmoid, tanh, tanh unless `activations` says
    otherwise (names as in ONNX). Results: Y [T, B, H], last hidden [B, H], last cell [B, H].
  }];
  let arguments = (ins Tenon_FloatTensor:$x, Tenon_FloatTensor:$w, Tenon_FloatTensor:$r, Optional<Tenon_FloatTensor>:$bias,
                       Optional<Tenon_IndexTensor>:$lengths, Optional<Tenon_FloatTensor>:$initial_h, Optional<Tenon_FloatTensor>:$initial_c,
                       Optional<Tenon_FloatTensor>:$peephole, UnitAttr:$reverse, UnitAttr:$input_forget, OptionalAttr<F64Attr>:$clip,
                       OptionalAttr<StrArrayAttr>:$activations);
  let results = (outs Tenon_FloatTensor:$y, Tenon_FloatTensor:$y_h, Tenon_FloatTensor:$y_c);
  let assemblyFormat = [{
    $x `,` $w `,` $r (`bias` `(` $bias^ `:` type($bias) `)`)? (`lengths` `(` $lengths^ `:` type($lengths) `)`)?
    (`initial_h` `(` $initial_h^ `:` type($initial_h) `)`)? (`initial_c` `(` $initial_c^ `:` type($initial_c) `)`)?
    (`peephole` `(` $peephole^ `:` type($peephole) `)`)? attr-dict `:` type($x) `,` type($w) `,` type($r) `->` type($y) `,` type($y_h) `,` type($y_c)
  }];
  let hasVerifier = 1;
}
def Tenon_GruOp : Tenon_CompositeOp<"gru", [AttrSizedOperandSegments]> {
  let summary = "GRU over a sequence, gates in ONNX order z, r, h";
  let description = [{
    weights w [3H, I], r [3H, H], bias [6H], initial state [B, H], lengths [B] optional. `linear_before_reset` as in ONNX.
    Results: Y [T, B, H], last hidden [B, H].
  }];
  let arguments = (ins Tenon_FloatTensor:$x, Tenon_FloatTensor:$w, Tenon_FloatTensor:$r, Optional<Tenon_FloatTensor>:$bias,
                       Optional<Tenon_IndexTensor>:$lengths, Optional<Tenon_FloatTensor>:$initial_h, UnitAttr:$reverse,
                       UnitAttr:$linear_before_reset, OptionalAttr<F64Attr>:$clip, OptionalAttr<StrArrayAttr>:$activations);
  let results = (outs Tenon_FloatTensor:$y, Tenon_FloatTensor:$y_h);
  let assemblyFormat = [{
    $x `,` $w `,` $r (`bias` `(` $bias^ `:` type($bias) `)`)? (`lengths` `(` $lengths^ `:` type($lengths) `)`)?
    (`initial_h` `(` $initial_h^ `:` type($initial_h) `)`)? attr-dict `:` type($x) `,` type($w) `,` type($r) `->` type($y) `,` type($y_h)
  }];
  let hasVerifier = 1;
}
def Tenon_RnnOp : Tenon_CompositeOp<"rnn", [AttrSizedOperandSegments]> {
  let summary = "simple recurrent layer: h' = f(x w^T + h r^T + bias)";
  let description = "weights w [H, I], r [H, H], bias [2H], initial state [B, H], lengths [B] optional; f is tanh unless `activations` says otherwise.";
  let arguments = (ins Tenon_FloatTensor:$x, Tenon_FloatTensor:$w, Tenon_FloatTensor:$r, Optional<Tenon_FloatTensor>:$bias,
                       Optional<Tenon_IndexTensor>:$lengths, Optional<Tenon_FloatTensor>:$initial_h, UnitAttr:$reverse,
                       OptionalAttr<F64Attr>:$clip, OptionalAttr<StrArrayAttr>:$activations);
  let results = (outs Tenon_FloatTensor:$y, Tenon_FloatTensor:$y_h);
  let assemblyFormat = [{
    $x `,` $w `,` $r (`bias` `(` $bias^ `:` type($bias) `)`)? (`lengths` `(` $lengths^ `:` type($lengths) `)`)?
    (`initial_h` `(` $initial_h^ `:` type($initial_h) `)`)? attr-dict `:` type($x) `,` type($w) `,` type($r) `->` type($y) `,` type($y_h)
  }];
  let hasVerifier = 1;
}
//===----------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------===//

def Tenon_QuantizeOp : Tenon_CompositeOp<"quantize"> {
  let summary = "the integers that stand for floating numbers: saturate(round(x / scale) + zero), ties to even";
  let description = [{
    scale and zero have the rank of the input and along each dimension its size, or 1; no zero is 0. The zero point has
    the result's element type, an integer of 8 or 16 bits. The division is a division, and all is computed in f32.

    Example: `%q = tenon.quantize %x scale %s zero %z : (tensor<?x8xf32>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x8xui8>`
  }];
  let arguments = (ins Tenon_FloatTensor:$input, Tenon_FloatTensor:$scale, Optional<Tenon_IntTensor>:$zero);
  let results = (outs Tenon_IntTensor:$result);
  let assemblyFormat = "$input `scale` $scale (`zero` $zero^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Tenon_DequantizeOp : Tenon_CompositeOp<"dequantize"> {
  let summary = "the floating numbers that integers stand for: (q - zero) * scale";
  let description = [{
    Operands as those of `tenon.quantize`; the difference is taken in i32, the product in f32.

    Example: `%x = tenon.dequantize %q scale %s zero %z : (tensor<?x8xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x8xf32>`
  }];
  let arguments = (ins Tenon_IntTensor:$input, Tenon_FloatTensor:$scale, Optional<Tenon_IntTensor>:$zero);
  let results = (outs Tenon_FloatTensor:$result);
  let assemblyFormat = "$input `scale` $scale (`zero` $zero^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
#endif

//===- Passes.td - the passes of the phase Graph
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_GRAPH_PASSES_TD
#define TENON_GRAPH_PASSES_TD

include "mlir/Pass/PassBase.td"

def FoldConstants : Pass<"tenon-fold-constants", "::mlir::ModuleOp"> {
  let summary = "evaluate operations on constants whose results are small";
  let description = [{
    An operation whose operands are all constants is replaced by constants when its results take at most `max-bytes`
    bytes together. Their values come from the reference interpreter, so folding and the oracle cannot disagree.
    Operations that fail to evaluate (a slice out of range in a branch that is never taken) stay as they are.

    ```mlir
    %a = tenon.constant dense<[1.0, 2.0]> : tensor<2xf32>
    %b = tenon.exp %a : tensor<2xf32>
    // becomes
    %b = tenon.constant dense<[2.718281, 7.389056]> : tensor<2xf32>
    ```
  }];
  let options = [
    Option<"maxBytes", "max-bytes", "int64_t", "4096", "the most bytes that the results of a folded operation take">
  ];
  let statistics = [Statistic<"folded", "folded", "operations replaced by constants">];
  let dependentDialects = ["::tenon::TenonDialect"];
}

class Tenon_GraphPass<string option, string name> : Pass<option, "::mlir::func::FuncOp"> {
  let dependentDialects = ["::tenon::TenonDialect", "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect"];
}

def RefineTypes : Tenon_GraphPass<"tenon-refine-types", "RefineTypes"> {
  let summary = "make dimensions static where their sizes are constant";
  let description = [{
    Asks the size analysis for every tensor and rewrites types; operands that name sizes which are now static go away.

    Before: `%c = arith.constant 4 : index; %y = tenon.reshape %x (%c) : tensor<2x2xf32> -> tensor<?xf32>`
    After: `%y = tenon.reshape %x : tensor<2x2xf32> -> tensor<4xf32>`
  }];
}
def ResolveSizes : Tenon_GraphPass<"tenon-resolve-sizes", "ResolveSizes"> {
  let summary = "rewrite index arithmetic and tensor.dim as canonical expressions over symbols";
  let description = [{
    Every `index` operand of an operation whose size expression is known is computed from symbols alone, so that no
    size keeps a tensor alive and equal sizes have equal code. Read scalars and other fresh symbols stay.

    Before: `%d = tensor.dim %x, %c0; %y = tenon.reshape %z (%d) ...` with %x of dims ["batch"]
    After: `%b = tenon.symbol "batch" ...; %y = tenon.reshape %z (%b) ...`
  }];
}
def PrintSizes : Tenon_GraphPass<"tenon-print-sizes", "PrintSizes"> {
  let summary = "print the size expressions of every value (for tests)";
  let description = [{
    One line for each operation with results, in order: its name, then the sizes of each tensor result, `index(...)`
    for index results and `-` for others, on the standard output.
  }];
}
def DecomposeComposites : Tenon_GraphPass<"tenon-decompose", "DecomposeComposites"> {
  let summary = "replace composites by core operations";
  let description = [{
    Each composite is replaced by what its `decompose()` builds, over and over until none is left. Composites named in
    `keep` stay, for backends that take them as they are.

    Before: `%y = tenon.relu %x : tensor<4xf32>`
    After: `%z = tenon.broadcast ... : tensor<1xf32> -> tensor<4xf32>; %y = tenon.max %x, %z : tensor<4xf32>`
  }];
  let options = [ListOption<"keep", "keep", "std::string", "names of operations that stay, such as tenon.softmax">];
}
def PropagateLayout : Tenon_GraphPass<"tenon-propagate-layout", "PropagateLayout"> {
  let summary = "keep images channels-last from one convolution to the next";
  let description = [{
    Moves transposes down through operations that can run in any order of dimensions (elementwise operations,
    activations, reductions, concat, pad, slice, resize, batch norm, squeezing reshapes) until they cancel. Transposes
    that move only dimensions of size 1 become reshapes.

    Before: `conv -> transpose [0, 3, 1, 2] -> relu -> transpose [0, 2, 3, 1] -> conv`
    After: `conv -> relu -> conv`
  }];
}
def RecognizeComposites : Tenon_GraphPass<"tenon-recognize-composites", "RecognizeComposites"> {
  let summary = "find composites in what exporters made of them";
  let description = [{
    Recognizes gelu (with erf and tanh), sigmoid, silu, hard_sigmoid, hard_swish, softmax, layer_norm, rms_norm, and
    attention: two products with a softmax between them, a scale on the query, the key, both, or the logits, an added
    or boolean mask, repeated heads, and guards against empty rows. Run it after constants are folded and equal
    operations are merged.

    Before: `contract(softmax(add(mul(contract(q, transpose(k)), c), m)), v)`
    After: `attention(q, k, v) mask(m) {scale = c}`
  }];
}
def SplitTransposedConv : Tenon_GraphPass<"tenon-split-transposed-conv", "SplitTransposedConv"> {
  let summary = "compute transposed convolutions without the zeros between their inputs";
  let description = [{
    The interleaved results of a transposed convolution become channels of a plain convolution with smaller windows,
    and are put side by side afterwards. The filter's new form is evaluated when the model is compiled.

    Before: `conv(x, w) input_dilations [2, 2]` with w of 2 x 2 x C x O
    After: `reshape(transpose(reshape(conv(x, w'))))` with w' of 1 x 1 x C x 4O
  }];
}

def SinkPhases : Tenon_GraphPass<"tenon-sink-phases", "SinkPhases"> {
  let summary = "interleave the phases of transposed convolutions as late as possible";
  let description = [{
    Behind a transposed convolution that was split, elementwise operations with constants per channel and 1x1
    convolutions work on the phases, before these are interleaved: the convolution's kernel takes the former in, the
    latter may leave fewer channels to move.

    Before: `relu(reshape(transpose(reshape(conv(x, w)))))`
    After: `reshape(transpose(reshape(relu(conv(x, w)))))`
  }];
}

def FoldBatchNorm : Tenon_GraphPass<"tenon-fold-batch-norm", "FoldBatchNorm"> {
  let summary = "move factors per channel into the weights of convolutions and products";
  let description = [{
    Batch norms over constants on the last axis, and products with constants per channel, become arithmetic on weights,
    which is evaluated when the model is compiled. Run it after layouts are channels-last.

    Before: `batch_norm(conv(x, w), scale, bias, mean, variance)`
    After: `add(conv(x, mul(w, f)), broadcast(s))` with f = scale / sqrt(variance + epsilon), s = bias - mean * f
  }];
}
def UseBf16 : Tenon_GraphPass<"tenon-use-bf16", "UseBf16"> {
  let summary = "round the operands of contractions and convolutions to bf16";
  let description = [{
    Products sum in f32 as before. Weights are rounded when the model is compiled; an activation that only products and
    elementwise operations (sums of residuals) read is stored as bf16, others are rounded beside their f32 form.
    Depthwise convolutions stay in f32. Attention is marked `tenon.bf16_products`: its kernel rounds what it packs.

    Before: `%y = tenon.contract %x, %w : tensor<?x384xf32>, tensor<384x1536xf32> -> tensor<?x1536xf32>`
    After: `%y = tenon.contract %a, %b : tensor<?x384xbf16>, tensor<384x1536xbf16> -> tensor<?x1536xf32>` of casts
  }];
}
def MoveQuantization : Tenon_GraphPass<"tenon-move-quantization", "MoveQuantization"> {
  let summary = "move integers, not the floating numbers that they stand for";
  let description = [{
    Dequantizing moves down through transposes, reshapes, slices, broadcasts, gathers, pads with 0, max pools and
    concats of tensors with equal parameters; quantizing moves up through what serves it alone. A quantization that
    meets its own inverse goes away. Run it after layouts are channels-last.

    Before: `quantize(max_pool(dequantize(q)))` with equal parameters
    After: `max_pool(q)`
  }];
}
def FormIntegerProducts : Tenon_GraphPass<"tenon-form-integer-products", "FormIntegerProducts"> {
  let summary = "compute products of quantized tensors in integers";
  let description = [{
    A contraction or convolution of two dequantized 8-bit tensors becomes one of ui8 by i8 with an i32 result, to which
    what zero points and an integer bias add is added, and the product with both scales. The right operand may have
    a scale for each column. i32 products of 8-bit tensors less their zero points become such products too. Run it
    behind `tenon-move-quantization`, before constants reach dequantized weights.

    Before: `add(conv(dequantize(x), dequantize(w)), broadcast(dequantize(bias)))`
    After: `mul(cast(add(conv(x, w) pad_value zx, broadcast(c))), broadcast(sx * sw))`, c = bias - zx * sum(w)
  }];
  let statistics = [Statistic<"formed", "formed", "products that became integer ones">];
}
def SimplifyGraph : Tenon_GraphPass<"tenon-simplify", "SimplifyGraph"> {
  let summary = "local simplifications that need size expressions or look through broadcasts";
  let description = [{
    Neutral elements, powers that are products or roots, reshapes, broadcasts and slices that change nothing (sizes are
    compared as expressions), casts of casts, and elementwise operations on tensors that are repeated along one axis.

    Before: `add(broadcast(a), broadcast(b))` with a and b of one shape
    After: `broadcast(add(a, b))`
  }];
}
#endif

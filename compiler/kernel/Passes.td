//===- Passes.td - passes of the phase Kernel
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_KERNEL_PASSES_TD
#define TENON_KERNEL_PASSES_TD
include "mlir/Pass/PassBase.td"

def PackProducts : Pass<"tenon-pack-products", "::mlir::func::FuncOp"> {
  let summary = "give contractions and convolutions their right operand in panels of 16 columns";
  let description = [{
    `tenon.contract` becomes `tenon.packed_contract`, `tenon.conv` `tenon.packed_conv` or, for a window of one element
    without stride and padding, a contraction. The packing itself is core operations on the operand (pad, reshape,
    transpose): for a weight they run at compile time, for an activation they become a kernel. Depthwise convolutions
    keep their form. Attention that has no kernel (lengths, sinks, windows, pages, f64) and other composites are
    decomposed first, and `tenon.non_zero` becomes a scan and a scatter. Convolutions of few channels get their padding
    as a `tenon.pad`. With `winograd`, 3x3 convolutions become `tenon.winograd_conv` where that wins.
    With `scale-weights`, factors that all rows of a left operand share (squeeze and excite of one image) multiply the
    packed weights instead, where rows are many.

    Before: `%y = tenon.contract %x, %w : tensor<?x384xf32>, tensor<384x1536xf32> -> tensor<?x1536xf32>`
    After: `%y = tenon.packed_contract %x, %p : tensor<?x384xf32>, tensor<96x384x16xf32> -> tensor<?x1536xf32>`
  }];
  let options = [
    Option<"winograd", "winograd", "bool", "false", "compute 3x3 convolutions by Winograd's F(4x4, 3x3)">,
    Option<"scaleWeights", "scale-weights", "bool", "false", "multiply weights in place of a left operand's many rows">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def FormKernels : Pass<"tenon-form-kernels", "::mlir::func::FuncOp"> {
  let summary = "gather core operations into fused kernels";
  let description = [{
    Every operation joins the kernel of its users where the kernel's family can compute it in place (elementwise and
    movement operations anywhere, one product or window with an elementwise epilogue, reductions over rows with what
    surrounds them), else it becomes the root of a kernel of its own. Reshapes of what lies in memory stay outside: they
    cost nothing. What declines to fuse is reported as a remark.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def FuseWindows : Pass<"tenon-fuse-windows", "::mlir::func::FuncOp"> {
  let summary = "let depthwise convolutions compute the product that they read";
  let description = [{
    The kernel of an f32 depthwise convolution takes in the kernel of the product (a 1x1 convolution with its epilogue)
    whose result it alone reads, where that image is too large for the second cache and is made of few channels: it
    computes the lines under its window itself, which stay in the first cache. The family remains "window". Where the
    image's size is open, an `scf.if` on it chooses between that kernel and the two.

    Before: `%1 = tenon.kernel "contraction"(%x, %p)`, `%2 = tenon.kernel "window"(%1, %f)`
    After: `%2 = tenon.kernel "window"(%x, %p, %f)`
  }];
  let options = [Option<"openIsLarge", "open-is-large", "bool", "false", "take images of open size for large ones (for tests of kernels)">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def AskAhead : Pass<"tenon-ask-ahead", "::mlir::func::FuncOp"> {
  let summary = "let products of many rows ask for the weights of later products of few rows";
  let description = [{
    A product of up to four rows takes as long as memory delivers its weights. Products of many rows in front of it get
    parts of that weight as a further argument, which they do not use, and the attribute `tenon.asks_ahead`: their code
    prefetches it while they compute. Nearest first, one part for each kernel, as much as its steps have time for.

    Before: `%1 = tenon.kernel "contraction"(%x, %p)`, `%2 = tenon.kernel "contraction"(%row, %w)`
    After: `%1 = tenon.kernel "contraction"(%x, %p, %w) {tenon.asks_ahead = array<i64: 2, 0, 163840, 1048576>}`, `%2` as before
  }];
}
#endif

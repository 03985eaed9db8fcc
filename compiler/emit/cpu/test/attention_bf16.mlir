// RUN: %assembly zen4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,ZEN4
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// Scores and weighted values by products of bf16 pairs, which are packed before.
// CHECK: kernel tn_0_attention
// ZEN4-SAME: dot of bf16
// V4-SAME: widened bf16
// ZEN4: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// ZEN4: vdpbf16ps zmm 24 into 24
// ZEN4: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// ZEN4: vdpbf16ps zmm 26 into 26
// V4: vfmadd231ps zmm
// V4-NOT: vdpbf16ps
func.func @heads(%q: tensor<2x4x96x32xf32>, %k: tensor<2x4x96x32xf32>, %v: tensor<2x4x96x32xf32>) -> tensor<2x4x96x32xf32> {
  %0 = tenon.attention %q, %k, %v {scale = 0.0 : f64, tenon.bf16_products} : tensor<2x4x96x32xf32>, tensor<2x4x96x32xf32>, tensor<2x4x96x32xf32> -> tensor<2x4x96x32xf32>
  return %0 : tensor<2x4x96x32xf32>
}

// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// Scores, their exponentials, and the weighted values: three loops in vectors, no operation across lanes in any of them.
// CHECK: kernel tn_0_attention
// V3: loop of 24 instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 6
// V3-NEXT: vfmadd231ps ymm 12 into 12
// V3-NEXT: vmovups ymm 2
// V3: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vmaxps ymm 1
// V3: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3: vpslld ymm 1
// V3: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 6
// V3-NEXT: vfmadd231ps ymm 12 into 12
// V3-NEXT: vmovups ymm 2
// V4: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vfmadd231ps zmm 12 into 12
// V4-NEXT: vmovups zmm 1
// V4: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vmaxps zmm 1
// V4: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4: vpslld zmm 1
// V4: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vbroadcastss zmm 8
// V4-NEXT: vfmadd231ps zmm 16 into 16
// CHECK-NOT: loop
func.func @heads(%q: tensor<2x4x96x32xf32>, %k: tensor<2x4x96x32xf32>, %v: tensor<2x4x96x32xf32>) -> tensor<2x4x96x32xf32> {
  %0 = tenon.attention %q, %k, %v {scale = 0.0 : f64} : tensor<2x4x96x32xf32>, tensor<2x4x96x32xf32>, tensor<2x4x96x32xf32> -> tensor<2x4x96x32xf32>
  return %0 : tensor<2x4x96x32xf32>
}

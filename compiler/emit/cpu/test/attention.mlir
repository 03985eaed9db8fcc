// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// Queries are transposed in registers; scores, their exponentials, and the weighted values: loops in vectors, no
// operation across lanes in any of them. The largest scores are found beside the products: no loop of their own.
// CHECK: kernel tn_0_attention
// V3: loop of 24 instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 6
// V3-NEXT: vfmadd231ps ymm 12 into 12
// V3-NEXT: vmovups ymm 2
// V3: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vaddps ymm 2
// V3-NOT: vmaxps
// V3: vpslld ymm 1
// V3: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 6
// V3-NEXT: vfmadd231ps ymm 12 into 12
// V3-NEXT: vmovups ymm 2
// V4-NOT: vgather
// V4: loop of 4 instructions, stack 0, masked 0, calls 0
// V4-NEXT: vmovups zmm 1
// V4-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vbroadcastss zmm 12
// V4-NEXT: vfmadd231ps zmm 24 into 24
// V4-NEXT: vmovups zmm 2
// V4: loop of {{[0-9]+}} instructions, stack 0, masked 1, calls 0
// V4-NEXT: vaddps zmm 2
// V4-NOT: vmaxps
// V4: vpslld zmm 1
// V4: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vbroadcastss zmm 13
// V4-NEXT: vfmadd231ps zmm 26 into 26
func.func @heads(%q: tensor<2x4x96x32xf32>, %k: tensor<2x4x96x32xf32>, %v: tensor<2x4x96x32xf32>) -> tensor<2x4x96x32xf32> {
  %0 = tenon.attention %q, %k, %v {scale = 0.0 : f64} : tensor<2x4x96x32xf32>, tensor<2x4x96x32xf32>, tensor<2x4x96x32xf32> -> tensor<2x4x96x32xf32>
  return %0 : tensor<2x4x96x32xf32>
}

// Masks change scores, so that the largest ones are found behind them.
// CHECK: kernel tn_{{[0-9]+}}_attention
// V3: vmaxps ymm 1
// V4: vmaxps zmm 1
func.func @causal(%q: tensor<2x4x96x32xf32>, %k: tensor<2x4x96x32xf32>, %v: tensor<2x4x96x32xf32>) -> tensor<2x4x96x32xf32> {
  %0 = tenon.attention %q, %k, %v {causal, scale = 0.0 : f64} : tensor<2x4x96x32xf32>, tensor<2x4x96x32xf32>, tensor<2x4x96x32xf32> -> tensor<2x4x96x32xf32>
  return %0 : tensor<2x4x96x32xf32>
}

// A mask that tells queries and keys apart is read along the keys and transposed, too.
// CHECK: kernel tn_{{[0-9]+}}_attention
// CHECK-NOT: vgather
func.func @masked(%q: tensor<2x4x96x32xf32>, %k: tensor<2x4x96x32xf32>, %v: tensor<2x4x96x32xf32>, %m: tensor<2x1x96x96xf32>) -> tensor<2x4x96x32xf32> {
  %0 = tenon.attention %q, %k, %v mask(%m : tensor<2x1x96x96xf32>) {scale = 0.0 : f64} : tensor<2x4x96x32xf32>, tensor<2x4x96x32xf32>, tensor<2x4x96x32xf32> -> tensor<2x4x96x32xf32>
  return %0 : tensor<2x4x96x32xf32>
}

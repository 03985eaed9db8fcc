// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// Three channels move innermost: each is read as vectors along the line, under a mask for the padding, and the
// three are woven together in registers. No element moves alone; each plane is asked for early.
// CHECK: kernel tn_0_map
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked {{[0-9]+}}, calls 0
// CHECK-NOT: vinsertps
// CHECK-NOT: vmovss
// V3: vmaskmovps ymm 3
// V3: vmovups ymm 3
// V4: vmovups zmm 6
// V4: vpermt2ps zmm 6
// CHECK: prefetches {{[36]}}
func.func @image(%x: tensor<1x3x64x64xf32>) -> tensor<1x66x66x3xf32> {
  %zero = tenon.constant dense<0.0> : tensor<f32>
  %t = tenon.transpose %x [0, 2, 3, 1] : tensor<1x3x64x64xf32> -> tensor<1x64x64x3xf32>
  %p = tenon.pad %t, %zero low() [0, 1, 1, 0] high() [0, 1, 1, 0] : tensor<1x64x64x3xf32>, tensor<f32> -> tensor<1x66x66x3xf32>
  return %p : tensor<1x66x66x3xf32>
}

// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// All 9 taps of 4 positions stand in the loop over the channels, which takes one vector, with AVX-512 two.
// CHECK: kernel tn_0_window
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vfmadd132ps ymm 1
// V3-NEXT: vfmadd213ps ymm 3
// V3-NEXT: vfmadd231ps ymm 32 into 4
// V4-NEXT: vfmadd132ps zmm 2
// V4-NEXT: vfmadd213ps zmm 6
// V4-NEXT: vfmadd231ps zmm 64 into 8
// CHECK-NOT: loop
func.func @depthwise(%x: tensor<1x14x14x64xf32>, %w: tensor<3x3x1x64xf32>) -> tensor<1x12x12x64xf32> {
  %p = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 64 : tensor<1x14x14x64xf32>, tensor<3x3x1x64xf32> -> tensor<1x12x12x64xf32>
  return %p : tensor<1x12x12x64xf32>
}

// CHECK: kernel tn_1_window
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked {{[0-9]+}}, calls 0
// V3: vmaxps ymm 12
// V4: vmaxps zmm 24
// CHECK-NOT: loop
func.func @max_pool(%x: tensor<1x14x14x64xf32>) -> tensor<1x7x7x64xf32> {
  %0 = tenon.reduce_window max %x window [1, 2, 2, 1] strides [1, 2, 2, 1] dilations [1, 1, 1, 1] low [0, 0, 0, 0] high [0, 0, 0, 0] : tensor<1x14x14x64xf32> -> tensor<1x7x7x64xf32>
  return %0 : tensor<1x7x7x64xf32>
}

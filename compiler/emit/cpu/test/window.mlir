// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// All 9 taps of 6 positions stand in the loop over the channels, which takes one vector, with AVX-512 two. Tiles at
// either end have code of their own.
// CHECK: kernel tn_0_window
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vfmadd132ps ymm 1
// V3-NEXT: vfmadd213ps ymm 5
// V3-NEXT: vfmadd231ps ymm 48 into 6
// V4-NEXT: vfmadd132ps zmm 2
// V4-NEXT: vfmadd213ps zmm 10
// V4-NEXT: vfmadd231ps zmm 96 into 12
func.func @depthwise(%x: tensor<1x14x42x32xf32>, %w: tensor<3x3x1x32xf32>) -> tensor<1x12x40x32xf32> {
  %p = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 32 : tensor<1x14x42x32xf32>, tensor<3x3x1x32xf32> -> tensor<1x12x40x32xf32>
  return %p : tensor<1x12x40x32xf32>
}

// CHECK: kernel tn_1_window
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked {{[0-9]+}}, calls 0
// V3: vmaxps ymm 18
// V4: vmaxps zmm 36
func.func @max_pool(%x: tensor<1x14x80x32xf32>) -> tensor<1x7x40x32xf32> {
  %0 = tenon.reduce_window max %x window [1, 2, 2, 1] strides [1, 2, 2, 1] dilations [1, 1, 1, 1] low [0, 0, 0, 0] high [0, 0, 0, 0] : tensor<1x14x80x32xf32> -> tensor<1x7x40x32xf32>
  return %0 : tensor<1x7x40x32xf32>
}

// A short line is one tile, or a few, and knows its taps: of 7 x 5 in a line 29 lie inside, and nothing is tested.
// CHECK: kernel tn_2_window
// CHECK: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// CHECK: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vfmadd231ps ymm 29 into 7
// V4-NEXT: vfmadd231ps zmm 58 into 14
// CHECK-NOT: loop
func.func @short_lines(%x: tensor<1x7x7x64xf32>, %w: tensor<5x5x1x64xf32>) -> tensor<1x7x7x64xf32> {
  %p = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [2, 2] high [2, 2] input_dilations [1, 1] groups 64 : tensor<1x7x7x64xf32>, tensor<5x5x1x64xf32> -> tensor<1x7x7x64xf32>
  return %p : tensor<1x7x7x64xf32>
}


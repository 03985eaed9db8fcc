// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// The loop over the channels of a tap is that of a product, whose rows are neighbours in a line of the image. Where a
// tile is a whole line, the rows whose tap falls into the padding are left out.
// CHECK: kernel tn_1_conv
// V3-SAME: tile=5x16 of lines
// V3: loop of {{[1-9][0-9]}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 5
// V3-NEXT: vfmadd231ps ymm 10 into 10
// V3-NEXT: vmovups ymm 2
// V4-SAME: tile=14x32 of lines
// V4: loop of {{[1-9][0-9]}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vbroadcastss zmm 13
// V4-NEXT: vfmadd231ps zmm 26 into 26
// V4-NEXT: vmovups zmm 2
// V4-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vbroadcastss zmm 14
// V4-NEXT: vfmadd231ps zmm 28 into 28
// V4-NEXT: vmovups zmm 2
// V4-NEXT: loop of {{[1-9][0-9]}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vbroadcastss zmm 13
// V4-NEXT: vfmadd231ps zmm 26 into 26
// V4-NEXT: vmovups zmm 2
// CHECK-NOT: loop
func.func @lines(%x: tensor<1x14x14x32xf32>, %w: tensor<3x3x32x32xf32>) -> tensor<1x14x14x32xf32> {
  %p = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x14x14x32xf32>, tensor<3x3x32x32xf32> -> tensor<1x14x14x32xf32>
  return %p : tensor<1x14x14x32xf32>
}

// Lines that no height divides: rows are positions, each with a pointer. Taps in the padding read a row of zeros, so
// that the loop tests nothing.
// CHECK: kernel tn_{{[0-9]+}}_conv
// CHECK-NOT: of lines
// V3: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 6
// V3-NEXT: vfmadd231ps ymm 12 into 12
// V3-NEXT: vmovups ymm 2
// V4: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vbroadcastss zmm 8
// V4-NEXT: vfmadd231ps zmm 16 into 16
// V4-NEXT: vmovups zmm 2
// CHECK-NOT: loop
func.func @positions(%x: tensor<1x32x3x32xf32>, %w: tensor<3x3x32x32xf32>) -> tensor<1x32x3x32xf32> {
  %p = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x32x3x32xf32>, tensor<3x3x32x32xf32> -> tensor<1x32x3x32xf32>
  return %p : tensor<1x32x3x32xf32>
}

// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// The loop over the channels of a tap is that of a product: the tile's pixels are rows. Taps in the padding read a row
// of zeros, so that the loop tests nothing.
// CHECK: kernel tn_1_conv
// V3-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 6
// V3-NEXT: vfmadd231ps ymm 12 into 12
// V3-NEXT: vmovups ymm 2
// V4-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vbroadcastss zmm 8
// V4-NEXT: vfmadd231ps zmm 16 into 16
// V4-NEXT: vmovups zmm 2
// CHECK-NOT: loop
func.func @padded(%x: tensor<1x14x14x32xf32>, %w: tensor<3x3x32x32xf32>) -> tensor<1x14x14x32xf32> {
  %p = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x14x14x32xf32>, tensor<3x3x32x32xf32> -> tensor<1x14x14x32xf32>
  return %p : tensor<1x14x14x32xf32>
}

// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// Pixels of two by two lie in each element's channels: of what a line needs, neighbours are read with what lies between
// and picked. No element moves alone.
// CHECK: kernel tn_0_map
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vmovupd ymm 12
// V3-NEXT: vperm2f128 ymm 8
// V3-NEXT: vshufpd ymm 4
// V4-NEXT: vmovupd zmm 8
// V4-NEXT: vpermt2pd zmm 4
func.func @pixels(%x: tensor<1x64x64x2x2x1xf32>) -> tensor<1x128x128xf32> {
  %t = tenon.transpose %x [0, 1, 3, 2, 4, 5] : tensor<1x64x64x2x2x1xf32> -> tensor<1x64x2x64x2x1xf32>
  %r = tenon.reshape %t : tensor<1x64x2x64x2x1xf32> -> tensor<1x128x128x1xf32>
  %n = tenon.neg %r : tensor<1x128x128x1xf32>
  %c = tenon.reshape %n : tensor<1x128x128x1xf32> -> tensor<1x128x128xf32>
  return %c : tensor<1x128x128xf32>
}

// Every third element.
// CHECK: kernel tn_1_map
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vblendps ymm 2
// V3-NEXT: vmovups ymm 2
// V3-NEXT: vpermilps ymm 1
// V3-NEXT: vpermps ymm 1
// V4-NEXT: vmovups zmm 2
// V4-NEXT: vpermt2ps zmm 2
// CHECK-NOT: loop
func.func @third(%x: tensor<8x192xf32>) -> tensor<8x64xf32> {
  %0 = tenon.slice %x offsets() [0, 1] sizes() strides [1, 3] : tensor<8x192xf32> -> tensor<8x64xf32>
  return %0 : tensor<8x64xf32>
}

// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// A matrix is turned in registers, a vector of rows at a time: no element moves alone.
// CHECK: kernel tn_0_map{{.*}}map turned
// V3-SAME: tile=8x8
// V4-SAME: tile=16x16
// CHECK-NOT: gather
// CHECK-NOT: vmovss
// CHECK: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3: vmovups ymm {{8|16}}
// V4: vmovups zmm {{16|32}}
func.func @turn(%x: tensor<1x96x320xf32>) -> tensor<1x320x96xf32> {
  %0 = tenon.transpose %x [0, 2, 1] : tensor<1x96x320xf32> -> tensor<1x320x96xf32>
  return %0 : tensor<1x320x96xf32>
}

// The four bytes that a product takes at once stay beside each other and move as one.
// CHECK: kernel tn_1_map{{.*}}map turned tile=8x8 group=4
// CHECK-NOT: vpinsrb
func.func @keys(%x: tensor<128x12x32xi8>) -> tensor<12x8x8x16x4xi8> {
  %0 = tenon.reshape %x : tensor<128x12x32xi8> -> tensor<8x16x12x8x4xi8>
  %1 = tenon.transpose %0 [2, 0, 3, 1, 4] : tensor<8x16x12x8x4xi8> -> tensor<12x8x8x16x4xi8>
  return %1 : tensor<12x8x8x16x4xi8>
}

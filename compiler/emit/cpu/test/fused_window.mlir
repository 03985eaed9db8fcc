// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// The product has whole tiles, whose results go to scratch; the window reads them there, six positions of 32
// channels (AVX2: 8) at a time: those at the left without the column in the padding, then all others.
// CHECK: kernel tn_1_window
// V3-SAME: lines=3 product tile=6x16
// V4-SAME: lines=3 product tile=14x32
// CHECK: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 6
// V3-NEXT: vfmadd231ps ymm 12 into 12
// V4-NEXT: vbroadcastss zmm 14
// V4-NEXT: vfmadd231ps zmm 28 into 28
// CHECK: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vfmadd231ps ymm 17 into 6
// V4-NEXT: vfmadd231ps zmm 34 into 12
// CHECK: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3: vfmadd231ps ymm 18 into 6
// V4: vfmadd231ps zmm 36 into 12
func.func @inverted_residual(%x: tensor<1x112x112x16xf32>, %p: tensor<16x64xf32>, %f: tensor<3x3x1x64xf32>) -> tensor<1x56x56x64xf32> {
  %0 = tenon.contract %x, %p : tensor<1x112x112x16xf32>, tensor<16x64xf32> -> tensor<1x112x112x64xf32>
  %1 = tenon.conv %0, %f strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 64 : tensor<1x112x112x64xf32>, tensor<3x3x1x64xf32> -> tensor<1x56x56x64xf32>
  return %1 : tensor<1x56x56x64xf32>
}

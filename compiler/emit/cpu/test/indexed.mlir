// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// Element by element, in registers: no calls, nothing on the stack.
// CHECK: kernel tn_0_indexed
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// CHECK-NEXT: vaddss xmm 1
// CHECK-NEXT: vmovss xmm 1
func.func @scan(%x: tensor<3x64xf32>) -> tensor<3x64xf32> {
  %0 = tenon.scan sum %x axis 1 : tensor<3x64xf32>
  return %0 : tensor<3x64xf32>
}

// CHECK: kernel tn_1_indexed
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked {{[01]}}, calls 0
func.func @largest(%x: tensor<3x64xf32>) -> tensor<3x1xi64> {
  %0 = tenon.arg_reduce max %x axis 1 : tensor<3x64xf32> -> tensor<3x1xi64>
  return %0 : tensor<3x1xi64>
}

// The copy of the input is in vectors.
// CHECK: kernel tn_2_indexed
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vmovups ymm 2
// V4-NEXT: vmovups zmm 2
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// CHECK-NEXT: vmovss xmm 2
// CHECK-NOT: loop
func.func @scatter(%x: tensor<10x64xf32>, %i: tensor<3x1xi64>, %u: tensor<3x64xf32>) -> tensor<10x64xf32> {
  %0 = tenon.scatter_nd none %x, %i, %u : tensor<10x64xf32>, tensor<3x1xi64>, tensor<3x64xf32>
  return %0 : tensor<10x64xf32>
}

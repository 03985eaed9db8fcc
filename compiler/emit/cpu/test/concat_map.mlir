// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// Pieces of a concatenation go in vectors of their own, as wide as each has room for, and a row is written out:
// nothing asks which piece it is, and what is the same for all rows stays in registers.
// CHECK: kernel tn_0_map
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vmovups ymm 15
// V3-NEXT: vmulps ymm 3
// V4-NEXT: vmovups ymm 1
// V4-NEXT: vmovups zmm 7
// V4-NEXT: vmulps ymm 1
// V4-NEXT: vmulps zmm 1
// CHECK-NOT: loop
func.func @pieces(%a: tensor<40x24xf32>, %b: tensor<40x48xf32>, %c: tensor<1x24xf32>) -> tensor<40x72xf32> {
  %d = tenon.broadcast %c : tensor<1x24xf32> -> tensor<40x24xf32>
  %e = tenon.mul %a, %d : tensor<40x24xf32>
  %0 = tenon.concat %e, %b axis 1 : (tensor<40x24xf32>, tensor<40x48xf32>) -> tensor<40x72xf32>
  return %0 : tensor<40x72xf32>
}

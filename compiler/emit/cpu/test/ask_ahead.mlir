// RUN: tenon-opt --tenon-form-kernels --tenon-ask-ahead %s -o %t.mlir
// RUN: tenon-compile-kernel --regions %t.mlir --target x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: tenon-compile-kernel --regions %t.mlir --target x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

tenon.weight @p : tensor<8x128x16xf32> = "", 0, 65536, ""
tenon.weight @few : tensor<20x960x16xf32> = "", 65536, 1228800, ""

// Each step asks for one line of what the next kernel reads, and computes as before. All panels of the product itself
// stay in the second cache, and are not asked for.
// CHECK: kernel tn_0_contraction
// CHECK-SAME: asks_ahead
// CHECK: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3: vfmadd231ps ymm 12 into 12
// V4: vfmadd231ps zmm 28 into 28
// CHECK: prefetches 1
// CHECK: kernel tn_1_contraction
// CHECK-NOT: prefetches
func.func @main(%a: tensor<350x128xf32>, %row: tensor<1x960xf32>) -> (tensor<350x128xf32>, tensor<1x320xf32>) {
  %p = tenon.get_weight @p : tensor<8x128x16xf32>
  %0 = tenon.packed_contract %a, %p : tensor<350x128xf32>, tensor<8x128x16xf32> -> tensor<350x128xf32>
  %w = tenon.get_weight @few : tensor<20x960x16xf32>
  %1 = tenon.packed_contract %row, %w : tensor<1x960xf32>, tensor<20x960x16xf32> -> tensor<1x320xf32>
  return %0, %1 : tensor<350x128xf32>, tensor<1x320xf32>
}

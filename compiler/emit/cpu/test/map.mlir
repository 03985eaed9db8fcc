// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4
// RUN: %assembly x86-64-v3 | FileCheck %s --check-prefix=TAIL3
// RUN: %assembly x86-64-v4 | FileCheck %s --check-prefix=TAIL4

// A row is found with a division for the first of its blocks only. Four vectors at once, then single ones; the rest of
// a row is one vector under a mask.
// CHECK: kernel tn_0_map
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vaddps ymm 4
// V3-NEXT: vmovups ymm 8
// V3-NEXT: vmulps ymm 4
// V4-NEXT: vaddps zmm 4
// V4-NEXT: vmovups zmm 8
// V4-NEXT: vmulps zmm 4
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vaddps ymm 1
// V4-NEXT: vaddps zmm 1
// TAIL3-COUNT-2: vmaskmovps ({{.*}}), %ymm{{[0-9]+}}, %ymm
// TAIL3: vmaskmovps %ymm{{[0-9]+}}, %ymm{{[0-9]+}}, (
// TAIL3-NOT: vmaskmovps
// TAIL4-COUNT-2: vmovups ({{.*}}), %zmm{{[0-9]+ [{]%k1[}] [{]z[}]}}
// TAIL4: vmovups %zmm{{[0-9]+}}, ({{.*}}) {{[{]%k1[}]}}
func.func @chain(%a: tensor<?x?xf32> {tenon.dims = ["m", "n"]}, %b: tensor<?x?xf32> {tenon.dims = ["m", "n"]}) -> tensor<?x?xf32> {
  %m = tenon.symbol "m" min 1 multiple_of 1 likely []
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %0 = tenon.add %a, %b : tensor<?x?xf32>
  %1 = tenon.mul %0, %a : tensor<?x?xf32>
  return %1 : tensor<?x?xf32>
}

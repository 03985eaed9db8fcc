// RUN: %assembly zen4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,ZEN4
// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v3 | FileCheck %s --check-prefix=PANEL

// A number to a byte: a multiply-add instead of the division, and the conversion rounds.
// CHECK: kernel tn_{{[0-9]+}}_map
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// CHECK: vcvtps2dq
// CHECK-NOT: vdivps
// CHECK-NOT: vround
// ZEN4: vfmadd231ps zmm 4
// V3: vfmadd231ps ymm 4
// V3-NOT: vmaxps
// V3: vminps ymm 4
// V3: vpackssdw ymm 2
// V3-NEXT: vpackuswb ymm 1
func.func @number(%x: tensor<64x256xf32>) -> tensor<64x256xui8> {
  %s = tenon.constant dense<0.0210918784> : tensor<64x256xf32>
  %z = tenon.constant dense<1.420000e+02> : tensor<64x256xf32>
  %l = tenon.constant dense<0.0> : tensor<64x256xf32>
  %h = tenon.constant dense<255.0> : tensor<64x256xf32>
  %d = tenon.div %x, %s : tensor<64x256xf32>
  %r = tenon.round %d : tensor<64x256xf32>
  %q = tenon.add %r, %z : tensor<64x256xf32>
  %m = tenon.max %q, %l : tensor<64x256xf32>
  %n = tenon.min %m, %h : tensor<64x256xf32>
  %i = tenon.cast %n : tensor<64x256xf32> -> tensor<64x256xi32>
  %y = tenon.cast %i : tensor<64x256xi32> -> tensor<64x256xui8>
  return %y : tensor<64x256xui8>
}

// The sum of two dequantized bytes, quantized.
// CHECK: kernel tn_{{[0-9]+}}_map
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// CHECK-NEXT: vcvtdq2ps
// CHECK-NEXT: vcvtps2dq
// CHECK-NEXT: vfmadd213ps
// CHECK-NOT: vdivps
// CHECK-NOT: vaddps
// ZEN4: vmulps zmm 4
// ZEN4: vpackssdw zmm 2
// ZEN4-NEXT: vpackuswb zmm 2
// ZEN4-NEXT: vpermt2d zmm 1
// V3: vmulps ymm 4
// V3: vpackuswb ymm 1
func.func @sum(%a: tensor<64x256xui8>, %b: tensor<64x256xui8>) -> tensor<64x256xui8> {
  %sa = tenon.constant dense<0.0210918784> : tensor<64x256xf32>
  %sb = tenon.constant dense<0.0471832044> : tensor<64x256xf32>
  %s = tenon.constant dense<0.0243515987> : tensor<64x256xf32>
  %l = tenon.constant dense<0.0> : tensor<64x256xf32>
  %h = tenon.constant dense<255.0> : tensor<64x256xf32>
  %ai = tenon.cast %a : tensor<64x256xui8> -> tensor<64x256xi32>
  %af = tenon.cast %ai : tensor<64x256xi32> -> tensor<64x256xf32>
  %x = tenon.mul %af, %sa : tensor<64x256xf32>
  %bi = tenon.cast %b : tensor<64x256xui8> -> tensor<64x256xi32>
  %bf = tenon.cast %bi : tensor<64x256xi32> -> tensor<64x256xf32>
  %y = tenon.mul %bf, %sb : tensor<64x256xf32>
  %t = tenon.add %x, %y : tensor<64x256xf32>
  %d = tenon.div %t, %s : tensor<64x256xf32>
  %r = tenon.round %d : tensor<64x256xf32>
  %m = tenon.max %r, %l : tensor<64x256xf32>
  %n = tenon.min %m, %h : tensor<64x256xf32>
  %i = tenon.cast %n : tensor<64x256xf32> -> tensor<64x256xi32>
  %q = tenon.cast %i : tensor<64x256xi32> -> tensor<64x256xui8>
  return %q : tensor<64x256xui8>
}

// A byte that depends on one other byte alone: from a table that is made first.
// CHECK: kernel tn_{{[0-9]+}}_map
// CHECK-NEXT: loop of
// CHECK: vfmadd
// CHECK: loop of {{[0-9]+}} instructions
// CHECK-NOT: vfmadd
// ZEN4: vpermi2b zmm 1
// ZEN4-NEXT: vpermt2b zmm 1
// V3: vpblendvb ymm 15
// V3-NEXT: vpshufb ymm 16
func.func @chain(%a: tensor<64x256xui8>) -> tensor<64x256xui8> {
  %sa = tenon.constant dense<0.0210918784> : tensor<64x256xf32>
  %s = tenon.constant dense<0.0243515987> : tensor<64x256xf32>
  %l = tenon.constant dense<0.0> : tensor<64x256xf32>
  %h = tenon.constant dense<255.0> : tensor<64x256xf32>
  %ai = tenon.cast %a : tensor<64x256xui8> -> tensor<64x256xi32>
  %af = tenon.cast %ai : tensor<64x256xi32> -> tensor<64x256xf32>
  %x = tenon.mul %af, %sa : tensor<64x256xf32>
  %e = tenon.tanh %x : tensor<64x256xf32>
  %t = tenon.mul %e, %x : tensor<64x256xf32>
  %d = tenon.div %t, %s : tensor<64x256xf32>
  %r = tenon.round %d : tensor<64x256xf32>
  %m = tenon.max %r, %l : tensor<64x256xf32>
  %n = tenon.min %m, %h : tensor<64x256xf32>
  %i = tenon.cast %n : tensor<64x256xf32> -> tensor<64x256xi32>
  %q = tenon.cast %i : tensor<64x256xi32> -> tensor<64x256xui8>
  return %q : tensor<64x256xui8>
}

// What the activation cuts off is the least byte anyhow; the two vectors of a panel narrow together.
// PANEL: kernel tn_{{[0-9]+}}_contraction
// PANEL-NOT: vmaxps
// PANEL: vminps {{.*}}%ymm
// PANEL-NOT: vmaxps
// PANEL: vpackssdw {{.*}}%ymm
// PANEL: vpackuswb {{.*}}%xmm
// PANEL-NOT: vmaxps
func.func @panel(%x: tensor<48x64xui8>, %w: tensor<4x16x16x4xi8>) -> tensor<48x64xui8> {
  %c = tenon.constant dense<0.0210918784> : tensor<48x64xf32>
  %s = tenon.constant dense<0.0471832044> : tensor<48x64xf32>
  %l = tenon.constant dense<0.0> : tensor<48x64xf32>
  %h = tenon.constant dense<255.0> : tensor<48x64xf32>
  %p = tenon.packed_contract %x, %w : tensor<48x64xui8>, tensor<4x16x16x4xi8> -> tensor<48x64xi32>
  %f = tenon.cast %p : tensor<48x64xi32> -> tensor<48x64xf32>
  %y = tenon.mul %f, %c : tensor<48x64xf32>
  %a = tenon.max %y, %l : tensor<48x64xf32>
  %d = tenon.div %a, %s : tensor<48x64xf32>
  %r = tenon.round %d : tensor<48x64xf32>
  %m = tenon.max %r, %l : tensor<48x64xf32>
  %n = tenon.min %m, %h : tensor<48x64xf32>
  %i = tenon.cast %n : tensor<48x64xf32> -> tensor<48x64xi32>
  %q = tenon.cast %i : tensor<48x64xi32> -> tensor<48x64xui8>
  return %q : tensor<48x64xui8>
}

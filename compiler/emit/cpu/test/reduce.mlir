// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4

// Four accumulators hide the latency of the addition; the rest of the row is masked.
// CHECK: kernel tn_0_reduce{{.*}}passes=1
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vaddps ymm 4
// V4-NEXT: vaddps zmm 4
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked {{[01]}}, calls 0
// V3-NEXT: vaddps ymm 1
// V3-NEXT: vmaskmovps ymm 1
// V4-NEXT: vaddps zmm 1
func.func @row_sums(%x: tensor<8x4010xf32>) -> tensor<8x1xf32> {
  %0 = tenon.reduce sum %x [1] : tensor<8x4010xf32> -> tensor<8x1xf32>
  return %0 : tensor<8x1xf32>
}

// Three passes: maximum, exponentials and their sum, quotient. The exponentials are computed once and kept, and
// multiplied by the reciprocal of their sum. Two rows go at a time, by two vectors each; an odd last row takes the same
// vectors alone.
// CHECK: kernel tn_1_reduce{{.*}}passes=2 staged=1 together=2
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0
// V3-NEXT: vmaxps ymm 4
// V4-NEXT: vmaxps zmm 4
// CHECK: loop of {{[0-9]+}} instructions, {{.*}}calls 0
// V3: vpslld ymm 4
// V4: vpslld zmm 4
// CHECK: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vfmadd213ps ymm 4
// V3-NEXT: vfmadd231ps ymm 4
// V4-NEXT: vfmadd213ps zmm 4
// V4-NEXT: vfmadd231ps zmm 4
// CHECK-NOT: vdivps
// CHECK: loop of {{[0-9]+}} instructions, stack 0
// V3-NEXT: vmaxps ymm 2
// V4-NEXT: vmaxps zmm 2
func.func @softmax(%x: tensor<8x1024xf32>) -> tensor<8x1024xf32> {
  %m = tenon.reduce max %x [1] : tensor<8x1024xf32> -> tensor<8x1xf32>
  %mb = tenon.broadcast %m : tensor<8x1xf32> -> tensor<8x1024xf32>
  %d = tenon.sub %x, %mb : tensor<8x1024xf32>
  %e = tenon.exp %d : tensor<8x1024xf32>
  %s = tenon.reduce sum %e [1] : tensor<8x1024xf32> -> tensor<8x1xf32>
  %sb = tenon.broadcast %s : tensor<8x1xf32> -> tensor<8x1024xf32>
  %y = tenon.div %e, %sb : tensor<8x1024xf32>
  return %y : tensor<8x1024xf32>
}

// CHECK: kernel tn_2_reduce{{.*}}columns
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vaddps ymm 4
// V4-NEXT: vaddps zmm 4
// CHECK-NOT: loop
func.func @column_sums(%x: tensor<300x64xf32>) -> tensor<1x64xf32> {
  %0 = tenon.reduce sum %x [0] : tensor<300x64xf32> -> tensor<1x64xf32>
  return %0 : tensor<1x64xf32>
}

// A reshape before the innermost axis leaves vectors whole, whatever that axis' length.
// CHECK: kernel tn_3_reduce
// V3-SAME: rows lanes=8
// V4-SAME: rows lanes=16
func.func @row_maxima(%x: tensor<5x8x125xui8>) -> tensor<40x1xf32> {
  %0 = tenon.cast %x : tensor<5x8x125xui8> -> tensor<5x8x125xi32>
  %1 = tenon.reshape %0 : tensor<5x8x125xi32> -> tensor<40x125xi32>
  %2 = tenon.cast %1 : tensor<40x125xi32> -> tensor<40x125xf32>
  %3 = tenon.exp %2 : tensor<40x125xf32>
  %4 = tenon.reduce sum %3 [1] : tensor<40x125xf32> -> tensor<40x1xf32>
  return %4 : tensor<40x1xf32>
}

// A norm is three passes over rows that stay in the first cache, four rows at a time: the mean, the variance, the
// results. Scale and shift are loaded once for all four.
// CHECK: kernel tn_4_reduce{{.*}}passes=2 staged=0 together=4
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vaddps ymm 4
// V4-NEXT: vaddps zmm 4
// CHECK: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3: vmulps ymm 4
// V4: vmulps zmm 4
// CHECK: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3: vmovups ymm 10
// V4: vmovups zmm 10
func.func @layer_norm(%x: tensor<2x8x384xf32>, %g: tensor<1x1x384xf32>, %b: tensor<1x1x384xf32>) -> tensor<2x8x384xf32> {
  %n = tenon.constant dense<384.0> : tensor<2x8x1xf32>
  %c = tenon.constant dense<0.00001> : tensor<2x8x1xf32>
  %s = tenon.reduce sum %x [2] : tensor<2x8x384xf32> -> tensor<2x8x1xf32>
  %m = tenon.div %s, %n : tensor<2x8x1xf32>
  %mb = tenon.broadcast %m : tensor<2x8x1xf32> -> tensor<2x8x384xf32>
  %d = tenon.sub %x, %mb : tensor<2x8x384xf32>
  %q = tenon.mul %d, %d : tensor<2x8x384xf32>
  %qs = tenon.reduce sum %q [2] : tensor<2x8x384xf32> -> tensor<2x8x1xf32>
  %v = tenon.div %qs, %n : tensor<2x8x1xf32>
  %ve = tenon.add %v, %c : tensor<2x8x1xf32>
  %r = tenon.rsqrt %ve : tensor<2x8x1xf32>
  %rb = tenon.broadcast %r : tensor<2x8x1xf32> -> tensor<2x8x384xf32>
  %y = tenon.mul %d, %rb : tensor<2x8x384xf32>
  %gb = tenon.broadcast %g : tensor<1x1x384xf32> -> tensor<2x8x384xf32>
  %yg = tenon.mul %y, %gb : tensor<2x8x384xf32>
  %bb = tenon.broadcast %b : tensor<1x1x384xf32> -> tensor<2x8x384xf32>
  %yb = tenon.add %yg, %bb : tensor<2x8x384xf32>
  return %yb : tensor<2x8x384xf32>
}

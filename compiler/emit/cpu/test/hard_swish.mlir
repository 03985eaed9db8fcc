// RUN: %assembly x86-64-v3 | FileCheck %s --check-prefix=V3
// RUN: %assembly x86-64-v4 | FileCheck %s --check-prefix=V4

// A bound of 1 in front of a product stays one instruction.
// One for each vector of the tile: 6 rows of 2, 12 rows of 2.
// V3-LABEL: tn_1_contraction
// V3-NOT: vcmpltps
// V3-COUNT-12: vminps
// V3-NOT: {{vminps|vcmpltps}}
// V4-LABEL: tn_1_contraction
// V4-NOT: vcmpltps
// V4-COUNT-24: vminps
// V4-NOT: {{vminps|vcmpltps}}
func.func @hs(%x: tensor<96x64xf32>, %w: tensor<64x64xf32>) -> tensor<96x64xf32> {
  %one = tenon.constant dense<1.0> : tensor<96x64xf32>
  %zero = tenon.constant dense<0.0> : tensor<96x64xf32>
  %s = tenon.constant dense<0.16666667> : tensor<96x64xf32>
  %h = tenon.constant dense<0.5> : tensor<96x64xf32>
  %p = tenon.contract %x, %w : tensor<96x64xf32>, tensor<64x64xf32> -> tensor<96x64xf32>
  %a = tenon.mul %p, %s : tensor<96x64xf32>
  %b = tenon.add %a, %h : tensor<96x64xf32>
  %c = tenon.max %b, %zero : tensor<96x64xf32>
  %d = tenon.min %c, %one : tensor<96x64xf32>
  %e = tenon.mul %p, %d : tensor<96x64xf32>
  return %e : tensor<96x64xf32>
}

// RUN: %assembly x86-64-v4 | FileCheck %s

// A register holds four steps of the depth for four columns. The sums of as many rows are added up together, and
// stored together. (AVX2 takes two steps at once; two rows are added up as fast one by one.)
// CHECK: tn_1_contraction_body:
// CHECK: vshufps $136, %zmm
// CHECK: vshufps $221, %zmm
// CHECK: vaddps %zmm
// CHECK: vpermps %zmm
// CHECK: vmovups %ymm{{[0-9]+}}, (%r
func.func @four_columns(%x: tensor<1200x24xf32>, %w: tensor<24x4xf32>) -> tensor<1200x4xf32> {
  %0 = tenon.contract %x, %w : tensor<1200x24xf32>, tensor<24x4xf32> -> tensor<1200x4xf32>
  return %0 : tensor<1200x4xf32>
}

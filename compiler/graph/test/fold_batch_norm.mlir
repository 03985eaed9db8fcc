// RUN: tenon-opt %s --tenon-fold-batch-norm --split-input-file | FileCheck %s

tenon.weight @w : tensor<1x1x4x8xf32> = "", 0, 128, ""
tenon.weight @v : tensor<8xf32> = "", 128, 32, ""
// CHECK-LABEL: @after_convolution
// CHECK-DAG: %[[W:.*]] = tenon.get_weight @w
// CHECK-DAG: %[[V:.*]] = tenon.get_weight @v
// CHECK: %[[R:.*]] = tenon.rsqrt
// CHECK: %[[F:.*]] = tenon.mul %[[V]], %[[R]] : tensor<8xf32>
// CHECK: %[[S:.*]] = tenon.sub %[[V]]
// CHECK: %[[SCALED:.*]] = tenon.mul %[[W]], %{{.*}} : tensor<1x1x4x8xf32>
// CHECK: %[[C:.*]] = tenon.conv %arg0, %[[SCALED]]
// CHECK: tenon.add %[[C]], %{{.*}} : tensor<1x?x?x8xf32>
// CHECK-NOT: tenon.batch_norm
func.func @after_convolution(%x: tensor<1x?x?x4xf32>) -> tensor<1x?x?x8xf32> {
  %w = tenon.get_weight @w : tensor<1x1x4x8xf32>
  %v = tenon.get_weight @v : tensor<8xf32>
  %c = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 : tensor<1x?x?x4xf32>, tensor<1x1x4x8xf32> -> tensor<1x?x?x8xf32>
  %y = tenon.batch_norm %c, %v, %v, %v, %v axis 3 {epsilon = 1.0e-5 : f64} : tensor<1x?x?x8xf32>, tensor<8xf32>
  return %y : tensor<1x?x?x8xf32>
}

// -----
// A bias between the product and the factor is scaled too.
tenon.weight @w : tensor<4x8xf32> = "", 0, 128, ""
tenon.weight @v : tensor<1x8xf32> = "", 128, 32, ""
// CHECK-LABEL: @biased_product
// CHECK-DAG: %[[W:.*]] = tenon.get_weight @w
// CHECK-DAG: %[[V:.*]] = tenon.get_weight @v
// CHECK: tenon.mul %[[V]], %[[V]] : tensor<1x8xf32>
// CHECK: %[[SCALED:.*]] = tenon.mul %[[W]], %{{.*}} : tensor<4x8xf32>
// CHECK: %[[C:.*]] = tenon.contract %arg0, %[[SCALED]]
// CHECK: %[[Y:.*]] = tenon.add %[[C]]
// CHECK-NEXT: return %[[Y]]
func.func @biased_product(%x: tensor<2x4xf32>) -> tensor<2x8xf32> {
  %w = tenon.get_weight @w : tensor<4x8xf32>
  %v = tenon.get_weight @v : tensor<1x8xf32>
  %vb = tenon.broadcast %v : tensor<1x8xf32> -> tensor<2x8xf32>
  %c = tenon.contract %x, %w : tensor<2x4xf32>, tensor<4x8xf32> -> tensor<2x8xf32>
  %a = tenon.add %c, %vb : tensor<2x8xf32>
  %y = tenon.mul %a, %vb : tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// -----
// Sizes that the biased result is asked for do not keep its factor from the weights; both shifts become one.
tenon.weight @w : tensor<1x1x4x8xf32> = "", 0, 128, ""
tenon.weight @b : tensor<1x1x1x8xf32> = "", 128, 32, ""
tenon.weight @v : tensor<8xf32> = "", 160, 32, ""
// CHECK-LABEL: @biased_norm_of_any_size
// CHECK: %[[C:.*]] = tenon.conv %arg0
// CHECK-NOT: tenon.mul {{.*}} : tensor<1x?x?x8xf32>
// CHECK: %[[Y:.*]] = tenon.add %[[C]], %{{.*}} : tensor<1x?x?x8xf32>
// CHECK-NEXT: return %[[Y]]
func.func @biased_norm_of_any_size(%x: tensor<1x?x?x4xf32>) -> tensor<1x?x?x8xf32> {
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %w = tenon.get_weight @w : tensor<1x1x4x8xf32>
  %b = tenon.get_weight @b : tensor<1x1x1x8xf32>
  %v = tenon.get_weight @v : tensor<8xf32>
  %c = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 : tensor<1x?x?x4xf32>, tensor<1x1x4x8xf32> -> tensor<1x?x?x8xf32>
  %h = tensor.dim %x, %one : tensor<1x?x?x4xf32>
  %l = tensor.dim %x, %two : tensor<1x?x?x4xf32>
  %bb = tenon.broadcast %b(%h, %l) : tensor<1x1x1x8xf32> -> tensor<1x?x?x8xf32>
  %a = tenon.add %c, %bb : tensor<1x?x?x8xf32>
  %y = tenon.batch_norm %a, %v, %v, %v, %v axis 3 {epsilon = 1.0e-5 : f64} : tensor<1x?x?x8xf32>, tensor<8xf32>
  return %y : tensor<1x?x?x8xf32>
}

// -----
// Factors that are computed from inputs stay.
// CHECK-LABEL: @not_constant
// CHECK: tenon.batch_norm
func.func @not_constant(%x: tensor<1x8x8x4xf32>, %v: tensor<4xf32>) -> tensor<1x8x8x4xf32> {
  %y = tenon.batch_norm %x, %v, %v, %v, %v axis 3 {epsilon = 1.0e-5 : f64} : tensor<1x8x8x4xf32>, tensor<4xf32>
  return %y : tensor<1x8x8x4xf32>
}

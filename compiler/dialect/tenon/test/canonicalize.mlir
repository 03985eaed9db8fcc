// RUN: tenon-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: @merge
// CHECK-NEXT: %[[A:.*]] = tenon.reshape %arg0 : tensor<2x3x4xf32> -> tensor<4x6xf32>
// CHECK-NEXT: %[[B:.*]] = tenon.transpose %arg0 [2, 1, 0]
// CHECK-NEXT: %[[C:.*]] = tenon.slice %arg0 offsets() [0, 0, 1] sizes() strides [1, 1, 2]
// CHECK-NEXT: return %[[A]], %[[B]], %arg0, %[[C]]
func.func @merge(%x: tensor<2x3x4xf32>) -> (tensor<4x6xf32>, tensor<4x3x2xf32>, tensor<2x3x4xf32>, tensor<2x3x1xf32>) {
  %0 = tenon.reshape %x : tensor<2x3x4xf32> -> tensor<24xf32>
  %1 = tenon.reshape %0 : tensor<24xf32> -> tensor<4x6xf32>
  %2 = tenon.transpose %x [1, 2, 0] : tensor<2x3x4xf32> -> tensor<3x4x2xf32>
  %3 = tenon.transpose %2 [1, 0, 2] : tensor<3x4x2xf32> -> tensor<4x3x2xf32>
  %4 = tenon.transpose %2 [2, 0, 1] : tensor<3x4x2xf32> -> tensor<2x3x4xf32>
  %5 = tenon.concat %4 axis 0 : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %6 = tenon.slice %x offsets() [0, 0, 1] sizes() strides [1, 1, 1] : tensor<2x3x4xf32> -> tensor<2x3x3xf32>
  %7 = tenon.slice %6 offsets() [0, 0, 0] sizes() strides [1, 1, 2] : tensor<2x3x3xf32> -> tensor<2x3x1xf32>
  return %1, %3, %5, %7 : tensor<4x6xf32>, tensor<4x3x2xf32>, tensor<2x3x4xf32>, tensor<2x3x1xf32>
}

// CHECK-LABEL: @sizes
// CHECK: %[[C:.*]] = arith.constant 7 : index
// CHECK: return %arg0, %[[C]]
func.func @sizes(%n: index) -> (index, index) {
  %t = tenon.from_index %n : tensor<1xi64>
  %0 = tenon.read_scalar %t at 0 : tensor<1xi64>
  %c = tenon.constant dense<[5, 7]> : tensor<2xi64>
  %1 = tenon.read_scalar %c at 1 : tensor<2xi64>
  return %0, %1 : index, index
}

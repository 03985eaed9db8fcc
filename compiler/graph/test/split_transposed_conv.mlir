// RUN: tenon-opt %s --tenon-split-transposed-conv --canonicalize --split-input-file | FileCheck %s

// Windows as long as the stride: a pointwise convolution, whose channels are put side by side.
// CHECK-LABEL: @without_overlap
// CHECK: %[[C:.*]] = tenon.conv %arg0, %{{.*}} strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 : tensor<1x?x?x4xf32>, tensor<1x1x4x32xf32> -> tensor<1x?x?x32xf32>
// CHECK: %[[R:.*]] = tenon.reshape %[[C]]({{.*}}) : tensor<1x?x?x32xf32> -> tensor<1x?x?x2x2x8xf32>
// CHECK: %[[T:.*]] = tenon.transpose %[[R]] [0, 1, 3, 2, 4, 5]
// CHECK: tenon.reshape %[[T]]
// CHECK-NOT: tenon.slice %
func.func @without_overlap(%x: tensor<1x?x?x4xf32>, %w: tensor<2x2x4x8xf32>) -> tensor<1x?x?x8xf32> {
  %y = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [2, 2] groups 1 : tensor<1x?x?x4xf32>, tensor<2x2x4x8xf32> -> tensor<1x?x?x8xf32>
  return %y : tensor<1x?x?x8xf32>
}

// -----
// Four taps by two: two taps a phase on either side of the border, and only one axis has zeros.
// CHECK-LABEL: @with_overlap
// CHECK: tenon.conv %arg0, %{{.*}} strides [1, 2] dilations [1, 1] low [1, 0] high [1, 0] input_dilations [1, 1] groups 1 : tensor<1x5x6x4xf32>, tensor<3x3x4x16xf32> -> tensor<1x5x2x16xf32>
// CHECK: tenon.reshape %{{.*}} : tensor<1x5x2x2x1x8xf32> -> tensor<1x10x2x8xf32>
func.func @with_overlap(%x: tensor<1x5x6x4xf32>, %w: tensor<4x3x4x8xf32>) -> tensor<1x10x2x8xf32> {
  %y = tenon.conv %x, %w strides [1, 2] dilations [1, 1] low [2, 0] high [2, 0] input_dilations [2, 1] groups 1 : tensor<1x5x6x4xf32>, tensor<4x3x4x8xf32> -> tensor<1x10x2x8xf32>
  return %y : tensor<1x10x2x8xf32>
}

// -----
// Phases that do not end together are cut off.
// CHECK-LABEL: @uneven
// CHECK: tenon.conv
// CHECK: tenon.reshape %{{.*}} : tensor<1x5x16xf32> -> tensor<1x10x8xf32>
// CHECK: tenon.slice {{.*}} : tensor<1x10x8xf32> -> tensor<1x9x8xf32>
func.func @uneven(%x: tensor<1x5x4xf32>, %w: tensor<3x4x8xf32>) -> tensor<1x9x8xf32> {
  %y = tenon.conv %x, %w strides [1] dilations [1] low [1] high [1] input_dilations [2] groups 1 : tensor<1x5x4xf32>, tensor<3x4x8xf32> -> tensor<1x9x8xf32>
  return %y : tensor<1x9x8xf32>
}

// -----
// The phases of groups are not neighbours; those stay.
// CHECK-LABEL: @grouped
// CHECK: input_dilations [2] groups 4
func.func @grouped(%x: tensor<1x5x4xf32>, %w: tensor<3x1x4xf32>) -> tensor<1x9x4xf32> {
  %y = tenon.conv %x, %w strides [1] dilations [1] low [1] high [1] input_dilations [2] groups 4 : tensor<1x5x4xf32>, tensor<3x1x4xf32> -> tensor<1x9x4xf32>
  return %y : tensor<1x9x4xf32>
}

// -----

// CHECK-LABEL: @zero_points_in_the_holes
// CHECK: tenon.conv {{.*}} input_dilations [2, 2] groups 1 pad_value 7
func.func @zero_points_in_the_holes(%x: tensor<1x4x4x8xui8>, %w: tensor<2x2x8x16xi8>) -> tensor<1x8x8x16xi32> {
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [2, 2] groups 1 pad_value 7 : tensor<1x4x4x8xui8>, tensor<2x2x8x16xi8> -> tensor<1x8x8x16xi32>
  return %0 : tensor<1x8x8x16xi32>
}

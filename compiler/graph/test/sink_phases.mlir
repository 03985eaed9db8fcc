// RUN: tenon-opt %s --tenon-split-transposed-conv --tenon-sink-phases --canonicalize --cse --split-input-file | FileCheck %s

// A bias and an activation work on the phases, with the constants of a pixel's channels repeated for each.
// CHECK-LABEL: @activation
// CHECK-DAG: %[[F:.*]] = tenon.concat %arg2, %arg2, %arg2, %arg2 axis 3
// CHECK-DAG: %[[C:.*]] = tenon.conv %arg0
// CHECK: %[[B:.*]] = tenon.broadcast %[[F]]{{.*}} : tensor<1x1x1x32xf32> -> tensor<1x?x?x32xf32>
// CHECK: %[[A:.*]] = tenon.add %[[C]], %[[B]] : tensor<1x?x?x32xf32>
// CHECK: %[[R:.*]] = tenon.relu %[[A]] : tensor<1x?x?x32xf32>
// CHECK: %[[S:.*]] = tenon.reshape %[[R]]
// CHECK: %[[T:.*]] = tenon.transpose %[[S]] [0, 1, 3, 2, 4, 5]
// CHECK: %[[Y:.*]] = tenon.reshape %[[T]]
// CHECK: return %[[Y]]
func.func @activation(%x: tensor<1x?x?x4xf32>, %w: tensor<2x2x4x8xf32>, %c: tensor<1x1x1x8xf32>) -> tensor<1x?x?x8xf32> {
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [2, 2] groups 1 : tensor<1x?x?x4xf32>, tensor<2x2x4x8xf32> -> tensor<1x?x?x8xf32>
  %h = tensor.dim %0, %one : tensor<1x?x?x8xf32>
  %l = tensor.dim %0, %two : tensor<1x?x?x8xf32>
  %b = tenon.broadcast %c(%h, %l) : tensor<1x1x1x8xf32> -> tensor<1x?x?x8xf32>
  %1 = tenon.add %0, %b : tensor<1x?x?x8xf32>
  %2 = tenon.relu %1 : tensor<1x?x?x8xf32>
  return %2 : tensor<1x?x?x8xf32>
}

// -----

// Two of them: the second is a product of pixels wherever these lie, and elements move once, as few as there
// are in the end.
// CHECK-LABEL: @twice
// CHECK: tenon.conv {{.*}} -> tensor<1x5x7x32xf32>
// CHECK: tenon.relu
// CHECK: tenon.reshape {{.*}} -> tensor<1x5x28x8xf32>
// CHECK: tenon.conv {{.*}} -> tensor<1x5x28x4xf32>
// CHECK: tenon.reshape {{.*}} -> tensor<1x5x7x2x2x2x2x1xf32>
// CHECK: tenon.transpose {{.*}} [0, 1, 3, 5, 2, 4, 6, 7]
// CHECK-NOT: tenon.transpose
// CHECK: tenon.reshape {{.*}} -> tensor<1x20x28x1xf32>
func.func @twice(%x: tensor<1x5x7x4xf32>, %w: tensor<2x2x4x8xf32>, %v: tensor<2x2x8x1xf32>) -> tensor<1x20x28x1xf32> {
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [2, 2] groups 1 : tensor<1x5x7x4xf32>, tensor<2x2x4x8xf32> -> tensor<1x10x14x8xf32>
  %1 = tenon.relu %0 : tensor<1x10x14x8xf32>
  %2 = tenon.conv %1, %v strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [2, 2] groups 1 : tensor<1x10x14x8xf32>, tensor<2x2x8x1xf32> -> tensor<1x20x28x1xf32>
  return %2 : tensor<1x20x28x1xf32>
}

// -----

// What tells pixels apart, or is read twice, stays behind.
// CHECK-LABEL: @image_operand
// CHECK: tenon.transpose
// CHECK: tenon.add {{.*}} : tensor<1x10x14x8xf32>
func.func @image_operand(%x: tensor<1x5x7x4xf32>, %w: tensor<2x2x4x8xf32>, %r: tensor<1x10x14x8xf32>) -> tensor<1x10x14x8xf32> {
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [2, 2] groups 1 : tensor<1x5x7x4xf32>, tensor<2x2x4x8xf32> -> tensor<1x10x14x8xf32>
  %1 = tenon.add %0, %r : tensor<1x10x14x8xf32>
  return %1 : tensor<1x10x14x8xf32>
}

// -----

// CHECK-LABEL: @read_twice
// CHECK: tenon.transpose
// CHECK: tenon.relu {{.*}} : tensor<1x10x14x8xf32>
func.func @read_twice(%x: tensor<1x5x7x4xf32>, %w: tensor<2x2x4x8xf32>) -> (tensor<1x10x14x8xf32>, tensor<1x10x14x8xf32>) {
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [2, 2] groups 1 : tensor<1x5x7x4xf32>, tensor<2x2x4x8xf32> -> tensor<1x10x14x8xf32>
  %1 = tenon.relu %0 : tensor<1x10x14x8xf32>
  return %0, %1 : tensor<1x10x14x8xf32>, tensor<1x10x14x8xf32>
}

// -----

// A window of several pixels sees them in their places.
// CHECK-LABEL: @window
// CHECK: tenon.transpose
// CHECK: tenon.conv {{.*}} low [1, 1] high [1, 1] {{.*}} : tensor<1x10x14x8xf32>
func.func @window(%x: tensor<1x5x7x4xf32>, %w: tensor<2x2x4x8xf32>, %v: tensor<3x3x8x8xf32>) -> tensor<1x10x14x8xf32> {
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [2, 2] groups 1 : tensor<1x5x7x4xf32>, tensor<2x2x4x8xf32> -> tensor<1x10x14x8xf32>
  %1 = tenon.conv %0, %v strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x10x14x8xf32>, tensor<3x3x8x8xf32> -> tensor<1x10x14x8xf32>
  return %1 : tensor<1x10x14x8xf32>
}

// -----

// Other transposes between reshapes are no phases, whatever their sizes.
// CHECK-LABEL: @matrix
// CHECK: tenon.transpose {{.*}} [1, 0]
// CHECK: tenon.relu {{.*}} : tensor<4x1x1x4xf32>
func.func @matrix(%x: tensor<4x1x1x4xf32>) -> tensor<4x1x1x4xf32> {
  %0 = tenon.reshape %x : tensor<4x1x1x4xf32> -> tensor<4x4xf32>
  %1 = tenon.transpose %0 [1, 0] : tensor<4x4xf32> -> tensor<4x4xf32>
  %2 = tenon.reshape %1 : tensor<4x4xf32> -> tensor<4x1x1x4xf32>
  %3 = tenon.relu %2 : tensor<4x1x1x4xf32>
  return %3 : tensor<4x1x1x4xf32>
}

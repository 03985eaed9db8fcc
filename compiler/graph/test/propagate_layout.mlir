// RUN: tenon-opt %s --tenon-propagate-layout --split-input-file | FileCheck %s

// A residual block with a bias per channel: nothing is left between the convolutions.
// CHECK-LABEL: @residual
// CHECK-SAME: (%[[X:.*]]: tensor<?x8x8x4xf32>
func.func @residual(%x: tensor<?x8x8x4xf32> {tenon.dims = ["n", 8, 8, 4]}, %w: tensor<1x1x4x4xf32>, %bias: tensor<4xf32>, %n: index) -> tensor<?x8x8x4xf32> {
  // CHECK: %[[A:.*]] = tenon.conv %[[X]]
  %a = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 : tensor<?x8x8x4xf32>, tensor<1x1x4x4xf32> -> tensor<?x8x8x4xf32>
  %at = tenon.transpose %a [0, 3, 1, 2] : tensor<?x8x8x4xf32> -> tensor<?x4x8x8xf32>
  %xt = tenon.transpose %x [0, 3, 1, 2] : tensor<?x8x8x4xf32> -> tensor<?x4x8x8xf32>
  // CHECK: tenon.reshape %{{.*}} : tensor<4xf32> -> tensor<1x1x1x4xf32>
  // CHECK: %[[B:.*]] = tenon.broadcast %{{.*}} : tensor<1x1x1x4xf32> -> tensor<?x8x8x4xf32>
  %b = tenon.reshape %bias : tensor<4xf32> -> tensor<1x4x1x1xf32>
  %bb = tenon.broadcast %b (%n) : tensor<1x4x1x1xf32> -> tensor<?x4x8x8xf32>
  // CHECK: %[[S:.*]] = tenon.add %[[A]], %[[B]] : tensor<?x8x8x4xf32>
  %s = tenon.add %at, %bb : tensor<?x4x8x8xf32>
  // CHECK: %[[R:.*]] = tenon.add %[[S]], %[[X]]
  %r = tenon.add %s, %xt : tensor<?x4x8x8xf32>
  // CHECK: %[[C:.*]] = tenon.relu %[[R]]
  %c = tenon.relu %r : tensor<?x4x8x8xf32>
  // CHECK-NOT: tenon.transpose
  // CHECK: tenon.conv %[[C]]
  %ct = tenon.transpose %c [0, 2, 3, 1] : tensor<?x4x8x8xf32> -> tensor<?x8x8x4xf32>
  %y = tenon.conv %ct, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 : tensor<?x8x8x4xf32>, tensor<1x1x4x4xf32> -> tensor<?x8x8x4xf32>
  return %y : tensor<?x8x8x4xf32>
}

// -----
// Squeeze and excite: the mean of the image scales it, channel by channel.
// CHECK-LABEL: @squeeze_excite
// CHECK-NOT: tenon.transpose
// CHECK: tenon.reduce sum %{{.*}} [1, 2]
// CHECK-NOT: tenon.transpose
// CHECK: tenon.mul %{{.*}} : tensor<1x8x8x4xf32>
// CHECK-NEXT: return
func.func @squeeze_excite(%x: tensor<1x8x8x4xf32>, %w: tensor<1x1x4x4xf32>) -> tensor<1x8x8x4xf32> {
  %xt = tenon.transpose %x [0, 3, 1, 2] : tensor<1x8x8x4xf32> -> tensor<1x4x8x8xf32>
  %m = tenon.reduce sum %xt [2, 3] : tensor<1x4x8x8xf32> -> tensor<1x4x1x1xf32>
  %mt = tenon.transpose %m [0, 2, 3, 1] : tensor<1x4x1x1xf32> -> tensor<1x1x1x4xf32>
  %a = tenon.conv %mt, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 : tensor<1x1x1x4xf32>, tensor<1x1x4x4xf32> -> tensor<1x1x1x4xf32>
  %at = tenon.transpose %a [0, 3, 1, 2] : tensor<1x1x1x4xf32> -> tensor<1x4x1x1xf32>
  %s = tenon.sigmoid %at : tensor<1x4x1x1xf32>
  %sb = tenon.broadcast %s : tensor<1x4x1x1xf32> -> tensor<1x4x8x8xf32>
  %y = tenon.mul %xt, %sb : tensor<1x4x8x8xf32>
  %yt = tenon.transpose %y [0, 2, 3, 1] : tensor<1x4x8x8xf32> -> tensor<1x8x8x4xf32>
  return %yt : tensor<1x8x8x4xf32>
}

// -----
// CHECK-LABEL: @movement
// CHECK-NOT: tenon.transpose
// CHECK: tenon.concat %{{.*}} axis 3
// CHECK: tenon.pad %{{.*}} low() [0, 1, 2, 0] high(%{{.*}}) [0, -9223372036854775808, 0, 0]
// CHECK: tenon.slice %{{.*}} offsets() [0, 1, 3, 0] sizes(%{{.*}}, %{{.*}}) strides [1, 2, 1, 1]
// CHECK: tenon.resize linear %{{.*}} axes [1, 2]
// CHECK: tenon.softmax %{{.*}} axis 3
// CHECK-NEXT: return
func.func @movement(%x: tensor<1x?x?x4xf32> {tenon.dims = [1, "h", "w", 4]}, %v: tensor<f32>, %n: index, %h: index, %w: index) -> tensor<1x9x9x8xf32> {
  %xt = tenon.transpose %x [0, 3, 1, 2] : tensor<1x?x?x4xf32> -> tensor<1x4x?x?xf32>
  %c = tenon.concat %xt, %xt axis 1 : (tensor<1x4x?x?xf32>, tensor<1x4x?x?xf32>) -> tensor<1x8x?x?xf32>
  %p = tenon.pad %c, %v low() [0, 0, 1, 2] high(%n) [0, 0, -9223372036854775808, 0] : tensor<1x8x?x?xf32>, tensor<f32> -> tensor<1x8x?x?xf32>
  %s = tenon.slice %p offsets() [0, 0, 1, 3] sizes(%h, %w) strides [1, 1, 2, 1] : tensor<1x8x?x?xf32> -> tensor<1x8x?x?xf32>
  %r = tenon.resize linear %s axes [2, 3] {coordinates = 0 : i32, rounding = 0 : i32, scales = array<f64: 0.0, 0.0>, cubic_coefficient = -0.75 : f64} : tensor<1x8x?x?xf32> -> tensor<1x8x9x9xf32>
  %m = tenon.softmax %r axis 1 : tensor<1x8x9x9xf32>
  %mt = tenon.transpose %m [0, 2, 3, 1] : tensor<1x8x9x9xf32> -> tensor<1x9x9x8xf32>
  return %mt : tensor<1x9x9x8xf32>
}

// -----
// The end of a text recognizer: height 1 is dropped and the sequence goes to a matrix product.
// CHECK-LABEL: @squeeze
// CHECK: %[[R:.*]] = tenon.reshape %{{.*}}(%{{.*}}) : tensor<1x1x?x4xf32> -> tensor<1x?x4xf32>
// CHECK-NOT: tenon.transpose
// CHECK: return %[[R]]
func.func @squeeze(%x: tensor<1x1x?x4xf32> {tenon.dims = [1, 1, "w", 4]}) -> tensor<1x?x4xf32> {
  %w = tenon.symbol "w" min 1 multiple_of 1 likely []
  %xt = tenon.transpose %x [0, 3, 1, 2] : tensor<1x1x?x4xf32> -> tensor<1x4x1x?xf32>
  %s = tenon.reshape %xt (%w) : tensor<1x4x1x?xf32> -> tensor<1x4x?xf32>
  %t = tenon.transpose %s [0, 2, 1] : tensor<1x4x?xf32> -> tensor<1x?x4xf32>
  return %t : tensor<1x?x4xf32>
}

// -----
// Patches of an image become a sequence behind a token: its rows and columns are neighbours channels-last, too.
// CHECK-LABEL: @patches
// CHECK: %[[R:.*]] = tenon.reshape %{{.*}}(%{{.*}}) : tensor<1x?x14x4xf32> -> tensor<1x?x4xf32>
// CHECK: %[[C:.*]] = tenon.concat %{{.*}}, %[[R]] axis 1
// CHECK-NOT: tenon.transpose
// CHECK: return %[[C]]
func.func @patches(%x: tensor<1x?x14x4xf32> {tenon.dims = [1, "h", 14, 4]}, %c: tensor<1x1x4xf32>) -> tensor<1x?x4xf32> {
  %h = tenon.symbol "h" min 1 multiple_of 1 likely []
  %f = arith.constant 14 : index
  %n = arith.muli %h, %f : index
  %xt = tenon.transpose %x [0, 3, 1, 2] : tensor<1x?x14x4xf32> -> tensor<1x4x?x14xf32>
  %s = tenon.reshape %xt (%n) : tensor<1x4x?x14xf32> -> tensor<1x4x?xf32>
  %t = tenon.transpose %s [0, 2, 1] : tensor<1x4x?xf32> -> tensor<1x?x4xf32>
  %j = tenon.concat %c, %t axis 1 : (tensor<1x1x4xf32>, tensor<1x?x4xf32>) -> tensor<1x?x4xf32>
  return %j : tensor<1x?x4xf32>
}

// Heads that are joined lie apart in what was transposed: the transpose stays where it is.
// CHECK-LABEL: @heads
// CHECK: %[[T:.*]] = tenon.transpose %{{.*}} [0, 2, 1, 3]
// CHECK: tenon.reshape %[[T]] : tensor<1x8x3x4xf32> -> tensor<1x8x12xf32>
func.func @heads(%x: tensor<1x3x8x4xf32>) -> tensor<1x8x12xf32> {
  %t = tenon.transpose %x [0, 2, 1, 3] : tensor<1x3x8x4xf32> -> tensor<1x8x3x4xf32>
  %r = tenon.reshape %t : tensor<1x8x3x4xf32> -> tensor<1x8x12xf32>
  return %r : tensor<1x8x12xf32>
}

// -----
// Both operands of the sum are cheap to transpose, and one is transposed: the transpose goes down, it does not
// pass from one operand to the other for ever.
// CHECK-LABEL: @both_cheap
// CHECK-SAME: (%[[X:.*]]: tensor<2x1xf32>)
// CHECK: %[[I:.*]] = tenon.iota axis 0 : tensor<3x2xf32>
// CHECK: %[[B:.*]] = tenon.broadcast %{{.*}} : tensor<1x2xf32> -> tensor<3x2xf32>
// CHECK: %[[S:.*]] = tenon.add %[[I]], %[[B]] : tensor<3x2xf32>
// CHECK: %[[T:.*]] = tenon.transpose %[[S]] [1, 0]
// CHECK-NEXT: return %[[T]]
func.func @both_cheap(%x: tensor<2x1xf32>) -> tensor<2x3xf32> {
  %i = tenon.iota axis 0 : tensor<3x2xf32>
  %t = tenon.transpose %i [1, 0] : tensor<3x2xf32> -> tensor<2x3xf32>
  %b = tenon.broadcast %x : tensor<2x1xf32> -> tensor<2x3xf32>
  %s = tenon.add %t, %b : tensor<2x3xf32>
  return %s : tensor<2x3xf32>
}

// -----
// The keys of grouped attention: heads are repeated, regrouped, transposed, and scaled. Nothing moves twice.
// CHECK-LABEL: @repeated_heads
// CHECK: %[[K:.*]] = tenon.reshape %{{.*}} : tensor<3x3x6x8xf32> -> tensor<9x6x8xf32>
// CHECK: %[[C:.*]] = tenon.broadcast %{{.*}} : tensor<1x1x1xf32> -> tensor<9x6x8xf32>
// CHECK: %[[M:.*]] = tenon.mul %[[K]], %[[C]] : tensor<9x6x8xf32>
// CHECK: %[[T:.*]] = tenon.transpose %[[M]] [0, 2, 1]
// CHECK-NEXT: return %[[T]]
func.func @repeated_heads(%k: tensor<3x1x6x8xf32>, %c: tensor<1x1x1xf32>) -> tensor<9x8x6xf32> {
  %0 = tenon.broadcast %k : tensor<3x1x6x8xf32> -> tensor<3x3x6x8xf32>
  %1 = tenon.reshape %0 : tensor<3x3x6x8xf32> -> tensor<9x6x8xf32>
  %2 = tenon.transpose %1 [0, 2, 1] : tensor<9x6x8xf32> -> tensor<9x8x6xf32>
  %3 = tenon.broadcast %c : tensor<1x1x1xf32> -> tensor<9x8x6xf32>
  %4 = tenon.mul %2, %3 : tensor<9x8x6xf32>
  return %4 : tensor<9x8x6xf32>
}

// -----
// The bias of a recurrent network, the sum of two slices of a constant, in another order.
// CHECK-LABEL: @sum_of_constants
// CHECK: %[[S:.*]] = tenon.add
// CHECK-NEXT: %[[T:.*]] = tenon.transpose %[[S]]
// CHECK-NEXT: return %[[T]]
func.func @sum_of_constants(%w: tensor<2x3xf32>) -> tensor<3x2xf32> {
  %a = tenon.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %b = tenon.constant dense<[[1.0, 2.0, 3.0], [3.0, 4.0, 6.0]]> : tensor<2x3xf32>
  %t = tenon.transpose %b [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %s = tenon.add %a, %t : tensor<3x2xf32>
  return %s : tensor<3x2xf32>
}

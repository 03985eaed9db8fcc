// RUN: tenon-opt %s | tenon-opt | FileCheck %s

// CHECK-LABEL: @activations
func.func @activations(%x: tensor<?x8xf32>, %i: tensor<4xi64>) {
  // CHECK: tenon.relu %{{.*}} : tensor<?x8xf32>
  %0 = tenon.relu %x : tensor<?x8xf32>
  // CHECK: tenon.leaky_relu %{{.*}} {alpha = 1.000000e-01 : f64} : tensor<?x8xf32>
  %1 = tenon.leaky_relu %x {alpha = 0.1 : f64} : tensor<?x8xf32>
  %2 = tenon.clip %x {low = 0.0 : f64, high = 6.0 : f64} : tensor<?x8xf32>
  %3 = tenon.sigmoid %x : tensor<?x8xf32>
  %4 = tenon.hard_sigmoid %x {alpha = 0.2 : f64, beta = 0.5 : f64} : tensor<?x8xf32>
  %5 = tenon.hard_swish %x : tensor<?x8xf32>
  %6 = tenon.silu %x {alpha = 1.0 : f64} : tensor<?x8xf32>
  // CHECK: tenon.gelu %{{.*}} {tanh_approximation} : tensor<?x8xf32>
  %7 = tenon.gelu %x {tanh_approximation} : tensor<?x8xf32>
  %8 = tenon.elu %x {alpha = 1.0 : f64} : tensor<?x8xf32>
  %9 = tenon.selu %x {alpha = 1.67 : f64, gamma = 1.05 : f64} : tensor<?x8xf32>
  %10 = tenon.celu %x {alpha = 1.0 : f64} : tensor<?x8xf32>
  %11 = tenon.softplus %x : tensor<?x8xf32>
  %12 = tenon.softsign %x : tensor<?x8xf32>
  %13 = tenon.mish %x : tensor<?x8xf32>
  %14 = tenon.thresholded_relu %x {alpha = 1.0 : f64} : tensor<?x8xf32>
  %15 = tenon.tan %x : tensor<?x8xf32>
  %16 = tenon.acos %x : tensor<?x8xf32>
  %17 = tenon.sinh %x : tensor<?x8xf32>
  %18 = tenon.cosh %x : tensor<?x8xf32>
  %19 = tenon.asinh %x : tensor<?x8xf32>
  %20 = tenon.acosh %x : tensor<?x8xf32>
  %21 = tenon.atanh %x : tensor<?x8xf32>
  %22 = tenon.reciprocal %x : tensor<?x8xf32>
  // CHECK: tenon.mod %{{.*}}, %{{.*}} : tensor<4xi64>
  %23 = tenon.mod %i, %i : tensor<4xi64>
  return
}

// CHECK-LABEL: @norms
func.func @norms(%x: tensor<?x?x384xf32>, %g: tensor<1x1x384xf32>, %image: tensor<1x8x?x?xf32>, %c: tensor<8xf32>) {
  // CHECK: tenon.softmax %{{.*}} axis 2 : tensor<?x?x384xf32>
  %0 = tenon.softmax %x axis 2 : tensor<?x?x384xf32>
  // CHECK: tenon.log_softmax %{{.*}} axis 1
  %1 = tenon.log_softmax %x axis 1 : tensor<?x?x384xf32>
  // CHECK: tenon.layer_norm %{{.*}}, %{{.*}}, %{{.*}} axis 2 {epsilon = 1.000000e-05 : f64} : tensor<?x?x384xf32>, tensor<1x1x384xf32>, tensor<1x1x384xf32>
  %2 = tenon.layer_norm %x, %g, %g axis 2 {epsilon = 1.0e-5 : f64} : tensor<?x?x384xf32>, tensor<1x1x384xf32>, tensor<1x1x384xf32>
  // CHECK: tenon.layer_norm %{{.*}}, %{{.*}} axis 2 {epsilon = 1.000000e-05 : f64} : tensor<?x?x384xf32>, tensor<1x1x384xf32>
  %3 = tenon.layer_norm %x, %g axis 2 {epsilon = 1.0e-5 : f64} : tensor<?x?x384xf32>, tensor<1x1x384xf32>
  // CHECK: tenon.rms_norm %{{.*}}, %{{.*}} axis 2
  %4 = tenon.rms_norm %x, %g axis 2 {epsilon = 1.0e-5 : f64} : tensor<?x?x384xf32>, tensor<1x1x384xf32>
  // CHECK: tenon.group_norm %{{.*}}, %{{.*}}, %{{.*}} groups 4
  %5 = tenon.group_norm %image, %c, %c groups 4 {epsilon = 1.0e-5 : f64} : tensor<1x8x?x?xf32>, tensor<8xf32>, tensor<8xf32>
  // CHECK: tenon.batch_norm %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} axis 1 {epsilon = 1.000000e-05 : f64} : tensor<1x8x?x?xf32>, tensor<8xf32>
  %6 = tenon.batch_norm %image, %c, %c, %c, %c axis 1 {epsilon = 1.0e-5 : f64} : tensor<1x8x?x?xf32>, tensor<8xf32>
  return
}

// CHECK-LABEL: @attention
func.func @attention(%q: tensor<?x12x?x32xf32>, %k: tensor<?x4x?x32xf32>, %m: tensor<1x1x1x?xf32>, %l: tensor<?xi64>, %s: tensor<12xf32>) {
  // CHECK: tenon.attention %{{.*}}, %{{.*}}, %{{.*}} mask(%{{.*}} : tensor<1x1x1x?xf32>) lengths(%{{.*}} : tensor<?xi64>) sinks(%{{.*}} : tensor<12xf32>) {causal, window = 8 : i64}
  %0 = tenon.attention %q, %k, %k mask(%m : tensor<1x1x1x?xf32>) lengths(%l : tensor<?xi64>) sinks(%s : tensor<12xf32>) {causal, window = 8 : i64} : tensor<?x12x?x32xf32>, tensor<?x4x?x32xf32>, tensor<?x4x?x32xf32> -> tensor<?x12x?x32xf32>
  return
}

// CHECK-LABEL: @images
func.func @images(%x: tensor<1x?x?x8xf32>, %h: index, %w: index) {
  // CHECK: tenon.max_pool %{{.*}} window [3, 3] strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] {ceil_mode}
  %0 = tenon.max_pool %x window [3, 3] strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] {ceil_mode} : tensor<1x?x?x8xf32> -> tensor<1x?x?x8xf32>
  // CHECK: tenon.avg_pool %{{.*}} window [2, 2] strides [2, 2] dilations [1, 1] low [0, 0] high [0, 0] {include_pad}
  %1 = tenon.avg_pool %x window [2, 2] strides [2, 2] dilations [1, 1] low [0, 0] high [0, 0] {include_pad} : tensor<1x?x?x8xf32> -> tensor<1x?x?x8xf32>
  // CHECK: tenon.resize nearest %{{.*}}(%{{.*}}, %{{.*}}) axes [1, 2]
  %2 = tenon.resize nearest %x (%h, %w) axes [1, 2] {coordinates = 3 : i32, rounding = 2 : i32, scales = array<f64: 2.0, 2.0>, cubic_coefficient = -0.75 : f64} : tensor<1x?x?x8xf32> -> tensor<1x?x?x8xf32>
  return
}

// CHECK-LABEL: @recurrent
func.func @recurrent(%x: tensor<?x2x3xf32>, %w4: tensor<16x3xf32>, %r4: tensor<16x4xf32>, %b4: tensor<32xf32>, %w3: tensor<12x3xf32>,
                     %r3: tensor<12x4xf32>, %w1: tensor<4x3xf32>, %r1: tensor<4x4xf32>, %h: tensor<2x4xf32>, %p: tensor<12xf32>, %l: tensor<2xi32>) {
  // CHECK: tenon.lstm %{{.*}}, %{{.*}}, %{{.*}} bias(%{{.*}} : tensor<32xf32>) lengths(%{{.*}} : tensor<2xi32>) initial_h(%{{.*}} : tensor<2x4xf32>) initial_c(%{{.*}} : tensor<2x4xf32>) peephole(%{{.*}} : tensor<12xf32>) {reverse}
  %0:3 = tenon.lstm %x, %w4, %r4 bias(%b4 : tensor<32xf32>) lengths(%l : tensor<2xi32>) initial_h(%h : tensor<2x4xf32>) initial_c(%h : tensor<2x4xf32>) peephole(%p : tensor<12xf32>) {reverse} : tensor<?x2x3xf32>, tensor<16x3xf32>, tensor<16x4xf32> -> tensor<?x2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
  // CHECK: tenon.gru %{{.*}}, %{{.*}}, %{{.*}} {linear_before_reset}
  %1:2 = tenon.gru %x, %w3, %r3 {linear_before_reset} : tensor<?x2x3xf32>, tensor<12x3xf32>, tensor<12x4xf32> -> tensor<?x2x4xf32>, tensor<2x4xf32>
  // CHECK: tenon.rnn %{{.*}}, %{{.*}}, %{{.*}} {activations = ["Relu"]}
  %2:2 = tenon.rnn %x, %w1, %r1 {activations = ["Relu"]} : tensor<?x2x3xf32>, tensor<4x3xf32>, tensor<4x4xf32> -> tensor<?x2x4xf32>, tensor<2x4xf32>
  return
}

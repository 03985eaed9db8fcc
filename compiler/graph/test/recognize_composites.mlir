// RUN: tenon-opt %s --tenon-recognize-composites --split-input-file | FileCheck %s

// CHECK-LABEL: @gelu_erf
// CHECK: tenon.gelu %arg0 : tensor<?x8xf32>
// CHECK: tenon.gelu %arg0 : tensor<?x8xf32>
func.func @gelu_erf(%x: tensor<?x8xf32>, %n: index) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %r = tenon.constant dense<1.41421354> : tensor<1x1xf32>
  %rb = tenon.broadcast %r (%n) : tensor<1x1xf32> -> tensor<?x8xf32>
  %one = tenon.constant dense<1.0> : tensor<1x1xf32>
  %oneb = tenon.broadcast %one (%n) : tensor<1x1xf32> -> tensor<?x8xf32>
  %half = tenon.constant dense<0.5> : tensor<1x1xf32>
  %halfb = tenon.broadcast %half (%n) : tensor<1x1xf32> -> tensor<?x8xf32>
  %d = tenon.div %x, %rb : tensor<?x8xf32>
  %e = tenon.erf %d : tensor<?x8xf32>
  %a = tenon.add %e, %oneb : tensor<?x8xf32>
  %m = tenon.mul %x, %a : tensor<?x8xf32>
  %y = tenon.mul %m, %halfb : tensor<?x8xf32>
  %h = tenon.mul %x, %halfb : tensor<?x8xf32>
  %z = tenon.mul %h, %a : tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----
// CHECK-LABEL: @gelu_tanh
// CHECK: tenon.gelu %arg0 {tanh_approximation} : tensor<8xf32>
func.func @gelu_tanh(%x: tensor<8xf32>) -> tensor<8xf32> {
  %three = tenon.constant dense<3.0> : tensor<8xf32>
  %c = tenon.constant dense<0.044715> : tensor<8xf32>
  %k = tenon.constant dense<0.797884583> : tensor<8xf32>
  %one = tenon.constant dense<1.0> : tensor<8xf32>
  %half = tenon.constant dense<0.5> : tensor<8xf32>
  %p = tenon.pow %x, %three : tensor<8xf32>
  %cp = tenon.mul %p, %c : tensor<8xf32>
  %s = tenon.add %x, %cp : tensor<8xf32>
  %i = tenon.mul %s, %k : tensor<8xf32>
  %t = tenon.tanh %i : tensor<8xf32>
  %a = tenon.add %t, %one : tensor<8xf32>
  %h = tenon.mul %x, %half : tensor<8xf32>
  %y = tenon.mul %h, %a : tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----
// CHECK-LABEL: @gates
// CHECK: tenon.silu %arg0 {alpha = 1.000000e+00 : f64}
// CHECK: tenon.hard_swish %arg0
// CHECK: tenon.hard_sigmoid %arg0 {alpha = 0.1666{{[0-9]*}} : f64, beta = 5.000000e-01 : f64}
// CHECK: tenon.hard_swish %arg0
func.func @gates(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {
  %three = tenon.constant dense<3.0> : tensor<8xf32>
  %six = tenon.constant dense<6.0> : tensor<8xf32>
  %s = tenon.sigmoid %x : tensor<8xf32>
  %0 = tenon.mul %x, %s : tensor<8xf32>
  %a = tenon.add %x, %three : tensor<8xf32>
  %c = tenon.clip %a {low = 0.0 : f64, high = 6.0 : f64} : tensor<8xf32>
  %m = tenon.mul %x, %c : tensor<8xf32>
  %1 = tenon.div %m, %six : tensor<8xf32>
  %2 = tenon.div %c, %six : tensor<8xf32>
  %h = tenon.hard_sigmoid %x {alpha = 0.16666666666666666 : f64, beta = 0.5 : f64} : tensor<8xf32>
  %3 = tenon.mul %x, %h : tensor<8xf32>
  return %0, %1, %2, %3 : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
}

// -----
// CHECK-LABEL: @layer_norm
// CHECK: %[[Y:.*]] = tenon.layer_norm %arg0, %arg1, %arg2 axis 1 {epsilon = 9.99{{.*}}E-6 : f64} : tensor<2x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>
// CHECK: return %[[Y]]
func.func @layer_norm(%x: tensor<2x8xf32>, %g: tensor<1x8xf32>, %b: tensor<1x8xf32>) -> tensor<2x8xf32> {
  %n = tenon.constant dense<8.0> : tensor<2x1xf32>
  %eps = tenon.constant dense<1.0e-5> : tensor<2x1xf32>
  %two = tenon.constant dense<2.0> : tensor<2x8xf32>
  %s = tenon.reduce sum %x [1] : tensor<2x8xf32> -> tensor<2x1xf32>
  %mean = tenon.div %s, %n : tensor<2x1xf32>
  %mb = tenon.broadcast %mean : tensor<2x1xf32> -> tensor<2x8xf32>
  %c = tenon.sub %x, %mb : tensor<2x8xf32>
  %sq = tenon.pow %c, %two : tensor<2x8xf32>
  %vs = tenon.reduce sum %sq [1] : tensor<2x8xf32> -> tensor<2x1xf32>
  %var = tenon.div %vs, %n : tensor<2x1xf32>
  %ve = tenon.add %var, %eps : tensor<2x1xf32>
  %r = tenon.sqrt %ve : tensor<2x1xf32>
  %rb = tenon.broadcast %r : tensor<2x1xf32> -> tensor<2x8xf32>
  %d = tenon.div %c, %rb : tensor<2x8xf32>
  %gb = tenon.broadcast %g : tensor<1x8xf32> -> tensor<2x8xf32>
  %bb = tenon.broadcast %b : tensor<1x8xf32> -> tensor<2x8xf32>
  %dg = tenon.mul %d, %gb : tensor<2x8xf32>
  %y = tenon.add %dg, %bb : tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// -----
// CHECK-LABEL: @rms_norm
// CHECK: tenon.rms_norm %arg0, %arg1 axis 1
func.func @rms_norm(%x: tensor<2x8xf32>, %g: tensor<1x8xf32>) -> tensor<2x8xf32> {
  %n = tenon.constant dense<8.0> : tensor<2x1xf32>
  %eps = tenon.constant dense<1.0e-6> : tensor<2x1xf32>
  %sq = tenon.mul %x, %x : tensor<2x8xf32>
  %s = tenon.reduce sum %sq [1] : tensor<2x8xf32> -> tensor<2x1xf32>
  %mean = tenon.div %s, %n : tensor<2x1xf32>
  %e = tenon.add %mean, %eps : tensor<2x1xf32>
  %r = tenon.sqrt %e : tensor<2x1xf32>
  %i = tenon.reciprocal %r : tensor<2x1xf32>
  %ib = tenon.broadcast %i : tensor<2x1xf32> -> tensor<2x8xf32>
  %d = tenon.mul %x, %ib : tensor<2x8xf32>
  %gb = tenon.broadcast %g : tensor<1x8xf32> -> tensor<2x8xf32>
  %y = tenon.mul %gb, %d : tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// -----
// CHECK-LABEL: @softmax
// CHECK: tenon.softmax %arg0 axis 1
func.func @softmax(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %m = tenon.reduce max %x [1] : tensor<2x8xf32> -> tensor<2x1xf32>
  %mb = tenon.broadcast %m : tensor<2x1xf32> -> tensor<2x8xf32>
  %d = tenon.sub %x, %mb : tensor<2x8xf32>
  %e = tenon.exp %d : tensor<2x8xf32>
  %s = tenon.reduce sum %e [1] : tensor<2x8xf32> -> tensor<2x1xf32>
  %sb = tenon.broadcast %s : tensor<2x1xf32> -> tensor<2x8xf32>
  %y = tenon.div %e, %sb : tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

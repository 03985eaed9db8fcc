// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.batch_norm '
// FLOATS: 0.1 2
// SIZES: 1x8x5x3, 8, 8, 8, 8
// SIZES: 2x8x5x9, 8, 8, 8, 8

// CHECK-LABEL: @main
// CHECK: tenon.add{{ }}
// CHECK: tenon.rsqrt{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.add{{ }}

func.func @main(%x: tensor<?x8x5x?xf32> {tenon.dims = ["b", 8, 5, "w"], tenon.name = "x"}, %g: tensor<8xf32> {tenon.name = "g"}, %h: tensor<8xf32> {tenon.name = "h"}, %m: tensor<8xf32> {tenon.name = "m"}, %v: tensor<8xf32> {tenon.name = "v"}) -> (tensor<?x8x5x?xf32> {tenon.name = "y"}) {
  %b = tenon.symbol "b" min 1 multiple_of 1 likely []
  %w = tenon.symbol "w" min 1 multiple_of 1 likely []
  %y = tenon.batch_norm %x, %g, %h, %m, %v axis 1 {epsilon = 1.0e-3 : f64} : tensor<?x8x5x?xf32>, tensor<8xf32>
  return %y : tensor<?x8x5x?xf32>
}

// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.layer_norm '
// SIZES: 1x5x40, 1x1x40, 1x1x40
// SIZES: 3x5x40, 1x1x40, 1x1x40

// CHECK-LABEL: @main
// CHECK: tenon.reduce sum{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.reduce sum{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.rsqrt{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.reduce sum{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.reduce sum{{ }}

func.func @main(%x: tensor<?x5x40xf32> {tenon.dims = ["b", 5, 40], tenon.name = "x"}, %g: tensor<1x1x40xf32> {tenon.name = "g"}, %h: tensor<1x1x40xf32> {tenon.name = "h"}) -> (tensor<?x5x40xf32> {tenon.name = "biased"}, tensor<?x5x40xf32> {tenon.name = "plain"}) {
  %b = tenon.symbol "b" min 1 multiple_of 1 likely []
  %biased = tenon.layer_norm %x, %g, %h axis 2 {epsilon = 1.0e-1 : f64} : tensor<?x5x40xf32>, tensor<1x1x40xf32>, tensor<1x1x40xf32>
  %plain = tenon.layer_norm %x, %g axis 2 {epsilon = 1.0e-5 : f64} : tensor<?x5x40xf32>, tensor<1x1x40xf32>
  return %biased, %plain : tensor<?x5x40xf32>, tensor<?x5x40xf32>
}

// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.group_norm '
// SIZES: 1x8x5x3, 8, 8
// SIZES: 2x8x5x9, 8, 8

// CHECK-LABEL: @main
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.reduce sum{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.reduce sum{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.rsqrt{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.reshape{{ }}

func.func @main(%x: tensor<?x8x5x?xf32> {tenon.dims = ["b", 8, 5, "w"], tenon.name = "x"}, %g: tensor<8xf32> {tenon.name = "g"}, %h: tensor<8xf32> {tenon.name = "h"}) -> (tensor<?x8x5x?xf32> {tenon.name = "y"}) {
  %b = tenon.symbol "b" min 1 multiple_of 1 likely []
  %w = tenon.symbol "w" min 1 multiple_of 1 likely []
  %y = tenon.group_norm %x, %g, %h groups 4 {epsilon = 1.0e-3 : f64} : tensor<?x8x5x?xf32>, tensor<8xf32>, tensor<8xf32>
  return %y : tensor<?x8x5x?xf32>
}

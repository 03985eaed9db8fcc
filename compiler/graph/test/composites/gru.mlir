// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.gru '
// FLOATS: -1 1
// INTEGERS: 1 7
// SIZES: 1x2x3, 12x3, 12x4, 24, 2, 2x4
// SIZES: 7x2x3, 12x3, 12x4, 24, 2, 2x4

// CHECK-LABEL: @main
// CHECK: tenon.contract{{ }}
// CHECK: tenon.slice{{ }}
// CHECK: tenon.slice{{ }}
// CHECK: tenon.concat{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.slice{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.slice{{ }}
// CHECK: tenon.contract{{ }}
// CHECK: tenon.slice{{ }}
// CHECK: tenon.slice{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.neg{{ }}
// CHECK: tenon.exp{{ }}

func.func @main(%x: tensor<?x2x3xf32> {tenon.dims = ["t", 2, 3], tenon.name = "x"}, %w: tensor<12x3xf32> {tenon.name = "w"}, %r: tensor<12x4xf32> {tenon.name = "r"}, %b: tensor<24xf32> {tenon.name = "b"}, %l: tensor<2xi64> {tenon.name = "l"}, %h0: tensor<2x4xf32> {tenon.name = "h0"}) -> (tensor<?x2x4xf32> {tenon.name = "y"}, tensor<2x4xf32> {tenon.name = "h"}) {
  %t = tenon.symbol "t" min 1 multiple_of 1 likely []
  %0:2 = tenon.gru %x, %w, %r bias(%b : tensor<24xf32>) lengths(%l : tensor<2xi64>) initial_h(%h0 : tensor<2x4xf32>) {linear_before_reset} : tensor<?x2x3xf32>, tensor<12x3xf32>, tensor<12x4xf32> -> tensor<?x2x4xf32>, tensor<2x4xf32>
  return %0#0, %0#1 : tensor<?x2x4xf32>, tensor<2x4xf32>
}

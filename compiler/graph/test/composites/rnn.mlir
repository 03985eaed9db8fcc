// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.rnn '
// FLOATS: -1 1
// INTEGERS: 1 7
// SIZES: 1x2x3, 4x3, 4x4, 8, 2, 2x4
// SIZES: 7x2x3, 4x3, 4x4, 8, 2, 2x4

// CHECK-LABEL: @main
// CHECK: tenon.contract{{ }}
// CHECK: tenon.slice{{ }}
// CHECK: tenon.slice{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.slice{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.contract{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.max{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.cmp lt{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.select{{ }}
// CHECK: tenon.select{{ }}

func.func @main(%x: tensor<?x2x3xf32> {tenon.dims = ["t", 2, 3], tenon.name = "x"}, %w: tensor<4x3xf32> {tenon.name = "w"}, %r: tensor<4x4xf32> {tenon.name = "r"}, %b: tensor<8xf32> {tenon.name = "b"}, %l: tensor<2xi64> {tenon.name = "l"}, %h0: tensor<2x4xf32> {tenon.name = "h0"}) -> (tensor<?x2x4xf32> {tenon.name = "y"}, tensor<2x4xf32> {tenon.name = "h"}) {
  %t = tenon.symbol "t" min 1 multiple_of 1 likely []
  %0:2 = tenon.rnn %x, %w, %r bias(%b : tensor<8xf32>) lengths(%l : tensor<2xi64>) initial_h(%h0 : tensor<2x4xf32>) {activations = ["Relu"]} : tensor<?x2x3xf32>, tensor<4x3xf32>, tensor<4x4xf32> -> tensor<?x2x4xf32>, tensor<2x4xf32>
  return %0#0, %0#1 : tensor<?x2x4xf32>, tensor<2x4xf32>
}

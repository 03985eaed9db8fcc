// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.lstm '
// FLOATS: -1 1
// INTEGERS: 1 7
// SIZES: 1x2x3, 16x3, 16x4, 32, 2, 2x4, 2x4
// SIZES: 7x2x3, 16x3, 16x4, 32, 2, 2x4, 2x4

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
// CHECK: tenon.slice{{ }}
// CHECK: tenon.neg{{ }}
// CHECK: tenon.exp{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.slice{{ }}

func.func @main(%x: tensor<?x2x3xf32> {tenon.dims = ["t", 2, 3], tenon.name = "x"}, %w: tensor<16x3xf32> {tenon.name = "w"}, %r: tensor<16x4xf32> {tenon.name = "r"}, %b: tensor<32xf32> {tenon.name = "b"}, %l: tensor<2xi64> {tenon.name = "l"}, %h0: tensor<2x4xf32> {tenon.name = "h0"}, %c0: tensor<2x4xf32> {tenon.name = "c0"}) -> (tensor<?x2x4xf32> {tenon.name = "y"}, tensor<2x4xf32> {tenon.name = "h"}, tensor<2x4xf32> {tenon.name = "c"}) {
  %t = tenon.symbol "t" min 1 multiple_of 1 likely []
  %0:3 = tenon.lstm %x, %w, %r bias(%b : tensor<32xf32>) lengths(%l : tensor<2xi64>) initial_h(%h0 : tensor<2x4xf32>) initial_c(%c0 : tensor<2x4xf32>) {reverse} : tensor<?x2x3xf32>, tensor<16x3xf32>, tensor<16x4xf32> -> tensor<?x2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
  return %0#0, %0#1, %0#2 : tensor<?x2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

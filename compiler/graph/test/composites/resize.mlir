// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.resize '
// SIZES: 1x5x6x8
// SIZES: 3x5x6x8

// CHECK-LABEL: @main
// CHECK: tenon.iota{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.floor{{ }}
// CHECK: tenon.max{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.min{{ }}
// CHECK: tenon.gather{{ }}
// CHECK: tenon.iota{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.floor{{ }}
// CHECK: tenon.max{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.min{{ }}
// CHECK: tenon.gather{{ }}
// CHECK: tenon.iota{{ }}
// CHECK: tenon.add{{ }}

func.func @main(%x: tensor<?x5x6x8xf32> {tenon.dims = ["b", 5, 6, 8], tenon.name = "x"}) -> (tensor<?x10x9x8xf32> {tenon.name = "nearest"}, tensor<?x10x9x8xf32> {tenon.name = "linear"}, tensor<?x10x9x8xf32> {tenon.name = "cubic"}) {
  %b = tenon.symbol "b" min 1 multiple_of 1 likely []
  %nearest = tenon.resize nearest %x (%b) axes [1, 2] {coordinates = 3 : i32, rounding = 2 : i32, scales = array<f64: 2.0, 1.5>, cubic_coefficient = -0.75 : f64} : tensor<?x5x6x8xf32> -> tensor<?x10x9x8xf32>
  %linear = tenon.resize linear %x (%b) axes [1, 2] {coordinates = 0 : i32, rounding = 0 : i32, scales = array<f64: 2.0, 1.5>, cubic_coefficient = -0.75 : f64} : tensor<?x5x6x8xf32> -> tensor<?x10x9x8xf32>
  %cubic = tenon.resize cubic %x (%b) axes [1, 2] {coordinates = 2 : i32, rounding = 0 : i32, scales = array<f64: 2.0, 1.5>, cubic_coefficient = -0.75 : f64} : tensor<?x5x6x8xf32> -> tensor<?x10x9x8xf32>
  return %nearest, %linear, %cubic : tensor<?x10x9x8xf32>, tensor<?x10x9x8xf32>, tensor<?x10x9x8xf32>
}

// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.clip '
// FLOATS: -4 4
// SIZES: 1x21
// SIZES: 5x21

// CHECK-LABEL: @main
// CHECK: tenon.max{{ }}
// CHECK: tenon.min{{ }}

func.func @main(%x: tensor<?x21xf32> {tenon.dims = ["n", 21], tenon.name = "x"}) -> (tensor<?x21xf32> {tenon.name = "y"}) {
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %y = tenon.clip %x {low = -1.5 : f64, high = 2.0 : f64} : tensor<?x21xf32>
  return %y : tensor<?x21xf32>
}

// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.selu '
// FLOATS: -4 4
// SIZES: 1x21
// SIZES: 5x21

// CHECK-LABEL: @main
// CHECK: tenon.exp{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.cmp gt{{ }}
// CHECK: tenon.select{{ }}
// CHECK: tenon.mul{{ }}

func.func @main(%x: tensor<?x21xf32> {tenon.dims = ["n", 21], tenon.name = "x"}) -> (tensor<?x21xf32> {tenon.name = "y"}) {
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %y = tenon.selu %x {alpha = 1.67 : f64, gamma = 1.05 : f64} : tensor<?x21xf32>
  return %y : tensor<?x21xf32>
}

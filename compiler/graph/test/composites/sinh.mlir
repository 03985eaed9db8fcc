// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.sinh '
// FLOATS: -4 4
// SIZES: 1x21
// SIZES: 5x21

// CHECK-LABEL: @main
// CHECK: tenon.exp{{ }}
// CHECK: tenon.neg{{ }}
// CHECK: tenon.exp{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.tanh{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.abs{{ }}
// CHECK: tenon.cmp lt{{ }}
// CHECK: tenon.select{{ }}

func.func @main(%x: tensor<?x21xf32> {tenon.dims = ["n", 21], tenon.name = "x"}) -> (tensor<?x21xf32> {tenon.name = "y"}) {
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %y = tenon.sinh %x : tensor<?x21xf32>
  return %y : tensor<?x21xf32>
}

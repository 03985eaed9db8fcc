// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.atanh '
// FLOATS: -0.95 0.95
// SIZES: 1x21
// SIZES: 5x21

// CHECK-LABEL: @main
// CHECK: tenon.add{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.log{{ }}
// CHECK: tenon.mul{{ }}

func.func @main(%x: tensor<?x21xf32> {tenon.dims = ["n", 21], tenon.name = "x"}) -> (tensor<?x21xf32> {tenon.name = "y"}) {
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %y = tenon.atanh %x : tensor<?x21xf32>
  return %y : tensor<?x21xf32>
}

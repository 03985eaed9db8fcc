// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.asinh '
// FLOATS: -9 9
// SIZES: 1x21
// SIZES: 5x21

// CHECK-LABEL: @main
// CHECK: tenon.abs{{ }}
// CHECK: tenon.log{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.mul{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.sqrt{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.log{{ }}
// CHECK: tenon.cmp gt{{ }}
// CHECK: tenon.select{{ }}
// CHECK: tenon.sign{{ }}
// CHECK: tenon.mul{{ }}

func.func @main(%x: tensor<?x21xf32> {tenon.dims = ["n", 21], tenon.name = "x"}) -> (tensor<?x21xf32> {tenon.name = "y"}) {
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %y = tenon.asinh %x : tensor<?x21xf32>
  return %y : tensor<?x21xf32>
}

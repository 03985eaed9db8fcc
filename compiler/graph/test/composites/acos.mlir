// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.acos '
// FLOATS: -1 1
// SIZES: 1x21
// SIZES: 5x21

// CHECK-LABEL: @main
// CHECK: tenon.asin{{ }}
// CHECK: tenon.sub{{ }}

func.func @main(%x: tensor<?x21xf32> {tenon.dims = ["n", 21], tenon.name = "x"}) -> (tensor<?x21xf32> {tenon.name = "y"}) {
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %y = tenon.acos %x : tensor<?x21xf32>
  return %y : tensor<?x21xf32>
}

// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.tan '
// FLOATS: -1.2 1.2
// SIZES: 1x21
// SIZES: 5x21

// CHECK-LABEL: @main
// CHECK: tenon.sin{{ }}
// CHECK: tenon.cos{{ }}
// CHECK: tenon.div{{ }}

func.func @main(%x: tensor<?x21xf32> {tenon.dims = ["n", 21], tenon.name = "x"}) -> (tensor<?x21xf32> {tenon.name = "y"}) {
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %y = tenon.tan %x : tensor<?x21xf32>
  return %y : tensor<?x21xf32>
}

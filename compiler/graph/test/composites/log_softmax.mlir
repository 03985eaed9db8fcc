// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.log_softmax '
// FLOATS: -90 90
// SIZES: 1x3x1
// SIZES: 2x3x5
// SIZES: 4x3x67

// CHECK-LABEL: @main
// CHECK: tenon.reduce max{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.exp{{ }}
// CHECK: tenon.reduce sum{{ }}
// CHECK: tenon.log{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.reduce max{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.exp{{ }}
// CHECK: tenon.reduce sum{{ }}
// CHECK: tenon.log{{ }}
// CHECK: tenon.sub{{ }}

// Along rows, and along columns.
func.func @main(%x: tensor<?x3x?xf32> {tenon.dims = ["b", 3, "n"], tenon.name = "x"}) -> (tensor<?x3x?xf32> {tenon.name = "rows"}, tensor<?x3x?xf32> {tenon.name = "columns"}) {
  %b = tenon.symbol "b" min 1 multiple_of 1 likely []
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %rows = tenon.log_softmax %x axis 2 : tensor<?x3x?xf32>
  %columns = tenon.log_softmax %x axis 1 : tensor<?x3x?xf32>
  return %rows, %columns : tensor<?x3x?xf32>, tensor<?x3x?xf32>
}

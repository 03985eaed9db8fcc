// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.mod '
// INTEGERS: -9 9
// SIZES: 1, 1
// SIZES: 70, 70

// CHECK-LABEL: @main
// CHECK: tenon.rem{{ }}
// CHECK: tenon.cmp lt{{ }}
// CHECK: tenon.cmp lt{{ }}
// CHECK: tenon.xor{{ }}
// CHECK: tenon.cmp{{ }}
// CHECK: tenon.and{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.select{{ }}

func.func @main(%a: tensor<?xi64> {tenon.dims = ["n"], tenon.name = "a"}, %b: tensor<?xi64> {tenon.dims = ["n"], tenon.name = "b"}) -> (tensor<?xi64> {tenon.name = "y"}) {
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %y = tenon.mod %a, %b : tensor<?xi64>
  return %y : tensor<?xi64>
}

// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.dequantize '
// INTEGERS: -128 127
// SIZES: 1x21, 1x1, 1x21, 1x21, 1x21
// SIZES: 5x21, 1x1, 1x21, 1x21, 5x21

// CHECK-LABEL: @main
// CHECK: tenon.cast %{{.*}}xui8> -> tensor<?x21xi32>
// CHECK: tenon.cast %{{.*}}xi32> -> tensor<?x21xf32>
// CHECK: tenon.mul{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.cast %{{.*}}xi32> -> tensor<?x21xf32>
// CHECK: tenon.mul{{ }}

func.func @main(%q: tensor<?x21xui8> {tenon.dims = ["n", 21], tenon.name = "q"}, %s: tensor<1x1xf32> {tenon.name = "s"}, %t: tensor<1x21xf32> {tenon.name = "t"}, %v: tensor<1x21xi8> {tenon.name = "v"}, %p: tensor<?x21xi8> {tenon.dims = ["n", 21], tenon.name = "p"}) -> (tensor<?x21xf32> {tenon.name = "plain"}, tensor<?x21xf32> {tenon.name = "columns"}) {
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %plain = tenon.dequantize %q scale %s : (tensor<?x21xui8>, tensor<1x1xf32>) -> tensor<?x21xf32>
  %columns = tenon.dequantize %p scale %t zero %v : (tensor<?x21xi8>, tensor<1x21xf32>, tensor<1x21xi8>) -> tensor<?x21xf32>
  return %plain, %columns : tensor<?x21xf32>, tensor<?x21xf32>
}

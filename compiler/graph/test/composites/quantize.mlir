// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.quantize '
// FLOATS: -9 9
// INTEGERS: 0 255
// SIZES: 1x21, 1x1, 1x21, 1x1, 1x21
// SIZES: 5x21, 1x1, 1x21, 1x1, 1x21

// CHECK-LABEL: @main
// CHECK: tenon.div{{ }}
// CHECK: tenon.round{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.max{{ }}
// CHECK: tenon.min{{ }}
// CHECK: tenon.cast %{{.*}}xf32> -> tensor<?x21xi32>
// CHECK: tenon.cast %{{.*}}xi32> -> tensor<?x21xui8>

func.func @main(%x: tensor<?x21xf32> {tenon.dims = ["n", 21], tenon.name = "x"}, %s: tensor<1x1xf32> {tenon.name = "s"}, %t: tensor<1x21xf32> {tenon.name = "t"}, %z: tensor<1x1xui8> {tenon.name = "z"}, %v: tensor<1x21xi8> {tenon.name = "v"}) -> (tensor<?x21xui8> {tenon.name = "bytes"}, tensor<?x21xi8> {tenon.name = "signed"}, tensor<?x21xi16> {tenon.name = "wide"}, tensor<?x21xui8> {tenon.name = "known"}) {
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %c = tenon.constant dense<1.250000e-01> : tensor<1x1xf32>
  %k = tenon.constant dense<100> : tensor<1x1xui8>
  %bytes = tenon.quantize %x scale %s zero %z : (tensor<?x21xf32>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x21xui8>
  %signed = tenon.quantize %x scale %t zero %v : (tensor<?x21xf32>, tensor<1x21xf32>, tensor<1x21xi8>) -> tensor<?x21xi8>
  %wide = tenon.quantize %x scale %t : (tensor<?x21xf32>, tensor<1x21xf32>) -> tensor<?x21xi16>
  %known = tenon.quantize %x scale %c zero %k : (tensor<?x21xf32>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x21xui8>
  return %bytes, %signed, %wide, %known : tensor<?x21xui8>, tensor<?x21xi8>, tensor<?x21xi16>, tensor<?x21xui8>
}

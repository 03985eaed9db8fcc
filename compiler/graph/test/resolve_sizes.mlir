// RUN: tenon-opt %s --tenon-resolve-sizes | FileCheck %s

// The size no longer keeps the exponential alive, and both ways to write it are one value.
// CHECK-LABEL: @sizes
// CHECK: %[[N:.*]] = tenon.symbol "n" min 1
// CHECK-NOT: tensor.dim
// CHECK: %[[M:.*]] = arith.muli
// CHECK: tenon.reshape %arg0(%[[M]])
// CHECK-NOT: arith.muli
// CHECK: tenon.iota(%[[M]])
func.func @sizes(%x: tensor<?x4xf32> {tenon.dims = ["n", 4]}) -> (tensor<?xf32>, tensor<?xi64>) {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %e = tenon.exp %x : tensor<?x4xf32>
  %d = tensor.dim %e, %c0 : tensor<?x4xf32>
  %m = arith.muli %d, %c4 : index
  %y = tenon.reshape %x (%m) : tensor<?x4xf32> -> tensor<?xf32>
  %k = tensor.dim %y, %c0 : tensor<?xf32>
  %i = tenon.iota (%k) axis 0 : tensor<?xi64>
  return %y, %i : tensor<?xf32>, tensor<?xi64>
}

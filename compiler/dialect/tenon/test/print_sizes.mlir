// RUN: tenon-opt %s --tenon-print-sizes --split-input-file -o /dev/null | FileCheck %s

// CHECK-LABEL: sizes of @image
func.func @image(%x: tensor<1x?x?x3xf32> {tenon.dims = [1, "h", "w", 3]}, %w: tensor<3x3x3x16xf32>) {
  %h = tenon.symbol "h" min 32 max 1024 multiple_of 32 likely []
  %s = tenon.symbol "w" min 32 max 1024 multiple_of 32 likely []
  // CHECK: tenon.conv [1, {{.*}}, {{.*}}, 16]
  %0 = tenon.conv %x, %w strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x?x?x3xf32>, tensor<3x3x3x16xf32> -> tensor<1x?x?x16xf32>
  // CHECK: tenon.transpose [1, 16, {{.*}}, {{.*}}]
  %1 = tenon.transpose %0 [0, 3, 1, 2] : tensor<1x?x?x16xf32> -> tensor<1x16x?x?xf32>
  // CHECK: tenon.max_pool
  %2 = tenon.max_pool %0 window [2, 2] strides [2, 2] dilations [1, 1] low [0, 0] high [0, 0] : tensor<1x?x?x16xf32> -> tensor<1x?x?x16xf32>
  return
}

// -----
// CHECK-LABEL: sizes of @sequence
func.func @sequence(%x: tensor<?x?x384xf32> {tenon.dims = ["batch", "seq", 384]}, %t: tensor<i64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: tensor.dim index(batch)
  %b = tensor.dim %x, %c0 : tensor<?x?x384xf32>
  // CHECK: tensor.dim index(seq)
  %s = tensor.dim %x, %c1 : tensor<?x?x384xf32>
  // CHECK: arith.muli index(batch*seq)
  %n = arith.muli %b, %s : index
  // CHECK: tenon.reshape [batch*seq, 384]
  %0 = tenon.reshape %x (%n) : tensor<?x?x384xf32> -> tensor<?x384xf32>
  // CHECK: tenon.concat [2*batch*seq, 384]
  %1 = tenon.concat %0, %0 axis 0 : (tensor<?x384xf32>, tensor<?x384xf32>) -> tensor<?x384xf32>
  // CHECK: tenon.read_scalar index(n)
  %k = tenon.read_scalar %t at 0 min 0 max 9 : tensor<i64>
  // CHECK: arith.addi index({{.*}}n{{.*}})
  %m = arith.addi %k, %n : index
  // CHECK: tenon.iota [{{.*}}n{{.*}}]
  %i = tenon.iota (%m) axis 0 : tensor<?xi64>
  return
}

// -----
// CHECK-LABEL: sizes of @control
func.func @control(%x: tensor<?x4xf32> {tenon.dims = ["n", 4]}, %p: i1, %z: tensor<1x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: tensor.dim
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  // Both branches keep the rows, so does the result.
  // CHECK-NEXT: scf.if [n, 4]
  %0 = scf.if %p -> tensor<?x4xf32> {
    %a = tenon.exp %x : tensor<?x4xf32>
    scf.yield %a : tensor<?x4xf32>
  } else {
    scf.yield %x : tensor<?x4xf32>
  }
  // CHECK: scf.if [d, 4]
  %1 = scf.if %p -> tensor<?x4xf32> {
    %a = tenon.concat %x, %x axis 0 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    scf.yield %a : tensor<?x4xf32>
  } else {
    scf.yield %x : tensor<?x4xf32>
  }
  // The first carried value keeps its size, the second grows.
  // CHECK: scf.for [n, 4] [d_{{[0-9]+}}, 4]
  %2:2 = scf.for %i = %c0 to %n step %c1 iter_args(%u = %x, %v = %x) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
    // CHECK: tenon.exp [n, 4]
    %a = tenon.exp %u : tensor<?x4xf32>
    // CHECK: tenon.concat [d_{{[0-9]+}} + 1, 4]
    %b = tenon.concat %v, %z axis 0 : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
    scf.yield %a, %b : tensor<?x4xf32>, tensor<?x4xf32>
  }
  return
}

// -----
// A size that data decides has a name of its own, whatever the inputs' symbols are called.
// CHECK-LABEL: sizes of @taken_names
func.func @taken_names(%x: tensor<?x4xf32> {tenon.dims = ["n", 4]}, %c: tensor<1xi64>, %z: tensor<1xf32>) {
  // CHECK: tenon.read_scalar index(n_1)
  %k = tenon.read_scalar %c at 0 min 0 max 4 : tensor<1xi64>
  // CHECK: tenon.broadcast [n_1]
  %0 = tenon.broadcast %z(%k) : tensor<1xf32> -> tensor<?xf32>
  // CHECK: tenon.exp [n, 4]
  %1 = tenon.exp %x : tensor<?x4xf32>
  return
}

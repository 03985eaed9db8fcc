// RUN: tenon-opt --tenon-form-kernels --split-input-file %s | FileCheck %s

// The epilogue joins the product.
// CHECK-LABEL: @epilogue
// CHECK: tenon.kernel "contraction"
// CHECK: tenon.packed_contract
// CHECK: tenon.add
// CHECK: tenon.tanh
// CHECK: tenon.yield
// CHECK-NOT: tenon.kernel
func.func @epilogue(%x: tensor<7x24xf32>, %w: tensor<3x24x16xf32>, %b: tensor<7x48xf32>) -> tensor<7x48xf32> {
  %0 = tenon.packed_contract %x, %w : tensor<7x24xf32>, tensor<3x24x16xf32> -> tensor<7x48xf32>
  %1 = tenon.add %0, %b : tensor<7x48xf32>
  %2 = tenon.tanh %1 : tensor<7x48xf32>
  return %2 : tensor<7x48xf32>
}

// -----

// Softmax is one kernel.
// CHECK-LABEL: @softmax
// CHECK: tenon.kernel "reduce"
// CHECK: tenon.reduce max
// CHECK: tenon.reduce sum
// CHECK: tenon.yield
// CHECK-NOT: tenon.kernel
func.func @softmax(%x: tensor<4x9xf32>) -> tensor<4x9xf32> {
  %m = tenon.reduce max %x [1] : tensor<4x9xf32> -> tensor<4x1xf32>
  %mb = tenon.broadcast %m : tensor<4x1xf32> -> tensor<4x9xf32>
  %d = tenon.sub %x, %mb : tensor<4x9xf32>
  %e = tenon.exp %d : tensor<4x9xf32>
  %s = tenon.reduce sum %e [1] : tensor<4x9xf32> -> tensor<4x1xf32>
  %sb = tenon.broadcast %s : tensor<4x1xf32> -> tensor<4x9xf32>
  %y = tenon.div %e, %sb : tensor<4x9xf32>
  return %y : tensor<4x9xf32>
}

// -----

// A value with two users in different kernels lies in memory; a reshape of it is a view.
// CHECK-LABEL: @two_users
// CHECK: %[[A:.*]] = tenon.kernel "contraction"
// CHECK: %[[R:.*]] = tenon.reshape %[[A]]
// CHECK: tenon.kernel "reduce"(%[[A]])
// CHECK: return %{{.*}}, %[[R]]
func.func @two_users(%x: tensor<7x24xf32>, %w: tensor<3x24x16xf32>) -> (tensor<7x1xf32>, tensor<7x3x16xf32>) {
  %0 = tenon.packed_contract %x, %w : tensor<7x24xf32>, tensor<3x24x16xf32> -> tensor<7x48xf32>
  %1 = tenon.reshape %0 : tensor<7x48xf32> -> tensor<7x3x16xf32>
  %2 = tenon.reduce sum %0 [1] : tensor<7x48xf32> -> tensor<7x1xf32>
  return %2, %1 : tensor<7x1xf32>, tensor<7x3x16xf32>
}

// -----

// A scatter changes its operand's memory.
// CHECK-LABEL: @tied
// CHECK: tenon.kernel "indexed"(%arg0, %arg1, %arg2)
// CHECK-SAME: tenon.ties = array<i64: 0>
func.func @tied(%x: tensor<10x4xf32>, %i: tensor<3x1xi64>, %u: tensor<3x4xf32>) -> tensor<10x4xf32> {
  %0 = tenon.scatter_nd none %x, %i, %u : tensor<10x4xf32>, tensor<3x1xi64>, tensor<3x4xf32>
  return %0 : tensor<10x4xf32>
}

// -----

// A choice between tensors is a conditional, not an elementwise operation: sizes may differ.
// CHECK-LABEL: @choice
// CHECK: scf.if
// CHECK-NEXT: scf.yield %[[A:.*]] : tensor<?xf32>
// CHECK-NEXT: else
// CHECK-NEXT: scf.yield %{{.*}} : tensor<?xf32>
// CHECK-NOT: arith.select
func.func @choice(%c: i1, %a: tensor<?xf32> {tenon.dims = ["a"]}, %b: tensor<?xf32> {tenon.dims = ["b"]}) -> tensor<?xf32> {
  %0 = arith.select %c, %a, %b : tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// The type of a result decides how many sizes a kernel has, also where the analysis knows more than the type.
// CHECK-LABEL: @constant_size
// CHECK: %[[C:.*]] = arith.constant 4 : index
// CHECK: tenon.kernel
// CHECK-SAME: tensor<?xf32>
func.func @constant_size(%a: tensor<?xf32> {tenon.dims = [4]}) -> tensor<?xf32> {
  %0 = tenon.tanh %a : tensor<?xf32>
  return %0 : tensor<?xf32>
}

// A bias is added where the product stores, and the reshape behind it is a view.
// CHECK-LABEL: @bias_before_reshape
// CHECK: %[[Y:.*]] = tenon.kernel "contraction"
// CHECK: tenon.add
// CHECK: tenon.reshape %[[Y]]
// CHECK-NOT: tenon.kernel "map"
// CHECK: return
func.func @bias_before_reshape(%x: tensor<4x8xbf16>, %w: tensor<1x4x16x2xbf16>, %b: tensor<4x16xf32>) -> tensor<4x2x8xf32> {
  %y = tenon.packed_contract %x, %w : tensor<4x8xbf16>, tensor<1x4x16x2xbf16> -> tensor<4x16xf32>
  %s = tenon.add %y, %b : tensor<4x16xf32>
  %r = tenon.reshape %s : tensor<4x16xf32> -> tensor<4x2x8xf32>
  return %r : tensor<4x2x8xf32>
}

// Several kernels read bf16, rather than what one of them made of it.
// CHECK-LABEL: @widened_for_two
// CHECK-NOT: tenon.kernel "map"(%arg0) {{.*}} -> tensor<4x16xf32>
// CHECK: tenon.kernel "contraction"(%arg{{[0-9]}}, %arg{{[0-9]}}, %arg{{[0-9]}}) {{.*}} -> tensor<4x16xf32>
// CHECK: tenon.kernel "contraction"(%arg{{[0-9]}}, %arg{{[0-9]}}, %arg{{[0-9]}}) {{.*}} -> tensor<4x16xf32>
// CHECK: return
func.func @widened_for_two(%h: tensor<4x16xbf16>, %x: tensor<4x8xbf16>, %w: tensor<1x4x16x2xbf16>, %v: tensor<1x4x16x2xbf16>) -> (tensor<4x16xf32>, tensor<4x16xf32>) {
  %f = tenon.cast %h : tensor<4x16xbf16> -> tensor<4x16xf32>
  %y = tenon.packed_contract %x, %w : tensor<4x8xbf16>, tensor<1x4x16x2xbf16> -> tensor<4x16xf32>
  %z = tenon.packed_contract %x, %v : tensor<4x8xbf16>, tensor<1x4x16x2xbf16> -> tensor<4x16xf32>
  %s = tenon.add %y, %f : tensor<4x16xf32>
  %t = tenon.mul %z, %f : tensor<4x16xf32>
  return %s, %t : tensor<4x16xf32>, tensor<4x16xf32>
}

// -----

// A norm is one kernel, though a root stands between a reduction and the rows that it is broadcast to. What a product
// computes as it stores stays with the product: each pass over a row would compute it again.
// CHECK-LABEL: @norm_behind_product
// CHECK: %[[Y:.*]] = tenon.kernel "contraction"
// CHECK: tenon.add
// CHECK: tenon.kernel "reduce"(%[[Y]])
// CHECK: tenon.reduce sum
// CHECK: tenon.rsqrt
// CHECK-NOT: tenon.kernel
func.func @norm_behind_product(%x: tensor<7x24xf32>, %w: tensor<3x24x16xf32>, %b: tensor<7x48xf32>) -> tensor<7x48xf32> {
  %0 = tenon.packed_contract %x, %w : tensor<7x24xf32>, tensor<3x24x16xf32> -> tensor<7x48xf32>
  %1 = tenon.add %0, %b : tensor<7x48xf32>
  %q = tenon.mul %1, %1 : tensor<7x48xf32>
  %s = tenon.reduce sum %q [1] : tensor<7x48xf32> -> tensor<7x1xf32>
  %r = tenon.rsqrt %s : tensor<7x1xf32>
  %rb = tenon.broadcast %r : tensor<7x1xf32> -> tensor<7x48xf32>
  %y = tenon.mul %1, %rb : tensor<7x48xf32>
  return %y : tensor<7x48xf32>
}

// -----

// Numbers of rows that become numbers of columns are put beside each other once, not for every row.
// CHECK-LABEL: @turned_sums
// CHECK: tenon.kernel "reduce"
// CHECK: %[[T:.*]] = tenon.kernel "map"
// CHECK: tenon.transpose
// CHECK: tenon.kernel "contraction"(%[[T]], %arg0, %arg1)
func.func @turned_sums(%x: tensor<2x7x24xf32>, %w: tensor<2x3x24x16xf32>, %b: tensor<48x2x9xf32>) -> tensor<2x7x48xf32> {
  %s = tenon.reduce sum %b [2] : tensor<48x2x9xf32> -> tensor<48x2x1xf32>
  %t = tenon.transpose %s [1, 2, 0] : tensor<48x2x1xf32> -> tensor<2x1x48xf32>
  %n = tenon.neg %t : tensor<2x1x48xf32>
  %nb = tenon.broadcast %n : tensor<2x1x48xf32> -> tensor<2x7x48xf32>
  %0 = tenon.packed_contract %x, %w : tensor<2x7x24xf32>, tensor<2x3x24x16xf32> -> tensor<2x7x48xf32>
  %1 = tenon.add %0, %nb : tensor<2x7x48xf32>
  return %1 : tensor<2x7x48xf32>
}

// RUN: tenon-opt %s --tenon-refine-types --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @straight(%arg0: tensor<2x8xf32> {{.*}}) -> tensor<16xf32>
func.func @straight(%x: tensor<?x8xf32> {tenon.dims = [2, 8]}) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %d = tensor.dim %x, %c0 : tensor<?x8xf32>
  %n = arith.muli %d, %c8 : index
  // CHECK: tenon.exp %arg0 : tensor<2x8xf32>
  %e = tenon.exp %x : tensor<?x8xf32>
  // CHECK: tenon.reshape %{{.*}} : tensor<2x8xf32> -> tensor<16xf32>
  %y = tenon.reshape %e (%n) : tensor<?x8xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----
// A value that grows with every iteration stays dynamic; the one beside it becomes static.
// CHECK-LABEL: func.func @loop
// CHECK-SAME: -> (tensor<2xf32>, tensor<?xf32>)
func.func @loop(%x: tensor<2xf32>, %n: index) -> (tensor<?xf32>, tensor<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %w = tensor.cast %x : tensor<2xf32> to tensor<?xf32>
  // CHECK: scf.for {{.*}} -> (tensor<2xf32>, tensor<?xf32>)
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %w, %b = %w) -> (tensor<?xf32>, tensor<?xf32>) {
    // CHECK: tenon.exp %{{.*}} : tensor<2xf32>
    %e = tenon.exp %a : tensor<?xf32>
    // CHECK: tenon.concat {{.*}} (tensor<?xf32>, tensor<2xf32>) -> tensor<?xf32>
    %g = tenon.concat %b, %e axis 0 : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    scf.yield %e, %g : tensor<?xf32>, tensor<?xf32>
  }
  return %r#0, %r#1 : tensor<?xf32>, tensor<?xf32>
}

// RUN: tenon-opt --tenon-form-kernels --tenon-fuse-windows --split-input-file %s | FileCheck %s

// The wide image between the two is never stored.
// CHECK-LABEL: @inverted_residual
// CHECK: %[[Y:.*]] = tenon.kernel "window"(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {{.*}} (tensor<1x112x112x16xf32>, tensor<4x16x16xf32>, tensor<1x112x112x64xf32>, tensor<3x3x1x64xf32>) -> tensor<1x56x56x64xf32>
// CHECK: %[[P:.*]] = tenon.packed_contract
// CHECK: %[[A:.*]] = tenon.add %[[P]]
// CHECK: %[[W:.*]] = tenon.conv %[[A]]
// CHECK: %[[T:.*]] = tenon.tanh %[[W]]
// CHECK: tenon.yield %[[T]]
// CHECK: return %[[Y]]
func.func @inverted_residual(%x: tensor<1x112x112x16xf32>, %p: tensor<4x16x16xf32>, %r: tensor<1x112x112x64xf32>, %f: tensor<3x3x1x64xf32>) -> tensor<1x56x56x64xf32> {
  %0 = tenon.packed_contract %x, %p : tensor<1x112x112x16xf32>, tensor<4x16x16xf32> -> tensor<1x112x112x64xf32>
  %1 = tenon.add %0, %r : tensor<1x112x112x64xf32>
  %2 = tenon.conv %1, %f strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 64 : tensor<1x112x112x64xf32>, tensor<3x3x1x64xf32> -> tensor<1x56x56x64xf32>
  %3 = tenon.tanh %2 : tensor<1x56x56x64xf32>
  return %3 : tensor<1x56x56x64xf32>
}

// -----

// An operand that both kernels read is one.
// CHECK-LABEL: @shared_operand
// CHECK: tenon.kernel "window"(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}) {{.*}} -> tensor<1x112x112x64xf32>
// CHECK-NOT: tenon.kernel
func.func @shared_operand(%x: tensor<1x112x112x16xf32>, %p: tensor<4x16x16xf32>, %r: tensor<1x112x112x64xf32>, %f: tensor<3x3x1x64xf32>) -> tensor<1x112x112x64xf32> {
  %0 = tenon.packed_contract %x, %p : tensor<1x112x112x16xf32>, tensor<4x16x16xf32> -> tensor<1x112x112x64xf32>
  %1 = tenon.add %0, %r : tensor<1x112x112x64xf32>
  %2 = tenon.conv %1, %f strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 64 : tensor<1x112x112x64xf32>, tensor<3x3x1x64xf32> -> tensor<1x112x112x64xf32>
  %3 = tenon.add %2, %r : tensor<1x112x112x64xf32>
  return %3 : tensor<1x112x112x64xf32>
}

// -----

// What others read, too, is stored: the epilogue of the window, or the function's caller.
// CHECK-LABEL: @also_residual
// CHECK: tenon.kernel "contraction"
// CHECK: tenon.kernel "window"
func.func @also_residual(%x: tensor<1x112x112x16xf32>, %p: tensor<4x16x16xf32>, %f: tensor<3x3x1x64xf32>) -> tensor<1x112x112x64xf32> {
  %0 = tenon.packed_contract %x, %p : tensor<1x112x112x16xf32>, tensor<4x16x16xf32> -> tensor<1x112x112x64xf32>
  %1 = tenon.conv %0, %f strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 64 : tensor<1x112x112x64xf32>, tensor<3x3x1x64xf32> -> tensor<1x112x112x64xf32>
  %2 = tenon.add %0, %1 : tensor<1x112x112x64xf32>
  return %2 : tensor<1x112x112x64xf32>
}

// -----

// CHECK-LABEL: @also_result
// CHECK: tenon.kernel "contraction"
// CHECK: tenon.kernel "window"
func.func @also_result(%x: tensor<1x112x112x16xf32>, %p: tensor<4x16x16xf32>, %f: tensor<3x3x1x64xf32>) -> (tensor<1x112x112x64xf32>, tensor<1x112x112x64xf32>) {
  %0 = tenon.packed_contract %x, %p : tensor<1x112x112x16xf32>, tensor<4x16x16xf32> -> tensor<1x112x112x64xf32>
  %1 = tenon.conv %0, %f strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 64 : tensor<1x112x112x64xf32>, tensor<3x3x1x64xf32> -> tensor<1x112x112x64xf32>
  return %0, %1 : tensor<1x112x112x64xf32>, tensor<1x112x112x64xf32>
}

// -----

// A small image stays in a cache.
// CHECK-LABEL: @small
// CHECK: tenon.kernel "contraction"
// CHECK: tenon.kernel "window"
func.func @small(%x: tensor<1x28x28x16xf32>, %p: tensor<4x16x16xf32>, %f: tensor<3x3x1x64xf32>) -> tensor<1x28x28x64xf32> {
  %0 = tenon.packed_contract %x, %p : tensor<1x28x28x16xf32>, tensor<4x16x16xf32> -> tensor<1x28x28x64xf32>
  %1 = tenon.conv %0, %f strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 64 : tensor<1x28x28x64xf32>, tensor<3x3x1x64xf32> -> tensor<1x28x28x64xf32>
  return %1 : tensor<1x28x28x64xf32>
}

// -----

// Windows of bytes and pooling read what is stored.
// CHECK-LABEL: @pooling
// CHECK: tenon.kernel "contraction"
// CHECK: tenon.kernel "window"
func.func @pooling(%x: tensor<1x112x112x16xf32>, %p: tensor<4x16x16xf32>) -> tensor<1x56x56x64xf32> {
  %0 = tenon.packed_contract %x, %p : tensor<1x112x112x16xf32>, tensor<4x16x16xf32> -> tensor<1x112x112x64xf32>
  %1 = tenon.reduce_window max %0 window [1, 2, 2, 1] strides [1, 2, 2, 1] dilations [1, 1, 1, 1] low [0, 0, 0, 0] high [0, 0, 0, 0] : tensor<1x112x112x64xf32> -> tensor<1x56x56x64xf32>
  return %1 : tensor<1x56x56x64xf32>
}

// -----

// An image of open size: the run chooses.
// CHECK-LABEL: @open_size
// CHECK-DAG: %[[H:.*]] = tenon.symbol "h"
// CHECK-DAG: %[[LINES:.*]] = arith.constant 48 : index
// CHECK-DAG: %[[BYTES:.*]] = arith.constant 786432 : index
// CHECK-DAG: %[[LONG:.*]] = arith.cmpi sge, %[[H]], %[[LINES]] : index
// CHECK-DAG: %[[WIDE:.*]] = arith.cmpi sge, %{{.*}}, %[[BYTES]] : index
// CHECK: %[[LARGE:.*]] = arith.andi %[[LONG]], %[[WIDE]] : i1
// CHECK: %[[Y:.*]] = scf.if %[[LARGE]] -> (tensor<1x?x224x64xf32>) {
// CHECK: %[[F:.*]] = tenon.kernel "window"
// CHECK: scf.yield %[[F]]
// CHECK: } else {
// CHECK: %[[P:.*]] = tenon.kernel "contraction"
// CHECK: %[[A:.*]] = tenon.kernel "window"(%[[P]],
// CHECK: scf.yield %[[A]]
// CHECK: return %[[Y]]
func.func @open_size(%x: tensor<1x?x224x16xf32> {tenon.dims = [1, "h", 224, 16]}, %p: tensor<4x16x16xf32>, %f: tensor<3x3x1x64xf32>) -> tensor<1x?x224x64xf32> {
  %0 = tenon.packed_contract %x, %p : tensor<1x?x224x16xf32>, tensor<4x16x16xf32> -> tensor<1x?x224x64xf32>
  %1 = tenon.conv %0, %f strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 64 : tensor<1x?x224x64xf32>, tensor<3x3x1x64xf32> -> tensor<1x?x224x64xf32>
  return %1 : tensor<1x?x224x64xf32>
}

// Too few lines, whatever the width.
// CHECK-LABEL: @few_lines
// CHECK-NOT: scf.if
func.func @few_lines(%x: tensor<1x40x?x16xf32> {tenon.dims = [1, 40, "w", 16]}, %p: tensor<4x16x16xf32>, %f: tensor<3x3x1x64xf32>) -> tensor<1x40x?x64xf32> {
  %0 = tenon.packed_contract %x, %p : tensor<1x40x?x16xf32>, tensor<4x16x16xf32> -> tensor<1x40x?x64xf32>
  %1 = tenon.conv %0, %f strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 64 : tensor<1x40x?x64xf32>, tensor<3x3x1x64xf32> -> tensor<1x40x?x64xf32>
  return %1 : tensor<1x40x?x64xf32>
}

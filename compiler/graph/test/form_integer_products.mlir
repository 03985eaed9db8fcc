// RUN: tenon-opt %s --tenon-form-integer-products --canonicalize --split-input-file | FileCheck %s

// The bias, in units of both scales, joins what the zero point subtracts; padding reads the zero point.
// CHECK-LABEL: @conv
// CHECK-DAG: %[[Z:.*]] = tenon.constant dense<7> : tensor<1x1x1x1xi32>
// CHECK-DAG: %[[B:.*]] = tenon.reshape %arg2 : tensor<2xi32> -> tensor<1x1x1x2xi32>
// CHECK-DAG: %[[ACC:.*]] = tenon.conv %arg0, %arg1 {{.*}} groups 1 pad_value 7 : tensor<1x8x8x4xui8>, tensor<3x3x4x2xi8> -> tensor<1x8x8x2xi32>
// CHECK-DAG: %[[W:.*]] = tenon.cast %arg1 : tensor<3x3x4x2xi8> -> tensor<3x3x4x2xi32>
// CHECK: %[[SUM:.*]] = tenon.reduce sum %[[W]] [0, 1, 2]
// CHECK: tenon.mul %{{.*}}, %[[SUM]]
// CHECK: tenon.neg
// CHECK: tenon.add %{{.*}}, %[[B]]
// CHECK: %[[ALL:.*]] = tenon.add %[[ACC]], %{{.*}} : tensor<1x8x8x2xi32>
// CHECK: %[[F:.*]] = tenon.cast %[[ALL]] : tensor<1x8x8x2xi32> -> tensor<1x8x8x2xf32>
// CHECK: %[[Y:.*]] = tenon.mul %[[F]], %{{.*}} : tensor<1x8x8x2xf32>
// CHECK: return %[[Y]]
func.func @conv(%x: tensor<1x8x8x4xui8>, %w: tensor<3x3x4x2xi8>, %b: tensor<2xi32>) -> tensor<1x8x8x2xf32> {
  %s = tenon.constant dense<2.500000e-01> : tensor<1x1x1x1xf32>
  %z = tenon.constant dense<7> : tensor<1x1x1x1xui8>
  %t = tenon.constant dense<[[[[0.5, 0.25]]]]> : tensor<1x1x1x2xf32>
  %u = tenon.constant dense<[0.125, 0.0625]> : tensor<2xf32>
  %xf = tenon.dequantize %x scale %s zero %z : (tensor<1x8x8x4xui8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xui8>) -> tensor<1x8x8x4xf32>
  %wf = tenon.dequantize %w scale %t : (tensor<3x3x4x2xi8>, tensor<1x1x1x2xf32>) -> tensor<3x3x4x2xf32>
  %bf = tenon.dequantize %b scale %u : (tensor<2xi32>, tensor<2xf32>) -> tensor<2xf32>
  %c = tenon.conv %xf, %wf strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x8x8x4xf32>, tensor<3x3x4x2xf32> -> tensor<1x8x8x2xf32>
  %r = tenon.reshape %bf : tensor<2xf32> -> tensor<1x1x1x2xf32>
  %e = tenon.broadcast %r : tensor<1x1x1x2xf32> -> tensor<1x8x8x2xf32>
  %y = tenon.add %c, %e : tensor<1x8x8x2xf32>
  return %y : tensor<1x8x8x2xf32>
}

// -----

// A bias in other units stays a sum of floats.
// CHECK-LABEL: @other_bias
// CHECK: %[[ACC:.*]] = tenon.contract %arg0, %arg1 transpose_rhs : tensor<5x4xui8>, tensor<2x4xi8> -> tensor<5x2xi32>
// CHECK: %[[F:.*]] = tenon.cast %[[ACC]]
// CHECK: %[[Y:.*]] = tenon.mul %[[F]]
// CHECK: tenon.add %[[Y]], %{{.*}} : tensor<5x2xf32>
func.func @other_bias(%x: tensor<5x4xui8>, %w: tensor<2x4xi8>, %b: tensor<2xi32>) -> tensor<5x2xf32> {
  %s = tenon.constant dense<2.500000e-01> : tensor<1x1xf32>
  %t = tenon.constant dense<[[0.5], [0.25]]> : tensor<2x1xf32>
  %u = tenon.constant dense<0.126> : tensor<2xf32>
  %xf = tenon.dequantize %x scale %s : (tensor<5x4xui8>, tensor<1x1xf32>) -> tensor<5x4xf32>
  %wf = tenon.dequantize %w scale %t : (tensor<2x4xi8>, tensor<2x1xf32>) -> tensor<2x4xf32>
  %bf = tenon.dequantize %b scale %u : (tensor<2xi32>, tensor<2xf32>) -> tensor<2xf32>
  %c = tenon.contract %xf, %wf transpose_rhs : tensor<5x4xf32>, tensor<2x4xf32> -> tensor<5x2xf32>
  %r = tenon.reshape %bf : tensor<2xf32> -> tensor<1x2xf32>
  %e = tenon.broadcast %r : tensor<1x2xf32> -> tensor<5x2xf32>
  %y = tenon.add %c, %e : tensor<5x2xf32>
  return %y : tensor<5x2xf32>
}

// -----

// Two tensors of the run: the right one changes its sign, and both zero points count.
// CHECK-LABEL: @attention
// CHECK: %[[X:.*]] = tenon.xor %arg1, %{{.*}} : tensor<2x4x6xui8>
// CHECK: %[[W:.*]] = tenon.bitcast %[[X]] : tensor<2x4x6xui8> -> tensor<2x4x6xi8>
// CHECK: %[[ACC:.*]] = tenon.contract %arg0, %[[W]] : tensor<2x5x4xui8>, tensor<2x4x6xi8> -> tensor<2x5x6xi32>
// CHECK: %[[A:.*]] = tenon.cast %arg0 : tensor<2x5x4xui8> -> tensor<2x5x4xi32>
// CHECK: tenon.reduce sum %[[A]] [2]
// CHECK: tenon.sub %[[ACC]]
// CHECK: %[[B:.*]] = tenon.cast %[[W]]
// CHECK: tenon.reduce sum %[[B]] [1]
// CHECK: tenon.mul %{{.*}} : tensor<2x5x6xf32>
func.func @attention(%x: tensor<2x5x4xui8>, %w: tensor<2x4x6xui8>) -> tensor<2x5x6xf32> {
  %s = tenon.constant dense<2.500000e-01> : tensor<1x1x1xf32>
  %z = tenon.constant dense<7> : tensor<1x1x1xui8>
  %v = tenon.constant dense<100> : tensor<1x1x1xui8>
  %xf = tenon.dequantize %x scale %s zero %z : (tensor<2x5x4xui8>, tensor<1x1x1xf32>, tensor<1x1x1xui8>) -> tensor<2x5x4xf32>
  %wf = tenon.dequantize %w scale %s zero %v : (tensor<2x4x6xui8>, tensor<1x1x1xf32>, tensor<1x1x1xui8>) -> tensor<2x4x6xf32>
  %c = tenon.contract %xf, %wf : tensor<2x5x4xf32>, tensor<2x4x6xf32> -> tensor<2x5x6xf32>
  return %c : tensor<2x5x6xf32>
}

// -----

// Signed inputs become unsigned; products of integers less a zero point too.
// CHECK-LABEL: @integers
// CHECK: %[[X:.*]] = tenon.xor %arg0, %{{.*}} : tensor<5x4xi8>
// CHECK: %[[U:.*]] = tenon.bitcast %[[X]] : tensor<5x4xi8> -> tensor<5x4xui8>
// CHECK: tenon.contract %[[U]], %arg1 : tensor<5x4xui8>, tensor<4x6xi8> -> tensor<5x6xi32>
func.func @integers(%x: tensor<5x4xi8>, %w: tensor<4x6xi8>) -> tensor<5x6xi32> {
  %z = tenon.constant dense<3> : tensor<5x4xi32>
  %a = tenon.cast %x : tensor<5x4xi8> -> tensor<5x4xi32>
  %d = tenon.sub %a, %z : tensor<5x4xi32>
  %b = tenon.cast %w : tensor<4x6xi8> -> tensor<4x6xi32>
  %c = tenon.contract %d, %b : tensor<5x4xi32>, tensor<4x6xi32> -> tensor<5x6xi32>
  return %c : tensor<5x6xi32>
}

// -----

// A zero point that only the run knows cannot be padding: then the numbers less it are convolved.
// CHECK-LABEL: @run_time_zero
// CHECK: %[[D:.*]] = tenon.sub
// CHECK: tenon.conv %[[D]], %{{.*}} low [1] high [1] {{.*}} : tensor<1x8x4xi32>, tensor<3x4x2xi32> -> tensor<1x8x2xi32>
func.func @run_time_zero(%x: tensor<1x8x4xui8>, %z: tensor<1x1x1xui8>, %w: tensor<3x4x2xi8>, %s: tensor<1x1x1xf32>) -> tensor<1x8x2xf32> {
  %xf = tenon.dequantize %x scale %s zero %z : (tensor<1x8x4xui8>, tensor<1x1x1xf32>, tensor<1x1x1xui8>) -> tensor<1x8x4xf32>
  %wf = tenon.dequantize %w scale %s : (tensor<3x4x2xi8>, tensor<1x1x1xf32>) -> tensor<3x4x2xf32>
  %c = tenon.conv %xf, %wf strides [1] dilations [1] low [1] high [1] input_dilations [1] groups 1 : tensor<1x8x4xf32>, tensor<3x4x2xf32> -> tensor<1x8x2xf32>
  return %c : tensor<1x8x2xf32>
}

// -----

// 16-bit activations stay floats: their sums would not fit i32.
// CHECK-LABEL: @wide
// CHECK: tenon.contract %{{.*}}, %{{.*}} : tensor<5x4xf32>, tensor<4x6xf32> -> tensor<5x6xf32>
func.func @wide(%x: tensor<5x4xui16>, %w: tensor<4x6xi8>, %s: tensor<1x1xf32>) -> tensor<5x6xf32> {
  %xf = tenon.dequantize %x scale %s : (tensor<5x4xui16>, tensor<1x1xf32>) -> tensor<5x4xf32>
  %wf = tenon.dequantize %w scale %s : (tensor<4x6xi8>, tensor<1x1xf32>) -> tensor<4x6xf32>
  %c = tenon.contract %xf, %wf : tensor<5x4xf32>, tensor<4x6xf32> -> tensor<5x6xf32>
  return %c : tensor<5x6xf32>
}

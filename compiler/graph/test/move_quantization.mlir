// RUN: tenon-opt %s --tenon-move-quantization --canonicalize --split-input-file | FileCheck %s

// A pool of quantized numbers whose result is quantized alike is a pool of the integers.
// CHECK-LABEL: @pool
// CHECK-NEXT: %[[P:.*]] = tenon.max_pool %arg0 {{.*}} : tensor<1x4x4x8xui8> -> tensor<1x2x2x8xui8>
// CHECK-NEXT: return %[[P]]
func.func @pool(%q: tensor<1x4x4x8xui8>) -> tensor<1x2x2x8xui8> {
  %s = tenon.constant dense<2.500000e-01> : tensor<1x1x1x1xf32>
  %z = tenon.constant dense<7> : tensor<1x1x1x1xui8>
  %x = tenon.dequantize %q scale %s zero %z : (tensor<1x4x4x8xui8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xui8>) -> tensor<1x4x4x8xf32>
  %p = tenon.max_pool %x window [2, 2] strides [2, 2] dilations [1, 1] low [0, 0] high [0, 0] : tensor<1x4x4x8xf32> -> tensor<1x2x2x8xf32>
  %y = tenon.quantize %p scale %s zero %z : (tensor<1x2x2x8xf32>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xui8>) -> tensor<1x2x2x8xui8>
  return %y : tensor<1x2x2x8xui8>
}

// -----

// Bytes are transposed, padded with the zero point, sliced and gathered.
// CHECK-LABEL: @movement
// CHECK-DAG: %[[Z:.*]] = tenon.constant dense<7> : tensor<ui8>
// CHECK: %[[T:.*]] = tenon.transpose %arg0 [1, 0] : tensor<4x6xui8>
// CHECK: %[[P:.*]] = tenon.pad %[[T]], %[[Z]] {{.*}} : tensor<6x4xui8>, tensor<ui8> -> tensor<7x4xui8>
// CHECK: %[[S:.*]] = tenon.slice %[[P]] {{.*}} : tensor<7x4xui8> -> tensor<5x4xui8>
// CHECK: %[[R:.*]] = tenon.reshape %[[S]] : tensor<5x4xui8> -> tensor<20xui8>
// CHECK: %[[G:.*]] = tenon.gather %[[R]], %arg1 axis 0 batch 0 : tensor<20xui8>
// CHECK: tenon.dequantize %[[G]] scale %{{.*}} zero %{{.*}} : (tensor<3xui8>, tensor<1xf32>, tensor<1xui8>) -> tensor<3xf32>
func.func @movement(%q: tensor<4x6xui8>, %i: tensor<3xi64>) -> tensor<3xf32> {
  %s = tenon.constant dense<2.500000e-01> : tensor<1x1xf32>
  %z = tenon.constant dense<7> : tensor<1x1xui8>
  %c = tenon.constant dense<0.000000e+00> : tensor<f32>
  %x = tenon.dequantize %q scale %s zero %z : (tensor<4x6xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<4x6xf32>
  %t = tenon.transpose %x [1, 0] : tensor<4x6xf32> -> tensor<6x4xf32>
  %p = tenon.pad %t, %c low() [0, 0] high() [1, 0] : tensor<6x4xf32>, tensor<f32> -> tensor<7x4xf32>
  %l = tenon.slice %p offsets() [2, 0] sizes() strides [1, 1] : tensor<7x4xf32> -> tensor<5x4xf32>
  %r = tenon.reshape %l : tensor<5x4xf32> -> tensor<20xf32>
  %g = tenon.gather %r, %i axis 0 batch 0 : tensor<20xf32>, tensor<3xi64> -> tensor<3xf32>
  return %g : tensor<3xf32>
}

// -----

// Scales by channel move with a transpose, and stay above other movements.
// CHECK-LABEL: @channels
// CHECK-DAG: %[[T:.*]] = tenon.transpose %arg0 [1, 0] : tensor<4x6xi8>
// CHECK-DAG: %[[S:.*]] = tenon.transpose %arg1 [1, 0] : tensor<4x1xf32> -> tensor<1x4xf32>
// CHECK: %[[D:.*]] = tenon.dequantize %[[T]] scale %[[S]]
// CHECK: tenon.reshape %[[D]] : tensor<6x4xf32> -> tensor<24xf32>
func.func @channels(%q: tensor<4x6xi8>, %s: tensor<4x1xf32>) -> tensor<24xf32> {
  %x = tenon.dequantize %q scale %s : (tensor<4x6xi8>, tensor<4x1xf32>) -> tensor<4x6xf32>
  %t = tenon.transpose %x [1, 0] : tensor<4x6xf32> -> tensor<6x4xf32>
  %r = tenon.reshape %t : tensor<6x4xf32> -> tensor<24xf32>
  return %r : tensor<24xf32>
}

// -----

// What computes stores integers: quantizing goes in front of what moves its input.
// CHECK-LABEL: @hoisted
// CHECK: %[[A:.*]] = tenon.quantize %arg0
// CHECK: %[[B:.*]] = tenon.quantize %arg1
// CHECK: %[[C:.*]] = tenon.concat %[[A]], %[[B]] axis 0 : (tensor<2x3xui8>, tensor<2x3xui8>) -> tensor<4x3xui8>
// CHECK: tenon.transpose %[[C]] [1, 0] : tensor<4x3xui8> -> tensor<3x4xui8>
func.func @hoisted(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>, %s: tensor<1x1xf32>) -> tensor<3x4xui8> {
  %c = tenon.concat %a, %b axis 0 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
  %t = tenon.transpose %c [1, 0] : tensor<4x3xf32> -> tensor<3x4xf32>
  %q = tenon.quantize %t scale %s : (tensor<3x4xf32>, tensor<1x1xf32>) -> tensor<3x4xui8>
  return %q : tensor<3x4xui8>
}

// -----

// CHECK-LABEL: @joined
// CHECK: %[[C:.*]] = tenon.concat %arg0, %arg1 axis 0 : (tensor<2x3xui8>, tensor<2x3xui8>) -> tensor<4x3xui8>
// CHECK: tenon.dequantize %[[C]]
func.func @joined(%a: tensor<2x3xui8>, %b: tensor<2x3xui8>, %s: tensor<1x1xf32>) -> tensor<4x3xf32> {
  %x = tenon.dequantize %a scale %s : (tensor<2x3xui8>, tensor<1x1xf32>) -> tensor<2x3xf32>
  %y = tenon.dequantize %b scale %s : (tensor<2x3xui8>, tensor<1x1xf32>) -> tensor<2x3xf32>
  %c = tenon.concat %x, %y axis 0 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
  return %c : tensor<4x3xf32>
}

// -----

// Other parameters: the numbers change.
// CHECK-LABEL: @requantized
// CHECK: tenon.dequantize
// CHECK: tenon.quantize
func.func @requantized(%q: tensor<2x3xui8>) -> tensor<2x3xui8> {
  %s = tenon.constant dense<2.500000e-01> : tensor<1x1xf32>
  %t = tenon.constant dense<5.000000e-01> : tensor<1x1xf32>
  %x = tenon.dequantize %q scale %s : (tensor<2x3xui8>, tensor<1x1xf32>) -> tensor<2x3xf32>
  %y = tenon.quantize %x scale %t : (tensor<2x3xf32>, tensor<1x1xf32>) -> tensor<2x3xui8>
  return %y : tensor<2x3xui8>
}

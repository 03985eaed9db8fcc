// RUN: tenon-opt --tenon-use-bf16 %s | FileCheck %s

// Both products read one rounded activation; what else reads an argument keeps f32.
// CHECK-LABEL: @products
// CHECK-DAG: %[[X:.*]] = tenon.cast %arg0 : tensor<4x8xf32> -> tensor<4x8xbf16>
// CHECK-DAG: %[[W:.*]] = tenon.cast %arg1 : tensor<8x8xf32> -> tensor<8x8xbf16>
// CHECK: %[[Y:.*]] = tenon.contract %[[X]], %[[W]] : tensor<4x8xbf16>, tensor<8x8xbf16> -> tensor<4x8xf32>
// CHECK: %[[Z:.*]] = tenon.contract %[[X]], %[[W]]
// CHECK: %[[S:.*]] = tenon.add %[[Y]], %arg0
// CHECK: tenon.mul %[[S]], %[[Z]]
func.func @products(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %y = tenon.contract %x, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %z = tenon.contract %x, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %s = tenon.add %y, %x : tensor<4x8xf32>
  %m = tenon.mul %s, %z : tensor<4x8xf32>
  return %m : tensor<4x8xf32>
}

// A computed activation that products and other elements' computations read is stored rounded only.
// CHECK-LABEL: @residual
// CHECK: %[[R:.*]] = tenon.max
// CHECK: %[[B:.*]] = tenon.cast %[[R]] : tensor<4x8xf32> -> tensor<4x8xbf16>
// CHECK: %[[F:.*]] = tenon.cast %[[B]] : tensor<4x8xbf16> -> tensor<4x8xf32>
// CHECK: %[[Y:.*]] = tenon.contract %[[B]]
// CHECK: tenon.add %[[Y]], %[[F]]
func.func @residual(%x: tensor<4x8xf32>, %z: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %r = tenon.max %x, %z : tensor<4x8xf32>
  %y = tenon.contract %r, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %s = tenon.add %y, %r : tensor<4x8xf32>
  return %s : tensor<4x8xf32>
}

// What a caller sees stays exact, and so does what else reads it.
// CHECK-LABEL: @returned
// CHECK: %[[R:.*]] = tenon.max
// CHECK: %[[Y:.*]] = tenon.contract
// CHECK: %[[S:.*]] = tenon.add %[[Y]], %[[R]]
// CHECK: return %[[S]], %[[R]]
func.func @returned(%x: tensor<4x8xf32>, %z: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %r = tenon.max %x, %z : tensor<4x8xf32>
  %y = tenon.contract %r, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %s = tenon.add %y, %r : tensor<4x8xf32>
  return %s, %r : tensor<4x8xf32>, tensor<4x8xf32>
}

// CHECK-LABEL: @depthwise
// CHECK-NOT: bf16
func.func @depthwise(%x: tensor<1x8x8x16xf32>, %w: tensor<3x3x1x16xf32>) -> tensor<1x6x6x16xf32> {
  %y = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 16 : tensor<1x8x8x16xf32>, tensor<3x3x1x16xf32> -> tensor<1x6x6x16xf32>
  return %y : tensor<1x6x6x16xf32>
}

// An attention keeps f32 operands, which its kernel rounds as it packs them.
// CHECK-LABEL: @attention
// CHECK: tenon.attention %arg0, %arg0, %arg0
// CHECK-SAME: tenon.bf16_products
func.func @attention(%q: tensor<1x2x9x16xf32>) -> tensor<1x2x9x16xf32> {
  %y = tenon.attention %q, %q, %q : tensor<1x2x9x16xf32>, tensor<1x2x9x16xf32>, tensor<1x2x9x16xf32> -> tensor<1x2x9x16xf32>
  return %y : tensor<1x2x9x16xf32>
}

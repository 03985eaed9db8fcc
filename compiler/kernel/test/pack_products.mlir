// RUN: tenon-opt --tenon-pack-products --split-input-file %s | FileCheck %s

// CHECK-LABEL: @contract
// CHECK-SAME: %[[X:.*]]: tensor<7x24xf32>, %[[W:.*]]: tensor<24x40xf32>
// CHECK: %[[P:.*]] = tenon.pad %[[W]], {{.*}} high() [0, 8]
// CHECK: %[[R:.*]] = tenon.reshape %[[P]] : tensor<24x48xf32> -> tensor<24x3x16xf32>
// CHECK: %[[T:.*]] = tenon.transpose %[[R]] [1, 0, 2]
// CHECK: tenon.packed_contract %[[X]], %[[T]] : tensor<7x24xf32>, tensor<3x24x16xf32> -> tensor<7x40xf32>
func.func @contract(%x: tensor<7x24xf32>, %w: tensor<24x40xf32>) -> tensor<7x40xf32> {
  %y = tenon.contract %x, %w : tensor<7x24xf32>, tensor<24x40xf32> -> tensor<7x40xf32>
  return %y : tensor<7x40xf32>
}

// -----

// CHECK-LABEL: @depthwise
// CHECK: tenon.conv
// CHECK-NOT: tenon.packed_conv
func.func @depthwise(%x: tensor<1x8x8x16xf32>, %w: tensor<3x3x1x16xf32>) -> tensor<1x6x6x16xf32> {
  %y = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 16 : tensor<1x8x8x16xf32>, tensor<3x3x1x16xf32> -> tensor<1x6x6x16xf32>
  return %y : tensor<1x6x6x16xf32>
}

// -----

// Few channels: the padding becomes a copy, and the taps of a row one run.
// CHECK-LABEL: @first_layer
// CHECK: %[[P:.*]] = tenon.pad %arg0, {{.*}} low() [0, 3, 3, 0] high() [0, 3, 3, 0]
// CHECK: tenon.packed_conv %[[P]], {{.*}} low [0, 0] high [0, 0]
func.func @first_layer(%x: tensor<1x16x16x3xf32>, %w: tensor<7x7x3x32xf32>) -> tensor<1x8x8x32xf32> {
  %y = tenon.conv %x, %w strides [2, 2] dilations [1, 1] low [3, 3] high [3, 3] input_dilations [1, 1] groups 1 : tensor<1x16x16x3xf32>, tensor<7x7x3x32xf32> -> tensor<1x8x8x32xf32>
  return %y : tensor<1x8x8x32xf32>
}

// -----

// The padding of a quantized input is its zero point, in a copy as in the convolution.
// CHECK-LABEL: @zero_point
// CHECK-DAG: %[[Z:.*]] = tenon.constant dense<113> : tensor<ui8>
// CHECK: %[[P:.*]] = tenon.pad %arg0, %[[Z]] low() [0, 1, 1, 0] high() [0, 1, 1, 1]
// CHECK: tenon.packed_conv %[[P]], {{.*}} low [0, 0] high [0, 0]
// CHECK: tenon.packed_conv %arg2, {{.*}} low [1, 1] high [1, 1] input_dilations [1, 1] pad_value 113
func.func @zero_point(%x: tensor<1x8x8x3xui8>, %w: tensor<3x3x3x16xi8>, %y: tensor<1x8x8x32xui8>, %v: tensor<3x3x32x16xi8>) -> (tensor<1x8x8x16xi32>, tensor<1x8x8x16xi32>) {
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 pad_value 113 : tensor<1x8x8x3xui8>, tensor<3x3x3x16xi8> -> tensor<1x8x8x16xi32>
  %1 = tenon.conv %y, %v strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 pad_value 113 : tensor<1x8x8x32xui8>, tensor<3x3x32x16xi8> -> tensor<1x8x8x16xi32>
  return %0, %1 : tensor<1x8x8x16xi32>, tensor<1x8x8x16xi32>
}

// -----

// Products of bytes take groups of four elements of the sum.
// CHECK-LABEL: @groups
// CHECK: tenon.pad {{.*}} high() [0, 8]
// CHECK: tenon.pad {{.*}} high() [2, 0]
// CHECK: tenon.reshape {{.*}} : tensor<24x48xi8> -> tensor<6x4x3x16xi8>
// CHECK: tenon.transpose {{.*}} [2, 0, 3, 1]
// CHECK: tenon.packed_contract {{.*}} : tensor<7x22xui8>, tensor<3x6x16x4xi8> -> tensor<7x40xi32>
func.func @groups(%x: tensor<7x22xui8>, %w: tensor<22x40xi8>) -> tensor<7x40xi32> {
  %y = tenon.contract %x, %w : tensor<7x22xui8>, tensor<22x40xi8> -> tensor<7x40xi32>
  return %y : tensor<7x40xi32>
}

// -----

// CHECK-LABEL: @transposed_groups
// CHECK: tenon.reshape {{.*}} : tensor<48x22xbf16> -> tensor<3x16x11x2xbf16>
// CHECK: tenon.transpose {{.*}} [0, 2, 1, 3]
// CHECK: tenon.packed_contract {{.*}} : tensor<7x22xbf16>, tensor<3x11x16x2xbf16> -> tensor<7x48xbf16>
func.func @transposed_groups(%x: tensor<7x22xbf16>, %w: tensor<48x22xbf16>) -> tensor<7x48xbf16> {
  %y = tenon.contract %x, %w transpose_rhs : tensor<7x22xbf16>, tensor<48x22xbf16> -> tensor<7x48xbf16>
  return %y : tensor<7x48xbf16>
}

// RUN: tenon-opt --tenon-pack-products=winograd=true %s | FileCheck %s
// RUN: tenon-opt --tenon-pack-products %s | FileCheck %s --check-prefix=OFF

// The filter's transform is a product with 36 x 9 constants, which runs at compile time.
// CHECK-LABEL: func.func @wins
// CHECK: tenon.packed_contract {{.*}} : tensor<36x9xf32>, tensor<256x9x16xf32> -> tensor<36x4096xf32>
// CHECK: %[[U:.*]] = tenon.transpose {{.*}} [2, 0, 1, 3] : tensor<36x64x4x16xf32> -> tensor<4x36x64x16xf32>
// CHECK: tenon.winograd_conv %{{.*}}, %[[U]] low [1, 1] high [1, 1]
// OFF-LABEL: func.func @wins
// OFF: tenon.packed_conv
func.func @wins(%x: tensor<1x56x56x64xf32>) -> tensor<1x56x56x64xf32> {
  %w = tenon.constant dense<1.0> : tensor<3x3x64x64xf32>
  %y = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x56x56x64xf32>, tensor<3x3x64x64xf32> -> tensor<1x56x56x64xf32>
  return %y : tensor<1x56x56x64xf32>
}

// Four tiles: a filter of four times the size costs more than its products save.
// CHECK-LABEL: func.func @small_image
// CHECK: tenon.packed_conv
func.func @small_image(%x: tensor<1x7x7x512xf32>) -> tensor<1x7x7x512xf32> {
  %w = tenon.constant dense<1.0> : tensor<3x3x512x512xf32>
  %y = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x7x7x512xf32>, tensor<3x3x512x512xf32> -> tensor<1x7x7x512xf32>
  return %y : tensor<1x7x7x512xf32>
}

// A filter that is computed in each run would be transformed in each run.
// CHECK-LABEL: func.func @filter_of_a_run
// CHECK: tenon.packed_conv
func.func @filter_of_a_run(%x: tensor<1x56x56x64xf32>, %w: tensor<3x3x64x64xf32>) -> tensor<1x56x56x64xf32> {
  %y = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x56x56x64xf32>, tensor<3x3x64x64xf32> -> tensor<1x56x56x64xf32>
  return %y : tensor<1x56x56x64xf32>
}

// CHECK-LABEL: func.func @stride
// CHECK: tenon.packed_conv
func.func @stride(%x: tensor<1x57x57x64xf32>) -> tensor<1x28x28x64xf32> {
  %w = tenon.constant dense<1.0> : tensor<3x3x64x64xf32>
  %y = tenon.conv %x, %w strides [2, 2] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 : tensor<1x57x57x64xf32>, tensor<3x3x64x64xf32> -> tensor<1x28x28x64xf32>
  return %y : tensor<1x28x28x64xf32>
}

// Products of bf16 cost half as much in the direct form; the transforms are computed in f32.
// CHECK-LABEL: func.func @bf16
// CHECK: tenon.cast {{.*}} : tensor<3x3x64x64xbf16> -> tensor<3x3x64x64xf32>
// CHECK: tenon.winograd_conv %arg0, {{.*}} : tensor<1x56x56x64xbf16>, tensor<4x36x64x16xf32> -> tensor<1x56x56x64xf32>
func.func @bf16(%x: tensor<1x56x56x64xbf16>) -> tensor<1x56x56x64xf32> {
  %w = tenon.constant dense<1.0> : tensor<3x3x64x64xbf16>
  %y = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x56x56x64xbf16>, tensor<3x3x64x64xbf16> -> tensor<1x56x56x64xf32>
  return %y : tensor<1x56x56x64xf32>
}

// CHECK-LABEL: func.func @small_image_of_bf16
// CHECK: tenon.packed_conv
func.func @small_image_of_bf16(%x: tensor<1x14x14x256xbf16>) -> tensor<1x14x14x256xf32> {
  %w = tenon.constant dense<1.0> : tensor<3x3x256x256xbf16>
  %y = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x14x14x256xbf16>, tensor<3x3x256x256xbf16> -> tensor<1x14x14x256xf32>
  return %y : tensor<1x14x14x256xf32>
}

// RUN: tenon-opt %s --split-input-file --verify-diagnostics

func.func @reshape_count(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{expected 6 elements in the result, found 8}}
  %0 = tenon.reshape %x : tensor<2x3xf32> -> tensor<8xf32>
  return
}

// -----
func.func @reshape_sizes(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{expected one size operand for each of the 1 dynamic dimensions of 'tensor<?xf32>', found 0}}
  %0 = tenon.reshape %x : tensor<2x3xf32> -> tensor<?xf32>
  return
}

// -----
func.func @broadcast(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{expected size 2 for dimension 0 of the result, found 4}}
  %0 = tenon.broadcast %x : tensor<2x3xf32> -> tensor<4x3xf32>
  return
}

// -----
func.func @transpose(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{expected a permutation, found axis 1 twice}}
  %0 = tenon.transpose %x [1, 1] : tensor<2x3xf32> -> tensor<3x3xf32>
  return
}

// -----
func.func @slice(%x: tensor<8xf32>) {
  // expected-error @+1 {{expected elements 0 up to and without 8 of dimension 0, found elements 4 to 10}}
  %0 = tenon.slice %x offsets() [4] sizes() strides [2] : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----
func.func @concat(%x: tensor<2x3xf32>, %y: tensor<3x3xf32>) {
  // expected-error @+1 {{expected size 2 for dimension 0 of an input, found 3}}
  %0 = tenon.concat %x, %y axis 1 : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x6xf32>
  return
}

// -----
func.func @reduce(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{expected an axis from 0 up to and without 2, found 2}}
  %0 = tenon.reduce sum %x [2] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----
func.func @contract(%x: tensor<2x3xf32>, %y: tensor<4x5xf32>) {
  // expected-error @+1 {{expected size 3 for the summed dimension of rhs, found 4}}
  %0 = tenon.contract %x, %y : tensor<2x3xf32>, tensor<4x5xf32> -> tensor<2x5xf32>
  return
}

// -----
func.func @conv_groups(%x: tensor<1x4x4x6xf32>, %w: tensor<1x1x4x8xf32>) {
  // expected-error @+1 {{expected channels (6) = groups (1) * channels of the filter (4)}}
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 : tensor<1x4x4x6xf32>, tensor<1x1x4x8xf32> -> tensor<1x4x4x8xf32>
  return
}

// -----
func.func @conv_positions(%x: tensor<1x4x4x4xf32>, %w: tensor<3x3x4x8xf32>) {
  // expected-error @+1 {{expected size 2 for dimension 1 of result 0, found 4}}
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 : tensor<1x4x4x4xf32>, tensor<3x3x4x8xf32> -> tensor<1x4x4x8xf32>
  return
}

// -----
func.func @conv_pad_value(%x: tensor<1x4x4x4xui8>, %w: tensor<1x1x4x8xi8>) {
  // expected-error @+1 {{expected a 'pad_value' that is an element of the input, 'ui8', found -1}}
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 pad_value -1 : tensor<1x4x4x4xui8>, tensor<1x1x4x8xi8> -> tensor<1x4x4x8xi32>
  return
}

// -----
func.func @conv_pad_value_of_floats(%x: tensor<1x4x4x4xf32>, %w: tensor<1x1x4x8xf32>) {
  // expected-error @+1 {{expected integer inputs with 'pad_value' 3, found 'f32'}}
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 pad_value 3 : tensor<1x4x4x4xf32>, tensor<1x1x4x8xf32> -> tensor<1x4x4x8xf32>
  return
}

// -----
func.func @conv_mixed(%x: tensor<1x4x4x4xui8>, %w: tensor<1x1x4x8xf32>) {
  // expected-error @+1 {{expected operands and result to be all floating or all integer, found 'ui8', 'f32' and 'i32'}}
  %0 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 : tensor<1x4x4x4xui8>, tensor<1x1x4x8xf32> -> tensor<1x4x4x8xi32>
  return
}

// -----
func.func @gather_nd(%x: tensor<4x5xf32>, %i: tensor<2x3xi64>) {
  // expected-error @+1 {{expected index vectors of a constant length from 1 to 2, found 3}}
  %0 = tenon.gather_nd %x, %i batch 0 : tensor<4x5xf32>, tensor<2x3xi64> -> tensor<2xf32>
  return
}

// -----
func.func @attention_heads(%q: tensor<1x5x4x8xf32>, %k: tensor<1x2x4x8xf32>) {
  // expected-error @+1 {{expected query heads that are a multiple of the 2 key heads, found 5}}
  %0 = tenon.attention %q, %k, %k : tensor<1x5x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x5x4x8xf32>
  return
}

// -----
// expected-error @+1 {{expected 32 bytes for 'tensor<2x4xf32>', found 16}}
tenon.weight @w : tensor<2x4xf32> = "", 0, 16, ""

// -----
func.func @weight() {
  // expected-error @+1 {{expected @w to name a tenon.weight, found none}}
  %0 = tenon.get_weight @w : tensor<2x4xf32>
  return
}

// -----
func.func @kernel(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected block arguments of types ('tensor<4xf32>'), found ('tensor<5xf32>')}}
  %y = tenon.kernel "map" (%x) sizes() result_sizes() : (tensor<4xf32>) -> tensor<5xf32> {
  ^bb0(%a: tensor<5xf32>):
    tenon.yield %a : tensor<5xf32>
  }
  return
}

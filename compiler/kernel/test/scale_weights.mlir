// RUN: tenon-opt --tenon-pack-products=scale-weights --split-input-file %s | FileCheck %s --check-prefixes=CHECK,SCALED
// RUN: tenon-opt --tenon-pack-products --split-input-file %s | FileCheck %s --check-prefixes=CHECK,PLAIN

// One image: its factors multiply 24 rows of weights instead of 128 rows of pixels.
// CHECK-LABEL: @squeeze_excite
// CHECK-SAME: %[[X:.*]]: tensor<1x8x16x24xf32>, %[[S:.*]]: tensor<1x1x1x24xf32>
// PLAIN: %[[M:.*]] = tenon.mul
// PLAIN: tenon.packed_contract %[[M]],
// SCALED: %[[W:.*]] = tenon.transpose {{.*}} [1, 0, 2]
// SCALED: %[[R:.*]] = tenon.reshape %[[S]] : tensor<1x1x1x24xf32> -> tensor<1x24x1xf32>
// SCALED: %[[B:.*]] = tenon.broadcast %[[R]] : tensor<1x24x1xf32> -> tensor<3x24x16xf32>
// SCALED: %[[P:.*]] = tenon.mul %[[W]], %[[B]] : tensor<3x24x16xf32>
// SCALED: tenon.packed_contract %[[X]], %[[P]]
func.func @squeeze_excite(%x: tensor<1x8x16x24xf32>, %s: tensor<1x1x1x24xf32>) -> tensor<1x8x16x40xf32> {
  %w = tenon.constant dense<2.0> : tensor<1x1x24x40xf32>
  %b = tenon.broadcast %s : tensor<1x1x1x24xf32> -> tensor<1x8x16x24xf32>
  %m = tenon.mul %x, %b : tensor<1x8x16x24xf32>
  %y = tenon.conv %m, %w strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1 : tensor<1x8x16x24xf32>, tensor<1x1x24x40xf32> -> tensor<1x8x16x40xf32>
  return %y : tensor<1x8x16x40xf32>
}

// -----

// Each image has weights of its own, however many there are.
// CHECK-LABEL: @images
// SCALED: %[[W:.*]] = tenon.transpose {{.*}} [1, 0, 2]
// SCALED: %[[R:.*]] = tenon.reshape %arg1({{.*}}) : tensor<?x1x1x24xf32> -> tensor<?x1x24x1xf32>
// SCALED: %[[F:.*]] = tenon.broadcast %[[R]]({{.*}} -> tensor<?x3x24x16xf32>
// SCALED: %[[V:.*]] = tenon.reshape %[[W]] : tensor<3x24x16xf32> -> tensor<1x3x24x16xf32>
// SCALED: %[[B:.*]] = tenon.broadcast %[[V]]({{.*}} -> tensor<?x3x24x16xf32>
// SCALED: %[[P:.*]] = tenon.mul %[[B]], %[[F]]
// SCALED: tenon.packed_contract %arg0, %[[P]] : tensor<?x?x?x24xf32>, tensor<?x3x24x16xf32> -> tensor<?x?x?x40xf32>
func.func @images(%x: tensor<?x?x?x24xf32> {tenon.dims = ["n", "h", "w", 24]}, %s: tensor<?x1x1x24xf32> {tenon.dims = ["n", 1, 1, 24]}) -> tensor<?x?x?x40xf32> {
  %n = tenon.symbol "n" min 1 multiple_of 1 likely []
  %h = tenon.symbol "h" min 1 multiple_of 1 likely []
  %width = tenon.symbol "w" min 1 multiple_of 1 likely []
  %w = tenon.constant dense<2.0> : tensor<24x40xf32>
  %b = tenon.broadcast %s (%n, %h, %width) : tensor<?x1x1x24xf32> -> tensor<?x?x?x24xf32>
  %m = tenon.mul %b, %x : tensor<?x?x?x24xf32>
  %y = tenon.contract %m, %w : tensor<?x?x?x24xf32>, tensor<24x40xf32> -> tensor<?x?x?x40xf32>
  return %y : tensor<?x?x?x40xf32>
}

// -----

// Few rows in all or in each image, a product that another operation reads too, and weights that are not known: the
// rows are multiplied.
// CHECK-LABEL: @rows
// CHECK-COUNT-4: tenon.mul
// CHECK-NOT: tenon.mul
func.func @rows(%few: tensor<20x24xf32>, %s: tensor<1x24xf32>, %images: tensor<2x64x24xf32>, %each: tensor<2x1x24xf32>,
    %many: tensor<256x24xf32>, %v: tensor<24x40xf32>) -> (tensor<20x40xf32>, tensor<2x64x40xf32>, tensor<256x40xf32>, tensor<256x24xf32>, tensor<256x40xf32>) {
  %w = tenon.constant dense<2.0> : tensor<24x40xf32>
  %b0 = tenon.broadcast %s : tensor<1x24xf32> -> tensor<20x24xf32>
  %m0 = tenon.mul %few, %b0 : tensor<20x24xf32>
  %y0 = tenon.contract %m0, %w : tensor<20x24xf32>, tensor<24x40xf32> -> tensor<20x40xf32>
  %b1 = tenon.broadcast %each : tensor<2x1x24xf32> -> tensor<2x64x24xf32>
  %m1 = tenon.mul %images, %b1 : tensor<2x64x24xf32>
  %y1 = tenon.contract %m1, %w : tensor<2x64x24xf32>, tensor<24x40xf32> -> tensor<2x64x40xf32>
  %b2 = tenon.broadcast %s : tensor<1x24xf32> -> tensor<256x24xf32>
  %m2 = tenon.mul %many, %b2 : tensor<256x24xf32>
  %y2 = tenon.contract %m2, %w : tensor<256x24xf32>, tensor<24x40xf32> -> tensor<256x40xf32>
  %m3 = tenon.mul %b2, %many : tensor<256x24xf32>
  %y3 = tenon.contract %m3, %v : tensor<256x24xf32>, tensor<24x40xf32> -> tensor<256x40xf32>
  return %y0, %y1, %y2, %m2, %y3 : tensor<20x40xf32>, tensor<2x64x40xf32>, tensor<256x40xf32>, tensor<256x24xf32>, tensor<256x40xf32>
}

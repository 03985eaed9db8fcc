// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.max_pool '
// FLOATS: -5 -1
// SIZES: 1x9x9x24
// SIZES: 2x9x12x24

// CHECK-LABEL: @main
// CHECK: tenon.reduce_window max{{ }}
// CHECK: tenon.reduce_window max{{ }}
// CHECK: tenon.slice{{ }}

func.func @main(%x: tensor<?x9x?x24xf32> {tenon.dims = ["b", 9, "w", 24], tenon.name = "x"}) -> (tensor<?x5x?x24xf32> {tenon.name = "padded"}, tensor<?x4x?x24xf32> {tenon.name = "ceiling"}) {
  %b = tenon.symbol "b" min 1 multiple_of 1 likely []
  %w = tenon.symbol "w" min 1 multiple_of 1 likely []
  %padded = tenon.max_pool %x window [3, 3] strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] : tensor<?x9x?x24xf32> -> tensor<?x5x?x24xf32>
  %ceiling = tenon.max_pool %x window [3, 2] strides [2, 3] dilations [1, 1] low [0, 0] high [0, 0] {ceil_mode} : tensor<?x9x?x24xf32> -> tensor<?x4x?x24xf32>
  return %padded, %ceiling : tensor<?x5x?x24xf32>, tensor<?x4x?x24xf32>
}

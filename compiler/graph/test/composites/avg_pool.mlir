// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.avg_pool '
// SIZES: 1x9x9x24
// SIZES: 2x9x12x24

// CHECK-LABEL: @main
// CHECK: tenon.reduce_window sum{{ }}
// CHECK: tenon.reduce_window sum{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.reduce_window sum{{ }}
// CHECK: tenon.div{{ }}

func.func @main(%x: tensor<?x9x?x24xf32> {tenon.dims = ["b", 9, "w", 24], tenon.name = "x"}) -> (tensor<?x5x?x24xf32> {tenon.name = "inside"}, tensor<?x5x?x24xf32> {tenon.name = "whole"}) {
  %b = tenon.symbol "b" min 1 multiple_of 1 likely []
  %w = tenon.symbol "w" min 1 multiple_of 1 likely []
  %inside = tenon.avg_pool %x window [3, 3] strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] : tensor<?x9x?x24xf32> -> tensor<?x5x?x24xf32>
  %whole = tenon.avg_pool %x window [3, 3] strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] {include_pad} : tensor<?x9x?x24xf32> -> tensor<?x5x?x24xf32>
  return %inside, %whole : tensor<?x5x?x24xf32>, tensor<?x5x?x24xf32>
}

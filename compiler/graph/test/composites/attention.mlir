// RUN: tenon-opt %s --tenon-decompose | FileCheck %s --implicit-check-not='tenon.attention '
// SIZES: 1x6x1x20, 1x2x1x20, 1x2x1x20, 1x1x1x1, 1x1x1x1
// SIZES: 2x6x19x20, 2x2x19x20, 2x2x19x20, 2x1x1x19, 2x1x1x19

// CHECK-LABEL: @main
// CHECK: tenon.mul{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.contract{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.add{{ }}
// CHECK: tenon.iota
// CHECK: tenon.reduce max{{ }}
// CHECK: tenon.max{{ }}
// CHECK: tenon.sub{{ }}
// CHECK: tenon.exp{{ }}
// CHECK: tenon.reduce sum{{ }}
// CHECK: tenon.cmp{{ }}
// CHECK: tenon.select{{ }}
// CHECK: tenon.div{{ }}
// CHECK: tenon.reshape{{ }}
// CHECK: tenon.contract{{ }}

// Groups of heads with an added mask, causal, with a mask of truth values, and a form that only the decomposition has.
func.func @main(%q: tensor<?x6x?x20xf32> {tenon.dims = ["b", 6, "s", 20], tenon.name = "q"}, %k: tensor<?x2x?x20xf32> {tenon.dims = ["b", 2, "s", 20], tenon.name = "k"}, %v: tensor<?x2x?x20xf32> {tenon.dims = ["b", 2, "s", 20], tenon.name = "v"}, %m: tensor<?x1x1x?xf32> {tenon.dims = ["b", 1, 1, "s"], tenon.name = "m"}, %t: tensor<?x1x1x?xi1> {tenon.dims = ["b", 1, 1, "s"], tenon.name = "t"}) -> (tensor<?x6x?x20xf32> {tenon.name = "added"}, tensor<?x6x?x20xf32> {tenon.name = "causal"}, tensor<?x6x?x20xf32> {tenon.name = "truth"}, tensor<?x6x?x20xf32> {tenon.name = "window"}) {
  %b = tenon.symbol "b" min 1 multiple_of 1 likely []
  %s = tenon.symbol "s" min 1 multiple_of 1 likely []
  %added = tenon.attention %q, %k, %v mask(%m : tensor<?x1x1x?xf32>) {scale = 0.0 : f64} : tensor<?x6x?x20xf32>, tensor<?x2x?x20xf32>, tensor<?x2x?x20xf32> -> tensor<?x6x?x20xf32>
  %causal = tenon.attention %q, %k, %v {scale = 0.5 : f64, causal} : tensor<?x6x?x20xf32>, tensor<?x2x?x20xf32>, tensor<?x2x?x20xf32> -> tensor<?x6x?x20xf32>
  %truth = tenon.attention %q, %k, %v mask(%t : tensor<?x1x1x?xi1>) {scale = 0.5 : f64} : tensor<?x6x?x20xf32>, tensor<?x2x?x20xf32>, tensor<?x2x?x20xf32> -> tensor<?x6x?x20xf32>
  %window = tenon.attention %q, %k, %v {scale = 0.25 : f64, causal, window = 3 : i64, softcap = 2.0 : f64} : tensor<?x6x?x20xf32>, tensor<?x2x?x20xf32>, tensor<?x2x?x20xf32> -> tensor<?x6x?x20xf32>
  return %added, %causal, %truth, %window : tensor<?x6x?x20xf32>, tensor<?x6x?x20xf32>, tensor<?x6x?x20xf32>, tensor<?x6x?x20xf32>
}

// RUN: tenon-opt %s --tenon-recognize-composites --split-input-file | FileCheck %s

// The scale is split over query and key, as torch exports scaled_dot_product_attention.
// CHECK-LABEL: @split_scale
// CHECK: tenon.attention %arg0, %arg1, %arg2 mask(%arg3 : tensor<2x1x1x?xf32>) {scale = 2.500000e-01 : f64}
// CHECK-NEXT: return
func.func @split_scale(%q: tensor<2x4x?x16xf32>, %k: tensor<2x4x?x16xf32>, %v: tensor<2x4x?x16xf32>, %m: tensor<2x1x1x?xf32>, %n: index, %s: index) -> tensor<2x4x?x16xf32> {
  %c = tenon.constant dense<0.5> : tensor<1x1x1x1xf32>
  %cq = tenon.broadcast %c (%n) : tensor<1x1x1x1xf32> -> tensor<2x4x?x16xf32>
  %ck = tenon.broadcast %c (%s) : tensor<1x1x1x1xf32> -> tensor<2x4x16x?xf32>
  %qs = tenon.mul %q, %cq : tensor<2x4x?x16xf32>
  %kt = tenon.transpose %k [0, 1, 3, 2] : tensor<2x4x?x16xf32> -> tensor<2x4x16x?xf32>
  %ks = tenon.mul %kt, %ck : tensor<2x4x16x?xf32>
  %l = tenon.contract %qs, %ks : tensor<2x4x?x16xf32>, tensor<2x4x16x?xf32> -> tensor<2x4x?x?xf32>
  %mb = tenon.broadcast %m (%n, %s) : tensor<2x1x1x?xf32> -> tensor<2x4x?x?xf32>
  %lm = tenon.add %l, %mb : tensor<2x4x?x?xf32>
  %p = tenon.softmax %lm axis 3 : tensor<2x4x?x?xf32>
  %y = tenon.contract %p, %v : tensor<2x4x?x?xf32>, tensor<2x4x?x16xf32> -> tensor<2x4x?x16xf32>
  return %y : tensor<2x4x?x16xf32>
}

// -----
// The key comes as [B, S, H, D] and is transposed once for the product; the logits are divided.
// CHECK-LABEL: @key_transposed_once
// CHECK: %[[K:.*]] = tenon.transpose %{{.*}} [0, 1, 3, 2] : tensor<2x4x16x8xf32> -> tensor<2x4x8x16xf32>
// CHECK: tenon.attention %arg0, %[[K]], %arg2 {scale = 2.500000e-01 : f64}
func.func @key_transposed_once(%q: tensor<2x4x8x16xf32>, %k: tensor<2x8x4x16xf32>, %v: tensor<2x4x8x16xf32>) -> tensor<2x4x8x16xf32> {
  %kt = tenon.transpose %k [0, 2, 3, 1] : tensor<2x8x4x16xf32> -> tensor<2x4x16x8xf32>
  %l = tenon.contract %q, %kt : tensor<2x4x8x16xf32>, tensor<2x4x16x8xf32> -> tensor<2x4x8x8xf32>
  %four = tenon.constant dense<4.0> : tensor<2x4x8x8xf32>
  %d = tenon.div %l, %four : tensor<2x4x8x8xf32>
  %p = tenon.softmax %d axis 3 : tensor<2x4x8x8xf32>
  %y = tenon.contract %p, %v : tensor<2x4x8x8xf32>, tensor<2x4x8x16xf32> -> tensor<2x4x8x16xf32>
  return %y : tensor<2x4x8x16xf32>
}

// -----
// A boolean mask, a guard against empty rows, and heads shared by two queries each.
// CHECK-LABEL: @boolean_mask_grouped
// CHECK: tenon.attention %arg0, %arg1, %arg2 mask(%arg3 : tensor<1x1x8x8xi1>) {scale = 1.000000e+00 : f64} : tensor<2x4x8x16xf32>, tensor<2x2x8x16xf32>, tensor<2x2x8x16xf32>
func.func @boolean_mask_grouped(%q: tensor<2x4x8x16xf32>, %k: tensor<2x2x8x16xf32>, %v: tensor<2x2x8x16xf32>, %m: tensor<1x1x8x8xi1>) -> tensor<2x4x8x16xf32> {
  %k5 = tenon.reshape %k : tensor<2x2x8x16xf32> -> tensor<2x2x1x8x16xf32>
  %kr = tenon.broadcast %k5 : tensor<2x2x1x8x16xf32> -> tensor<2x2x2x8x16xf32>
  %kh = tenon.reshape %kr : tensor<2x2x2x8x16xf32> -> tensor<2x4x8x16xf32>
  %v5 = tenon.reshape %v : tensor<2x2x8x16xf32> -> tensor<2x2x1x8x16xf32>
  %vr = tenon.broadcast %v5 : tensor<2x2x1x8x16xf32> -> tensor<2x2x2x8x16xf32>
  %vh = tenon.reshape %vr : tensor<2x2x2x8x16xf32> -> tensor<2x4x8x16xf32>
  %l = tenon.contract %q, %kh transpose_rhs : tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32> -> tensor<2x4x8x8xf32>
  %mb = tenon.broadcast %m : tensor<1x1x8x8xi1> -> tensor<2x4x8x8xi1>
  %inf = tenon.constant dense<0xFF800000> : tensor<2x4x8x8xf32>
  %zero = tenon.constant dense<0.0> : tensor<2x4x8x8xf32>
  %lm = tenon.select %mb, %l, %inf : tensor<2x4x8x8xi1>, tensor<2x4x8x8xf32>
  %p = tenon.softmax %lm axis 3 : tensor<2x4x8x8xf32>
  %nan = tenon.cmp ne %p, %p : tensor<2x4x8x8xf32> -> tensor<2x4x8x8xi1>
  %g = tenon.select %nan, %zero, %p : tensor<2x4x8x8xi1>, tensor<2x4x8x8xf32>
  %y = tenon.contract %g, %vh : tensor<2x4x8x8xf32>, tensor<2x4x8x16xf32> -> tensor<2x4x8x16xf32>
  return %y : tensor<2x4x8x16xf32>
}

// -----
// Heads folded into the batch.
// CHECK-LABEL: @three_dimensions
// CHECK: %[[A:.*]] = tenon.attention %{{.*}} {scale = 1.000000e+00 : f64} : tensor<8x1x4x16xf32>, tensor<8x1x4x16xf32>, tensor<8x1x4x16xf32> -> tensor<8x1x4x16xf32>
// CHECK: tenon.reshape %[[A]] : tensor<8x1x4x16xf32> -> tensor<8x4x16xf32>
func.func @three_dimensions(%q: tensor<8x4x16xf32>, %k: tensor<8x4x16xf32>, %v: tensor<8x4x16xf32>) -> tensor<8x4x16xf32> {
  %l = tenon.contract %q, %k transpose_rhs : tensor<8x4x16xf32>, tensor<8x4x16xf32> -> tensor<8x4x4xf32>
  %p = tenon.softmax %l axis 2 : tensor<8x4x4xf32>
  %y = tenon.contract %p, %v : tensor<8x4x4xf32>, tensor<8x4x16xf32> -> tensor<8x4x16xf32>
  return %y : tensor<8x4x16xf32>
}

// -----
// A softmax that something else feeds is no attention.
// CHECK-LABEL: @not_attention
// CHECK-NOT: tenon.attention
func.func @not_attention(%l: tensor<8x4x4xf32>, %v: tensor<8x4x16xf32>) -> tensor<8x4x16xf32> {
  %p = tenon.softmax %l axis 2 : tensor<8x4x4xf32>
  %y = tenon.contract %p, %v : tensor<8x4x4xf32>, tensor<8x4x16xf32> -> tensor<8x4x16xf32>
  return %y : tensor<8x4x16xf32>
}

// -----
// Keys and values of one head are repeated for all: nothing is repeated.
// CHECK-LABEL: @one_head_for_all
// CHECK: %[[K:.*]] = tenon.transpose %arg1 [0, 1, 3, 2] : tensor<3x1x16x8xf32> -> tensor<3x1x8x16xf32>
// CHECK: tenon.attention %arg0, %[[K]], %arg2 {scale = 1.000000e+00 : f64} : tensor<3x4x5x16xf32>, tensor<3x1x8x16xf32>, tensor<3x1x8x16xf32>
func.func @one_head_for_all(%q: tensor<3x4x5x16xf32>, %k: tensor<3x1x16x8xf32>, %v: tensor<3x1x8x16xf32>) -> tensor<3x4x5x16xf32> {
  %kr = tenon.broadcast %k : tensor<3x1x16x8xf32> -> tensor<3x4x16x8xf32>
  %l = tenon.contract %q, %kr : tensor<3x4x5x16xf32>, tensor<3x4x16x8xf32> -> tensor<3x4x5x8xf32>
  %p = tenon.softmax %l axis 3 : tensor<3x4x5x8xf32>
  %vr = tenon.broadcast %v : tensor<3x1x8x16xf32> -> tensor<3x4x8x16xf32>
  %y = tenon.contract %p, %vr : tensor<3x4x5x8xf32>, tensor<3x4x8x16xf32> -> tensor<3x4x5x16xf32>
  return %y : tensor<3x4x5x16xf32>
}

// -----
// Keys of one head for all, values of as many as there are queries: they stay as they are.
// CHECK-LABEL: @keys_of_one_head
// CHECK: tenon.attention {{.*}} : tensor<3x4x5x16xf32>, tensor<3x4x8x16xf32>, tensor<3x4x8x16xf32>
func.func @keys_of_one_head(%q: tensor<3x4x5x16xf32>, %k: tensor<3x1x16x8xf32>, %v: tensor<3x4x8x16xf32>) -> tensor<3x4x5x16xf32> {
  %kr = tenon.broadcast %k : tensor<3x1x16x8xf32> -> tensor<3x4x16x8xf32>
  %l = tenon.contract %q, %kr : tensor<3x4x5x16xf32>, tensor<3x4x16x8xf32> -> tensor<3x4x5x8xf32>
  %p = tenon.softmax %l axis 3 : tensor<3x4x5x8xf32>
  %y = tenon.contract %p, %v : tensor<3x4x5x8xf32>, tensor<3x4x8x16xf32> -> tensor<3x4x5x16xf32>
  return %y : tensor<3x4x5x16xf32>
}

// -----
// One position of heads that share keys: its heads become positions, which read each key once.
// CHECK-LABEL: @one_position
// CHECK: %[[Q:.*]] = tenon.reshape %arg0(%{{.*}}) : tensor<?x6x1x16xf32> -> tensor<?x2x3x16xf32>
// CHECK: %[[Y:.*]] = tenon.attention %[[Q]], %arg1, %arg2 mask(%arg3 : tensor<1x1x1x?xf32>) : tensor<?x2x3x16xf32>
// CHECK: %[[R:.*]] = tenon.reshape %[[Y]](%{{.*}}) : tensor<?x2x3x16xf32> -> tensor<?x6x1x16xf32>
// CHECK: return %[[R]]
func.func @one_position(%q: tensor<?x6x1x16xf32> {tenon.dims = ["b", 6, 1, 16]}, %k: tensor<?x2x?x16xf32> {tenon.dims = ["b", 2, "n", 16]}, %v: tensor<?x2x?x16xf32> {tenon.dims = ["b", 2, "n", 16]}, %m: tensor<1x1x1x?xf32> {tenon.dims = [1, 1, 1, "n"]}) -> tensor<?x6x1x16xf32> {
  %y = tenon.attention %q, %k, %v mask(%m : tensor<1x1x1x?xf32>) {scale = 0.0 : f64, causal} : tensor<?x6x1x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32> -> tensor<?x6x1x16xf32>
  return %y : tensor<?x6x1x16xf32>
}

// -----
// A mask for each head: heads stay heads.
// CHECK-LABEL: @mask_of_heads
// CHECK: tenon.attention %arg0, %arg1, %arg2 mask(%arg3 : tensor<1x6x1x8xf32>)
func.func @mask_of_heads(%q: tensor<1x6x1x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x16xf32>, %m: tensor<1x6x1x8xf32>) -> tensor<1x6x1x16xf32> {
  %y = tenon.attention %q, %k, %v mask(%m : tensor<1x6x1x8xf32>) {scale = 0.0 : f64} : tensor<1x6x1x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32> -> tensor<1x6x1x16xf32>
  return %y : tensor<1x6x1x16xf32>
}

// RUN: tenon-opt %s --tenon-simplify --split-input-file | FileCheck %s

// CHECK-LABEL: @neutral
// CHECK-NEXT: %[[Y:.*]] = tenon.mul %arg0, %arg0 : tensor<4xf32>
// CHECK-NEXT: return %[[Y]]
func.func @neutral(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = tenon.constant dense<0.0> : tensor<4xf32>
  %one = tenon.constant dense<1.0> : tensor<4xf32>
  %two = tenon.constant dense<2.0> : tensor<4xf32>
  %0 = tenon.add %x, %zero : tensor<4xf32>
  %1 = tenon.mul %0, %one : tensor<4xf32>
  %2 = tenon.div %1, %one : tensor<4xf32>
  %3 = tenon.pow %2, %two : tensor<4xf32>
  return %3 : tensor<4xf32>
}

// -----
// The sizes are the same expression, though written in two ways.
// CHECK-LABEL: @same_sizes
// CHECK: return %arg0
func.func @same_sizes(%x: tensor<?x?xf32> {tenon.dims = ["a", "b"]}) -> tensor<?x?xf32> {
  %a = tenon.symbol "a" min 1 multiple_of 1 likely []
  %b = tenon.symbol "b" min 1 multiple_of 1 likely []
  %ab = arith.muli %a, %b : index
  %flat = tenon.reshape %x (%ab) : tensor<?x?xf32> -> tensor<?xf32>
  %y = tenon.reshape %flat (%a, %b) : tensor<?xf32> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----
// CHECK-LABEL: @repeated
// CHECK: %[[S:.*]] = tenon.add %arg0, %arg1 : tensor<1x4xf32>
// CHECK: %[[E:.*]] = tenon.exp %[[S]] : tensor<1x4xf32>
// CHECK: tenon.broadcast %[[E]](%arg2) : tensor<1x4xf32> -> tensor<?x4xf32>
func.func @repeated(%x: tensor<1x4xf32>, %y: tensor<1x4xf32>, %n: index) -> tensor<?x4xf32> {
  %a = tenon.broadcast %x (%n) : tensor<1x4xf32> -> tensor<?x4xf32>
  %b = tenon.broadcast %y (%n) : tensor<1x4xf32> -> tensor<?x4xf32>
  %s = tenon.add %a, %b : tensor<?x4xf32>
  %e = tenon.exp %s : tensor<?x4xf32>
  return %e : tensor<?x4xf32>
}

// -----
// CHECK-LABEL: @casts
// CHECK-NEXT: %[[Y:.*]] = tenon.cast %arg0 : tensor<4xi8> -> tensor<4xf32>
// CHECK-NEXT: %[[Z:.*]] = tenon.cast %arg1 : tensor<4xf32> -> tensor<4xi8>
// CHECK-NEXT: tenon.cast %[[Z]] : tensor<4xi8> -> tensor<4xf32>
func.func @casts(%x: tensor<4xi8>, %f: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = tenon.cast %x : tensor<4xi8> -> tensor<4xi32>
  %1 = tenon.cast %0 : tensor<4xi32> -> tensor<4xf32>
  %2 = tenon.cast %f : tensor<4xf32> -> tensor<4xi8>
  %3 = tenon.cast %2 : tensor<4xi8> -> tensor<4xf32>
  return %1, %3 : tensor<4xf32>, tensor<4xf32>
}

// -----
// A mask of the keys is the same for all queries, whatever numbers it is chosen from.
// CHECK-LABEL: @mask
// CHECK: tenon.select %arg0, %{{.*}}, %{{.*}} : tensor<1x1x8xi1>, tensor<1x1x8xf32>
// CHECK: tenon.broadcast %{{.*}} : tensor<1x1x8xf32> -> tensor<2x6x8xf32>
func.func @mask(%c: tensor<1x1x8xi1>) -> tensor<2x6x8xf32> {
  %zero = tenon.constant dense<0.0> : tensor<1x6x1xf32>
  %low = tenon.constant dense<-1.0> : tensor<1x1x1xf32>
  %cb = tenon.broadcast %c : tensor<1x1x8xi1> -> tensor<2x6x8xi1>
  %zb = tenon.broadcast %zero : tensor<1x6x1xf32> -> tensor<2x6x8xf32>
  %lb = tenon.broadcast %low : tensor<1x1x1xf32> -> tensor<2x6x8xf32>
  %s = tenon.select %cb, %zb, %lb : tensor<2x6x8xi1>, tensor<2x6x8xf32>
  return %s : tensor<2x6x8xf32>
}

// -----
// Repeated along one axis both, and to each other's sizes along the others; nothing is gained where no axis is left.
// CHECK-LABEL: @rows_and_columns
// CHECK: %[[X:.*]] = tenon.broadcast %arg0 : tensor<1x6x1xf32> -> tensor<1x6x8xf32>
// CHECK: %[[Y:.*]] = tenon.broadcast %arg1 : tensor<1x1x8xf32> -> tensor<1x6x8xf32>
// CHECK: %[[S:.*]] = tenon.add %[[X]], %[[Y]] : tensor<1x6x8xf32>
// CHECK: tenon.broadcast %[[S]] : tensor<1x6x8xf32> -> tensor<2x6x8xf32>
// CHECK: tenon.mul %{{.*}}, %{{.*}} : tensor<2x6x8xf32>
func.func @rows_and_columns(%x: tensor<1x6x1xf32>, %y: tensor<1x1x8xf32>, %z: tensor<2x1x1xf32>) -> (tensor<2x6x8xf32>, tensor<2x6x8xf32>) {
  %xb = tenon.broadcast %x : tensor<1x6x1xf32> -> tensor<2x6x8xf32>
  %yb = tenon.broadcast %y : tensor<1x1x8xf32> -> tensor<2x6x8xf32>
  %zb = tenon.broadcast %z : tensor<2x1x1xf32> -> tensor<2x6x8xf32>
  %s = tenon.add %xb, %yb : tensor<2x6x8xf32>
  %m = tenon.mul %s, %zb : tensor<2x6x8xf32>
  return %s, %m : tensor<2x6x8xf32>, tensor<2x6x8xf32>
}

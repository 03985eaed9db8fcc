// RUN: tenon-opt --tenon-form-segments --split-input-file %s | FileCheck %s

// Two kernels and the reshape between them become one; what is used outside is its result.
// CHECK-LABEL: @chain
// CHECK: %[[S:.*]]:2 = tenon.kernel "mortise"(%arg0)
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<4x6xf32>):
// CHECK: %[[A:.*]] = tenon.kernel "map"(%[[X]])
// CHECK: %[[R:.*]] = tenon.reshape %[[A]]
// CHECK: %[[B:.*]] = tenon.kernel "map"(%[[R]])
// CHECK: tenon.yield %[[A]], %[[B]]
// CHECK-NOT: tenon.kernel
// CHECK: return %[[S]]#0, %[[S]]#1
func.func @chain(%x: tensor<4x6xf32>) -> (tensor<4x6xf32>, tensor<24xf32>) {
  %0 = tenon.kernel "map"(%x) sizes() result_sizes() {tenon.take} : (tensor<4x6xf32>) -> tensor<4x6xf32> {
  ^bb0(%a: tensor<4x6xf32>):
    %t = tenon.tanh %a : tensor<4x6xf32>
    tenon.yield %t : tensor<4x6xf32>
  }
  %1 = tenon.reshape %0 : tensor<4x6xf32> -> tensor<24xf32>
  %2 = tenon.kernel "map"(%1) sizes() result_sizes() {tenon.take} : (tensor<24xf32>) -> tensor<24xf32> {
  ^bb0(%a: tensor<24xf32>):
    %t = tenon.exp %a : tensor<24xf32>
    tenon.yield %t : tensor<24xf32>
  }
  return %0, %2 : tensor<4x6xf32>, tensor<24xf32>
}

// -----

// A kernel of the CPU that needs the first one moves behind, one that the second one needs stays in front.
// CHECK-LABEL: @interleaved
// CHECK: %[[FRONT:.*]] = tenon.kernel "map"(%arg1)
// CHECK: %[[S:.*]]:2 = tenon.kernel "mortise"(%arg0, %[[FRONT]])
// CHECK: tenon.yield
// CHECK: tenon.yield
// CHECK: tenon.yield
// CHECK: %[[BEHIND:.*]] = tenon.kernel "map"(%[[S]]#0)
// CHECK: return %[[BEHIND]], %[[S]]#1
func.func @interleaved(%x: tensor<8xf32>, %y: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %0 = tenon.kernel "map"(%x) sizes() result_sizes() {tenon.take} : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %t = tenon.tanh %a : tensor<8xf32>
    tenon.yield %t : tensor<8xf32>
  }
  %1 = tenon.kernel "map"(%0) sizes() result_sizes() : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %t = tenon.log %a : tensor<8xf32>
    tenon.yield %t : tensor<8xf32>
  }
  %2 = tenon.kernel "map"(%y) sizes() result_sizes() : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %t = tenon.exp %a : tensor<8xf32>
    tenon.yield %t : tensor<8xf32>
  }
  %3 = tenon.kernel "map"(%2) sizes() result_sizes() {tenon.take} : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %t = tenon.tanh %a : tensor<8xf32>
    tenon.yield %t : tensor<8xf32>
  }
  return %1, %3 : tensor<8xf32>, tensor<8xf32>
}

// -----

// The CPU lies between the two: two segments.
// CHECK-LABEL: @between
// CHECK: tenon.kernel "mortise"
// CHECK: tenon.log
// CHECK: tenon.kernel "mortise"
func.func @between(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = tenon.kernel "map"(%x) sizes() result_sizes() {tenon.take} : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %t = tenon.tanh %a : tensor<8xf32>
    tenon.yield %t : tensor<8xf32>
  }
  %1 = tenon.kernel "map"(%0) sizes() result_sizes() : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %t = tenon.log %a : tensor<8xf32>
    tenon.yield %t : tensor<8xf32>
  }
  %2 = tenon.kernel "map"(%1) sizes() result_sizes() {tenon.take} : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %t = tenon.exp %a : tensor<8xf32>
    tenon.yield %t : tensor<8xf32>
  }
  return %2 : tensor<8xf32>
}

// -----

// Sizes that members name, and sizes of results, become operands of the segment.
// CHECK-LABEL: @dynamic
// CHECK: %[[N:.*]] = tensor.dim
// CHECK: tenon.kernel "mortise"(%arg0) sizes(%[[N]]) result_sizes(%[[N]])
// CHECK: tenon.kernel "map"(%{{.*}}) sizes() result_sizes(%{{.*}})
// CHECK: tenon.kernel "map"(%{{.*}}) sizes() result_sizes(%{{.*}})
func.func @dynamic(%x: tensor<?xf32> {tenon.dims = ["n"]}) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %0 = tenon.kernel "map"(%x) sizes() result_sizes(%n) {tenon.take} : (tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: tensor<?xf32>):
    %t = tenon.tanh %a : tensor<?xf32>
    tenon.yield %t : tensor<?xf32>
  }
  %1 = tenon.kernel "map"(%0) sizes() result_sizes(%n) {tenon.take} : (tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: tensor<?xf32>):
    %t = tenon.exp %a : tensor<?xf32>
    tenon.yield %t : tensor<?xf32>
  }
  return %1 : tensor<?xf32>
}

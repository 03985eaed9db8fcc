// RUN: tenon-opt %s --tenon-fold-constants --split-input-file | FileCheck %s
// RUN: tenon-opt %s --tenon-fold-constants=max-bytes=8 --split-input-file | FileCheck %s --check-prefix=SMALL

// A chain folds in one walk, through sizes and back to a tensor.
// CHECK-LABEL: func @chain
// CHECK: %[[R:.*]] = tenon.constant dense<[3, 12]> : tensor<2xi64>
// CHECK-NEXT: return %[[R]]
func.func @chain() -> tensor<2xi64> {
  %s = tenon.constant dense<[1, 3, 4]> : tensor<3xi64>
  %a = tenon.read_scalar %s at 1 : tensor<3xi64>
  %b = tenon.read_scalar %s at 2 : tensor<3xi64>
  %c = arith.muli %a, %b : index
  %r = tenon.from_index %a, %c : tensor<2xi64>
  return %r : tensor<2xi64>
}

// -----

// An operation that needs an argument stays.
// CHECK-LABEL: func @argument
// CHECK: tenon.add %{{.*}}, %{{.*}} : tensor<2xf32>
func.func @argument(%x: tensor<2xf32>) -> tensor<2xf32> {
  %k = tenon.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = tenon.add %x, %k : tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// The limit is on the results.
// CHECK-LABEL: func @limit
// CHECK-NOT: tenon.neg
// CHECK: tenon.constant dense<-3.000000e+00> : tensor<4xf32>
// SMALL-LABEL: func @limit
// SMALL: tenon.neg
// SMALL: tenon.constant dense<1.200000e+01> : tensor<1xf32>
// SMALL-NOT: tenon.reduce
func.func @limit() -> (tensor<4xf32>, tensor<1xf32>) {
  %k = tenon.constant dense<3.0> : tensor<4xf32>
  %n = tenon.neg %k : tensor<4xf32>
  %r = tenon.reduce sum %k [0] : tensor<4xf32> -> tensor<1xf32>
  return %n, %r : tensor<4xf32>, tensor<1xf32>
}

// -----

// A result whose type hides its sizes keeps the type.
// CHECK-LABEL: func @dynamic
// CHECK: %[[K:.*]] = tenon.constant dense<{{\[\[}}1.000000e+00, 2.000000e+00{{\]\]}}> : tensor<1x2xf32>
// CHECK: %[[C:.*]] = tensor.cast %[[K]] : tensor<1x2xf32> to tensor<1x?xf32>
// CHECK: return %[[C]]
func.func @dynamic(%n: index) -> tensor<1x?xf32> {
  %k = tenon.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %t = tensor.cast %k : tensor<2xf32> to tensor<?xf32>
  %c2 = arith.constant 2 : index
  %y = tenon.reshape %t (%c2) : tensor<?xf32> -> tensor<1x?xf32>
  return %y : tensor<1x?xf32>
}

// -----

// What fails to evaluate is left for the run, without an error.
// CHECK-LABEL: func @out_of_range
// CHECK: tenon.slice
func.func @out_of_range() -> tensor<?xf32> {
  %k = tenon.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %c5 = arith.constant 5 : index
  %y = tenon.slice %k offsets() [0] sizes(%c5) strides [1] : tensor<2xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// Composites fold by their decomposition, inside regions as well.
// CHECK-LABEL: func @composite
// CHECK: scf.if
// CHECK-NEXT: tenon.constant dense<[0.000000e+00, 2.000000e+00]> : tensor<2xf32>
// CHECK-NOT: tenon.relu
func.func @composite(%c: i1, %x: tensor<2xf32>) -> tensor<2xf32> {
  %k = tenon.constant dense<[-1.0, 2.0]> : tensor<2xf32>
  %r = scf.if %c -> tensor<2xf32> {
    %y = tenon.relu %k : tensor<2xf32>
    scf.yield %y : tensor<2xf32>
  } else {
    scf.yield %x : tensor<2xf32>
  }
  return %r : tensor<2xf32>
}

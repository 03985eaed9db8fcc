// RUN: tenon-opt --tenon-form-kernels --tenon-ask-ahead --split-input-file %s | FileCheck %s

tenon.weight @p : tensor<8x128x16xf32> = "", 0, 65536, ""
tenon.weight @few : tensor<20x960x16xf32> = "", 65536, 1228800, ""
tenon.weight @more : tensor<80x960x16xf32> = "", 1294336, 4915200, ""

// The nearer product asks for as much as its steps have time for (128 tiles of 128 lines, without half of what it
// reads itself), from the beginning of the weight; the other one for the rest.
// CHECK-LABEL: @one_row
// CHECK: %[[W:.*]] = tenon.get_weight @few
// CHECK: tenon.kernel "contraction"(%arg0, %{{[^,]*}}, %[[W]]) {{.*}} {tenon.asks_ahead = array<i64: 2, 1015808, 212992, 2097152>}
// CHECK: ^bb0(%{{.*}}: tensor<112x128xf32>, %{{.*}}: tensor<8x128x16xf32>, %[[A:[^:]*]]: tensor<20x960x16xf32>):
// CHECK-NOT: %[[A]]
// CHECK: tenon.kernel "contraction"(%arg1, %{{[^,]*}}, %[[W]]) {{.*}} {tenon.asks_ahead = array<i64: 2, 0, 1015808, 2097152>}
// CHECK: tenon.kernel "contraction"(%arg2, %[[W]]) {{.*}} {tenon.asked_ahead = 2097152 : i64}
func.func @one_row(%a: tensor<112x128xf32>, %b: tensor<448x128xf32>, %row: tensor<1x960xf32>) -> (tensor<112x128xf32>, tensor<448x128xf32>, tensor<1x320xf32>) {
  %p = tenon.get_weight @p : tensor<8x128x16xf32>
  %0 = tenon.packed_contract %a, %p : tensor<112x128xf32>, tensor<8x128x16xf32> -> tensor<112x128xf32>
  %1 = tenon.packed_contract %b, %p : tensor<448x128xf32>, tensor<8x128x16xf32> -> tensor<448x128xf32>
  %w = tenon.get_weight @few : tensor<20x960x16xf32>
  %2 = tenon.packed_contract %row, %w : tensor<1x960xf32>, tensor<20x960x16xf32> -> tensor<1x320xf32>
  return %0, %1, %2 : tensor<112x128xf32>, tensor<448x128xf32>, tensor<1x320xf32>
}

// More than those before have time for: what remains comes from memory, and the kernel is not said to be asked for.
// CHECK-LABEL: @too_much
// CHECK: tenon.asks_ahead = array<i64: 2, 0, 229376, 8388608>
// CHECK-NOT: tenon.asked_ahead
func.func @too_much(%a: tensor<112x128xf32>, %row: tensor<1x960xf32>) -> (tensor<112x128xf32>, tensor<1x1280xf32>) {
  %p = tenon.get_weight @p : tensor<8x128x16xf32>
  %0 = tenon.packed_contract %a, %p : tensor<112x128xf32>, tensor<8x128x16xf32> -> tensor<112x128xf32>
  %w = tenon.get_weight @more : tensor<80x960x16xf32>
  %1 = tenon.packed_contract %row, %w : tensor<1x960xf32>, tensor<80x960x16xf32> -> tensor<1x1280xf32>
  return %0, %1 : tensor<112x128xf32>, tensor<1x1280xf32>
}

// Behind, of unknown rows, shallow, of few rows: none has the time.
// CHECK-LABEL: @none_in_time
// CHECK-NOT: tenon.asks_ahead
func.func @none_in_time(%a: tensor<112x128xf32>, %d: tensor<?x128xf32> {tenon.dims = ["n", 128]}, %s: tensor<350x32xf32>, %q: tensor<8x32x16xf32>, %t: tensor<40x128xf32>, %row: tensor<1x960xf32>) -> (tensor<?x128xf32>, tensor<350x128xf32>, tensor<1x320xf32>, tensor<112x128xf32>, tensor<40x128xf32>) {
  %p = tenon.get_weight @p : tensor<8x128x16xf32>
  %0 = tenon.packed_contract %d, %p : tensor<?x128xf32>, tensor<8x128x16xf32> -> tensor<?x128xf32>
  %1 = tenon.packed_contract %s, %q : tensor<350x32xf32>, tensor<8x32x16xf32> -> tensor<350x128xf32>
  %4 = tenon.packed_contract %t, %p : tensor<40x128xf32>, tensor<8x128x16xf32> -> tensor<40x128xf32>
  %w = tenon.get_weight @few : tensor<20x960x16xf32>
  %2 = tenon.packed_contract %row, %w : tensor<1x960xf32>, tensor<20x960x16xf32> -> tensor<1x320xf32>
  %3 = tenon.packed_contract %a, %p : tensor<112x128xf32>, tensor<8x128x16xf32> -> tensor<112x128xf32>
  return %0, %1, %2, %3, %4 : tensor<?x128xf32>, tensor<350x128xf32>, tensor<1x320xf32>, tensor<112x128xf32>, tensor<40x128xf32>
}

// -----

// A small model has all of its weights in the second cache.
tenon.weight @p : tensor<8x128x16xf32> = "", 0, 65536, ""
tenon.weight @few : tensor<8x960x16xf32> = "", 65536, 491520, ""
// CHECK-LABEL: @small_model
// CHECK-NOT: tenon.asks_ahead
func.func @small_model(%a: tensor<112x128xf32>, %row: tensor<1x960xf32>) -> (tensor<112x128xf32>, tensor<1x128xf32>) {
  %p = tenon.get_weight @p : tensor<8x128x16xf32>
  %0 = tenon.packed_contract %a, %p : tensor<112x128xf32>, tensor<8x128x16xf32> -> tensor<112x128xf32>
  %w = tenon.get_weight @few : tensor<8x960x16xf32>
  %1 = tenon.packed_contract %row, %w : tensor<1x960xf32>, tensor<8x960x16xf32> -> tensor<1x128xf32>
  return %0, %1 : tensor<112x128xf32>, tensor<1x128xf32>
}

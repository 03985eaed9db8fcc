// RUN: tenon-opt %s --split-input-file | tenon-opt --split-input-file | FileCheck %s

// CHECK-LABEL: @elementwise
func.func @elementwise(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>, %i: tensor<4xi32>, %u: tensor<4xui8>, %c: tensor<4xi1>) {
  // CHECK: tenon.abs %{{.*}} : tensor<?x8xf32>
  %0 = tenon.abs %x : tensor<?x8xf32>
  %1 = tenon.neg %x : tensor<?x8xf32>
  %2 = tenon.sign %x : tensor<?x8xf32>
  %3 = tenon.sqrt %x : tensor<?x8xf32>
  %4 = tenon.rsqrt %x : tensor<?x8xf32>
  %5 = tenon.exp %x : tensor<?x8xf32>
  %6 = tenon.log %x : tensor<?x8xf32>
  %7 = tenon.sin %x : tensor<?x8xf32>
  %8 = tenon.cos %x : tensor<?x8xf32>
  %9 = tenon.asin %x : tensor<?x8xf32>
  %10 = tenon.atan %x : tensor<?x8xf32>
  %11 = tenon.tanh %x : tensor<?x8xf32>
  %12 = tenon.erf %x : tensor<?x8xf32>
  %13 = tenon.floor %x : tensor<?x8xf32>
  %14 = tenon.ceil %x : tensor<?x8xf32>
  %15 = tenon.round %x : tensor<?x8xf32>
  // CHECK: tenon.not %{{.*}} : tensor<4xi1>
  %16 = tenon.not %c : tensor<4xi1>
  // CHECK: tenon.add %{{.*}}, %{{.*}} : tensor<?x8xf32>
  %17 = tenon.add %x, %y : tensor<?x8xf32>
  %18 = tenon.sub %x, %y : tensor<?x8xf32>
  %19 = tenon.mul %x, %y : tensor<?x8xf32>
  %20 = tenon.div %x, %y : tensor<?x8xf32>
  %21 = tenon.rem %x, %y : tensor<?x8xf32>
  %22 = tenon.pow %x, %y : tensor<?x8xf32>
  %23 = tenon.max %x, %y : tensor<?x8xf32>
  %24 = tenon.min %x, %y : tensor<?x8xf32>
  %25 = tenon.and %c, %c : tensor<4xi1>
  %26 = tenon.or %i, %i : tensor<4xi32>
  %27 = tenon.xor %u, %u : tensor<4xui8>
  %28 = tenon.shl %u, %u : tensor<4xui8>
  %29 = tenon.shr %i, %i : tensor<4xi32>
  // CHECK: tenon.cmp lt %{{.*}}, %{{.*}} : tensor<4xi32> -> tensor<4xi1>
  %30 = tenon.cmp lt %i, %i : tensor<4xi32> -> tensor<4xi1>
  // CHECK: tenon.select %{{.*}}, %{{.*}}, %{{.*}} : tensor<4xi1>, tensor<4xi32>
  %31 = tenon.select %c, %i, %i : tensor<4xi1>, tensor<4xi32>
  // CHECK: tenon.cast %{{.*}} : tensor<4xi32> -> tensor<4xf32>
  %32 = tenon.cast %i : tensor<4xi32> -> tensor<4xf32>
  // CHECK: tenon.bitcast %{{.*}} : tensor<4xi32> -> tensor<4xf32>
  %33 = tenon.bitcast %i : tensor<4xi32> -> tensor<4xf32>
  return
}

// -----
// CHECK-LABEL: @movement
func.func @movement(%x: tensor<?x?x384xf32>, %v: tensor<f32>, %n: index) {
  // CHECK: tenon.reshape %{{.*}}(%{{.*}}, %{{.*}}) : tensor<?x?x384xf32> -> tensor<?x?x12x32xf32>
  %0 = tenon.reshape %x (%n, %n) : tensor<?x?x384xf32> -> tensor<?x?x12x32xf32>
  %r = tenon.reshape %v : tensor<f32> -> tensor<1x1x1xf32>
  // CHECK: tenon.broadcast %{{.*}}(%{{.*}}) : tensor<1x1x1xf32> -> tensor<?x2x3xf32>
  %1 = tenon.broadcast %r (%n) : tensor<1x1x1xf32> -> tensor<?x2x3xf32>
  // CHECK: tenon.transpose %{{.*}} [0, 2, 1] : tensor<?x?x384xf32> -> tensor<?x384x?xf32>
  %2 = tenon.transpose %x [0, 2, 1] : tensor<?x?x384xf32> -> tensor<?x384x?xf32>
  // CHECK: tenon.slice %{{.*}} offsets(%{{.*}}) [0, -9223372036854775808, 4] sizes(%{{.*}}, %{{.*}}) strides [1, 1, 2]
  %3 = tenon.slice %x offsets(%n) [0, -9223372036854775808, 4] sizes(%n, %n) strides [1, 1, 2] : tensor<?x?x384xf32> -> tensor<?x?x6xf32>
  // CHECK: tenon.concat %{{.*}}, %{{.*}} axis 2 : (tensor<?x?x384xf32>, tensor<?x?x6xf32>) -> tensor<?x?x390xf32>
  %4 = tenon.concat %x, %3 axis 2 : (tensor<?x?x384xf32>, tensor<?x?x6xf32>) -> tensor<?x?x390xf32>
  // CHECK: tenon.pad %{{.*}}, %{{.*}} low() [0, 0, 1] high(%{{.*}}) [0, -9223372036854775808, 1]
  %5 = tenon.pad %x, %v low() [0, 0, 1] high(%n) [0, -9223372036854775808, 1] : tensor<?x?x384xf32>, tensor<f32> -> tensor<?x?x386xf32>
  // CHECK: tenon.iota(%{{.*}}) axis 0 : tensor<?x4xi64>
  %6 = tenon.iota (%n) axis 0 : tensor<?x4xi64>
  return
}

// -----
// CHECK-LABEL: @reductions
func.func @reductions(%x: tensor<2x?xf32>, %image: tensor<1x8x8x4xf32>) {
  // CHECK: tenon.reduce sum %{{.*}} [1] : tensor<2x?xf32> -> tensor<2x1xf32>
  %0 = tenon.reduce sum %x [1] : tensor<2x?xf32> -> tensor<2x1xf32>
  // CHECK: tenon.arg_reduce max %{{.*}} axis 1 last : tensor<2x?xf32> -> tensor<2x1xi64>
  %1 = tenon.arg_reduce max %x axis 1 last : tensor<2x?xf32> -> tensor<2x1xi64>
  // CHECK: tenon.scan sum %{{.*}} axis 1 exclusive reverse : tensor<2x?xf32>
  %2 = tenon.scan sum %x axis 1 exclusive reverse : tensor<2x?xf32>
  // CHECK: tenon.reduce_window max %{{.*}} window [1, 3, 3, 1] strides [1, 2, 2, 1]
  %3 = tenon.reduce_window max %image window [1, 3, 3, 1] strides [1, 2, 2, 1] dilations [1, 1, 1, 1] low [0, 1, 1, 0] high [0, 1, 1, 0] : tensor<1x8x8x4xf32> -> tensor<1x4x4x4xf32>
  return
}

// -----
// CHECK-LABEL: @contractions
func.func @contractions(%a: tensor<?x128x384xf32>, %b: tensor<384x1536xf32>, %x: tensor<1x?x?x3xf32>, %w: tensor<3x3x3x16xf32>) {
  // CHECK: tenon.contract %{{.*}}, %{{.*}} : tensor<?x128x384xf32>, tensor<384x1536xf32> -> tensor<?x128x1536xf32>
  %0 = tenon.contract %a, %b : tensor<?x128x384xf32>, tensor<384x1536xf32> -> tensor<?x128x1536xf32>
  // CHECK: tenon.contract %{{.*}}, %{{.*}} transpose_rhs :
  %1 = tenon.contract %a, %a transpose_rhs : tensor<?x128x384xf32>, tensor<?x128x384xf32> -> tensor<?x128x128xf32>
  // CHECK: tenon.conv %{{.*}}, %{{.*}} strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1
  %2 = tenon.conv %x, %w strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x?x?x3xf32>, tensor<3x3x3x16xf32> -> tensor<1x?x?x16xf32>
  return
}

// -----
// CHECK-LABEL: @integer_products
func.func @integer_products(%a: tensor<7x24xui8>, %b: tensor<24x16xi8>, %x: tensor<1x8x8x3xui8>, %w: tensor<3x3x3x16xi8>) {
  // CHECK: tenon.contract %{{.*}}, %{{.*}} : tensor<7x24xui8>, tensor<24x16xi8> -> tensor<7x16xi32>
  %0 = tenon.contract %a, %b : tensor<7x24xui8>, tensor<24x16xi8> -> tensor<7x16xi32>
  // CHECK: tenon.conv {{.*}} groups 1 pad_value 113 : tensor<1x8x8x3xui8>, tensor<3x3x3x16xi8> -> tensor<1x8x8x16xi32>
  %1 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 pad_value 113 : tensor<1x8x8x3xui8>, tensor<3x3x3x16xi8> -> tensor<1x8x8x16xi32>
  // CHECK: tenon.conv {{.*}} groups 1 : tensor
  %2 = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 pad_value 0 : tensor<1x8x8x3xui8>, tensor<3x3x3x16xi8> -> tensor<1x8x8x16xi32>
  return
}

// -----
// CHECK-LABEL: @indexed
func.func @indexed(%table: tensor<30522x384xf32>, %ids: tensor<?x?xi64>, %x: tensor<2x8xf32>, %i: tensor<2x3xi64>, %u: tensor<2x3xf32>,
                   %y: tensor<8x4xf32>, %j: tensor<?x1xi64>, %v: tensor<?x4xf32>, %n: index) {
  // CHECK: tenon.gather %{{.*}}, %{{.*}} axis 0 batch 0
  %0 = tenon.gather %table, %ids axis 0 batch 0 : tensor<30522x384xf32>, tensor<?x?xi64> -> tensor<?x?x384xf32>
  // CHECK: tenon.gather_elements %{{.*}}, %{{.*}} axis 1
  %1 = tenon.gather_elements %x, %i axis 1 : tensor<2x8xf32>, tensor<2x3xi64> -> tensor<2x3xf32>
  // CHECK: tenon.gather_nd %{{.*}}, %{{.*}} batch 0
  %2 = tenon.gather_nd %y, %j batch 0 : tensor<8x4xf32>, tensor<?x1xi64> -> tensor<?x4xf32>
  // CHECK: tenon.scatter_elements add %{{.*}}, %{{.*}}, %{{.*}} axis 1
  %3 = tenon.scatter_elements add %x, %i, %u axis 1 : tensor<2x8xf32>, tensor<2x3xi64>, tensor<2x3xf32>
  // CHECK: tenon.scatter_nd none %{{.*}}, %{{.*}}, %{{.*}} :
  %4 = tenon.scatter_nd none %y, %j, %v : tensor<8x4xf32>, tensor<?x1xi64>, tensor<?x4xf32>
  // CHECK: tenon.update_slice %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}]
  %5 = tenon.update_slice %x, %u [%n, %n] : tensor<2x8xf32>, tensor<2x3xf32>
  // CHECK: tenon.top_k %{{.*}}() axis 1 smallest
  %6, %7 = tenon.top_k %x () axis 1 smallest : tensor<2x8xf32> -> tensor<2x3xf32>, tensor<2x3xi64>
  // CHECK: tenon.non_zero %{{.*}}(%{{.*}}) : tensor<?x4xf32> -> tensor<2x?xi64>
  %8, %9 = tenon.non_zero %v (%n) : tensor<?x4xf32> -> tensor<2x?xi64>
  return
}

// -----
// CHECK: tenon.weight @w0 : tensor<2x4xf32> = "", 1024, 32, ""
tenon.weight @w0 : tensor<2x4xf32> = "", 1024, 32, ""
// CHECK: tenon.state @kv0 : tensor<2x4xf32> initial @w0
tenon.state @kv0 : tensor<2x4xf32> initial @w0
// CHECK-LABEL: @shapes
func.func @shapes(%t: tensor<1xi64>) {
  // CHECK: tenon.symbol "batch" min 1 max 64 multiple_of 1 likely [1, 8]
  %b = tenon.symbol "batch" min 1 max 64 multiple_of 1 likely [1, 8]
  // CHECK: tenon.read_scalar %{{.*}} at 0 min 0 max 512 : tensor<1xi64>
  %n = tenon.read_scalar %t at 0 min 0 max 512 : tensor<1xi64>
  // CHECK: tenon.from_index %{{.*}}, %{{.*}} : tensor<2xi64>
  %s = tenon.from_index %b, %n : tensor<2xi64>
  // CHECK: tenon.constant dense<1.000000e+00> : tensor<f32>
  %c = tenon.constant dense<1.0> : tensor<f32>
  // CHECK: tenon.get_weight @w0 : tensor<2x4xf32>
  %w = tenon.get_weight @w0 : tensor<2x4xf32>
  // CHECK: tenon.read_state @kv0 : tensor<2x4xf32>
  %v = tenon.read_state @kv0 : tensor<2x4xf32>
  // CHECK: tenon.write_state @kv0, %{{.*}} : tensor<2x4xf32>
  tenon.write_state @kv0, %w : tensor<2x4xf32>
  return
}

// -----
// CHECK-LABEL: @kernel
func.func @kernel(%x: tensor<?x4xf32>, %n: index) -> tensor<?x4xf32> {
  // CHECK: tenon.kernel "map"(%{{.*}}) sizes(%{{.*}}) result_sizes(%{{.*}}) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = tenon.kernel "map" (%x) sizes(%n) result_sizes(%n) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x4xf32>, %m: index):
    %0 = tenon.exp %a : tensor<?x4xf32>
    // CHECK: tenon.yield %{{.*}} : tensor<?x4xf32>
    tenon.yield %0 : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

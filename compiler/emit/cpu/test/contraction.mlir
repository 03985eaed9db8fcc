// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4
// RUN: tenon-compile-kernel --regions %t.mlir --target zen5 | %innermost-loops | FileCheck %s --check-prefix=ZEN5

// Register tiles: each row of the panel is loaded once for all rows of the tile, every accumulator stays in a register
// of its own, nothing lies on the stack.

// 6 rows of 2 vectors fill 16 registers, 12 rows of 1 vector 32; broadcasts fold into the multiply-adds with AVX-512.
// CHECK: kernel tn_1_contraction
// V3-SAME: tile=6x16
// V3-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 6
// V3-NEXT: vfmadd231ps ymm 12 into 12
// V3-NEXT: vmovups ymm 2
// V4-SAME: tile=12x16
// V4-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vfmadd231ps zmm 12 into 12
// V4-NEXT: vmovups zmm 1
func.func @one_panel(%x: tensor<96x64xf32>, %w: tensor<64x16xf32>, %b: tensor<1x16xf32>) -> tensor<96x16xf32> {
  %p = tenon.contract %x, %w : tensor<96x64xf32>, tensor<64x16xf32> -> tensor<96x16xf32>
  %bb = tenon.broadcast %b : tensor<1x16xf32> -> tensor<96x16xf32>
  %s = tenon.add %p, %bb : tensor<96x16xf32>
  return %s : tensor<96x16xf32>
}

// With two panels or more, AVX-512 takes two of them at once.
// CHECK: kernel tn_3_contraction
// V3-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 6
// V3-NEXT: vfmadd231ps ymm 12 into 12
// V3-NEXT: vmovups ymm 2
// V4-SAME: tile=12x32
// V4-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vbroadcastss zmm 12
// V4-NEXT: vfmadd231ps zmm 24 into 24
// V4-NEXT: vmovups zmm 2
func.func @two_panels(%x: tensor<96x64xf32>, %w: tensor<64x64xf32>) -> tensor<96x64xf32> {
  %p = tenon.contract %x, %w : tensor<96x64xf32>, tensor<64x64xf32> -> tensor<96x64xf32>
  return %p : tensor<96x64xf32>
}

// Three panels: two at once, and one.
// CHECK: kernel tn_{{[0-9]+}}_contraction
// V3-SAME: tile=6x16
// V3-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 6
// V3-NEXT: vfmadd231ps ymm 12 into 12
// V3-NEXT: vmovups ymm 2
// V4-SAME: tile=12x32
// V4-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vfmadd231ps zmm 12 into 12
// V4-NEXT: vmovups zmm 1
// V4-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vbroadcastss zmm 12
// V4-NEXT: vfmadd231ps zmm 24 into 24
// V4-NEXT: vmovups zmm 2
func.func @three_panels(%x: tensor<96x64xf32>, %w: tensor<64x48xf32>) -> tensor<96x48xf32> {
  %p = tenon.contract %x, %w : tensor<96x64xf32>, tensor<64x48xf32> -> tensor<96x48xf32>
  return %p : tensor<96x48xf32>
}

// Of the second panel 8 columns exist: with AVX-512 it goes with the first, two steps of the depth in a vector. A
// row's elements come as pairs for it; where moving lanes takes no pipe from multiply-adds, they are put
// together from those that the first panel has.
// CHECK: kernel tn_{{[0-9]+}}_contraction
// V3-SAME: tile=6x16
// V3-NOT: vbroadcastsd
// V4-SAME: tile=8x16
// V4-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vbroadcastf64x4 zmm 2
// V4-NEXT: vbroadcastsd zmm 8
// V4-NEXT: vfmadd231ps zmm 24 into 16
// ZEN5: kernel tn_7_contraction, zen5: contraction tile=12x16
// ZEN5-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// ZEN5-NEXT: vbroadcastss zmm 24
// ZEN5-NEXT: vfmadd231ps zmm 36 into 24
// ZEN5-NEXT: vinsertf64x4 zmm 1
// ZEN5-NEXT: vmovups ymm 1
// ZEN5-NEXT: vmovups zmm 2
// ZEN5-NEXT: vshuff64x2 zmm 12
func.func @half_a_panel(%x: tensor<96x64xf32>, %w: tensor<64x24xf32>) -> tensor<96x24xf32> {
  %p = tenon.contract %x, %w : tensor<96x64xf32>, tensor<64x24xf32> -> tensor<96x24xf32>
  return %p : tensor<96x24xf32>
}

// 4 columns: two steps with 256 bits, four with 512. An odd depth goes step by step.
// CHECK: kernel tn_{{[0-9]+}}_contraction
// V3: vbroadcastsd ymm 6
// V3-NEXT: vfmadd231ps ymm 6 into 6
// V4: vbroadcastf32x4 zmm 12
// V4: vfmadd231ps zmm 12 into 12
func.func @quarter_of_a_panel(%x: tensor<96x64xf32>, %w: tensor<64x4xf32>) -> tensor<96x4xf32> {
  %p = tenon.contract %x, %w : tensor<96x64xf32>, tensor<64x4xf32> -> tensor<96x4xf32>
  return %p : tensor<96x4xf32>
}
// CHECK: kernel tn_{{[0-9]+}}_contraction
// CHECK-NOT: vbroadcastsd
// CHECK-NOT: vbroadcastf32x4
func.func @odd_depth(%x: tensor<96x63xf32>, %w: tensor<63x4xf32>) -> tensor<96x4xf32> {
  %p = tenon.contract %x, %w : tensor<96x63xf32>, tensor<63x4xf32> -> tensor<96x4xf32>
  return %p : tensor<96x4xf32>
}

// Of many columns the last ones count for little, and are added up in the order of the others.
// CHECK: kernel tn_{{[0-9]+}}_contraction
// CHECK-NOT: vbroadcastsd
func.func @many_columns(%x: tensor<96x64xf32>, %w: tensor<64x264xf32>) -> tensor<96x264xf32> {
  %p = tenon.contract %x, %w : tensor<96x64xf32>, tensor<64x264xf32> -> tensor<96x264xf32>
  return %p : tensor<96x264xf32>
}

// Tiles cover 49 rows with one row computed twice: 5 tiles of 10, or 10 of 5. Weights that do not stay in a
// cache are asked for early.
// CHECK: kernel tn_{{[0-9]+}}_contraction
// V3-SAME: tile=5x16
// V3: vbroadcastss ymm 5
// V3-NEXT: vfmadd231ps ymm 10 into 10
// V4-SAME: tile=10x32
// V4: vbroadcastss zmm 10
// V4-NEXT: vfmadd231ps zmm 20 into 20
// CHECK: prefetches 1
func.func @odd_rows(%x: tensor<49x512xf32>, %w: tensor<512x512xf32>) -> tensor<49x512xf32> {
  %p = tenon.contract %x, %w : tensor<49x512xf32>, tensor<512x512xf32> -> tensor<49x512xf32>
  return %p : tensor<49x512xf32>
}

// Rows 4 KiB apart fall into the same sets of the first cache: no more of them than a set has ways.
// CHECK: kernel tn_{{[0-9]+}}_contraction
// V3-SAME: tile=6x16
// V4-SAME: tile=8x32
func.func @conflict(%x: tensor<120x1024xf32>, %w: tensor<1024x64xf32>) -> tensor<120x64xf32> {
  %p = tenon.contract %x, %w : tensor<120x1024xf32>, tensor<1024x64xf32> -> tensor<120x64xf32>
  return %p : tensor<120x64xf32>
}

// One row: the panel is read once, so that its loads fold into the multiply-adds.
// CHECK: kernel tn_{{[0-9]+}}_contraction
// CHECK-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vbroadcastss ymm 1
// V3-NEXT: vfmadd231ps ymm 2 into 2
// V4-NEXT: vbroadcastss zmm 1
// V4-NEXT: vfmadd231ps zmm 4 into 4
// CHECK-NOT: loop
func.func @one_row(%x: tensor<1x64xf32>, %w: tensor<64x64xf32>) -> tensor<1x64xf32> {
  %p = tenon.contract %x, %w : tensor<1x64xf32>, tensor<64x64xf32> -> tensor<1x64xf32>
  return %p : tensor<1x64xf32>
}

// Weights that no cache keeps, read by one row: asking for them would only take time from reading. With few rows they
// are asked for, each panel by itself. One row reads four panels at once, or what remains.
// CHECK: kernel tn_{{[0-9]+}}_map
// CHECK: kernel tn_{{[0-9]+}}_contraction
// CHECK-SAME: tile=1x64
// CHECK-NOT: prefetches
// CHECK: kernel tn_{{[0-9]+}}_contraction
// V3: prefetches 1
// V4: prefetches 4
func.func @one_row_of_many(%x: tensor<1x512xf32>, %w: tensor<512x496xf32>) -> tensor<1x496xf32> {
  %p = tenon.contract %x, %w : tensor<1x512xf32>, tensor<512x496xf32> -> tensor<1x496xf32>
  return %p : tensor<1x496xf32>
}
func.func @few_rows(%x: tensor<3x512xf32>, %w: tensor<512x512xf32>) -> tensor<3x512xf32> {
  %p = tenon.contract %x, %w : tensor<3x512xf32>, tensor<512x512xf32> -> tensor<3x512xf32>
  return %p : tensor<3x512xf32>
}

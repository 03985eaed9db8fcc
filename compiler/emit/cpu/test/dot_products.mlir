// RUN: %assembly x86-64-v3 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V3
// RUN: %assembly alderlake | %innermost-loops | FileCheck %s --check-prefixes=CHECK,VEX
// RUN: %assembly x86-64-v4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,V4
// RUN: %assembly zen4 | %innermost-loops | FileCheck %s --check-prefixes=CHECK,ZEN4
// RUN: %assembly zen4 --emulate-isa | %innermost-loops | FileCheck %s --check-prefixes=CHECK,EMULATED

// Products of bytes: one instruction for four of them where the CPU has it, else words: rows are widened into scratch once,
// columns as they are read, and nothing but products and sums is left.
// CHECK: kernel tn_{{[0-9]+}}_contraction
// V3-SAME: tile=6x16 dot of widened rows
// V3: vpmovzxbw ymm 2
// V3-NEXT: loop of 36 instructions, stack 0, masked 0, calls 0
// V3-NEXT: vpaddd ymm 12
// V3-NEXT: vpbroadcastq ymm 6
// V3-NEXT: vpmaddwd ymm 12
// V3-NEXT: vpmovsxbw ymm 2
// V3-NEXT: loop of 36 instructions, stack 0, masked 0, calls 0
// VEX-SAME: tile=6x16 dot of bytes
// VEX: vpbroadcastd ymm 6
// VEX-NEXT: vpdpbusd ymm 12 into 12
// V4-SAME: tile=12x16 dot of widened rows
// V4: loop of 66 instructions, stack 0, masked 0, calls 0
// V4-NEXT: vpaddd zmm 24
// V4-NEXT: vpbroadcastq zmm 12
// V4-NEXT: vpmaddwd zmm 24
// V4-NEXT: vpmovsxbw zmm 2
// ZEN4-SAME: tile=12x32 dot of bytes
// ZEN4-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// ZEN4-NEXT: vmovdqu64 zmm 2
// ZEN4-NEXT: vpbroadcastd zmm 12
// ZEN4-NEXT: vpdpbusd zmm 24 into 24
// EMULATED-SAME: tile=12x32 dot of words
// EMULATED-NOT: zmm
// EMULATED-NOT: vpdpbusd
func.func @bytes(%x: tensor<96x64xui8>, %w: tensor<64x64xi8>) -> tensor<96x64xi32> {
  %p = tenon.contract %x, %w : tensor<96x64xui8>, tensor<64x64xi8> -> tensor<96x64xi32>
  return %p : tensor<96x64xi32>
}

// Products of bf16: pairs of them where the CPU has it, else multiply-adds of the odd and of the even elements.
// CHECK: kernel tn_{{[0-9]+}}_contraction
// V3-SAME: tile=4x16 widened bf16
// V3-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3-NEXT: vfmadd231ps ymm 16 into 8
// V4-SAME: tile=12x32 widened bf16
// V4-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V4-NEXT: vfmadd231ps zmm 48 into 24
// ZEN4-SAME: tile=12x32 dot of bf16
// ZEN4-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// ZEN4-NEXT: vbroadcastss zmm 12
// ZEN4-NEXT: vdpbf16ps zmm 24 into 24
func.func @bf16(%x: tensor<96x64xbf16>, %w: tensor<64x64xbf16>) -> tensor<96x64xf32> {
  %p = tenon.contract %x, %w : tensor<96x64xbf16>, tensor<64x64xbf16> -> tensor<96x64xf32>
  return %p : tensor<96x64xf32>
}

// Depthwise products of bytes: taps above each other go together, and neighbours share what they read.
// CHECK: kernel tn_{{[0-9]+}}_window
// The ends of lines have code of their own, which leaves out the taps that meet padding.
// V3: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3: vpmaddwd ymm 40
// V3: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3: vpmaddwd ymm 40
// ZEN4: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// ZEN4: vpdpbusd zmm 40 into 14
// ZEN4-NEXT: vpermt2b
func.func @depthwise(%x: tensor<1x14x14x32xui8>, %w: tensor<3x3x1x32xi8>) -> tensor<1x14x14x32xi32> {
  %p = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 32 : tensor<1x14x14x32xui8>, tensor<3x3x1x32xi8> -> tensor<1x14x14x32xi32>
  return %p : tensor<1x14x14x32xi32>
}

// Convolutions gather the taps of a position into a row of words; their products are those of a contraction.
// CHECK: kernel tn_{{[0-9]+}}_conv
// V3-SAME: conv tile=6x16 dot of widened rows
// V3: vpmovzxbw ymm 2
// V3-NEXT: loop of 36 instructions, stack 0, masked 0, calls 0
// V3-NEXT: vpaddd ymm 12
// V3-NEXT: vpbroadcastq ymm 6
// VEX-SAME: of lines dot of bytes
// ZEN4-SAME: of lines dot of bytes
func.func @taps(%x: tensor<1x12x12x32xui8>, %w: tensor<3x3x32x32xi8>) -> tensor<1x12x12x32xi32> {
  %p = tenon.conv %x, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x12x12x32xui8>, tensor<3x3x32x32xi8> -> tensor<1x12x12x32xi32>
  return %p : tensor<1x12x12x32xi32>
}

// Weights that are known to be small: pairs of products are summed in 16 bits, unless one instruction sums four.
// CHECK: kernel tn_{{[0-9]+}}_contraction
// V3-SAME: tile=5x16 dot of paired bytes
// V3-NEXT: loop of {{[0-9]+}} instructions, stack 0, masked 0, calls 0
// V3: vpmaddubsw ymm 10
// V4-SAME: dot of paired bytes
// ZEN4-SAME: dot of bytes
// EMULATED-SAME: dot of words
func.func @small_weights(%x: tensor<90x64xui8>, %w: tensor<4x16x16x4xi8>) -> tensor<90x64xi32> {
  %p = tenon.packed_contract %x, %w {tenon.pairs_fit} : tensor<90x64xui8>, tensor<4x16x16x4xi8> -> tensor<90x64xi32>
  return %p : tensor<90x64xi32>
}

//===- DotCode.h - products of narrow elements by dot products
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A step of such a product takes a group of neighbouring elements of a row, 32 bits, and as many of each
// column, one 32-bit lane per column. What multiplies them depends on the CPU; sums of bytes are exact with
// each of them, and sums of bf16 round at the same points.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/TileCode.h"

namespace tenon::cpu {

/// What multiplies a group of a row with a vector of columns.
enum class DotForm {
  Bytes,       ///< vpdpbusd: four products of ui8 and i8 and their sum
  Words,       ///< two vpmaddwd: even and odd bytes are widened to words
  WidenedRows, ///< vpmaddwd of columns widened by vpmovsxbw and rows that are words already
  PairedBytes, ///< vpmaddubsw, for columns whose pairs of products fit in 16 bits, and vpmaddwd
  Bf16,        ///< vdpbf16ps
  WidenedBf16, ///< two multiply-adds of f32: the odd elements, then the even ones, as vdpbf16ps does it
};
/// The form for a target and the element type of the rows, ui8 or bf16. `pairsFit`: no sum of two
/// neighbouring products saturates.
DotForm dotForm(const CpuTarget &target, mlir::Type rowElement, bool pairsFit);
llvm::StringRef nameOf(DotForm form);
/// Products in the time of one multiply-add of f32.
double rateOf(DotForm form);

/// The tile of a product in this form: `tile` with fewer rows where the form needs registers of its own.
TileShape dotTile(const CpuTarget &target, DotForm form, TileShape tile);

/// acc[row * vectors + vector] += sum over k in [0, depth) of row * column, where columns hold groups of
/// `group` elements: column vector of step s is pointer[offset + s * step] with 32-bit lanes, for elements
/// [s * group, (s + 1) * group) of k. The part of the last group beyond `depth` is zero in the columns and is
/// not read in the rows. A row with a stride has its groups that many elements apart. For WidenedRows the
/// rows hold words, zeros behind the last, and `depth` is a multiple of the group.
llvm::SmallVector<mlir::Value> tileDotProduct(KernelBuilder &k, TileShape tile, llvm::ArrayRef<TileRow> rows,
                                              llvm::ArrayRef<TileColumn> columns, Size depth, int64_t group,
                                              DotForm form, mlir::Type rowElement, mlir::Type columnElement,
                                              llvm::ArrayRef<mlir::Value> init,
                                              llvm::ArrayRef<TilePrefetch> prefetches = {});

/// Sums along the taps of a depthwise convolution of bytes: lane c of an accumulator (i32) belongs to channel
/// c, and a step takes a few taps of all lanes at once. `lanes` is 8 or 16.
class TapDots {
public:
  TapDots(KernelBuilder &k, unsigned lanes);
  /// Taps of a step.
  unsigned group() const { return form == DotForm::Bytes ? 4 : 2; }
  /// The operand of a step from 1 to `group` vectors of bytes, one for each tap. Missing taps are 0.
  mlir::Value pack(llvm::ArrayRef<mlir::Value> taps, bool isUnsigned);
  mlir::Value add(mlir::Value acc, mlir::Value activations, mlir::Value weights);
  /// The bits of a lane of an operand that belong to tap `tap` of a step, all set or holding an unsigned
  /// byte.
  int64_t bitsOf(unsigned tap, bool ones, int64_t byte = 0) const {
    unsigned width = form == DotForm::Bytes ? 8 : 16;
    return (ones ? (int64_t(1) << width) - 1 : byte) << (tap * width);
  }

private:
  KernelBuilder &k;
  unsigned lanes;
  DotForm form;
};

} // namespace tenon::cpu

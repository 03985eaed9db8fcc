//===- Matrices.h - products whose right operand is computed --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every matrix of a batch has a right operand of its own, which comes from memory like the left one. Sums may
// begin with a number for each row and column, computed by the vector core in the accumulators.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/tile/Product.h"
#include "compiler/emit/mortise/vector/CompileKernel.h"
#include "compiler/emit/mortise/vector/VectorBuilder.h"

namespace tenon::npu {

/// How right operands [K, N] lie in memory, one behind the other: [N / width, K / group, width, group], both
/// rounded up. Rows are a width of N and a group of 1, columns a width of 1 and a group of K.
struct RightMatrices {
  int64_t width = 1, group = 1;
  int64_t memory = 0; ///< address
};

/// A 32-bit number for each row of a matrix of the result, or for each column.
struct StartOperand {
  bool perRow = false;
  bool perMatrix = true; ///< each matrix of the batch has its own; else all share them
  int64_t memory = 0;    ///< address
};
/// A kernel of the vector core that writes what sums begin with.
struct StartStage {
  uint32_t kernel = 0; ///< in Stream::kernels
  std::vector<StartOperand> operands;
};

/// `layer.images` matrices [layer.height, layer.channels] times right ones. `layer.weights` is the address of
/// the drain's tables, where it has any: for each panel of columns `bias` and `scale` as in PackedWeights.
struct Matrices {
  Product layer;
  RightMatrices right;
  std::optional<StartStage> start;
};

/// The largest tiles that fit `scratchpadBytes`; nothing where none do. `resident` are the panels of the
/// right operand that are there at a time.
std::optional<ProductCut> cutMatrices(const Matrices &matrices, const mortise::Hardware &hardware,
                                      int64_t scratchpadBytes);

/// Appends the commands. The scratchpad is used from `scratchpad` on.
void emitMatrices(const Matrices &matrices, const ProductCut &cut, const mortise::Hardware &hardware,
                  int64_t scratchpad, Stream &stream);

/// The kernel of a start stage: `body` computes a sum's beginning from the operands' numbers. Parameters are
/// the accumulators' address, the operands, and the number of rows in whole vectors (of `startRows` rows).
/// `why` says what is in the way where there is none.
std::optional<CompiledKernel>
startKernel(const std::vector<StartOperand> &operands,
            const std::function<Value(VectorBuilder &, std::span<const Value>)> &body,
            const mortise::Hardware &hardware, std::string &why);
/// Rows of the accumulators that a vector of the start kernel covers.
int64_t startRows(const mortise::Hardware &hardware);

} // namespace tenon::npu

//===- TransposeCode.cpp - matrices in registers
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/TransposeCode.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tenon::cpu {

SmallVector<Value> transposed(KernelBuilder &k, SmallVector<Value> rows) {
  int64_t size = rows.size();
  for (int64_t block = 1; block < size; block *= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < size; ++lane) {
      low.push_back(lane & block ? size + lane - block : lane);
      high.push_back(lane & block ? size + lane : lane + block);
    }
    for (int64_t r = 0; r < size; ++r) {
      if (r & block)
        continue;
      Value first = rows[r], second = rows[r + block];
      rows[r] = vector::ShuffleOp::create(k.builder(), k.loc(), first, second, low);
      rows[r + block] = vector::ShuffleOp::create(k.builder(), k.loc(), first, second, high);
    }
  }
  return rows;
}

} // namespace tenon::cpu

//===- ByteTables.h - bytes that depend on one other byte alone
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Quantized models compute activations step by step, each step quantized: a byte that is the function of one
// other byte. Such a function has 256 values. The kernel computes them once, with the code that every element
// would run, and looks the elements up.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/CpuTarget.h"
#include "compiler/emit/cpu/KernelSpec.h"

namespace tenon::cpu {

class ByteTables {
public:
  static constexpr unsigned kEntries = 256;

  ByteTables(const KernelSpec &spec, const CpuTarget &target);

  /// The bytes of which `bytes` is a function that is worth a table; null where there are none.
  mlir::Value sourceOf(mlir::Value bytes) const { return sources.lookup(bytes); }

private:
  /// What a value of the region depends on.
  struct Origin {
    bool constant = false;
    mlir::Value byte;  ///< the only bytes; null: other values, too
    unsigned cost = 0; ///< of computing it from them, in vector instructions
  };
  Origin originOf(mlir::Operation *op) const;

  llvm::DenseMap<mlir::Value, Origin> origins;
  llvm::DenseMap<mlir::Value, mlir::Value> sources;
};

} // namespace tenon::cpu

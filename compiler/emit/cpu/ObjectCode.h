//===- ObjectCode.h - MLIR to objects, objects to an image ------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/CpuTarget.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::cpu {

/// Lowers a module of func/scf/cf/arith/index/math/vector(1-D)/ub/llvm operations, which defines one kernel
/// function with the C signature of kernel_abi.h, to a relocatable ELF object for `target`. Math functions
/// are expanded into arithmetic first, so that the object has no undefined symbol (memcpy/memset/fmaf calls
/// included); a remaining one is an error. The object's line table (CodeLines.h) names the lines of the
/// module's file locations; images leave it out. `assembly`, if not null, receives the assembly text with the
/// same lines as `.loc`. The module is consumed (left in LLVM form).
mlir::FailureOr<std::vector<uint8_t>> compileToObject(mlir::ModuleOp module, const CpuTarget &target,
                                                      std::string &error, std::string *assembly = nullptr);

/// Links objects into one shared object with RELATIVE relocations only and no undefined symbols; `exports`
/// are its dynamic symbols.
mlir::FailureOr<std::vector<uint8_t>> linkImage(const std::vector<std::vector<uint8_t>> &objects,
                                                const std::vector<std::string> &exports,
                                                const CpuTarget &target, std::string &error);

} // namespace tenon::cpu

//===- NativeProgram.h - a compiled function that runs at once --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/CpuTarget.h"
#include "compiler/pipeline/Settings.h"
#include "mlir/IR/BuiltinOps.h"
#include <memory>
#include <string>
#include <vector>

struct tenon_package;
struct tenon_session;

namespace tenon::pipeline {

/// A function of constant sizes, compiled for this machine and loaded into this process.
class NativeProgram {
public:
  /// Compiles the module's only function, through the phases from Kernel on. The module is changed. Fails
  /// with a diagnostic.
  static mlir::FailureOr<std::unique_ptr<NativeProgram>>
  create(mlir::ModuleOp module, const std::vector<cpu::CpuTarget> &levels, const Settings &settings);
  ~NativeProgram();

  /// Runs it on tensors, given by their bytes in the order of the arguments, and gives the bytes of its only
  /// result. Fails with a message.
  mlir::FailureOr<std::string> run(llvm::ArrayRef<llvm::StringRef> inputs, std::string &error);

private:
  NativeProgram() = default;

  std::vector<uint8_t> storage; // the package, at a boundary of 64 bytes
  tenon_package *package = nullptr;
  tenon_session *session = nullptr;
};

} // namespace tenon::pipeline

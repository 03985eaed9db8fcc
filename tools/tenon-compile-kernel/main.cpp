//===- main.cpp - one kernel to assembly --------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles a module that holds one kernel function, as the emitters produce it, and prints the assembly. For
// tests and for a look at what code generation makes of an idea.
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/CpuTargets.h"
#include "compiler/emit/cpu/ObjectCode.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include <CLI/CLI.hpp>

using namespace mlir;

static int run(const std::string &file, const std::string &targetName, bool emulate) {
  std::string error;
  FailureOr<std::vector<tenon::cpu::CpuTarget>> targets =
      tenon::cpu::resolveCpuTargets(targetName, emulate, error);
  if (failed(targets)) {
    llvm::errs() << "tenon-compile-kernel: " << error << "\n";
    return 1;
  }
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, index::IndexDialect,
                      LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect, ub::UBDialect,
                      vector::VectorDialect>();
  for (const tenon::cpu::CpuTarget &target : *targets) {
    OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(file, &context);
    if (!module)
      return 1; // the parser has said why
    std::string assembly;
    if (failed(tenon::cpu::compileToObject(*module, target, error, &assembly))) {
      llvm::errs() << "tenon-compile-kernel: " << error << "\n";
      return 1;
    }
    llvm::outs() << "# target " << target.name << "\n" << assembly;
  }
  return 0;
}

int main(int argc, char **argv) {
  CLI::App app("prints the assembly of a kernel function, for example\n  tenon-compile-kernel kernel.mlir "
               "--target x86-64-v3");
  std::string file, target = "native";
  bool emulate = false;
  app.add_option("FILE", file, "a module with one kernel function; - for standard input")->required();
  app.add_option("--target", target, "CPU targets, separated by commas")->capture_default_str();
  app.add_flag("--emulate-isa", emulate, "use instructions of x86-64-v3 only");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run(file, target, emulate);
}

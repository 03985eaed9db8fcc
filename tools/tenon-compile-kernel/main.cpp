//===- main.cpp - kernels to assembly --------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles a module that holds one kernel function, as the emitters produce it, or with --regions one whose
// functions hold `tenon.kernel` regions, and prints the assembly. For tests and for a look at what code
// generation makes of an idea.
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/CpuCompiler.h"
#include "compiler/emit/cpu/CpuTargets.h"
#include "compiler/emit/cpu/ObjectCode.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include <CLI/CLI.hpp>

using namespace mlir;

static int failWith(const std::string &error) {
  llvm::errs() << "tenon-compile-kernel: " << error << "\n";
  return 1;
}

/// Prints every distinct kernel region of the module for each target.
static int compileRegions(ModuleOp module, const std::vector<tenon::cpu::CpuTarget> &targets) {
  for (const tenon::cpu::CpuTarget &target : targets) {
    tenon::cpu::CpuCompiler compiler({target});
    for (func::FuncOp function : module.getOps<func::FuncOp>()) {
      tenon::SizeAnalysis sizes(function);
      WalkResult added = function.walk([&](tenon::KernelOp op) {
        return failed(compiler.add(op, sizes)) ? WalkResult::interrupt() : WalkResult::advance();
      });
      if (added.wasInterrupted())
        return 1; // the compiler has said why
    }
    tenon::cpu::CompileOptions options;
    options.listings = true;
    std::vector<tenon::package::CodeImage> images;
    std::string error;
    if (compiler.kernels().empty())
      return failWith("expected tenon.kernel regions, found none: run tenon-opt --tenon-pack-products "
                      "--tenon-form-kernels first");
    if (failed(compiler.compile(options, images, error)))
      return failWith(error);
    llvm::outs() << "# target " << target.name << "\n";
    for (const auto &[index, info] : llvm::enumerate(compiler.kernels()))
      llvm::outs() << "# kernel " << info.name << ", " << info.schedule << "\n"
                   << compiler.listing(static_cast<uint32_t>(index), 0).assembly;
  }
  return 0;
}

static int run(const std::string &file, const std::string &targetName, bool emulate, bool regions) {
  std::string error;
  FailureOr<std::vector<tenon::cpu::CpuTarget>> targets =
      tenon::cpu::resolveCpuTargets(targetName, emulate, error);
  if (failed(targets))
    return failWith(error);
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, index::IndexDialect,
                      LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect, ub::UBDialect,
                      vector::VectorDialect>();
  if (regions) {
    context.loadDialect<tenon::TenonDialect, tensor::TensorDialect>();
    OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(file, &context);
    return module ? compileRegions(*module, *targets) : 1;
  }
  for (const tenon::cpu::CpuTarget &target : *targets) {
    OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(file, &context);
    if (!module)
      return 1; // the parser has said why
    std::string assembly;
    if (failed(tenon::cpu::compileToObject(*module, target, error, &assembly)))
      return failWith(error);
    llvm::outs() << "# target " << target.name << "\n" << assembly;
  }
  return 0;
}

int main(int argc, char **argv) {
  CLI::App app("prints the assembly of kernels, for example\n  tenon-compile-kernel kernel.mlir "
               "--target x86-64-v3");
  std::string file, target = "native";
  bool emulate = false, regions = false;
  app.add_option("FILE", file, "a module with one kernel function; - for standard input")->required();
  app.add_option("--target", target, "CPU targets, separated by commas")->capture_default_str();
  app.add_flag("--emulate-isa", emulate, "use instructions of x86-64-v3 only");
  app.add_flag("--regions", regions, "FILE holds tenon.kernel regions in functions");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run(file, target, emulate, regions);
}

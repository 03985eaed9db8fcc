//===- tenon-opt.cpp - runs passes on textual IR -------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/graph/Passes.h"
#include "compiler/kernel/Passes.h"
#include "compiler/place/Passes.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<tenon::TenonDialect>();
  mlir::registerAllPasses();
  tenon::registerGraphPasses();
  tenon::kernel::registerTenonKernelPasses();
  tenon::place::registerTenonPlacePasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Tenon's optimizer driver\n", registry));
}

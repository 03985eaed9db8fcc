//===- PrintSizes.cpp - print the size expressions of every value -----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/graph/Passes.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace tenon {
#define GEN_PASS_DEF_PRINTSIZES
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

void printSizes(tenon::SizeAnalysis &sizes, Value v) {
  llvm::raw_ostream &os = llvm::outs();
  if (v.getType().isIndex()) {
    os << "index(" << sizes.index(v).str() << ")";
  } else if (isa<RankedTensorType>(v.getType())) {
    os << "[";
    llvm::interleaveComma(sizes.dims(v), os, [&](tenon::Size s) { os << s.str(); });
    os << "]";
  } else {
    os << "-";
  }
}

struct PrintSizesPass : tenon::impl::PrintSizesBase<PrintSizesPass> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    tenon::SizeAnalysis sizes(getOperation());
    llvm::outs() << "sizes of @" << getOperation().getName() << "\n";
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (op->getNumResults() == 0)
        return;
      llvm::outs() << op->getName() << " ";
      llvm::interleave(op->getResults(), llvm::outs(), [&](Value v) { printSizes(sizes, v); }, " ");
      llvm::outs() << "\n";
    });
  }
};

} // namespace

//===- Passes.td - the passes of the phase Graph
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_GRAPH_PASSES_TD
#define TENON_GRAPH_PASSES_TD

include "mlir/Pass/PassBase.td"

def FoldConstants : Pass<"tenon-fold-constants", "::mlir::ModuleOp"> {
  let summary = "evaluate operations on constants whose results are small";
  let description = [{
    An operation whose operands are all constants is replaced by constants when its results take at most `max-bytes`
    bytes together. Their values come from the reference interpreter, so folding and the oracle cannot disagree.
    Operations that fail to evaluate (a slice out of range in a branch that is never taken) stay as they are.

    ```mlir
    %a = tenon.constant dense<[1.0, 2.0]> : tensor<2xf32>
    %b = tenon.exp %a : tensor<2xf32>
    // becomes
    %b = tenon.constant dense<[2.718281, 7.389056]> : tensor<2xf32>
    ```
  }];
  let options = [
    Option<"maxBytes", "max-bytes", "int64_t", "4096", "the most bytes that the results of a folded operation take">
  ];
  let statistics = [Statistic<"folded", "folded", "operations replaced by constants">];
  let dependentDialects = ["::tenon::TenonDialect"];
}

#endif

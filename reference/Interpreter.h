//===- Interpreter.h - the reference interpreter -------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The oracle: what every operation of the tenon dialect means, written slowly and plainly. Constant folding
// uses it; lowerings never do, so that an error in one cannot hide in the other. Float results are computed
// in double and rounded once; integers wrap. A composite means what its decomposition means.
//
// Errors are diagnostics at the operation, with these codes: TN0711 the operation has no meaning here; TN0712
// sizes disagree; TN0713 an argument does not fit the function; TN0714 a value is out of range at run time;
// TN0715 a constant or weight cannot be read; TN0716 a name is unknown.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "reference/Tensor.h"
#include "llvm/ADT/StringMap.h"
#include <functional>

namespace tenon::reference {

/// Evaluates one operation without regions: core operations, composites, tensor.dim and the like, arith on
/// sizes. There is a value for every operand, `index` ones as Tensor::index, and for every result. Operations
/// that need a function around them (tenon.symbol, weights, states) are unsupported here.
mlir::FailureOr<llvm::SmallVector<Tensor>> evaluateOp(mlir::Operation *op, llvm::ArrayRef<Tensor> operands);

/// Whether evaluateOp knows the operation.
bool canEvaluate(mlir::Operation *op);

/// Gives the value of a weight, with the type that the weight declares, or reports why it cannot.
using WeightReader = std::function<mlir::FailureOr<Tensor>(WeightOp)>;

/// Runs the functions of a module. Holds the states, which live between runs; not thread-safe. The module
/// outlives it.
class Interpreter {
public:
  explicit Interpreter(mlir::ModuleOp module, WeightReader weights = nullptr);

  /// Runs the function. Symbols take their values from the sizes of the arguments (`tenon.dims`). A run that
  /// fails leaves the states as they were.
  mlir::FailureOr<llvm::SmallVector<Tensor>> run(mlir::func::FuncOp function,
                                                 llvm::ArrayRef<Tensor> arguments);

  mlir::ModuleOp module() const { return root; }
  /// The present value of a state: what was last written, else its initial value.
  mlir::FailureOr<Tensor> readState(StateOp state);
  /// Gives every state its initial value again.
  void resetStates() { states.clear(); }
  mlir::FailureOr<Tensor> readWeight(mlir::Operation *user, llvm::StringRef name);

private:
  mlir::ModuleOp root;
  WeightReader weights;
  llvm::StringMap<Tensor> weightCache;
  llvm::StringMap<Tensor> states;
};

} // namespace tenon::reference

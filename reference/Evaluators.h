//===- Evaluators.h - the meaning of operations, by family ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to the interpreter. Each family's file adds its operations to a table; an evaluator gets the values
// of all operands, `index` ones as I64 of rank 0, and gives the values of all results.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "reference/Tensor.h"
#include "llvm/ADT/DenseMap.h"
#include <functional>

namespace tenon::reference {

using Values = llvm::ArrayRef<Tensor>;
using Results = mlir::FailureOr<llvm::SmallVector<Tensor>>;

class EvaluatorTable {
public:
  using Evaluator = std::function<Results(mlir::Operation *, Values)>;

  /// `f(op, operands)` returns Results, FailureOr<Tensor> or a Tensor; it reports a failure as an error of
  /// the operation.
  template <typename Op, typename F> void add(F f) {
    table[mlir::TypeID::get<Op>()] = [f](mlir::Operation *op, Values operands) -> Results {
      using Returned = std::invoke_result_t<F, Op, Values>;
      if constexpr (std::is_same_v<Returned, Results>) {
        return f(mlir::cast<Op>(op), operands);
      } else {
        mlir::FailureOr<Tensor> result = f(mlir::cast<Op>(op), operands);
        if (mlir::failed(result))
          return mlir::failure();
        return llvm::SmallVector<Tensor>{*result};
      }
    };
  }
  const Evaluator *find(mlir::Operation *op) const {
    auto it = table.find(op->getName().getTypeID());
    return it == table.end() ? nullptr : &it->second;
  }

private:
  llvm::DenseMap<mlir::TypeID, Evaluator> table;
};

void addElementwise(EvaluatorTable &table);
void addConversions(EvaluatorTable &table);
void addMovement(EvaluatorTable &table);
void addReductions(EvaluatorTable &table);
void addContractions(EvaluatorTable &table);
void addIndexed(EvaluatorTable &table);
void addShapes(EvaluatorTable &table);
void addIndexArithmetic(EvaluatorTable &table);

/// The sizes of a result: those of its type, with the dynamic ones taken in order from `sizes`. Reports
/// negative sizes.
mlir::FailureOr<llvm::SmallVector<int64_t>> resultDims(mlir::Operation *op, mlir::Type type, Values sizes);
/// The part of the operands that a variadic operand holds, given its position and count.
inline Values segment(Values operands, std::pair<unsigned, unsigned> positionAndLength) {
  return operands.slice(positionAndLength.first, positionAndLength.second);
}
DType resultDType(mlir::Value result);
mlir::InFlightDiagnostic outOfRange(mlir::Operation *op);

} // namespace tenon::reference

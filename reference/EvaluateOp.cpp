//===- EvaluateOp.cpp - evaluation of one operation ----------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/OwningOpRef.h"
#include "reference/Evaluators.h"
#include "reference/Interpreter.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::reference;

static const EvaluatorTable &evaluators() {
  static const EvaluatorTable table = [] {
    EvaluatorTable t;
    addElementwise(t);
    addConversions(t);
    addMovement(t);
    addReductions(t);
    addContractions(t);
    addIndexed(t);
    addShapes(t);
    addIndexArithmetic(t);
    return t;
  }();
  return table;
}

InFlightDiagnostic tenon::reference::outOfRange(Operation *op) { return op->emitError() << "TN0714: "; }

DType tenon::reference::resultDType(Value result) { return *dtypeOf(getElementTypeOrSelf(result.getType())); }

FailureOr<llvm::SmallVector<int64_t>> tenon::reference::resultDims(Operation *op, Type type, Values sizes) {
  llvm::SmallVector<int64_t> dims(cast<ShapedType>(type).getShape());
  for (int64_t &d : dims) {
    if (!ShapedType::isDynamic(d))
      continue;
    if (sizes.empty()) {
      op->emitError() << "TN0712: '" << op->getName() << "' names fewer sizes than its result " << type
                      << " has dynamic dimensions; each needs an index operand";
      return failure();
    }
    d = sizes.front().firstInt();
    sizes = sizes.drop_front();
    if (d < 0) {
      outOfRange(op) << "'" << op->getName() << "' has a result of the negative size " << d
                     << "; the sizes of its inputs are too small";
      return failure();
    }
  }
  return dims;
}

/// The results must be what the types promise: a difference is an error of inference or of an evaluator.
static LogicalResult checkResults(Operation *op, Values results) {
  for (auto [i, result] : llvm::enumerate(results)) {
    Type type = op->getResult(i).getType();
    auto shaped = dyn_cast<RankedTensorType>(type);
    bool fits = dtypeOf(getElementTypeOrSelf(type)) == result.dtype();
    fits &= succeeded(verifyCompatibleShape(shaped ? shaped.getShape() : ArrayRef<int64_t>(), result.dims()));
    if (!fits)
      return op->emitError() << "TN0712: result " << i << " of '" << op->getName() << "' is "
                             << result.typeText() << ", but its type is " << type
                             << "; the type or the operands' sizes are wrong";
  }
  return success();
}

/// Runs the decomposition in a function of its own.
static Results evaluateComposite(CompositeOpInterface composite, Values operands) {
  Operation *op = composite;
  OpBuilder builder(op->getContext());
  OwningOpRef<ModuleOp> module(ModuleOp::create(op->getLoc()));
  builder.setInsertionPointToEnd(module->getBody());
  FunctionType type = builder.getFunctionType(op->getOperandTypes(), op->getResultTypes());
  auto function = func::FuncOp::create(builder, op->getLoc(), "decomposition", type);
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToEnd(body);
  IRMapping mapping;
  mapping.map(op->getOperands(), body->getArguments());
  Operation *clone = builder.clone(*op, mapping);
  FailureOr<llvm::SmallVector<Value>> values = cast<CompositeOpInterface>(clone).decompose(builder);
  if (failed(values))
    return op->emitError()
           << "TN0711: '" << op->getName()
           << "' has no decomposition into core operations in this form, and no other meaning";
  func::ReturnOp::create(builder, op->getLoc(), *values);
  clone->erase();
  return Interpreter(*module).run(function, operands);
}

bool tenon::reference::canEvaluate(Operation *op) {
  return evaluators().find(op) != nullptr || isa<CompositeOpInterface>(op);
}

FailureOr<llvm::SmallVector<Tensor>> tenon::reference::evaluateOp(Operation *op,
                                                                  llvm::ArrayRef<Tensor> operands) {
  assert(operands.size() == op->getNumOperands() && "a value for every operand");
  Results results = failure();
  if (const EvaluatorTable::Evaluator *evaluator = evaluators().find(op))
    results = (*evaluator)(op, operands);
  else if (auto composite = dyn_cast<CompositeOpInterface>(op))
    results = evaluateComposite(composite, operands);
  else
    return op->emitError()
           << "TN0711: '" << op->getName()
           << "' has no meaning in the interpreter; it runs tenon operations, scf control flow and "
              "arith on sizes";
  if (failed(results) || failed(checkResults(op, *results)))
    return failure();
  return results;
}

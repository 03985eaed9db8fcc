//===- Interpreter.cpp - functions, control flow, symbols, weights and states -===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/Interpreter.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <map>

using namespace mlir;
using namespace tenon;
using namespace tenon::reference;

using Results = FailureOr<llvm::SmallVector<Tensor>>;

namespace {

/// One activation of a function.
class Frame {
public:
  Frame(Interpreter &interpreter, llvm::StringMap<Tensor> &writtenStates)
      : interpreter(interpreter), writtenStates(writtenStates) {}

  Results run(func::FuncOp function, llvm::ArrayRef<Tensor> arguments);

private:
  LogicalResult bindArgument(func::FuncOp function, unsigned i, const Tensor &argument);
  LogicalResult bindSymbol(func::FuncOp function, unsigned i, int64_t axis, llvm::StringRef name,
                           int64_t size);
  /// Runs the block and gives the operands of its terminator.
  Results runBlock(Block &block, llvm::ArrayRef<Tensor> arguments);
  Results runOp(Operation *op);

  Results runIf(scf::IfOp op);
  Results runFor(scf::ForOp op);
  Results runWhile(scf::WhileOp op);
  Results runKernel(KernelOp op);
  Results runCall(func::CallOp op);
  FailureOr<Tensor> readSymbol(SymbolOp op);

  llvm::SmallVector<Tensor> valuesOf(ValueRange range) {
    return llvm::map_to_vector(range, [&](Value v) { return values.at(v); });
  }
  int64_t indexOf(Value v) { return values.at(v).firstInt(); }

  Interpreter &interpreter;
  llvm::StringMap<Tensor> &writtenStates;
  llvm::DenseMap<Value, Tensor> values;
  std::map<std::string, int64_t> symbols;
};

} // namespace

//===----------------------------------------------------------------------===//
// Functions and symbols
//===----------------------------------------------------------------------===//

LogicalResult Frame::bindSymbol(func::FuncOp function, unsigned i, int64_t axis, llvm::StringRef name,
                                int64_t size) {
  auto [it, isNew] = symbols.try_emplace(name.str(), size);
  if (isNew || it->second == size)
    return success();
  return function.emitError() << "TN0713: argument " << i << " has size " << size << " on axis " << axis
                              << ", but '" << name << "' is " << it->second
                              << " by an earlier argument; they must be equal";
}

LogicalResult Frame::bindArgument(func::FuncOp function, unsigned i, const Tensor &argument) {
  Type type = function.getArgumentTypes()[i];
  auto shaped = dyn_cast<RankedTensorType>(type);
  llvm::ArrayRef<int64_t> shape = shaped ? shaped.getShape() : llvm::ArrayRef<int64_t>();
  if (dtypeOf(getElementTypeOrSelf(type)) != argument.dtype() ||
      failed(verifyCompatibleShape(shape, argument.dims())))
    return function.emitError() << "TN0713: argument " << i << " of '" << function.getName() << "' is "
                                << argument.typeText() << " where " << type
                                << " is expected; convert the input";
  auto dims = function.getArgAttrOfType<ArrayAttr>(i, kDimsAttr);
  if (!dims)
    return success();
  for (auto [axis, attribute] : llvm::enumerate(dims)) {
    int64_t size = argument.dims()[axis];
    if (auto name = dyn_cast<StringAttr>(attribute)) {
      if (failed(bindSymbol(function, i, axis, name.getValue(), size)))
        return failure();
    } else if (auto expected = dyn_cast<IntegerAttr>(attribute); expected && expected.getInt() != size) {
      return function.emitError() << "TN0713: argument " << i << " has size " << size << " on axis " << axis
                                  << " where " << expected.getInt() << " is expected";
    }
  }
  return success();
}

Results Frame::run(func::FuncOp function, llvm::ArrayRef<Tensor> arguments) {
  if (function.isExternal())
    return function.emitError() << "TN0711: '" << function.getName() << "' has no body to run";
  if (arguments.size() != function.getNumArguments())
    return function.emitError() << "TN0713: '" << function.getName() << "' takes "
                                << function.getNumArguments() << " arguments and was given "
                                << arguments.size();
  for (unsigned i = 0; i < arguments.size(); ++i)
    if (failed(bindArgument(function, i, arguments[i])))
      return failure();
  if (!function.getBody().hasOneBlock())
    return function.emitError() << "TN0711: '" << function.getName()
                                << "' has several blocks; only structured control flow has a meaning here";
  return runBlock(function.getBody().front(), arguments);
}

FailureOr<Tensor> Frame::readSymbol(SymbolOp op) {
  auto it = symbols.find(op.getName().str());
  if (it == symbols.end()) {
    op.emitError() << "TN0713: no argument has a dimension named '" << op.getName()
                   << "'; name it in the argument attribute '" << kDimsAttr << "'";
    return failure();
  }
  int64_t v = it->second, multiple = op.getMultipleOf();
  bool inRange =
      v >= static_cast<int64_t>(op.getMin()) && (!op.getMax() || v <= static_cast<int64_t>(*op.getMax()));
  if (inRange && (multiple <= 1 || v % multiple == 0))
    return Tensor::index(v);
  InFlightDiagnostic error = op.emitError();
  error << "TN0714: the size '" << op.getName() << "' is " << v << " where at least " << op.getMin();
  if (op.getMax())
    error << ", at most " << *op.getMax();
  error << " and a multiple of " << multiple << " is declared; give an input in range or declare a wider one";
  return failure();
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

Results Frame::runBlock(Block &block, llvm::ArrayRef<Tensor> arguments) {
  for (auto [argument, value] : llvm::zip_equal(block.getArguments(), arguments))
    values[argument] = value;
  for (Operation &op : block.without_terminator()) {
    Results results = runOp(&op);
    if (failed(results))
      return failure();
    for (auto [result, value] : llvm::zip_equal(op.getResults(), *results))
      values[result] = value;
  }
  return valuesOf(block.getTerminator()->getOperands());
}

Results Frame::runIf(scf::IfOp op) {
  Region &region = indexOf(op.getCondition()) ? op.getThenRegion() : op.getElseRegion();
  return region.empty() ? Results(llvm::SmallVector<Tensor>()) : runBlock(region.front(), {});
}

Results Frame::runFor(scf::ForOp op) {
  int64_t end = indexOf(op.getUpperBound()), step = indexOf(op.getStep());
  llvm::SmallVector<Tensor> carried = valuesOf(op.getInitArgs());
  if (step <= 0)
    return op.emitError() << "TN0714: 'scf.for' has the step " << step << "; it must be positive";
  for (int64_t i = indexOf(op.getLowerBound()); i < end;) {
    llvm::SmallVector<Tensor> arguments{Tensor::fromInts(*dtypeOf(op.getInductionVar().getType()), {}, i)};
    arguments.append(carried);
    Results next = runBlock(*op.getBody(), arguments);
    if (failed(next))
      return failure();
    carried = *next;
    if (__builtin_add_overflow(i, step, &i))
      break;
  }
  return carried;
}

Results Frame::runWhile(scf::WhileOp op) {
  llvm::SmallVector<Tensor> carried = valuesOf(op.getInits());
  while (true) {
    Results condition = runBlock(*op.getBeforeBody(), carried);
    if (failed(condition))
      return failure();
    llvm::SmallVector<Tensor> forwarded(llvm::drop_begin(*condition));
    if (!condition->front().firstInt())
      return forwarded;
    Results next = runBlock(*op.getAfterBody(), forwarded);
    if (failed(next))
      return failure();
    carried = *next;
  }
}

Results Frame::runKernel(KernelOp op) {
  llvm::SmallVector<Tensor> arguments = valuesOf(op.getInputs());
  arguments.append(valuesOf(op.getSizes()));
  return runBlock(op.getBody().front(), arguments);
}

Results Frame::runCall(func::CallOp op) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  if (!callee)
    return op.emitError() << "TN0716: there is no function '" << op.getCallee() << "' to call";
  return Frame(interpreter, writtenStates).run(callee, valuesOf(op.getOperands()));
}

static Results single(FailureOr<Tensor> value) {
  if (failed(value))
    return failure();
  return llvm::SmallVector<Tensor>{*value};
}

Results Frame::runOp(Operation *op) {
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return runIf(branch);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return runFor(loop);
  if (auto loop = dyn_cast<scf::WhileOp>(op))
    return runWhile(loop);
  if (auto kernel = dyn_cast<KernelOp>(op))
    return runKernel(kernel);
  if (auto call = dyn_cast<func::CallOp>(op))
    return runCall(call);
  if (auto symbol = dyn_cast<SymbolOp>(op))
    return single(readSymbol(symbol));
  if (auto get = dyn_cast<GetWeightOp>(op))
    return single(interpreter.readWeight(get, get.getWeight()));
  if (auto read = dyn_cast<ReadStateOp>(op)) {
    auto state = SymbolTable::lookupNearestSymbolFrom<StateOp>(op, read.getStateAttr());
    if (!state)
      return op->emitError() << "TN0716: there is no state '" << read.getState() << "'";
    return single(interpreter.readState(state));
  }
  if (auto write = dyn_cast<WriteStateOp>(op)) {
    writtenStates[write.getState()] = values.at(write.getValue());
    return llvm::SmallVector<Tensor>();
  }
  return evaluateOp(op, valuesOf(op->getOperands()));
}

//===----------------------------------------------------------------------===//
// Interpreter
//===----------------------------------------------------------------------===//

Interpreter::Interpreter(ModuleOp module, WeightReader weights) : root(module), weights(std::move(weights)) {}

FailureOr<llvm::SmallVector<Tensor>> Interpreter::run(func::FuncOp function,
                                                      llvm::ArrayRef<Tensor> arguments) {
  llvm::StringMap<Tensor> written;
  Results results = Frame(*this, written).run(function, arguments);
  if (succeeded(results))
    for (auto &entry : written)
      states[entry.first()] = entry.second;
  return results;
}

FailureOr<Tensor> Interpreter::readWeight(Operation *user, llvm::StringRef name) {
  auto cached = weightCache.find(name);
  if (cached != weightCache.end())
    return cached->second;
  auto weight = root.lookupSymbol<WeightOp>(name);
  if (!weight || !weights) {
    user->emitError() << (weight ? "TN0715: the weight '" : "TN0716: there is no weight '") << name
                      << (weight ? "' is read, but nothing was given that reads weights" : "'");
    return failure();
  }
  FailureOr<Tensor> value = weights(weight);
  if (failed(value))
    return failure();
  auto type = cast<RankedTensorType>(weight.getType());
  if (dtypeOf(type.getElementType()) != value->dtype() || type.getShape() != value->dims()) {
    weight.emitError() << "TN0715: the weight '" << name << "' was read as " << value->typeText() << " where "
                       << type << " is declared";
    return failure();
  }
  weightCache[name] = *value;
  return *value;
}

FailureOr<Tensor> Interpreter::readState(StateOp state) {
  auto it = states.find(state.getSymName());
  if (it != states.end())
    return it->second;
  if (std::optional<llvm::StringRef> initial = state.getInitial())
    return readWeight(state, *initial);
  auto type = cast<RankedTensorType>(state.getType());
  if (!type.hasStaticShape()) {
    state.emitError() << "TN0712: the state '" << state.getSymName() << "' is " << type
                      << "; a state has constant sizes, its capacity";
    return failure();
  }
  return Tensor(*dtypeOf(type.getElementType()), type.getShape());
}

//===- PlanCommands.cpp - operations as commands ----------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/plan/FunctionPlanner.h"

#include "compiler/defects/PlantedDefect.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using tenon::package::ExprOp;

namespace tenon::plan {

void forEachSlot(package::CommandBody &body, function_ref<void(package::Slot &)> f) {
  auto maybe = [&](package::Slot &slot) {
    if (slot != package::kNone)
      f(slot);
  };
  if (auto *c = std::get_if<package::Dispatch>(&body)) {
    for (package::Variant &variant : c->variants)
      maybe(variant.guard);
    llvm::for_each(c->symbols, f);
    f(c->grid);
    for (package::Slot *slot :
         {&c->grain, &c->scratch, &c->cost, &c->flops, &c->bytes, &c->compute, &c->traffic})
      maybe(*slot);
  } else if (auto *c = std::get_if<package::Copy>(&body)) {
    f(c->size);
  } else if (auto *c = std::get_if<package::ReadScalar>(&body)) {
    f(c->index);
    f(c->dst);
  } else if (auto *c = std::get_if<package::WriteScalar>(&body)) {
    f(c->index);
    f(c->src);
  } else if (auto *c = std::get_if<package::SetSlot>(&body)) {
    f(c->dst);
    f(c->src);
  } else if (auto *c = std::get_if<package::Branch>(&body)) {
    f(c->cond);
  } else if (auto *c = std::get_if<package::Check>(&body)) {
    f(c->cond);
  }
}

void FunctionPlanner::flush(Operation *op) {
  std::optional<package::EvalSymbols> pending = slots.takePending();
  if (!pending)
    return;
  package::Command command;
  command.body = *pending;
  command.late = true;
  command.origin = shared.origin(op->getLoc());
  plan.commands.push_back(std::move(command));
}

/// Appends a command, after what its late slots need. Returns its index.
uint32_t FunctionPlanner::emit(package::CommandBody body, Operation *op) {
  flush(op);
  package::Command command;
  forEachSlot(body, [&](package::Slot &slot) { command.late |= SlotTable::isLate(slot); });
  command.body = std::move(body);
  command.origin = shared.origin(op->getLoc());
  plan.commands.push_back(std::move(command));
  return here() - 1;
}

//===----------------------------------------------------------------------===//
// Straight-line operations
//===----------------------------------------------------------------------===//

LogicalResult FunctionPlanner::block(Block &body) {
  for (Operation &op : body)
    if (failed(operation(&op)))
      return failure();
  return success();
}

LogicalResult FunctionPlanner::operation(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](KernelOp t) { return dispatch(t); })
      .Case([&](CopyOp t) { return copy(t); })
      .Case([&](ReadScalarOp t) { return readScalar(t); })
      .Case([&](tensor::ExtractOp t) { return extract(t); })
      .Case([&](FromIndexOp t) { return fromIndex(t); })
      .Case([&](scf::IfOp t) { return branch(t); })
      .Case([&](scf::ForOp t) { return countedLoop(t); })
      .Case([&](scf::WhileOp t) { return conditionalLoop(t); })
      .Case([&](func::ReturnOp t) { return addOutputs(t); })
      // Memory has placed these; their values need no command.
      .Case<ReshapeOp, tensor::CastOp, GetWeightOp, ConstantOp, ReadStateOp, WriteStateOp>(
          [](auto) { return success(); })
      .Case<SymbolOp, tensor::DimOp, scf::YieldOp, scf::ConditionOp>([](auto) { return success(); })
      .Default([](Operation *other) -> LogicalResult {
        // Scalars are computed where they are used.
        if (isa<arith::ArithDialect>(other->getDialect()) &&
            llvm::none_of(other->getResultTypes(), llvm::IsaPred<TensorType>))
          return success();
        return other->emitError() << "TN0611: '" << other->getName()
                                  << "' has no place in a plan: expected kernels, "
                                  << "reshapes, weights, states and control flow";
      });
}

/// The axes of a result along which windows were placed; none for other operations.
static SmallVector<unsigned> windowedAxes(Operation &op) {
  SmallVector<unsigned> axes;
  if (isa<ConvOp, PackedConvOp, WinogradConvOp>(op))
    for (int64_t axis = 1; axis + 1 < cast<RankedTensorType>(op.getResult(0).getType()).getRank(); ++axis)
      axes.push_back(axis);
  if (auto pool = dyn_cast<ReduceWindowOp>(op))
    for (auto [axis, window] : llvm::enumerate(pool.getWindow()))
      if (window > 1)
        axes.push_back(axis);
  return axes;
}

/// Where sizes promise too little, that every window of the kernel has a position is checked before it runs.
/// The import asks it of the inputs' sizes where one symbol decides; here are the rest: several symbols,
/// sizes that come from data, and branches.
LogicalResult FunctionPlanner::checkWindows(KernelOp kernel) {
  SmallVector<Operation *> operations; // also of the kernels that a device's segment holds
  kernel.getBody().walk([&](Operation *op) { operations.push_back(op); });
  for (Operation *op : operations)
    for (unsigned axis : windowedAxes(*op)) {
      Size positions = sizes.dims(op->getResult(0))[axis];
      if (positions.range().min.value_or(0) >= 1)
        continue;
      MaybeSlot count = slot(op, positions);
      if (failed(count))
        return failure();
      package::Check check;
      check.cond = slots.expression(ExprOp::Le, slots.constant(1), *count);
      check.message = "the window is larger than the image";
      emit(std::move(check), op);
    }
  return success();
}

LogicalResult FunctionPlanner::dispatch(KernelOp op) {
  if (failed(checkWindows(op)))
    return failure();
  FailureOr<cpu::DispatchInfo> info = shared.addKernel(op, sizes);
  if (failed(info))
    return failure();
  package::Dispatch command;
  command.variants.push_back({package::kNone, info->kernel});
  for (Value input : op.getInputs())
    command.buffers.push_back(static_cast<uint32_t>(bufferOf(input)));
  for (OpResult output : op->getResults()) {
    if (int64_t tied = tiedOperand(output); tied >= 0)
      shared.tie(info->kernel, static_cast<uint32_t>(tied), static_cast<uint32_t>(command.buffers.size()));
    command.buffers.push_back(static_cast<uint32_t>(bufferOf(output)));
  }
  for (Size scalarSize : info->scalars) {
    MaybeSlot s = slot(op, scalarSize);
    if (failed(s))
      return failure();
    command.symbols.push_back(*s);
  }
  MaybeSlot grid = slot(op, info->grid), grain = slotOr(op, info->grain, 1),
            scratch = slotOr(op, info->scratch, 0);
  MaybeSlot cost = slotOr(op, info->cost, -1), flops = slotOr(op, info->flops, -1),
            bytes = slotOr(op, info->bytes, -1), compute = slotOr(op, info->compute, -1),
            traffic = slotOr(op, info->traffic, -1);
  for (MaybeSlot s : {grid, grain, scratch, cost, flops, bytes, compute, traffic})
    if (failed(s))
      return failure();
  command.grid = *grid;
  command.grain = *grain;
  command.scratch = *scratch;
  command.cost = *cost;
  command.flops = *flops;
  command.bytes = *bytes;
  command.compute = *compute;
  command.traffic = *traffic;
  if (info->scratch)
    scratchBound = std::max(scratchBound, info->scratch.range().max.value_or(package::kUnbounded));
  emit(std::move(command), op);
  return success();
}

LogicalResult FunctionPlanner::copy(CopyOp op) {
  MaybeSlot size = slot(op, bytesOf(op.getResult()));
  if (failed(size))
    return failure();
  package::Copy command;
  command.src = static_cast<uint32_t>(bufferOf(op.getInput()));
  command.dst = static_cast<uint32_t>(bufferOf(op.getResult()));
  command.size = *size;
  emit(command, op);
  return success();
}

LogicalResult FunctionPlanner::readScalar(ReadScalarOp op) {
  package::ReadScalar command;
  command.buffer = static_cast<uint32_t>(bufferOf(op.getInput()));
  command.index = slots.constant(static_cast<int64_t>(op.getPosition()));
  command.dtype = dtypeOf(op.getInput().getType().getElementType()).value_or(package::DType::I64);
  command.dst = external();
  written[{op.getResult(), -1}] = command.dst;
  package::Slot value = command.dst;
  emit(command, op);
  std::string range;
  std::optional<package::Slot> inRange;
  if (op.getMin()) {
    inRange = slots.expression(ExprOp::Le, slots.constant(static_cast<int64_t>(*op.getMin())), value);
    range = " at least " + std::to_string(static_cast<int64_t>(*op.getMin()));
  }
  if (op.getMax()) {
    package::Slot below =
        slots.expression(ExprOp::Le, value, slots.constant(static_cast<int64_t>(*op.getMax())));
    inRange = inRange ? slots.expression(ExprOp::And, *inRange, below) : below;
    range += std::string(range.empty() ? "" : " and") + " at most " +
             std::to_string(static_cast<int64_t>(*op.getMax()));
  }
  if (inRange) {
    package::Check check;
    check.cond = *inRange;
    auto message = op->getAttrOfType<StringAttr>(kMessageAttr);
    check.message =
        message ? message.str() : "a size that the model computes is out of range: expected" + range;
    emit(check, op);
  }
  return success();
}

/// A scalar of any width that control flow or arithmetic reads from a tensor.
LogicalResult FunctionPlanner::extract(tensor::ExtractOp op) {
  RankedTensorType type = op.getTensor().getType();
  std::optional<package::DType> dtype = dtypeOf(type.getElementType());
  if (!dtype || !isa<IntegerType>(type.getElementType()))
    return op.emitError() << "TN0611: expected a plan to read an integer or boolean, found "
                          << type.getElementType();
  package::ReadScalar command;
  command.buffer = static_cast<uint32_t>(bufferOf(op.getTensor()));
  command.dtype = *dtype;
  Size position = sizes.context().constant(0);
  for (auto [index, extent] : llvm::zip_equal(op.getIndices(), sizes.dims(op.getTensor())))
    position = position * extent + sizes.index(index);
  MaybeSlot at = slot(op, position);
  if (failed(at))
    return failure();
  command.index = *at;
  command.dst = external();
  written[{op.getResult(), -1}] = command.dst;
  emit(command, op);
  return success();
}

LogicalResult FunctionPlanner::fromIndex(FromIndexOp op) {
  package::WriteScalar command;
  command.buffer = static_cast<uint32_t>(bufferOf(op.getResult()));
  command.dtype = dtypeOf(op.getResult().getType().getElementType()).value_or(package::DType::I64);
  for (auto [i, value] : llvm::enumerate(op.getValues())) {
    MaybeSlot source = scalar(value);
    if (failed(source))
      return failure();
    command.index = slots.constant(static_cast<int64_t>(i));
    command.src = *source;
    emit(command, op);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

SmallVector<std::pair<Value, int64_t>> FunctionPlanner::chosenScalars(Value value) {
  SmallVector<std::pair<Value, int64_t>> parts;
  auto isOwn = [&](Size size, int64_t dim) {
    SizeAnalysis::Definition d = sizes.definitionOf(size.symbol());
    return d.value == value && d.dim == dim;
  };
  if (value.getType().isIndex()) {
    if (isOwn(sizes.index(value), -1))
      parts.emplace_back(value, -1);
  } else if (isa<IntegerType>(value.getType())) {
    parts.emplace_back(value, -1);
  } else if (isa<RankedTensorType>(value.getType())) {
    for (auto [dim, size] : llvm::enumerate(sizes.dims(value)))
      if (isOwn(size, static_cast<int64_t>(dim)))
        parts.emplace_back(value, static_cast<int64_t>(dim));
  }
  return parts;
}

void FunctionPlanner::declareChosen(ValueRange values) {
  for (Value value : values)
    for (auto part : chosenScalars(value))
      if (!written.contains(part))
        written[part] = external();
}

FailureOr<package::Slot> FunctionPlanner::scalarPart(Value value, int64_t dim) {
  if (dim < 0)
    return scalar(value);
  Operation *user = value.getDefiningOp() ? value.getDefiningOp() : function.getOperation();
  return slot(user, sizes.dims(value)[dim]);
}

LogicalResult FunctionPlanner::choose(ValueRange targets, ValueRange sources, Operation *at) {
  SmallVector<package::SetSlot> moves;
  llvm::DenseSet<package::Slot> overwritten;
  for (auto [target, source] : llvm::zip_equal(targets, sources))
    for (auto [value, dim] : chosenScalars(target)) {
      MaybeSlot from = scalarPart(source, dim);
      if (failed(from))
        return failure();
      package::SetSlot move;
      move.dst = written.at({value, dim});
      move.src = *from;
      if (move.src == move.dst)
        continue;
      moves.push_back(move);
      overwritten.insert(move.dst);
    }
  flush(at);
  // A source that a move overwrites is saved first.
  for (package::SetSlot &move : moves) {
    if (!overwritten.contains(move.src) || planted(Defect::MovesInSequence))
      continue;
    package::SetSlot save;
    save.src = move.src;
    save.dst = external();
    move.src = save.dst;
    emit(save, at);
  }
  for (const package::SetSlot &move : moves)
    emit(move, at);
  return success();
}

LogicalResult FunctionPlanner::branch(scf::IfOp op) {
  declareChosen(op.getResults());
  MaybeSlot condition = scalar(op.getCondition());
  if (failed(condition))
    return failure();
  package::Branch test;
  test.cond = *condition;
  uint32_t testAt = emit(test, op);
  slots.openScope();
  if (failed(block(*op.thenBlock())) || failed(choose(op.getResults(), op.thenYield().getResults(), op)))
    return failure();
  slots.closeScope();
  uint32_t target = here();
  if (op.elseBlock()) {
    uint32_t skipAt = emit(package::Jump{}, op);
    target = here();
    slots.openScope();
    if (failed(block(*op.elseBlock())) || failed(choose(op.getResults(), op.elseYield().getResults(), op)))
      return failure();
    slots.closeScope();
    std::get<package::Jump>(plan.commands[skipAt].body).target = here();
  }
  std::get<package::Branch>(plan.commands[testAt].body).target = target;
  return success();
}

LogicalResult FunctionPlanner::countedLoop(scf::ForOp op) {
  MaybeSlot lower = scalar(op.getLowerBound()), upper = scalar(op.getUpperBound()),
            step = scalar(op.getStep());
  if (failed(lower) || failed(upper) || failed(step))
    return failure();
  package::Slot counter = external();
  written[{op.getInductionVar(), -1}] = counter;
  declareChosen(op.getRegionIterArgs());
  package::SetSlot start;
  start.dst = counter;
  start.src = *lower;
  emit(start, op);
  if (failed(choose(op.getRegionIterArgs(), op.getInitArgs(), op)))
    return failure();
  flush(op);
  uint32_t top = here();
  slots.openScope();
  package::Branch test;
  test.cond = slots.expression(ExprOp::Lt, counter, *upper);
  uint32_t testAt = emit(test, op);
  if (failed(block(*op.getBody())) ||
      failed(choose(op.getRegionIterArgs(), op.getBody()->getTerminator()->getOperands(), op)))
    return failure();
  package::SetSlot advance;
  advance.dst = counter;
  advance.src = slots.expression(ExprOp::Add, counter, *step);
  emit(advance, op);
  slots.closeScope();
  package::Jump again;
  again.target = top;
  emit(again, op);
  std::get<package::Branch>(plan.commands[testAt].body).target = here();
  // What the variables hold in the end.
  declareChosen(op.getResults());
  return choose(op.getResults(), op.getRegionIterArgs(), op);
}

LogicalResult FunctionPlanner::conditionalLoop(scf::WhileOp op) {
  declareChosen(op.getBeforeArguments());
  declareChosen(op.getAfterArguments());
  declareChosen(op.getResults());
  if (failed(choose(op.getBeforeArguments(), op.getInits(), op)))
    return failure();
  flush(op);
  uint32_t top = here();
  slots.openScope();
  if (failed(block(*op.getBeforeBody())))
    return failure();
  scf::ConditionOp condition = op.getConditionOp();
  MaybeSlot proceed = scalar(condition.getCondition());
  if (failed(proceed) || failed(choose(op.getAfterArguments(), condition.getArgs(), op)) ||
      failed(choose(op.getResults(), condition.getArgs(), op)))
    return failure();
  package::Branch test;
  test.cond = *proceed;
  uint32_t testAt = emit(test, op);
  if (failed(block(*op.getAfterBody())) ||
      failed(choose(op.getBeforeArguments(), op.getYieldOp().getResults(), op)))
    return failure();
  slots.closeScope();
  package::Jump again;
  again.target = top;
  emit(again, op);
  std::get<package::Branch>(plan.commands[testAt].body).target = here();
  return success();
}

//===----------------------------------------------------------------------===//
// The end
//===----------------------------------------------------------------------===//

/// Replaces provisional slots by final ones.
void FunctionPlanner::finish() {
  auto settle = [&](package::Slot &slot) { slot = slots.finalSlot(slot); };
  for (package::Command &command : plan.commands) {
    forEachSlot(command.body, settle);
    if (auto *eval = std::get_if<package::EvalSymbols>(&command.body))
      eval->first += slots.staticCount();
  }
  for (package::Buffer &buffer : plan.buffers)
    settle(buffer.size);
  for (std::vector<package::TensorArg> *list : {&plan.inputs, &plan.outputs})
    for (package::TensorArg &argument : *list)
      llvm::for_each(argument.dims, settle);
  plan.exprs = slots.finish();
  plan.staticExprs = slots.staticCount();
}

} // namespace tenon::plan

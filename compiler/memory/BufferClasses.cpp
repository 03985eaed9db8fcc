//===- BufferClasses.cpp - values that share a buffer --------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A place (an output, a state, a variable of a loop, a result of a conditional) wants the value that ends up
// in it to be computed there. A value can be claimed for one place, when it is computed in the block that the
// place is filled from, and when nothing reads what the place held before at the time of the computation or
// later. Else it is copied.
//
//===----------------------------------------------------------------------===//
#include "compiler/memory/BufferClasses.h"

#include "compiler/defects/PlantedDefect.h"
#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/memory/Timeline.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace tenon::memory {

BufferClasses::ClassId BufferClasses::of(Value value) {
  auto [it, inserted] = ids.try_emplace(value, static_cast<ClassId>(sets.size()));
  if (inserted)
    sets.emplace_back().members.push_back(value);
  return it->second;
}

void BufferClasses::unite(Value a, Value b) {
  ClassId keep = of(a), drop = of(b);
  if (keep == drop)
    return;
  if (drop < keep)
    std::swap(keep, drop);
  if (sets[drop].where.region != BufferRegion::Arena) {
    assert(sets[keep].where.region == BufferRegion::Arena && "two places for one class");
    sets[keep].where = sets[drop].where;
  }
  for (Value value : sets[drop].members) {
    ids[value] = keep;
    sets[keep].members.push_back(value);
  }
  sets[drop].members.clear();
}

void BufferClasses::place(Value value, BufferEntry where) {
  Set &set = sets[of(value)];
  assert(set.where.region == BufferRegion::Arena && "the class has a place");
  set.where = std::move(where);
}

SmallVector<BufferClasses::ClassId> BufferClasses::all() const {
  SmallVector<ClassId> result;
  for (ClassId id = 0; id < sets.size(); ++id)
    if (!sets[id].members.empty())
      result.push_back(id);
  return result;
}

static bool isTensor(Value value) { return isa<RankedTensorType>(value.getType()); }
static bool isAlias(Operation *op) { return isa<ReshapeOp, tensor::CastOp>(op); }

Value rootOf(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isAlias(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

namespace {

class ClassBuilder {
public:
  explicit ClassBuilder(func::FuncOp function) : function(function), builder(function.getContext()) {}
  FailureOr<BufferClasses> build();

private:
  // Values and their uses.
  bool isComputed(Value root, Block *block) const;
  uint32_t firstDefinition(Value root);
  SmallVector<OpOperand *> usesOfMemory(ArrayRef<Value> values) const;
  bool isReadFrom(ArrayRef<Value> previous, uint32_t position, const Operation *except);
  Timeline &timeline();
  Value copyBefore(Operation *position, Value value);
  // Places.
  void classifyBlock(Block &block);
  void classifyOperation(Operation *op);
  void classifyTies(KernelOp kernel);
  bool tieHolds(KernelOp kernel, OpResult result, OpOperand &operand);
  bool leadsBackTo(Value value, Value origin);
  bool storedBack(KernelOp kernel, OpResult result, Value origin);
  bool claim(OpOperand &operand, ArrayRef<Value> previous);
  void fill(OpOperand &operand, Value place, ArrayRef<Value> previous);
  void classifyIf(scf::IfOp op);
  void classifyFor(scf::ForOp op);
  void classifyWhile(scf::WhileOp op);
  void startVariable(OpOperand &init, Value variable, Operation *loop);
  void detachSources(Operation *terminator, MutableArrayRef<OpOperand> operands, ArrayRef<Value> variables);
  void classifyOutputs();
  LogicalResult classifyStates();
  void aliasRoots();

  func::FuncOp function;
  OpBuilder builder;
  BufferClasses classes;
  std::optional<Timeline> times;
  llvm::DenseSet<Value> claimed;
};

} // namespace

//===----------------------------------------------------------------------===//
// Values and their uses
//===----------------------------------------------------------------------===//

Timeline &ClassBuilder::timeline() {
  if (!times)
    times.emplace(function);
  return *times;
}

Value ClassBuilder::copyBefore(Operation *position, Value value) {
  builder.setInsertionPoint(position);
  times.reset();
  return CopyOp::create(builder, value.getLoc(), value.getType(), value);
}

/// Whether the value's memory is of its own, and is filled by an operation of the block.
bool ClassBuilder::isComputed(Value root, Block *block) const {
  Operation *op = root.getDefiningOp();
  return op && op->getBlock() == block &&
         isa<KernelOp, CopyOp, FromIndexOp, scf::IfOp, scf::ForOp, scf::WhileOp>(op);
}

/// When the memory of the value's class is written for the first time.
uint32_t ClassBuilder::firstDefinition(Value root) {
  uint32_t first = UINT32_MAX;
  for (Value member : classes.members(classes.of(root)))
    if (Operation *op = member.getDefiningOp())
      first = std::min(first, timeline().start(op));
  return first;
}

/// The uses of values and of what shows the same memory.
SmallVector<OpOperand *> ClassBuilder::usesOfMemory(ArrayRef<Value> values) const {
  SmallVector<OpOperand *> uses;
  SmallVector<Value> open(values);
  while (!open.empty())
    for (OpOperand &use : open.pop_back_val().getUses()) {
      uses.push_back(&use);
      if (isAlias(use.getOwner()))
        open.push_back(use.getOwner()->getResult(0));
      else if (auto condition = dyn_cast<scf::ConditionOp>(use.getOwner());
               condition && use.getOperandNumber() > 0)
        open.push_back(
            condition->getParentOfType<scf::WhileOp>().getAfterArguments()[use.getOperandNumber() - 1]);
    }
  return uses;
}

bool ClassBuilder::isReadFrom(ArrayRef<Value> previous, uint32_t position, const Operation *except) {
  if (planted(Defect::StateOverwrittenEarly))
    return false;
  return llvm::any_of(usesOfMemory(previous), [&](OpOperand *use) {
    return use->getOwner() != except && !isAlias(use->getOwner()) &&
           timeline().start(use->getOwner()) >= position;
  });
}

//===----------------------------------------------------------------------===//
// Claims
//===----------------------------------------------------------------------===//

/// Whether the value of a terminator's or write's operand can be computed in the place whose values up to
/// then are `previous`; it is taken then.
bool ClassBuilder::claim(OpOperand &operand, ArrayRef<Value> previous) {
  Value root = rootOf(operand.get());
  Operation *user = operand.getOwner();
  if (!isComputed(root, user->getBlock()) || claimed.contains(root))
    return false;
  bool sameMemory = !previous.empty() && classes.of(root) == classes.of(previous.front());
  if (!sameMemory) {
    if (classes.placeOf(root).region != BufferRegion::Arena)
      return false;
    if (isReadFrom(previous, firstDefinition(root), nullptr))
      return false;
  }
  claimed.insert(root);
  return true;
}

/// Makes the operand's value lie in the class of `place`.
void ClassBuilder::fill(OpOperand &operand, Value place, ArrayRef<Value> previous) {
  if (rootOf(operand.get()) == place)
    return;
  if (!claim(operand, previous)) {
    Value copy = copyBefore(operand.getOwner(), operand.get());
    operand.set(copy);
    claimed.insert(copy);
  }
  classes.unite(place, rootOf(operand.get()));
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

void ClassBuilder::classifyBlock(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block))
    classifyOperation(&op);
}

void ClassBuilder::classifyOperation(Operation *op) {
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return classifyIf(branch);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return classifyFor(loop);
  if (auto loop = dyn_cast<scf::WhileOp>(op))
    return classifyWhile(loop);
  for (Value result : op->getResults())
    if (isTensor(result))
      classes.of(result);
  if (auto kernel = dyn_cast<KernelOp>(op))
    classifyTies(kernel);
}

/// Follows a value back through reshapes and ties.
bool ClassBuilder::leadsBackTo(Value value, Value origin) {
  for (value = rootOf(value); value != origin;) {
    auto result = dyn_cast<OpResult>(value);
    auto read = value.getDefiningOp<ReadStateOp>();
    auto wanted = origin.getDefiningOp<ReadStateOp>();
    if (read && wanted)
      return read.getState() == wanted.getState();
    if (!result || !isa<KernelOp>(result.getOwner()) || tiedOperand(result) < 0)
      return false;
    value = rootOf(result.getOwner()->getOperand(static_cast<unsigned>(tiedOperand(result))));
  }
  return true;
}

/// Whether a tied result, or what further ties make of it, becomes the next value of the state or loop
/// variable that the tie changes.
bool ClassBuilder::storedBack(KernelOp kernel, OpResult result, Value origin) {
  auto passes = [&](Value stored) { return leadsBackTo(stored, result) && leadsBackTo(stored, origin); };
  if (auto read = origin.getDefiningOp<ReadStateOp>()) {
    bool found = false;
    function.walk([&](WriteStateOp write) {
      found |= write.getState() == read.getState() && passes(write.getValue());
    });
    return found;
  }
  auto argument = dyn_cast<BlockArgument>(origin);
  if (!argument || argument.getOwner() != kernel->getBlock())
    return false;
  if (auto loop = dyn_cast<scf::ForOp>(kernel->getParentOp()))
    return passes(loop.getBody()->getTerminator()->getOperand(argument.getArgNumber() - 1));
  return false;
}

bool ClassBuilder::tieHolds(KernelOp kernel, OpResult result, OpOperand &operand) {
  Value root = rootOf(operand.get());
  bool owned = isComputed(root, kernel->getBlock()) && !claimed.contains(root);
  if (!owned && !storedBack(kernel, result, root))
    return false;
  SmallVector<Value> previous = {root};
  if (auto read = root.getDefiningOp<ReadStateOp>())
    function.walk([&](ReadStateOp other) {
      if (other.getState() == read.getState() && other != read)
        previous.push_back(other);
    });
  unsigned uses =
      llvm::count_if(kernel->getOpOperands(), [&](OpOperand &use) { return rootOf(use.get()) == root; });
  return uses == 1 && !isReadFrom(previous, timeline().start(kernel), kernel);
}

void ClassBuilder::classifyTies(KernelOp kernel) {
  for (OpResult result : kernel->getResults()) {
    int64_t tied = tiedOperand(result);
    if (tied < 0)
      continue;
    OpOperand &operand = kernel->getOpOperand(static_cast<unsigned>(tied));
    if (!tieHolds(kernel, result, operand))
      operand.set(copyBefore(kernel, operand.get()));
    claimed.insert(rootOf(operand.get()));
    classes.unite(rootOf(operand.get()), result);
  }
}

void ClassBuilder::classifyIf(scf::IfOp op) {
  for (Region &region : op->getRegions())
    if (!region.empty())
      classifyBlock(region.front());
  for (auto [i, result] : llvm::enumerate(op.getResults())) {
    if (!isTensor(result))
      continue;
    fill(op.thenYield()->getOpOperand(i), result, {});
    fill(op.elseYield()->getOpOperand(i), result, {});
  }
}

/// Gives a loop's variable its first value.
void ClassBuilder::startVariable(OpOperand &init, Value variable, Operation *loop) {
  Value root = rootOf(init.get());
  bool free = isComputed(root, loop->getBlock()) && !claimed.contains(root);
  for (OpOperand *use : usesOfMemory({root})) {
    Operation *user = use->getOwner();
    if (use != &init && !isAlias(user) && timeline().start(user) >= timeline().start(loop))
      free = false;
  }
  if (!free || classes.placeOf(root).region != BufferRegion::Arena) {
    root = copyBefore(loop, init.get());
    init.set(root);
  }
  claimed.insert(root);
  classes.unite(root, variable);
}

/// All variables are replaced at once: a value that lies in another variable is saved before any is
/// overwritten.
void ClassBuilder::detachSources(Operation *terminator, MutableArrayRef<OpOperand> operands,
                                 ArrayRef<Value> variables) {
  for (auto [i, operand] : llvm::enumerate(operands)) {
    Value root = rootOf(operand.get());
    if (!isTensor(operand.get()) || root == variables[i])
      continue;
    bool inVariable = llvm::any_of(variables, [&](Value v) {
      return v && classes.known(root) && classes.of(root) == classes.of(v) && root.getDefiningOp() == nullptr;
    });
    if (inVariable)
      operand.set(copyBefore(terminator, operand.get()));
  }
}

void ClassBuilder::classifyFor(scf::ForOp op) {
  SmallVector<Value> variables(op.getRegionIterArgs());
  for (auto [i, variable] : llvm::enumerate(variables))
    if (isTensor(variable)) {
      startVariable(op.getInitArgsMutable()[i], variable, op);
      classes.unite(variable, op.getResult(i));
    }
  classifyBlock(*op.getBody());
  Operation *yield = op.getBody()->getTerminator();
  detachSources(yield, yield->getOpOperands(), variables);
  for (auto [i, variable] : llvm::enumerate(variables))
    if (isTensor(variable))
      fill(yield->getOpOperand(i), variable, {variable});
}

void ClassBuilder::classifyWhile(scf::WhileOp op) {
  SmallVector<Value> variables(op.getBeforeArguments());
  for (auto [i, variable] : llvm::enumerate(variables))
    if (isTensor(variable))
      startVariable(op.getInitsMutable()[i], variable, op);
  classifyBlock(*op.getBeforeBody());
  scf::ConditionOp condition = op.getConditionOp();
  llvm::DenseSet<BufferClasses::ClassId> forwarded;
  for (auto [i, argument] : llvm::enumerate(op.getAfterArguments())) {
    if (!isTensor(argument))
      continue;
    OpOperand &operand = condition.getArgsMutable()[i];
    // The values live on outside the loop, where each may be claimed: each needs memory of its own.
    Value root = rootOf(operand.get());
    bool local = op->isAncestor(root.getParentBlock()->getParentOp());
    if (!local || !classes.known(root) || classes.placeOf(root).region != BufferRegion::Arena ||
        !forwarded.insert(classes.of(root)).second) {
      operand.set(copyBefore(condition, operand.get()));
      forwarded.insert(classes.of(operand.get()));
    }
    classes.unite(rootOf(operand.get()), argument);
    classes.unite(argument, op.getResult(i));
  }
  classifyBlock(*op.getAfterBody());
  scf::YieldOp yield = op.getYieldOp();
  detachSources(yield, yield->getOpOperands(), variables);
  for (auto [i, variable] : llvm::enumerate(variables))
    if (isTensor(variable))
      fill(yield->getOpOperand(i), variable, {variable});
}

//===----------------------------------------------------------------------===//
// The function's own places
//===----------------------------------------------------------------------===//

void ClassBuilder::classifyOutputs() {
  Operation *end = function.getBody().front().getTerminator();
  for (OpOperand &operand : end->getOpOperands()) {
    BufferEntry where;
    where.region = BufferRegion::Output;
    where.index = operand.getOperandNumber();
    bool own = classes.placeOf(rootOf(operand.get())).region == BufferRegion::Arena && claim(operand, {});
    if (!own) {
      Value copy = copyBefore(end, operand.get());
      operand.set(copy);
      claimed.insert(copy);
    }
    classes.place(rootOf(operand.get()), std::move(where));
  }
}

LogicalResult ClassBuilder::classifyStates() {
  Block &body = function.getBody().front();
  llvm::StringMap<SmallVector<Value>> reads;
  SmallVector<WriteStateOp> writes;
  function.walk([&](ReadStateOp read) { reads[read.getState()].push_back(read); });
  WalkResult walked = function.walk([&](WriteStateOp write) {
    if (write->getBlock() != &body) {
      write.emitError(
          "TN0601: expected states to be written at the end of a function, found a write inside a loop or "
          "conditional");
      return WalkResult::interrupt();
    }
    writes.push_back(write);
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  // The new values take their places when everything else is done.
  for (WriteStateOp write : writes)
    write->moveBefore(body.getTerminator());
  times.reset();
  for (WriteStateOp write : writes) { // before any state is overwritten
    Value root = rootOf(write.getValue());
    auto read = root.getDefiningOp<ReadStateOp>();
    if (read && read.getState() != write.getState())
      write.getValueMutable().assign(copyBefore(writes.front(), write.getValue()));
  }
  for (WriteStateOp write : writes) {
    SmallVector<Value> &previous = reads[write.getState()];
    Value root = rootOf(write.getValue());
    if (llvm::is_contained(previous, root))
      continue; // keeps its value
    if (!claim(write.getValueMutable(), previous)) {
      Value copy = copyBefore(write, write.getValue());
      write.getValueMutable().assign(copy);
      claimed.insert(copy);
    }
    root = rootOf(write.getValue());
    if (!previous.empty()) {
      classes.unite(previous.front(), root);
    } else {
      BufferEntry where;
      where.region = BufferRegion::State;
      where.symbol = write.getState().str();
      classes.place(root, std::move(where));
    }
  }
  return success();
}

/// Reshapes and casts show the memory of their operand.
void ClassBuilder::aliasRoots() {
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isAlias(op) && isTensor(op->getResult(0)))
      classes.unite(rootOf(op->getResult(0)), op->getResult(0));
    return isa<KernelOp>(op) ? WalkResult::skip() : WalkResult::advance();
  });
}

/// Memory that exists apart from the arena. Reads of one weight or state are one class.
static void placeSources(func::FuncOp function, BufferClasses &classes) {
  llvm::StringMap<Value> weights, states;
  for (BlockArgument argument : function.getArguments()) {
    BufferEntry where;
    where.region = BufferRegion::Input;
    where.index = argument.getArgNumber();
    classes.place(argument, std::move(where));
  }
  auto share = [&](llvm::StringMap<Value> &seen, Value value, BufferRegion region, StringRef symbol) {
    auto [it, inserted] = seen.try_emplace(symbol, value);
    if (!inserted)
      return classes.unite(it->second, value);
    BufferEntry where;
    where.region = region;
    where.symbol = symbol.str();
    classes.place(value, std::move(where));
  };
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto weight = dyn_cast<GetWeightOp>(op)) {
      share(weights, weight, BufferRegion::Weight, weight.getWeight());
    } else if (auto state = dyn_cast<ReadStateOp>(op)) {
      share(states, state, BufferRegion::State, state.getState());
    } else if (auto constant = dyn_cast<ConstantOp>(op)) {
      BufferEntry where;
      where.region = BufferRegion::Constant;
      classes.place(constant, std::move(where));
    }
    return isa<KernelOp>(op) ? WalkResult::skip() : WalkResult::advance();
  });
}

FailureOr<BufferClasses> ClassBuilder::build() {
  placeSources(function, classes);
  classifyBlock(function.getBody().front());
  classifyOutputs();
  if (failed(classifyStates()))
    return failure();
  aliasRoots();
  return std::move(classes);
}

FailureOr<BufferClasses> formBufferClasses(func::FuncOp function) { return ClassBuilder(function).build(); }

} // namespace tenon::memory

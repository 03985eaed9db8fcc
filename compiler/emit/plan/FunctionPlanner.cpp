//===- FunctionPlanner.cpp - the signature, memory and sizes of a plan ------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/plan/FunctionPlanner.h"

#include "compiler/emit/plan/UpperBound.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using tenon::package::ExprOp;

namespace tenon::plan {

//===----------------------------------------------------------------------===//
// The signature
//===----------------------------------------------------------------------===//

/// The symbols of a function: the names in its arguments' sizes, in order of appearance.
static std::vector<std::string> symbolNames(func::FuncOp function) {
  std::vector<std::string> names;
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (auto dims = function.getArgAttrOfType<ArrayAttr>(i, kDimsAttr))
      for (Attribute dim : dims)
        if (auto name = dyn_cast<StringAttr>(dim); name && !llvm::is_contained(names, name.str()))
          names.push_back(name.str());
  return names;
}

FunctionPlanner::FunctionPlanner(PackageBuilder &shared, func::FuncOp function, SizeAnalysis &sizes,
                                 package::Function &plan)
    : shared(shared), function(function), sizes(sizes), plan(plan), slots(symbolNames(function)) {}

static std::string argumentName(Attribute name, StringRef fallback, unsigned number) {
  if (auto text = dyn_cast_or_null<StringAttr>(name))
    return text.str();
  return (fallback + Twine(number)).str();
}

LogicalResult FunctionPlanner::addTensorArg(Operation *user, Value value, StringRef name,
                                            std::vector<package::TensorArg> &list) {
  auto type = cast<RankedTensorType>(value.getType());
  std::optional<package::DType> dtype = dtypeOf(type.getElementType());
  if (!dtype)
    return user->emitError() << "TN0612: expected elements that a package can hold, found "
                             << type.getElementType();
  package::TensorArg argument;
  argument.name = name.str();
  argument.dtype = *dtype;
  for (Size size : sizes.dims(value)) {
    MaybeSlot dim = slot(user, size);
    if (failed(dim))
      return failure();
    argument.dims.push_back(*dim);
  }
  list.push_back(std::move(argument));
  return success();
}

LogicalResult FunctionPlanner::addInputs() {
  for (const std::string &name : symbolNames(function)) {
    package::Symbol symbol;
    symbol.name = name;
    sizes.context().symbol(name);
    const SymbolInfo *info = sizes.context().info(name);
    symbol.min = info->min;
    symbol.max = info->max.value_or(package::kUnbounded);
    symbol.multipleOf = info->multipleOf;
    symbol.likely.assign(info->likely.begin(), info->likely.end());
    plan.symbols.push_back(std::move(symbol));
  }
  for (BlockArgument argument : function.getArguments()) {
    unsigned i = argument.getArgNumber();
    if (failed(addTensorArg(function, argument, argumentName(function.getArgAttr(i, kNameAttr), "input", i),
                            plan.inputs)))
      return failure();
  }
  return success();
}

LogicalResult FunctionPlanner::addOutputs(func::ReturnOp end) {
  for (OpOperand &operand : end->getOpOperands()) {
    unsigned i = operand.getOperandNumber();
    if (failed(addTensorArg(end, operand.get(),
                            argumentName(function.getResultAttr(i, kNameAttr), "output", i), plan.outputs)))
      return failure();
  }
  flush(end);
  return success();
}

/// `tenon.state_ties` of the function: [state, input, output] each.
void FunctionPlanner::addStateTies() {
  auto ties = function->getAttrOfType<ArrayAttr>("tenon.state_ties");
  if (!ties)
    return;
  for (Attribute attribute : ties) {
    auto row = dyn_cast<ArrayAttr>(attribute);
    if (!row || row.size() != 3)
      continue;
    FailureOr<uint32_t> state = shared.state(function, cast<StringAttr>(row[0]).getValue());
    if (succeeded(state))
      plan.stateTies.push_back({*state, cast<StringAttr>(row[1]).str(), cast<StringAttr>(row[2]).str()});
  }
}

//===----------------------------------------------------------------------===//
// The memory
//===----------------------------------------------------------------------===//

Size FunctionPlanner::bytesOf(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return productOf(sizes.context(), sizes.dims(value)) * storageBytes(type.getElementType());
}

/// Calls f(value) for every tensor value outside kernels.
static void forEachTensor(func::FuncOp function, function_ref<void(Value)> f) {
  auto visit = [&](ValueRange values) {
    for (Value value : values)
      if (isa<RankedTensorType>(value.getType()))
        f(value);
  };
  function->walk<WalkOrder::PreOrder>([&](Operation *op) {
    visit(op->getResults());
    if (isa<KernelOp>(op))
      return WalkResult::skip();
    for (Region &region : op->getRegions())
      for (Block &block : region)
        visit(block.getArguments());
    return WalkResult::advance();
  });
}

FailureOr<uint32_t> FunctionPlanner::objectOf(const BufferEntry &entry, Value value) {
  Operation *user = value.getDefiningOp() ? value.getDefiningOp() : function.getOperation();
  switch (entry.region) {
  case BufferRegion::Arena:
    return 0;
  case BufferRegion::Input:
  case BufferRegion::Output:
    return entry.index;
  case BufferRegion::State:
    return shared.state(user, entry.symbol);
  case BufferRegion::Weight:
    return shared.weight(user, entry.symbol);
  case BufferRegion::Constant:
    return shared.constant(user, cast<ConstantOp>(user).getValue());
  }
  llvm_unreachable("not a region");
}

static package::Region regionOf(BufferRegion region) {
  switch (region) {
  case BufferRegion::Arena:
    return package::Region::Arena;
  case BufferRegion::Input:
    return package::Region::Input;
  case BufferRegion::Output:
    return package::Region::Output;
  case BufferRegion::State:
    return package::Region::State;
  case BufferRegion::Weight:
  case BufferRegion::Constant:
    return package::Region::Weight;
  }
  llvm_unreachable("not a region");
}

LogicalResult FunctionPlanner::addBuffer(const BufferEntry &entry, ArrayRef<Value> values) {
  Value first = values.front();
  Operation *user = first.getDefiningOp() ? first.getDefiningOp() : function.getOperation();
  std::optional<Size> bytes;
  for (Value value : values) {
    std::optional<Size> bound = upperBound(sizes, bytesOf(value));
    // A reshape has as many bytes as its input, however little is known of its sizes.
    auto reshape = value.getDefiningOp<ReshapeOp>();
    if (reshape && bufferOf(reshape.getInput()) == bufferOf(value) && bound != bytesOf(value))
      continue;
    if (!bound)
      return emitError(value.getLoc())
             << "TN0602: the size of this tensor depends on data and has no upper bound: "
             << bytesOf(value).str() << " bytes";
    bytes = bytes ? bytes->max(*bound) : *bound;
  }
  FailureOr<uint32_t> object = objectOf(entry, first);
  MaybeSlot size = slot(user, *bytes);
  if (failed(object) || failed(size))
    return failure();
  package::Buffer buffer;
  buffer.region = regionOf(entry.region);
  buffer.index = *object;
  buffer.size = *size;
  buffer.conflicts.assign(entry.conflicts.begin(), entry.conflicts.end());
  plan.buffers.push_back(std::move(buffer));
  bufferBounds.push_back(bytes);
  return success();
}

LogicalResult FunctionPlanner::addBuffers() {
  FailureOr<BufferTable> table = BufferTable::of(function);
  if (failed(table))
    return failure();
  std::vector<SmallVector<Value>> values(table->entries.size());
  bool complete = true;
  forEachTensor(function, [&](Value value) {
    int64_t buffer = bufferOf(value);
    if (buffer >= 0 && buffer < static_cast<int64_t>(values.size()))
      values[buffer].push_back(value);
    else
      complete = false;
  });
  bool ok = true; // every tensor that has no place is reported
  for (auto [entry, members] : llvm::zip_equal(table->entries, values)) {
    // A class's place is described by the value that owns it (the constant, the read), met before its
    // aliases.
    if (members.empty() || !complete)
      return function.emitError("expected every tensor to have a buffer and every buffer a tensor");
    ok &= succeeded(addBuffer(entry, members));
  }
  return success(ok);
}

/// The largest arena: every offset is monotonic in the sizes, so the largest sizes bound it.
void FunctionPlanner::certify() {
  constexpr int64_t alignment = 64;
  std::vector<int64_t> ends(plan.buffers.size(), 0);
  int64_t peak = 0;
  for (size_t b = 0; b < plan.buffers.size() && peak != package::kUnbounded; ++b) {
    if (plan.buffers[b].region != package::Region::Arena)
      continue;
    int64_t start = 0;
    for (uint32_t earlier : plan.buffers[b].conflicts)
      start = std::max(start, ends[earlier]);
    std::optional<int64_t> bytes = bufferBounds[b]->range().max;
    if (!bytes || llvm::AddOverflow(start, alignment - 1, start) ||
        llvm::AddOverflow(start / alignment * alignment, *bytes, ends[b])) {
      peak = package::kUnbounded;
      break;
    }
    peak = std::max(peak, ends[b]);
  }
  plan.certificate.arenaBytes = peak;
  plan.certificate.scratchBytesPerWorker = scratchBound;
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

package::Slot FunctionPlanner::external() {
  flush(function);
  return slots.external();
}

std::optional<package::Slot> FunctionPlanner::symbolSlot(StringRef name) {
  SizeAnalysis::Definition definition = sizes.definitionOf(name);
  if (!definition.value)
    return std::nullopt;
  auto it = written.find({definition.value, definition.dim});
  if (it != written.end())
    return it->second;
  if (definition.dim >= 0 || !definition.value.getDefiningOp())
    return std::nullopt;
  MaybeSlot result = computed(definition.value.getDefiningOp());
  if (failed(result))
    return std::nullopt;
  Slot computedSlot = *result;
  return computedSlot;
}

FailureOr<package::Slot> FunctionPlanner::slot(Operation *user, Size size) {
  std::optional<Slot> result = slots.size(size, [&](StringRef name) { return symbolSlot(name); });
  if (!result)
    return user->emitError() << "TN0611: the size " << size.str() << " cannot be computed by a plan";
  return *result;
}

/// kNone where the size is the constant that means nothing.
FailureOr<package::Slot> FunctionPlanner::slotOr(Operation *user, Size size, int64_t absent) {
  if (!size || size.isConstant(absent))
    return package::kNone;
  return slot(user, size);
}

FailureOr<package::Slot> FunctionPlanner::scalar(Value value) {
  auto it = written.find({value, -1});
  if (it != written.end())
    return it->second;
  Operation *op = value.getDefiningOp();
  if (value.getType().isIndex()) {
    Size size = sizes.index(value);
    // A size that is nothing but this value is computed from the operation.
    if (SizeAnalysis::Definition d = sizes.definitionOf(size.symbol()); !op || d.value != value)
      return slot(op ? op : function.getOperation(), size);
  }
  if (!op)
    return function.emitError("TN0611: a scalar argument has no value in a plan");
  return computed(op);
}

static std::optional<ExprOp> comparison(arith::CmpIPredicate predicate) {
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return ExprOp::Eq;
  case arith::CmpIPredicate::ne:
    return ExprOp::Ne;
  case arith::CmpIPredicate::slt:
  case arith::CmpIPredicate::sgt: // operands swapped
    return ExprOp::Lt;
  case arith::CmpIPredicate::sle:
  case arith::CmpIPredicate::sge:
    return ExprOp::Le;
  default:
    return std::nullopt;
  }
}

static std::optional<ExprOp> binaryOperation(Operation *op) {
  if (isa<arith::AddIOp>(op))
    return ExprOp::Add;
  if (isa<arith::SubIOp>(op))
    return ExprOp::Sub;
  if (isa<arith::MulIOp>(op))
    return ExprOp::Mul;
  if (isa<arith::FloorDivSIOp>(op))
    return ExprOp::FloorDiv;
  if (isa<arith::CeilDivSIOp>(op))
    return ExprOp::CeilDiv;
  if (isa<arith::MinSIOp>(op))
    return ExprOp::Min;
  if (isa<arith::MaxSIOp>(op))
    return ExprOp::Max;
  bool truth = op->getResult(0).getType().isInteger(1);
  if (isa<arith::AndIOp>(op) && truth)
    return ExprOp::And;
  if (isa<arith::OrIOp>(op) && truth)
    return ExprOp::Or;
  if (isa<arith::XOrIOp>(op) && truth)
    return ExprOp::Ne;
  return std::nullopt;
}

/// The slot of a scalar operation's result.
FailureOr<package::Slot> FunctionPlanner::computed(Operation *op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    if (auto value = dyn_cast<IntegerAttr>(constant.getValue()))
      return slots.constant(value.getType().isInteger(1) ? int64_t(!value.getValue().isZero())
                                                         : value.getInt());
  SmallVector<Slot> operands;
  for (Value operand : op->getOperands()) {
    if (!isa<IndexType, IntegerType>(operand.getType()))
      return op->emitError() << "TN0611: '" << op->getName() << "' has no place in a plan";
    MaybeSlot s = scalar(operand);
    if (failed(s))
      return failure();
    operands.push_back(*s);
  }
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    bool swap = compare.getPredicate() == arith::CmpIPredicate::sgt ||
                compare.getPredicate() == arith::CmpIPredicate::sge;
    if (std::optional<ExprOp> operation = comparison(compare.getPredicate()))
      return swap ? slots.expression(*operation, operands[1], operands[0])
                  : slots.expression(*operation, operands[0], operands[1]);
  }
  if (isa<arith::SelectOp>(op))
    return slots.expression(ExprOp::Select, operands[0], operands[1], operands[2]);
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::ExtSIOp, arith::ExtUIOp>(op) &&
      !(isa<arith::ExtSIOp>(op) && op->getOperand(0).getType().isInteger(1)))
    return operands[0];
  if (std::optional<ExprOp> operation = binaryOperation(op))
    return slots.expression(*operation, operands[0], operands[1]);
  if (isa<arith::DivSIOp, arith::RemSIOp>(op)) {
    // Both round to zero: computed on magnitudes, with the dividend's sign put back.
    Slot zero = slots.constant(0), a = operands[0], b = operands[1];
    auto magnitude = [&](Slot x) {
      return slots.expression(ExprOp::Max, x, slots.expression(ExprOp::Sub, zero, x));
    };
    Slot quotient = slots.expression(ExprOp::FloorDiv, magnitude(a), magnitude(b));
    Slot negative = slots.expression(ExprOp::Ne, slots.expression(ExprOp::Lt, a, zero),
                                     slots.expression(ExprOp::Lt, b, zero));
    Slot result =
        slots.expression(ExprOp::Select, negative, slots.expression(ExprOp::Sub, zero, quotient), quotient);
    if (isa<arith::DivSIOp>(op))
      return result;
    return slots.expression(ExprOp::Sub, a, slots.expression(ExprOp::Mul, result, b));
  }
  return op->emitError() << "TN0611: '" << op->getName() << "' has no place in a plan";
}

LogicalResult FunctionPlanner::run() {
  if (!function.getBody().hasOneBlock())
    return function.emitError("expected a function of one block");
  plan.name = function.getName().str();
  if (failed(addInputs()) || failed(addBuffers()) || failed(block(function.getBody().front())))
    return failure();
  addStateTies();
  certify();
  finish();
  return success();
}

LogicalResult PackageBuilder::addFunction(func::FuncOp function, SizeAnalysis &sizes) {
  package::Function plan;
  if (failed(FunctionPlanner(*this, function, sizes, plan).run()))
    return failure();
  package.functions.push_back(std::move(plan));
  return success();
}

} // namespace tenon::plan

//===- SizeAnalysis.cpp - symbolic sizes of the values of a function --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeAnalysis.h"

#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/Allocator.h"

using namespace mlir;
using namespace tenon;

namespace {

/// The SSA value that a symbol stands for: an index, or a dimension of a tensor.
struct Binding {
  Value value;
  int64_t dim = -1;
};

bool isTensor(Value v) { return isa<RankedTensorType>(v.getType()); }

} // namespace

struct SizeAnalysis::Impl {
  explicit Impl(func::FuncOp function) : function(function) {}

  func::FuncOp function;
  SizeContext context;
  llvm::BumpPtrAllocator storage;
  DenseMap<Value, ArrayRef<Size>> tensors;
  DenseMap<Value, Size> indices;
  /// Symbols of sizes that nothing determines; kept when a loop's sizes are inferred again, so that names are
  /// stable.
  DenseMap<std::pair<Value, int64_t>, Size> unknown;
  llvm::StringMap<Binding> bindings;

  ArrayRef<Size> dims(Value v);
  Size index(Value v);
  FailureOr<SmallVector<Dims>> infer(Operation *op);
  Value symbolValue(OpBuilder &builder, Location loc, StringRef name);
  void forget(Operation *op);

private:
  friend class SizeAnalysis;
  void setDims(Value v, Dims dims);
  Size fresh(Value v, int64_t dim, StringRef prefix, int64_t min, std::optional<int64_t> max);
  Dims freshDims(Value v);
  void prepare(Value v);
  bool known(Value v) { return tensors.count(v) || indices.count(v); }
  void compute(Value v);
  void computeArgument(BlockArgument arg);
  void computeResults(Operation *op);
  Size computeIndex(Operation *op, OpResult v);
  Size computeArith(Operation *op, OpResult v);
  /// The sizes of a value of any kind: one entry for an index, none for other types.
  Dims valueSizes(Value v);
  void setValueSizes(Value v, const Dims &sizes);
  Size freshEntry(Value v, int64_t entry);
  Dims merge(Value v, const Dims &a, const Dims &b);
  void inferFor(scf::ForOp op);
  void inferWhile(scf::WhileOp op);
  void inferIf(scf::IfOp op);
  bool escapes(Size s, Operation *region);
  Dims contained(Value v, Dims sizes, Operation *region);
  Value kernelSymbol(KernelOp kernel, Location loc, StringRef name);
};

//===----------------------------------------------------------------------===//
// Bookkeeping
//===----------------------------------------------------------------------===//

void SizeAnalysis::Impl::setDims(Value v, Dims dims) {
  // What the type says wins: a static dimension has a constant size.
  auto type = cast<RankedTensorType>(v.getType());
  if (type.getRank() == static_cast<int64_t>(dims.size()))
    for (auto [d, size] : llvm::zip_equal(type.getShape(), dims))
      if (d != kDynamic && !size.constant())
        size = context.constant(d);
  tensors[v] = ArrayRef<Size>(dims).copy(storage);
}

Size SizeAnalysis::Impl::fresh(Value v, int64_t dim, StringRef prefix, int64_t min,
                               std::optional<int64_t> max) {
  Size &size = unknown[{v, dim}];
  if (!size) {
    size = context.fresh(prefix, min, max);
    bindings[size.symbol()] = {v, dim};
  }
  return size;
}

Dims SizeAnalysis::Impl::freshDims(Value v) {
  Dims dims;
  for (auto [d, size] : llvm::enumerate(cast<RankedTensorType>(v.getType()).getShape()))
    dims.push_back(size != kDynamic ? context.constant(size) : fresh(v, d, "d", 0, std::nullopt));
  return dims;
}

void SizeAnalysis::Impl::forget(Operation *op) {
  auto drop = [&](Value v) {
    tensors.erase(v);
    indices.erase(v);
  };
  op->walk([&](Operation *inner) {
    llvm::for_each(inner->getResults(), drop);
    for (Region &region : inner->getRegions())
      for (Block &block : region)
        llvm::for_each(block.getArguments(), drop);
  });
}

/// Computes the operations that `v` needs before `v`, so that long chains do not nest calls.
void SizeAnalysis::Impl::prepare(Value v) {
  SmallVector<Value> stack = {v};
  DenseSet<Operation *> opened;
  while (!stack.empty()) {
    Value top = stack.back();
    Operation *op = top.getDefiningOp();
    if (known(top) || !op || op->getNumRegions() != 0 || !opened.insert(op).second) {
      stack.pop_back();
      if (!known(top) && op && op->getNumRegions() == 0)
        compute(top);
      continue;
    }
    for (Value operand : op->getOperands())
      if (!known(operand) && (isTensor(operand) || operand.getType().isIndex()))
        stack.push_back(operand);
  }
}

ArrayRef<Size> SizeAnalysis::Impl::dims(Value v) {
  assert(isTensor(v) && "only ranked tensors have sizes");
  auto it = tensors.find(v);
  if (it != tensors.end())
    return it->second;
  prepare(v);
  if (!tensors.count(v))
    compute(v);
  return tensors.at(v);
}

Size SizeAnalysis::Impl::index(Value v) {
  auto it = indices.find(v);
  if (it != indices.end())
    return it->second;
  prepare(v);
  if (!indices.count(v))
    compute(v);
  return indices.at(v);
}

void SizeAnalysis::Impl::compute(Value v) {
  if (auto arg = dyn_cast<BlockArgument>(v))
    computeArgument(arg);
  else
    computeResults(v.getDefiningOp());
  if (known(v))
    return;
  if (isTensor(v))
    setDims(v, freshDims(v));
  else
    indices[v] = fresh(v, -1, "i", std::numeric_limits<int64_t>::min(), std::nullopt);
}

//===----------------------------------------------------------------------===//
// Arguments and results
//===----------------------------------------------------------------------===//

void SizeAnalysis::Impl::computeArgument(BlockArgument arg) {
  Operation *parent = arg.getOwner()->getParentOp();
  if (parent == function) {
    auto names = function.getArgAttrOfType<ArrayAttr>(arg.getArgNumber(), kDimsAttr);
    if (!names || !isTensor(arg) ||
        static_cast<int64_t>(names.size()) != cast<RankedTensorType>(arg.getType()).getRank())
      return;
    Dims dims;
    for (auto [d, name] : llvm::enumerate(names)) {
      if (auto text = dyn_cast<StringAttr>(name))
        dims.push_back(context.symbol(text.getValue()));
      else
        dims.push_back(context.constant(cast<IntegerAttr>(name).getInt()));
    }
    setDims(arg, dims);
    return;
  }
  if (auto kernel = dyn_cast<KernelOp>(parent))
    return setValueSizes(arg, valueSizes(kernel->getOperand(arg.getArgNumber())));
  if (auto loop = dyn_cast<scf::ForOp>(parent)) {
    if (arg != loop.getInductionVar())
      return inferFor(loop);
    auto lower = index(loop.getLowerBound()).range().min;
    auto upper = index(loop.getUpperBound()).range().max;
    if (arg.getType().isIndex())
      indices[arg] = fresh(arg, -1, "i", lower.value_or(std::numeric_limits<int64_t>::min()),
                           upper ? std::optional(*upper - 1) : std::nullopt);
    return;
  }
  if (auto loop = dyn_cast<scf::WhileOp>(parent))
    inferWhile(loop);
}

FailureOr<SmallVector<Dims>> SizeAnalysis::Impl::infer(Operation *op) {
  auto inference = dyn_cast<SizeInferenceOpInterface>(op);
  if (!inference)
    return failure();
  SmallVector<Dims> operands, results;
  for (Value v : op->getOperands())
    operands.push_back(isTensor(v) ? Dims(dims(v)) : Dims());
  if (failed(inference.inferSizes(context, operands, [this](Value v) { return index(v); }, results)))
    return failure();
  return results;
}

void SizeAnalysis::Impl::computeResults(Operation *op) {
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return inferIf(branch);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return inferFor(loop);
  if (auto loop = dyn_cast<scf::WhileOp>(op))
    return inferWhile(loop);
  if (auto cast = dyn_cast<tensor::CastOp>(op)) {
    if (isTensor(cast.getSource()) && isTensor(cast.getResult()))
      setDims(cast.getResult(), Dims(dims(cast.getSource())));
    return;
  }
  FailureOr<SmallVector<Dims>> inferred = infer(op);
  for (OpResult v : op->getResults()) {
    if (isTensor(v) && succeeded(inferred) &&
        static_cast<int64_t>((*inferred)[v.getResultNumber()].size()) ==
            cast<RankedTensorType>(v.getType()).getRank())
      setDims(v, (*inferred)[v.getResultNumber()]);
    else if (v.getType().isIndex())
      if (Size size = computeIndex(op, v))
        indices[v] = size;
  }
}

Size SizeAnalysis::Impl::computeIndex(Operation *op, OpResult v) {
  if (auto symbol = dyn_cast<SymbolOp>(op))
    return context.symbol(symbol.getName());
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    std::optional<int64_t> at = index(dim.getIndex()).constant();
    if (!isTensor(dim.getSource()) || !at)
      return {};
    ArrayRef<Size> sizes = dims(dim.getSource());
    return *at >= 0 && *at < static_cast<int64_t>(sizes.size()) ? sizes[*at] : Size();
  }
  if (auto read = dyn_cast<ReadScalarOp>(op)) {
    int64_t min = read.getMin() ? static_cast<int64_t>(*read.getMin()) : std::numeric_limits<int64_t>::min();
    std::optional<int64_t> max;
    if (read.getMax())
      max = static_cast<int64_t>(*read.getMax());
    return fresh(v, -1, "n", min, max);
  }
  if (auto positions = dyn_cast<NonZeroOp>(op))
    return fresh(v, -1, "count", 0, productOf(context, dims(positions.getInput())).range().max);
  return computeArith(op, v);
}

Size SizeAnalysis::Impl::computeArith(Operation *op, OpResult v) {
  IntegerAttr constant;
  if (auto c = dyn_cast<arith::ConstantOp>(op))
    constant = dyn_cast<IntegerAttr>(c.getValue());
  if (constant)
    return context.constant(constant.getInt());
  if (op->getNumOperands() != 2 || !llvm::all_of(op->getOperandTypes(), [](Type t) { return t.isIndex(); }))
    return {};
  Size a = index(op->getOperand(0)), b = index(op->getOperand(1));
  bool positive = b.range().min.value_or(0) >= 1, natural = a.range().min.value_or(-1) >= 0;
  return llvm::TypeSwitch<Operation *, Size>(op)
      .Case([&](arith::AddIOp) { return a + b; })
      .Case([&](arith::SubIOp) { return a - b; })
      .Case([&](arith::MulIOp) { return a * b; })
      .Case([&](arith::MinSIOp) { return a.min(b); })
      .Case([&](arith::MaxSIOp) { return a.max(b); })
      .Case([&](arith::FloorDivSIOp) { return positive ? a.floorDiv(b) : Size(); })
      .Case([&](arith::CeilDivSIOp) { return positive ? a.ceilDiv(b) : Size(); })
      .Case([&](arith::DivSIOp) { return positive && natural ? a.floorDiv(b) : Size(); })
      .Case([&](arith::RemSIOp) { return positive && natural ? a.mod(b) : Size(); })
      .Default([](Operation *) { return Size(); });
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

Dims SizeAnalysis::Impl::valueSizes(Value v) {
  if (isTensor(v))
    return Dims(dims(v));
  return v.getType().isIndex() ? Dims{index(v)} : Dims();
}

void SizeAnalysis::Impl::setValueSizes(Value v, const Dims &sizes) {
  if (isTensor(v))
    setDims(v, sizes);
  else if (v.getType().isIndex())
    indices[v] = sizes.front();
}

Size SizeAnalysis::Impl::freshEntry(Value v, int64_t entry) {
  if (isTensor(v))
    return fresh(v, entry, "d", 0, std::nullopt);
  return fresh(v, -1, "i", std::numeric_limits<int64_t>::min(), std::nullopt);
}

/// The sizes of `v`, which has those of `a` on one way and those of `b` on another.
Dims SizeAnalysis::Impl::merge(Value v, const Dims &a, const Dims &b) {
  Dims sizes;
  for (auto [d, x, y] : llvm::enumerate(a, b))
    sizes.push_back(x == y ? x : freshEntry(v, d));
  return sizes;
}

void SizeAnalysis::Impl::inferIf(scf::IfOp op) {
  for (auto [i, result] : llvm::enumerate(op.getResults()))
    if (isTensor(result) || result.getType().isIndex())
      setValueSizes(result, merge(result, valueSizes(op.thenYield().getOperand(i)),
                                  valueSizes(op.elseYield().getOperand(i))));
}

/// Assumes that carried values keep the sizes that they start with, and takes back what an iteration changes,
/// until nothing is taken back.
void SizeAnalysis::Impl::inferFor(scf::ForOp op) {
  SmallVector<Dims> carried;
  for (Value init : op.getInitArgs())
    carried.push_back(valueSizes(init));
  Operation *yield = op.getBody()->getTerminator();
  for (bool changed = true; changed;) {
    changed = false;
    forget(op);
    for (auto [arg, sizes] : llvm::zip_equal(op.getRegionIterArgs(), carried))
      setValueSizes(arg, sizes);
    for (auto [arg, value, sizes] : llvm::zip_equal(op.getRegionIterArgs(), yield->getOperands(), carried)) {
      Dims after = merge(arg, sizes, valueSizes(value));
      // A fresh symbol already stands for whatever an iteration makes of the size.
      for (auto [d, size] : llvm::enumerate(sizes))
        if (size != after[d] && unknown.lookup({arg, isTensor(arg) ? int64_t(d) : -1}) != size) {
          size = after[d];
          changed = true;
        }
    }
  }
  for (auto [arg, result, sizes] : llvm::zip_equal(op.getRegionIterArgs(), op.getResults(), carried)) {
    Dims outside = sizes;
    for (auto [d, size] : llvm::enumerate(outside))
      if (unknown.lookup({arg, isTensor(arg) ? int64_t(d) : -1}) == size)
        size = freshEntry(result, d);
    setValueSizes(result, outside);
  }
}

bool SizeAnalysis::Impl::escapes(Size s, Operation *region) {
  return llvm::any_of(s.symbols(), [&](StringRef name) {
    auto it = bindings.find(name);
    return it != bindings.end() && region->isAncestor(it->second.value.getParentBlock()->getParentOp());
  });
}

/// The sizes of `v` without symbols of values that are defined inside `region`.
Dims SizeAnalysis::Impl::contained(Value v, Dims sizes, Operation *region) {
  for (auto [d, size] : llvm::enumerate(sizes))
    if (escapes(size, region))
      size = freshEntry(v, d);
  return sizes;
}

void SizeAnalysis::Impl::inferWhile(scf::WhileOp op) {
  SmallVector<Dims> carried;
  for (Value init : op.getInits())
    carried.push_back(valueSizes(init));
  for (bool changed = true; changed;) {
    changed = false;
    forget(op);
    for (auto [arg, sizes] : llvm::zip_equal(op.getBeforeArguments(), carried))
      setValueSizes(arg, sizes);
    for (auto [arg, value] : llvm::zip_equal(op.getAfterArguments(), op.getConditionOp().getArgs()))
      setValueSizes(arg, contained(arg, valueSizes(value), op));
    for (auto [arg, value, sizes] :
         llvm::zip_equal(op.getBeforeArguments(), op.getYieldOp().getResults(), carried)) {
      Dims after = merge(arg, sizes, valueSizes(value));
      for (auto [d, size] : llvm::enumerate(sizes))
        if (size != after[d] && unknown.lookup({arg, isTensor(arg) ? int64_t(d) : -1}) != size) {
          size = after[d];
          changed = true;
        }
    }
  }
  for (auto [result, value] : llvm::zip_equal(op.getResults(), op.getConditionOp().getArgs()))
    setValueSizes(result, contained(result, valueSizes(value), op));
}

//===----------------------------------------------------------------------===//
// Materialization
//===----------------------------------------------------------------------===//

/// The block argument of a kernel that holds a symbol; an operand is added when there is none.
Value SizeAnalysis::Impl::kernelSymbol(KernelOp kernel, Location loc, StringRef name) {
  Block &body = kernel.getBody().front();
  Size symbol = context.symbol(name);
  for (BlockArgument arg : body.getArguments())
    if (arg.getType().isIndex() && index(arg) == symbol)
      return arg;
  OpBuilder outside(kernel);
  Value value = symbolValue(outside, loc, name);
  kernel.getSizesMutable().append(value);
  BlockArgument arg = body.addArgument(value.getType(), loc);
  indices[arg] = symbol;
  return arg;
}

Value SizeAnalysis::Impl::symbolValue(OpBuilder &builder, Location loc, StringRef name) {
  auto it = bindings.find(name);
  Operation *parent = builder.getInsertionBlock()->getParentOp();
  auto kernel = dyn_cast<KernelOp>(parent);
  if (!kernel)
    kernel = parent->getParentOfType<KernelOp>();
  if (kernel &&
      (it == bindings.end() || !kernel->isAncestor(it->second.value.getParentBlock()->getParentOp())))
    return kernelSymbol(kernel, loc, name);
  if (it != bindings.end()) {
    if (it->second.dim < 0)
      return it->second.value;
    return tensor::DimOp::create(builder, loc, it->second.value, it->second.dim);
  }
  const SymbolInfo *info = context.info(name);
  OpBuilder entry = OpBuilder::atBlockBegin(&function.getBody().front());
  auto op = SymbolOp::create(
      entry, function.getLoc(), entry.getStringAttr(name), entry.getI64IntegerAttr(info->min),
      info->max ? entry.getI64IntegerAttr(*info->max) : IntegerAttr(),
      entry.getI64IntegerAttr(info->multipleOf), entry.getDenseI64ArrayAttr(info->likely));
  bindings[name] = {op.getResult(), -1};
  return op.getResult();
}

namespace {

/// Builds arith operations bottom-up.
template <typename SymbolFn> class ArithVisitor : public SizeVisitor {
public:
  ArithVisitor(OpBuilder &builder, Location loc, SymbolFn symbolValue)
      : builder(builder), loc(loc), symbolValue(symbolValue) {}

  Handle constant(int64_t v) override { return handle(arith::ConstantIndexOp::create(builder, loc, v)); }
  Handle symbol(llvm::StringRef name) override { return handle(symbolValue(builder, loc, name)); }
  Handle add(Handle a, Handle b) override { return binary<arith::AddIOp>(a, b); }
  Handle mul(Handle a, Handle b) override { return binary<arith::MulIOp>(a, b); }
  Handle floorDiv(Handle a, Handle b) override { return binary<arith::FloorDivSIOp>(a, b); }
  Handle min(Handle a, Handle b) override { return binary<arith::MinSIOp>(a, b); }
  Handle max(Handle a, Handle b) override { return binary<arith::MaxSIOp>(a, b); }
  Handle mod(Handle a, Handle b) override {
    // remsi takes the sign of the dividend: a - floordiv(a, b) * b is right for negative a too.
    Handle whole = binary<arith::MulIOp>(floorDiv(a, b), b);
    return binary<arith::SubIOp>(a, whole);
  }

private:
  static Handle handle(Value v) { return v.getAsOpaquePointer(); }
  template <typename OpTy> Handle binary(Handle a, Handle b) {
    return handle(OpTy::create(builder, loc, Value::getFromOpaquePointer(a), Value::getFromOpaquePointer(b)));
  }
  OpBuilder &builder;
  Location loc;
  SymbolFn symbolValue;
};

} // namespace

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

SizeAnalysis::SizeAnalysis(func::FuncOp function) : impl(std::make_unique<Impl>(function)) {
  if (auto symbols = function->getAttrOfType<ArrayAttr>(kSymbolsAttr))
    for (auto symbol : symbols.getAsRange<DictionaryAttr>())
      impl->context.declare(symbolInfo(symbol));
  function.walk([&](SymbolOp op) {
    SymbolInfo info;
    info.name = op.getName().str();
    info.min = static_cast<int64_t>(op.getMin());
    if (op.getMax())
      info.max = static_cast<int64_t>(*op.getMax());
    info.multipleOf = static_cast<int64_t>(op.getMultipleOf());
    info.likely.assign(op.getLikely().begin(), op.getLikely().end());
    impl->context.declare(info);
    impl->bindings[op.getName()] = {op.getResult(), -1};
  });
  // The names in the inputs' sizes are taken, also where no operation has been asked for them yet.
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (auto dims = function.getArgAttrOfType<ArrayAttr>(i, kDimsAttr))
      for (Attribute dim : dims)
        if (auto name = dyn_cast<StringAttr>(dim))
          (void)impl->context.symbol(name.getValue());
}

SizeAnalysis::~SizeAnalysis() = default;
SizeContext &SizeAnalysis::context() { return impl->context; }
func::FuncOp SizeAnalysis::function() { return impl->function; }
ArrayRef<Size> SizeAnalysis::dims(Value tensor) { return impl->dims(tensor); }
SizeAnalysis::Definition SizeAnalysis::definitionOf(StringRef symbol) {
  auto it = impl->bindings.find(symbol);
  if (it == impl->bindings.end() || isa_and_nonnull<SymbolOp>(it->second.value.getDefiningOp()))
    return {};
  return {it->second.value, it->second.dim};
}
Size SizeAnalysis::index(Value v) { return impl->index(v); }
FailureOr<SmallVector<Dims>> SizeAnalysis::inferResultDims(Operation *op) { return impl->infer(op); }

void SizeAnalysis::forget(Operation *op) {
  impl->forget(op);
  op->walk([&](Operation *inner) {
    for (Value v : inner->getResults())
      for (int64_t d = -1; d < (isTensor(v) ? cast<RankedTensorType>(v.getType()).getRank() : 0); ++d)
        impl->unknown.erase({v, d});
  });
}

void SizeAnalysis::refresh(Operation *op) { impl->forget(op); }

Value SizeAnalysis::materialize(OpBuilder &builder, Location loc, Size size) {
  auto symbolValue = [this](OpBuilder &b, Location l, StringRef name) {
    return impl->symbolValue(b, l, name);
  };
  ArithVisitor visitor(builder, loc, symbolValue);
  return Value::getFromOpaquePointer(visitSize(size, visitor));
}

SmallVector<Value> SizeAnalysis::materializeDynamic(OpBuilder &builder, Location loc, ArrayRef<Size> dims) {
  SmallVector<Value> values;
  for (Size size : dims)
    if (!size.constant())
      values.push_back(materialize(builder, loc, size));
  return values;
}

RankedTensorType tenon::typeFor(ArrayRef<Size> dims, Type element) {
  SmallVector<int64_t> shape =
      llvm::map_to_vector(dims, [](Size s) { return s.constant().value_or(kDynamic); });
  return RankedTensorType::get(shape, element);
}

LogicalResult SizeAnalysis::setInferredTypes(OpBuilder &builder, Operation *op) {
  impl->forget(op);
  FailureOr<SmallVector<Dims>> inferred = impl->infer(op);
  if (failed(inferred))
    return op->emitOpError("has operands whose shapes do not fit together");
  for (auto [result, dims] : llvm::zip_equal(op->getResults(), *inferred)) {
    if (!isTensor(result))
      continue;
    result.setType(typeFor(dims, getElementTypeOrSelf(result)));
    impl->setDims(result, dims);
  }
  castElementwiseOperands(builder, op);
  return success();
}

//===- KernelBuilder.cpp - the code of one kernel under construction
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/KernelBuilder.h"

#include "compiler/defects/PlantedDefect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <functional>
#include <numeric>

using namespace mlir;

namespace tenon::cpu {

KernelBuilder::KernelBuilder(ModuleOp module, KernelSpec &spec, const CpuTarget &target, StringRef name)
    : module(module), kernelSpec(spec), cpu(target), name(name), b(module.getContext()),
      where(spec.op().getLoc()), tables(spec, target) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  Block &body = spec.op().getBody().front();
  for (Operation &op : body.without_terminator())
    lines.try_emplace(&op, static_cast<unsigned>(lines.size() + 1));
  setOrigin(spec.op());
  SmallVector<Value> tensors;
  for (Value arg : body.getArguments())
    if (!arg.getType().isIndex())
      tensors.push_back(arg);
  unsigned results = spec.op().getNumResults();
  SmallVector<Type> types(tensors.size() + results, pointer);
  types.push_back(pointer);          // scalars
  types.push_back(pointer);          // scratch
  types.append(2, b.getIndexType()); // item range
  b.setInsertionPointToEnd(module.getBody());
  inner = func::FuncOp::create(b, where, (name + "_body").str(), b.getFunctionType(types, {}));
  inner.setPrivate();
  Block *entry = inner.addEntryBlock();
  for (unsigned i = 0; i < tensors.size() + results; ++i)
    inner.setArgAttr(i, "llvm.noalias", b.getUnitAttr());
  for (unsigned i = 0; i < tensors.size(); ++i)
    buffers[tensors[i]] = entry->getArgument(i);
  for (unsigned i = 0; i < results; ++i)
    outputs.push_back(entry->getArgument(tensors.size() + i));
  unsigned at = tensors.size() + results;
  scalarsPointer = entry->getArgument(at);
  scratchPointer = entry->getArgument(at + 1);
  beginItem = entry->getArgument(at + 2);
  endItem = entry->getArgument(at + 3);
  b.setInsertionPointToEnd(entry);
  preparedEnd = arith::ConstantIndexOp::create(b, where, 0);
}

Location KernelBuilder::originOf(Operation *op) const {
  auto line = lines.find(op);
  return FileLineColLoc::get(b.getContext(), "kernel",
                             line == lines.end() ? static_cast<unsigned>(lines.size() + 1) : line->second, 0);
}

Value KernelBuilder::constant(int64_t v) {
  Value &known = constants[v];
  if (!known) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&inner.getBody().front());
    known = arith::ConstantIndexOp::create(b, where, v);
  }
  return known;
}

Value KernelBuilder::size(Size e) {
  if (auto c = e.constant())
    return constant(*c);
  unsigned i = kernelSpec.scalar(e);
  Value &known = loadedScalars[i];
  if (!known) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&inner.getBody().front());
    Type i64 = b.getI64Type();
    Value at = LLVM::GEPOp::create(b, where, scalarsPointer.getType(), i64, scalarsPointer,
                                   ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
    Value loaded = LLVM::LoadOp::create(b, where, i64, at, 8, false, false, /*isInvariant=*/true);
    known = arith::IndexCastOp::create(b, where, b.getIndexType(), loaded);
  }
  return known;
}

// The folders of arith look at constant operands only; these wrappers build through them.
/// v as something and a constant; null and a constant where it is one.
static std::pair<Value, int64_t> split(Value v) {
  if (auto number = getConstantIntValue(v))
    return {Value(), *number};
  if (auto sum = v.getDefiningOp<arith::AddIOp>())
    if (auto number = getConstantIntValue(sum.getRhs()))
      return {sum.getLhs(), *number};
  return {v, 0};
}

// Constants stay outermost, (x + 1) * 8 + y being x * 8 + y + 8, so that places a constant apart have one
// base.
Value KernelBuilder::add(Value a, Value c) {
  auto [x, m] = split(a);
  auto [y, n] = split(c);
  Value base = x && y ? b.createOrFold<arith::AddIOp>(where, x, y) : x ? x : y;
  if (!base)
    return constant(m + n);
  return m + n == 0 ? base : b.createOrFold<arith::AddIOp>(where, base, constant(m + n));
}
Value KernelBuilder::sub(Value a, Value c) {
  if (auto number = getConstantIntValue(c))
    return add(a, constant(-*number));
  return b.createOrFold<arith::SubIOp>(where, a, c);
}
Value KernelBuilder::mul(Value a, Value c) {
  auto [x, m] = split(a);
  auto [y, n] = split(c);
  if (!x && y) {
    std::swap(x, y);
    std::swap(m, n);
  }
  if (!y && x && m != 0)
    return add(b.createOrFold<arith::MulIOp>(where, x, constant(n)), constant(m * n));
  return b.createOrFold<arith::MulIOp>(where, a, c);
}
Value KernelBuilder::div(Value a, Value c) { return b.createOrFold<arith::DivUIOp>(where, a, c); }
Value KernelBuilder::rem(Value a, Value c) {
  if (getConstantIntValue(c) == 1)
    return constant(0);
  return b.createOrFold<arith::RemUIOp>(where, a, c);
}
Value KernelBuilder::min(Value a, Value c) { return b.createOrFold<arith::MinSIOp>(where, a, c); }
Value KernelBuilder::max(Value a, Value c) { return b.createOrFold<arith::MaxSIOp>(where, a, c); }
Value KernelBuilder::less(Value a, Value c) {
  return b.createOrFold<arith::CmpIOp>(where, arith::CmpIPredicate::slt, a, c);
}

Value KernelBuilder::bufferOf(Value tensor) const { return buffers.lookup(tensor); }
Value KernelBuilder::outputBuffer(unsigned result) const { return outputs[result]; }

Type KernelBuilder::valueType(Type element) const {
  if (auto i = dyn_cast<IntegerType>(element))
    return IntegerType::get(element.getContext(), i.getWidth());
  return element;
}
Type KernelBuilder::storageType(Type element) const {
  if (element.isInteger(1))
    return IntegerType::get(element.getContext(), 8);
  return valueType(element);
}
Type KernelBuilder::vectorOf(Type element, unsigned lanes) const {
  return lanes == 1 ? element : Type(VectorType::get({static_cast<int64_t>(lanes)}, element));
}

Value KernelBuilder::address(Value pointer, Value offset, Type element) {
  Value o = b.createOrFold<arith::IndexCastOp>(where, b.getI64Type(), offset);
  return LLVM::GEPOp::create(b, where, pointer.getType(), storageType(element), pointer,
                             ArrayRef<LLVM::GEPArg>{o}, LLVM::GEPNoWrapFlags::inbounds);
}

static unsigned alignmentOf(Type storage) { return std::max(1u, storage.getIntOrFloatBitWidth() / 8); }

void KernelBuilder::prefetch(Value pointer, Value offset, Type element, Cache cache, bool write) {
  // Not inbounds: the line may lie beyond the buffer.
  Value o = b.createOrFold<arith::IndexCastOp>(where, b.getI64Type(), offset);
  Value at = LLVM::GEPOp::create(b, where, pointer.getType(), storageType(element), pointer,
                                 ArrayRef<LLVM::GEPArg>{o});
  constexpr unsigned data = 1;
  LLVM::Prefetch::create(b, where, at, write ? 1 : 0, cache == Cache::First ? 3 : 2, data);
}

Value KernelBuilder::load(Value pointer, Value offset, Type element, unsigned lanes, Value mask) {
  Type storage = storageType(element), type = vectorOf(storage, lanes);
  Value at = address(pointer, offset, element);
  Value v;
  if (mask && lanes > 1) {
    Value zero = arith::ConstantOp::create(b, where, b.getZeroAttr(type));
    v = LLVM::MaskedLoadOp::create(b, where, type, at, mask, zero, alignmentOf(storage), false);
  } else {
    v = LLVM::LoadOp::create(b, where, type, at, alignmentOf(storage));
  }
  if (element.isInteger(1))
    v = arith::CmpIOp::create(b, where, arith::CmpIPredicate::ne, v,
                              arith::ConstantOp::create(b, where, b.getZeroAttr(type)));
  return v;
}

Value KernelBuilder::opaque(Value value) {
  const char *constraint = isa<VectorType>(value.getType()) ? "=v,0" : "=r,0";
  auto hidden =
      LLVM::InlineAsmOp::create(b, where, TypeRange{value.getType()}, ValueRange{value}, b.getStringAttr(""),
                                b.getStringAttr(constraint), UnitAttr(), UnitAttr(),
                                LLVM::TailCallKindAttr::get(b.getContext(), LLVM::TailCallKind::None),
                                LLVM::AsmDialectAttr(), ArrayAttr());
  return hidden.getResult(0);
}

/// The mask, as something that LLVM does not know to be constant. Of a masked store of one lane it makes a
/// scalar store, and where the value was truncated on the way, LLVM 22 stores the wide scalar: the bytes
/// behind the element become zero.
static Value opaqueMask(KernelBuilder &k, Value mask, unsigned lanes) {
  OpBuilder &b = k.builder();
  Value one = arith::ConstantOp::create(b, k.loc(), b.getI32IntegerAttr(1));
  Value kept = arith::TruncIOp::create(b, k.loc(), b.getI1Type(), k.opaque(one));
  auto type = VectorType::get({static_cast<int64_t>(lanes)}, b.getI1Type());
  return arith::AndIOp::create(b, k.loc(), mask, vector::BroadcastOp::create(b, k.loc(), type, kept));
}

void KernelBuilder::store(Value value, Value pointer, Value offset, Type element, unsigned lanes,
                          Value mask) {
  Type storage = storageType(element);
  if (element.isInteger(1))
    value = arith::ExtUIOp::create(b, where, vectorOf(storage, lanes), value);
  Value at = address(pointer, offset, element);
  if (mask && lanes > 1 && storage.getIntOrFloatBitWidth() < 32)
    mask = opaqueMask(*this, mask, lanes);
  if (mask && lanes > 1)
    LLVM::MaskedStoreOp::create(b, where, value, at, mask, b.getI32IntegerAttr(alignmentOf(storage)));
  else
    LLVM::StoreOp::create(b, where, value, at, alignmentOf(storage));
}

Value KernelBuilder::gather(Value pointer, Value offsets, Type element, unsigned lanes, Value mask) {
  // One scalar load per lane: as fast as the gather instructions where these exist, and narrow types work
  // too.
  Type storage = storageType(element);
  Value v = arith::ConstantOp::create(b, where, b.getZeroAttr(vectorOf(storage, lanes)));
  if (mask)
    offsets = arith::SelectOp::create(b, where, mask, offsets,
                                      arith::ConstantOp::create(b, where, b.getZeroAttr(offsets.getType())));
  for (unsigned l = 0; l < lanes; ++l) {
    Value o = vector::ExtractOp::create(b, where, offsets, static_cast<int64_t>(l));
    Value at = LLVM::GEPOp::create(b, where, pointer.getType(), storage, pointer, ArrayRef<LLVM::GEPArg>{o});
    Value s = LLVM::LoadOp::create(b, where, storage, at, alignmentOf(storage));
    v = vector::InsertOp::create(b, where, s, v, static_cast<int64_t>(l));
  }
  if (element.isInteger(1))
    v = arith::CmpIOp::create(b, where, arith::CmpIPredicate::ne, v,
                              arith::ConstantOp::create(b, where, b.getZeroAttr(v.getType())));
  return v;
}

Value KernelBuilder::splat(Value scalar, unsigned lanes) {
  if (lanes == 1 || isa<VectorType>(scalar.getType()))
    return scalar;
  return b.createOrFold<vector::BroadcastOp>(where, vectorOf(scalar.getType(), lanes), scalar);
}

Value KernelBuilder::laneOffsets(Value first, int64_t stride, unsigned lanes) {
  Value base = b.createOrFold<arith::IndexCastOp>(where, b.getI64Type(), first);
  if (lanes == 1)
    return base;
  SmallVector<int64_t> steps;
  for (unsigned l = 0; l < lanes; ++l)
    steps.push_back(l * stride);
  auto type = cast<VectorType>(vectorOf(b.getI64Type(), lanes));
  Value offsets = arith::ConstantOp::create(b, where, DenseElementsAttr::get(type, ArrayRef<int64_t>(steps)));
  return arith::AddIOp::create(b, where, splat(base, lanes), offsets);
}

Value KernelBuilder::tailMask(Value first, Value end, unsigned lanes) {
  if (planted(Defect::TailMaskShort))
    end = sub(end, constant(1));
  Value left = arith::IndexCastOp::create(b, where, b.getI32Type(), sub(end, first));
  auto type = cast<VectorType>(vectorOf(b.getI32Type(), lanes));
  SmallVector<int32_t> steps;
  for (unsigned l = 0; l < lanes; ++l)
    steps.push_back(l);
  Value lane = arith::ConstantOp::create(b, where, DenseElementsAttr::get(type, ArrayRef<int32_t>(steps)));
  return arith::CmpIOp::create(b, where, arith::CmpIPredicate::slt, lane, splat(left, lanes));
}

Value KernelBuilder::constantRow(Type element, int64_t count, TypedAttr value) {
  std::string symbol = name + "_row" + std::to_string(rows++);
  Type storage = storageType(element);
  auto array = RankedTensorType::get({count}, storage);
  Attribute data = DenseElementsAttr::get(array, ArrayRef<Attribute>{value});
  Type type = LLVM::LLVMArrayType::get(storage, count);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(module.getBody());
  LLVM::GlobalOp::create(b, where, type, /*isConstant=*/true, LLVM::Linkage::Internal, symbol, data,
                         /*alignment=*/64);
  b.setInsertionPointToStart(&inner.getBody().front());
  return LLVM::AddressOfOp::create(b, where, scratchPointer.getType(), symbol);
}

Value KernelBuilder::prepared(Value key, int64_t bytes, llvm::function_ref<void(Value)> fill) {
  Value &known = preparedMemory[key];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(preparedEnd);
  constexpr unsigned line = 64;
  Value count = arith::ConstantIntOp::create(b, where, b.getI64Type(), bytes);
  Value memory = LLVM::AllocaOp::create(b, where, scratchPointer.getType(), b.getI8Type(), count, line);
  fill(memory);
  return preparedMemory[key] = memory;
}

Value KernelBuilder::lookUp(Value table, Value bytes, unsigned lanes) {
  constexpr unsigned wide = 64; // bytes of a register
  Type i8 = b.getI8Type();
  if (lanes == 1)
    return load(table, arith::IndexCastUIOp::create(b, where, b.getIndexType(), bytes), i8, 1);
  if (lanes <= 32 && cpu.shufflesBytes())
    return lookUpInLines(table, bytes, lanes);
  if (lanes > wide || !cpu.looksUpBytes())
    return gather(table, arith::ExtUIOp::create(b, where, vectorOf(b.getI64Type(), lanes), bytes), i8, lanes);
  // Two permutations find seven bits of the index, its sign chooses between them.
  auto type = cast<VectorType>(vectorOf(i8, wide));
  SmallVector<int64_t> all(wide, -1);
  std::iota(all.begin(), all.begin() + lanes, 0);
  Value index = lanes == wide ? bytes : Value(vector::ShuffleOp::create(b, where, bytes, bytes, all));
  auto half = [&](int64_t from) -> Value {
    Value low = load(table, constant(from), i8, wide), high = load(table, constant(from + wide), i8, wide);
    return LLVM::CallIntrinsicOp::create(b, where, type, b.getStringAttr("llvm.x86.avx512.vpermi2var.qi.512"),
                                         ValueRange{low, index, high})
        .getResults();
  };
  Value zero = arith::ConstantOp::create(b, where, b.getZeroAttr(type));
  Value upper = arith::CmpIOp::create(b, where, arith::CmpIPredicate::slt, index, zero);
  Value found = arith::SelectOp::create(b, where, upper, half(2 * int64_t(wide)), half(0));
  if (lanes == wide)
    return found;
  all.resize(lanes);
  return vector::ShuffleOp::create(b, where, found, found, all);
}

/// Each 16 entries are a shuffle by the index's low half; its high half chooses among them, bit by bit.
Value KernelBuilder::lookUpInLines(Value table, Value bytes, unsigned lanes) {
  constexpr unsigned line = 16;
  Type i8 = b.getI8Type(), i16 = b.getI16Type();
  unsigned width = lanes <= line ? line : 2 * line;
  auto type = cast<VectorType>(vectorOf(i8, width));
  auto resized = [&](Value v, unsigned to) -> Value {
    auto from = static_cast<unsigned>(cast<VectorType>(v.getType()).getNumElements());
    if (from == to)
      return v;
    SmallVector<int64_t> order(to, -1);
    std::iota(order.begin(), order.begin() + std::min(from, to), 0);
    return vector::ShuffleOp::create(b, where, v, v, order);
  };
  Value index = resized(bytes, width);
  auto splatOf = [&](Type element, unsigned count, int64_t v) -> Value {
    auto of = cast<VectorType>(vectorOf(element, count));
    return arith::ConstantOp::create(b, where, DenseElementsAttr::get(of, b.getIntegerAttr(element, v)));
  };
  Value low = arith::AndIOp::create(b, where, index, splatOf(i8, width, 0x0f));
  SmallVector<int64_t> twice;
  for (unsigned i = 0; i < width; ++i)
    twice.push_back(i % line);
  StringRef shuffle = width > line ? "llvm.x86.avx2.pshuf.b" : "llvm.x86.ssse3.pshuf.b.128";
  auto oneLine = [&](unsigned number) -> Value {
    Value entries = load(table, constant(number * line), i8, line);
    if (width > line)
      entries = vector::ShuffleOp::create(b, where, entries, entries, twice);
    return LLVM::CallIntrinsicOp::create(b, where, type, b.getStringAttr(shuffle), ValueRange{entries, low})
        .getResults();
  };
  // Bits 4 to 7 as the sign of each byte; what other bytes lend to the rest does not matter.
  Value words = vector::BitCastOp::create(b, where, vectorOf(i16, width / 2), index);
  Value zero = arith::ConstantOp::create(b, where, b.getZeroAttr(type));
  SmallVector<Value> isSet;
  for (int64_t bit = 4; bit < 8; ++bit) {
    Value signs = arith::ShLIOp::create(b, where, words, splatOf(i16, width / 2, 7 - bit));
    signs = vector::BitCastOp::create(b, where, type, signs);
    isSet.push_back(arith::CmpIOp::create(b, where, arith::CmpIPredicate::slt, signs, zero));
  }
  // Depth first: few lines wait for their choice.
  std::function<Value(unsigned, unsigned)> choose = [&](unsigned first, unsigned bits) -> Value {
    if (bits == 0)
      return oneLine(first);
    Value lower = choose(first, bits - 1), upper = choose(first + (1U << (bits - 1)), bits - 1);
    return arith::SelectOp::create(b, where, isSet[bits - 1], upper, lower);
  };
  return resized(choose(0, 4), lanes);
}

void KernelBuilder::loop(Value from, Value to, int64_t step, Body body) {
  auto loop = scf::ForOp::create(b, where, from, to, constant(step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

SmallVector<Value> KernelBuilder::loop(Value from, Value to, int64_t step, ValueRange init,
                                       CarriedBody body) {
  auto loop = scf::ForOp::create(b, where, from, to, constant(step), init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(b, where, next);
  return SmallVector<Value>(loop.getResults());
}

void KernelBuilder::loopWhileLess(Value from, Value to, llvm::function_ref<Value(Value)> body) {
  auto loop = scf::WhileOp::create(b, where, TypeRange{b.getIndexType()}, ValueRange{from});
  OpBuilder::InsertionGuard guard(b);
  Block *before = b.createBlock(&loop.getBefore(), {}, {b.getIndexType()}, {where});
  b.setInsertionPointToEnd(before);
  scf::ConditionOp::create(b, where, less(before->getArgument(0), to), before->getArguments());
  Block *after = b.createBlock(&loop.getAfter(), {}, {b.getIndexType()}, {where});
  b.setInsertionPointToEnd(after);
  scf::YieldOp::create(b, where, body(after->getArgument(0)));
}

Value KernelBuilder::ifValue(Value condition, llvm::function_ref<Value()> then,
                             llvm::function_ref<Value()> otherwise) {
  auto op = scf::IfOp::create(b, where, TypeRange{b.getIndexType()}, condition, true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  scf::YieldOp::create(b, where, then());
  b.setInsertionPointToStart(op.elseBlock());
  scf::YieldOp::create(b, where, otherwise());
  return op.getResult(0);
}

void KernelBuilder::forItems(ArrayRef<Value> extents, llvm::function_ref<void(ArrayRef<Value>)> body) {
  size_t last = extents.size();
  while (last > 0 && isConstantIntValue(extents[last - 1], 1))
    --last;
  loopWhileLess(begin(), end(), [&](Value item) {
    SmallVector<Value> at = delinearize(item, extents);
    if (last == 0) {
      body(at);
      return add(item, constant(1));
    }
    Value from = at[last - 1], run = min(sub(end(), item), sub(extents[last - 1], from));
    loop(from, add(from, run), 1, [&](Value i) {
      SmallVector<Value> here(at);
      here[last - 1] = i;
      body(here);
    });
    return add(item, run);
  });
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> then,
                           llvm::function_ref<void()> otherwise) {
  auto op = scf::IfOp::create(b, where, condition, static_cast<bool>(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  then();
  if (otherwise) {
    b.setInsertionPointToStart(op.elseBlock());
    otherwise();
  }
}

void KernelBuilder::vectorLoop(Value from, Value to, unsigned lanes, unsigned narrow,
                               llvm::function_ref<void(Value, unsigned, Value)> body) {
  auto extent = getConstantIntValue(sub(to, from));
  Value at = from;
  for (unsigned width : {lanes, narrow}) {
    if (width == 0 || (extent && *extent < width))
      continue;
    Value whole = add(at, mul(div(sub(to, at), constant(width)), constant(width)));
    if (extent && *extent == width)
      body(at, width, {});
    else
      loop(at, whole, width, [&](Value i) { body(i, width, {}); });
    at = whole;
    if (extent)
      *extent %= width;
    if (lanes == narrow)
      break;
  }
  if (extent && *extent == 0)
    return;
  // Whatever is left is less than one narrow vector.
  auto tail = [&] { body(at, narrow, narrow == 1 ? Value() : tailMask(at, to, narrow)); };
  if (extent)
    tail();
  else if (narrow > 1)
    ifThen(less(at, to), tail);
}

SmallVector<Value> KernelBuilder::delinearize(Value linear, ArrayRef<Value> extents) {
  SmallVector<Value> position(extents.size());
  for (size_t i = extents.size(); i-- > 0;) {
    if (i == 0) {
      position[i] = linear;
      break;
    }
    position[i] = rem(linear, extents[i]);
    linear = div(linear, extents[i]);
  }
  return position;
}

void KernelBuilder::finish() {
  setOrigin(kernelSpec.op());
  func::ReturnOp::create(b, where);
  // The function with the kernel ABI: int32_t kernel(const tenon_kernel_io *, uint32_t begin, uint32_t end,
  // uint32_t worker).
  b.setInsertionPointToEnd(module.getBody());
  Type pointer = scratchPointer.getType(), i32 = b.getI32Type();
  auto outer = func::FuncOp::create(b, where, name, b.getFunctionType({pointer, i32, i32, i32}, {i32}));
  Block *entry = outer.addEntryBlock();
  b.setInsertionPointToEnd(entry);
  auto field = [&](Value base, int32_t i) -> Value {
    Value at = LLVM::GEPOp::create(b, where, pointer, pointer, base, ArrayRef<LLVM::GEPArg>{i});
    return LLVM::LoadOp::create(b, where, pointer, at, 8);
  };
  Value io = entry->getArgument(0), table = field(io, 0);
  SmallVector<Value> args;
  unsigned bufferCount = inner.getNumArguments() - 4;
  for (unsigned i = 0; i < bufferCount; ++i)
    args.push_back(field(table, i));
  args.push_back(field(io, 1));
  args.push_back(field(io, 2));
  for (unsigned i : {1u, 2u})
    args.push_back(arith::IndexCastUIOp::create(b, where, b.getIndexType(), entry->getArgument(i)));
  func::CallOp::create(b, where, inner, args);
  Value ok = arith::ConstantOp::create(b, where, b.getI32IntegerAttr(0));
  func::ReturnOp::create(b, where, ok);
}

} // namespace tenon::cpu

// Symbols, expressions, arguments and buffers of a function.

#include "package/expr.h"
#include "package/verify.h"

namespace tenon::package {

using Number = unsigned long long;

/// More slots, buffers or commands than this are refused, so that sums of them fit 32 bits.
static constexpr uint32_t kMaxItems = 1u << 24;

static Status verifySymbol(const fb::Symbol &symbol, const char *function) {
  const char *name = symbol.name()->c_str();
  if (symbol.min() < 0 || symbol.max() < symbol.min() || symbol.multiple_of() < 1)
    return Status::error(Code::BadSymbol, "function %s: symbol %s has the range %lld..%lld in steps of %lld",
                         function, name, (long long)symbol.min(), (long long)symbol.max(),
                         (long long)symbol.multiple_of());
  if (symbol.likely())
    for (int64_t value : *symbol.likely())
      if (value < symbol.min() || value > symbol.max() || value % symbol.multiple_of() != 0)
        return Status::error(Code::BadSymbol,
                             "function %s: symbol %s has the likely value %lld out of its range", function,
                             name, (long long)value);
  return {};
}

static Status verifyExprs(const fb::Function &function) {
  const char *name = function.name()->c_str();
  uint32_t symbols = function.symbols()->size(), statics = function.static_exprs();
  if (statics > function.exprs()->size())
    return Status::error(Code::BadExpr, "function %s: %u static expressions of %u", name, statics,
                         function.exprs()->size());
  for (uint32_t i = 0; i < function.exprs()->size(); ++i) {
    const fb::Expr *expr = function.exprs()->Get(i);
    if (expr->op() >= kExprOpCount)
      return Status::error(Code::BadEnum, "function %s: expression %u has the unknown operation %u", name, i,
                           (unsigned)expr->op());
    ExprOp op = static_cast<ExprOp>(expr->op());
    if (op == ExprOp::External && i < statics)
      return Status::error(Code::BadExpr,
                           "function %s: expression %u is external, but among the %u static ones", name, i,
                           statics);
    uint32_t operands[] = {expr->a(), expr->b(), expr->c()};
    for (uint32_t k = 0; k < operandCount(op); ++k)
      if (operands[k] >= symbols + i)
        return Status::error(Code::BadExpr,
                             "function %s: expression %u (%s) reads slot %u, expected one below %u", name, i,
                             package::name(op), operands[k], symbols + i);
  }
  return {};
}

static Status verifyArgs(const fb::Function &function, bool inputs) {
  const char *name = function.name()->c_str();
  uint32_t statics = function.symbols()->size() + function.static_exprs();
  uint32_t slots = function.symbols()->size() + function.exprs()->size();
  for (const fb::TensorArg *arg : inputs ? *function.inputs() : *function.outputs()) {
    if (!isDType(arg->dtype()))
      return Status::error(Code::BadEnum, "function %s: tensor %s has the unknown element type %u", name,
                           arg->name()->c_str(), (unsigned)arg->dtype());
    constexpr uint32_t maxRank = 32;
    if (arg->dims()->size() > maxRank)
      return Status::error(Code::TooLarge, "function %s: tensor %s has rank %u, expected at most %u", name,
                           arg->name()->c_str(), arg->dims()->size(), maxRank);
    for (uint32_t slot : *arg->dims())
      if (slot >= (inputs ? statics : slots))
        return Status::error(Code::BadIndex,
                             "function %s: tensor %s has slot %u as a dimension, expected one below %u", name,
                             arg->name()->c_str(), slot, inputs ? statics : slots);
  }
  return {};
}

static Status verifySymbols(const fb::Function &function, const Allocator &allocator) {
  const char *name = function.name()->c_str();
  Array<uint8_t> bound;
  if (!bound.allocate(allocator, function.symbols()->size()))
    return Status::error(Code::OutOfMemory, "no memory to check function %s", name);
  for (const fb::TensorArg *arg : *function.inputs())
    for (uint32_t slot : *arg->dims())
      if (slot < bound.size())
        bound[slot] = 1;
  for (uint32_t i = 0; i < bound.size(); ++i) {
    const fb::Symbol *symbol = function.symbols()->Get(i);
    TENON_TRY(verifySymbol(*symbol, name));
    if (!bound[i])
      return Status::error(Code::BadSymbol, "function %s: symbol %s is no input's dimension", name,
                           symbol->name()->c_str());
  }
  return {};
}

static Status verifyView(const fb::Buffer &buffer, uint32_t index, const fb::Function &function) {
  const char *name = function.name()->c_str();
  if (buffer.base() >= index)
    return Status::error(Code::BadBuffer, "function %s: buffer %u views buffer %u, expected an earlier one",
                         name, index, buffer.base());
  if (buffer.offset() >= function.symbols()->size() + function.exprs()->size())
    return Status::error(Code::BadIndex, "function %s: buffer %u has slot %u as its offset", name, index,
                         buffer.offset());
  return {};
}

static Status verifyPlacement(const fb::Buffer &buffer, uint32_t index, const fb::Function &function,
                              const fb::Manifest &manifest) {
  const char *name = function.name()->c_str();
  uint32_t limit = 1;
  switch (static_cast<Region>(buffer.region())) {
  case Region::Weight:
    limit = manifest.weights()->size();
    break;
  case Region::State:
    limit = manifest.states()->size();
    break;
  case Region::Input:
    limit = function.inputs()->size();
    break;
  case Region::Output:
    limit = function.outputs()->size();
    break;
  case Region::Arena:
  case Region::View:
    break;
  }
  if (buffer.index() >= limit)
    return Status::error(Code::BadIndex, "function %s: buffer %u names object %u of %u", name, index,
                         buffer.index(), limit);
  if (buffer.base() != kNone || buffer.offset() != kNone)
    return Status::error(Code::BadBuffer, "function %s: buffer %u has a base but is no view", name, index);
  if (buffer.size() >= function.symbols()->size() + function.static_exprs())
    return Status::error(Code::BadBuffer,
                         "function %s: buffer %u has slot %u as its size, expected a static one", name, index,
                         buffer.size());
  return {};
}

static Status verifyBuffers(const fb::Function &function, const fb::Manifest &manifest) {
  const char *name = function.name()->c_str();
  uint32_t slots = function.symbols()->size() + function.exprs()->size();
  for (uint32_t i = 0; i < function.buffers()->size(); ++i) {
    const fb::Buffer *buffer = function.buffers()->Get(i);
    if (buffer->region() > static_cast<uint8_t>(Region::View))
      return Status::error(Code::BadEnum, "function %s: buffer %u is in the unknown region %u", name, i,
                           buffer->region());
    Region region = static_cast<Region>(buffer->region());
    if (buffer->size() >= slots)
      return Status::error(Code::BadIndex, "function %s: buffer %u has slot %u as its size", name, i,
                           buffer->size());
    TENON_TRY(region == Region::View ? verifyView(*buffer, i, function)
                                     : verifyPlacement(*buffer, i, function, manifest));
    if (!buffer->conflicts())
      continue;
    if (region != Region::Arena && buffer->conflicts()->size() != 0)
      return Status::error(Code::BadBuffer, "function %s: buffer %u has conflicts but is not in the arena",
                           name, i);
    for (uint32_t other : *buffer->conflicts())
      if (other >= i || function.buffers()->Get(other)->region() != static_cast<uint8_t>(Region::Arena))
        return Status::error(
            Code::BadBuffer,
            "function %s: buffer %u conflicts with buffer %u, expected an earlier arena buffer", name, i,
            other);
  }
  return {};
}

Status verifyFunction(const fb::Function &function, const fb::Manifest &manifest,
                      const Allocator &allocator) {
  const char *name = function.name()->c_str();
  if (function.symbols()->size() > kMaxItems || function.exprs()->size() > kMaxItems ||
      function.buffers()->size() > kMaxItems || function.commands()->size() > kMaxItems)
    return Status::error(Code::TooLarge, "function %s has more than %u slots, buffers or commands", name,
                         kMaxItems);
  TENON_TRY(verifyNames(*function.symbols(), "symbol", allocator));
  TENON_TRY(verifyNames(*function.inputs(), "input", allocator));
  TENON_TRY(verifyNames(*function.outputs(), "output", allocator));
  TENON_TRY(verifyExprs(function));
  TENON_TRY(verifyArgs(function, true));
  TENON_TRY(verifyArgs(function, false));
  TENON_TRY(verifySymbols(function, allocator));
  TENON_TRY(verifyBuffers(function, manifest));
  constexpr uint32_t maxQueues = 256;
  if (function.queues() == 0 || function.queues() > maxQueues)
    return Status::error(Code::TooLarge, "function %s has %u queues, expected 1 to %u", name,
                         function.queues(), maxQueues);
  if (function.arena_bytes() < 0 || function.scratch_bytes_per_worker() < 0)
    return Status::error(Code::BadRange, "function %s has a negative memory certificate", name);
  if (function.state_ties())
    for (const fb::StateTie *tie : *function.state_ties())
      if (tie->state() >= manifest.states()->size())
        return Status::error(Code::BadIndex, "function %s ties state %u of %u", name, tie->state(),
                             manifest.states()->size());
  return {};
}

} // namespace tenon::package

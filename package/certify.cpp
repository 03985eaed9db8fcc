#include "package/certify.h"

#include "package/expr.h"
#include "package/header.h"
#include "package/memory.h"

#include <algorithm>

namespace tenon::package {

Status evaluateStatic(const Function &function, const std::vector<int64_t> &symbols,
                      std::vector<int64_t> &slots) {
  if (symbols.size() != function.symbols.size() || function.staticExprs > function.exprs.size())
    return Status::error(Code::BadSymbol, "function %s: %zu values for %zu symbols", function.name.c_str(),
                         symbols.size(), function.symbols.size());
  slots = symbols;
  for (uint32_t i = 0; i < function.staticExprs; ++i) {
    const Expr &expr = function.exprs[i];
    auto operand = [&](Slot slot) { return slot < slots.size() ? slots[slot] : 0; };
    int64_t value = 0;
    if (!evaluate(expr.op, operand(expr.a), operand(expr.b), operand(expr.c), expr.imm, value))
      return Status::error(Code::Arithmetic,
                           "function %s: size expression %u (%s) overflows or divides by zero",
                           function.name.c_str(), i, name(expr.op));
    slots.push_back(value);
  }
  return {};
}

static Status badSize(const Function &function) {
  return Status::error(Code::BadRange, "function %s: a size is negative, too large, or not static",
                       function.name.c_str());
}

Status memoryAt(const Function &function, const std::vector<int64_t> &symbols, Certificate &result) {
  std::vector<int64_t> slots;
  TENON_TRY(evaluateStatic(function, symbols, slots));
  result = {0, 0};
  std::vector<uint64_t> ends(function.buffers.size());
  for (size_t i = 0; i < function.buffers.size(); ++i) {
    const Buffer &buffer = function.buffers[i];
    if (buffer.region != Region::Arena)
      continue;
    uint64_t offset = 0;
    for (BufferId other : buffer.conflicts)
      offset = other < i ? std::max(offset, ends[other]) : offset;
    if (buffer.size >= slots.size() || slots[buffer.size] < 0 || !alignUp(offset, kTensorAlignment, offset) ||
        __builtin_add_overflow(offset, static_cast<uint64_t>(slots[buffer.size]), &ends[i]) ||
        ends[i] > INT64_MAX)
      return badSize(function);
    result.arenaBytes = std::max(result.arenaBytes, static_cast<int64_t>(ends[i]));
  }
  for (const Command &command : function.commands) {
    const auto *dispatch = std::get_if<Dispatch>(&command.body);
    if (!dispatch || dispatch->scratch == kNone)
      continue;
    if (dispatch->scratch >= slots.size() || slots[dispatch->scratch] < 0)
      return badSize(function);
    result.scratchBytesPerWorker = std::max(result.scratchBytesPerWorker, slots[dispatch->scratch]);
  }
  return {};
}

Status certify(const Function &function, Certificate &result) {
  std::vector<int64_t> largest;
  for (const Symbol &symbol : function.symbols) {
    if (symbol.max == kUnbounded) {
      result = {};
      return {};
    }
    largest.push_back(symbol.max / symbol.multipleOf * symbol.multipleOf);
  }
  return memoryAt(function, largest, result);
}

} // namespace tenon::package

//===- SlotTable.cpp - the integers of a plan ----------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/plan/SlotTable.h"

#include "compiler/defects/PlantedDefect.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using tenon::package::Expr;
using tenon::package::ExprOp;

namespace tenon::plan {

SlotTable::SlotTable(ArrayRef<std::string> names) : scopes(1) {
  for (auto [i, name] : enumerate(names))
    symbols[name] = static_cast<Slot>(i);
}

SlotTable::Slot SlotTable::add(const Expr &expr) {
  bool late = isLate(expr.a) || isLate(expr.b) || isLate(expr.c);
  Key key(expr.op, expr.a, expr.b, expr.c, expr.imm);
  if (!late) {
    auto [it, inserted] =
        staticSlots.try_emplace(key, static_cast<Slot>(symbols.size() + staticExprs.size()));
    if (inserted)
      staticExprs.push_back(expr);
    return it->second;
  }
  for (const std::map<Key, Slot> &scope : scopes)
    if (auto it = scope.find(key); it != scope.end())
      return it->second;
  Slot slot = lateBit | static_cast<Slot>(lateExprs.size());
  lateExprs.push_back(expr);
  scopes.back()[key] = slot;
  return slot;
}

SlotTable::Slot SlotTable::constant(int64_t value) {
  Expr expr;
  expr.imm = value;
  return add(expr);
}

SlotTable::Slot SlotTable::expression(ExprOp op, Slot a, Slot b, Slot c) {
  Expr expr;
  expr.op = op;
  expr.a = a;
  expr.b = b;
  expr.c = c;
  return add(expr);
}

namespace {

/// Lowers a size bottom-up; handles are slots plus one, so that none is null.
class SlotVisitor : public SizeVisitor {
public:
  SlotVisitor(SlotTable &table, const StringMap<package::Slot> &symbols) : table(table), symbols(symbols) {}
  Handle constant(int64_t v) override { return handle(table.constant(v)); }
  Handle symbol(StringRef name) override { return handle(symbols.at(name)); }
  Handle add(Handle a, Handle b) override { return binary(ExprOp::Add, a, b); }
  Handle mul(Handle a, Handle b) override { return binary(ExprOp::Mul, a, b); }
  Handle floorDiv(Handle a, Handle b) override { return binary(ExprOp::FloorDiv, a, b); }
  Handle mod(Handle a, Handle b) override { return binary(ExprOp::Mod, a, b); }
  Handle min(Handle a, Handle b) override { return binary(ExprOp::Min, a, b); }
  Handle max(Handle a, Handle b) override { return binary(ExprOp::Max, a, b); }

  static package::Slot slot(Handle h) {
    return static_cast<package::Slot>(reinterpret_cast<uintptr_t>(h) - 1);
  }

private:
  static Handle handle(package::Slot s) { return reinterpret_cast<Handle>(static_cast<uintptr_t>(s) + 1); }
  Handle binary(ExprOp op, Handle a, Handle b) { return handle(table.expression(op, slot(a), slot(b))); }

  SlotTable &table;
  const StringMap<package::Slot> &symbols;
};

} // namespace

std::optional<SlotTable::Slot> SlotTable::size(Size size, Resolver resolve) {
  // Symbols first: resolving one may make commands, which must not come between expressions.
  StringMap<Slot> resolved;
  for (StringRef name : size.symbols()) {
    auto known = symbols.find(name);
    std::optional<Slot> slot = known != symbols.end() ? std::optional(known->second) : resolve(name);
    if (!slot)
      return std::nullopt;
    resolved[name] = *slot;
  }
  SlotVisitor visitor(*this, resolved);
  return SlotVisitor::slot(visitSize(size, visitor));
}

void SlotTable::closeScope() {
  if (planted(Defect::LateScopeLeaks))
    scopes[scopes.size() - 2].insert(scopes.back().begin(), scopes.back().end());
  scopes.pop_back();
}

SlotTable::Slot SlotTable::external() {
  assert(evaluated == lateExprs.size() && "pending expressions would be split");
  Expr expr;
  expr.op = ExprOp::External;
  lateExprs.push_back(expr);
  return lateBit | evaluated++;
}

std::optional<package::EvalSymbols> SlotTable::takePending() {
  if (evaluated == lateExprs.size())
    return std::nullopt;
  package::EvalSymbols command;
  command.first = evaluated;
  command.count = static_cast<uint32_t>(lateExprs.size()) - evaluated;
  evaluated = static_cast<uint32_t>(lateExprs.size());
  return command;
}

SlotTable::Slot SlotTable::finalSlot(Slot slot) const {
  if (!isLate(slot))
    return slot;
  return static_cast<Slot>(symbols.size() + staticExprs.size()) + (slot & ~lateBit);
}

std::vector<Expr> SlotTable::finish() const {
  std::vector<Expr> result = staticExprs;
  for (Expr expr : lateExprs) {
    expr.a = finalSlot(expr.a);
    expr.b = finalSlot(expr.b);
    expr.c = finalSlot(expr.c);
    result.push_back(expr);
  }
  return result;
}

} // namespace tenon::plan

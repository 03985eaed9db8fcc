//===- SlotTable.h - the integers of a plan ------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A plan computes sizes in slots: symbols, then expressions over them, then late slots that are written
// during the run. The table is filled while commands are made, so that its slots are provisional; `finalSlot`
// tells the final ones.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeExpr.h"
#include "package/model.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include <map>
#include <optional>
#include <tuple>
#include <vector>

namespace tenon::plan {

class SlotTable {
public:
  using Slot = package::Slot;
  /// Finds the slot of a symbol that is not one of the function's inputs; nothing when it has none.
  using Resolver = llvm::function_ref<std::optional<Slot>(llvm::StringRef)>;

  explicit SlotTable(llvm::ArrayRef<std::string> symbols);

  static bool isLate(Slot slot) { return slot != package::kNone && (slot & lateBit) != 0; }

  Slot constant(int64_t value);
  /// The slot of an operation on slots. Equal expressions share a slot as long as their scope lasts.
  Slot expression(package::ExprOp op, Slot a, Slot b = 0, Slot c = 0);
  /// The slot of a size; nothing when a symbol cannot be resolved.
  std::optional<Slot> size(Size size, Resolver resolve);
  /// A late slot that commands write. No late expression may be pending.
  Slot external();
  bool isSymbol(llvm::StringRef name) const { return symbols.contains(name); }

  /// Late expressions are evaluated once per execution of the commands of a scope, where they are met first.
  void openScope() { scopes.emplace_back(); }
  void closeScope();
  /// The command that evaluates the late expressions made since the last call, before the command that needs
  /// them. It counts expressions from the first late one on.
  std::optional<package::EvalSymbols> takePending();

  /// The final number of a slot, once no more are made.
  Slot finalSlot(Slot slot) const;
  /// The expressions in their final order: static ones, then late ones.
  std::vector<package::Expr> finish() const;
  uint32_t staticCount() const { return static_cast<uint32_t>(staticExprs.size()); }

private:
  static constexpr Slot lateBit = 0x40000000u;
  using Key = std::tuple<package::ExprOp, Slot, Slot, Slot, int64_t>;

  Slot add(const package::Expr &expr);

  llvm::StringMap<Slot> symbols;
  std::vector<package::Expr> staticExprs, lateExprs;
  std::map<Key, Slot> staticSlots;
  std::vector<std::map<Key, Slot>> scopes;
  uint32_t evaluated = 0; // late expressions that a command evaluates or that are external
};

} // namespace tenon::plan

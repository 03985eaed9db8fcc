// What must come before what, in straight code and across iterations of a loop.
#pragma once

#include "compiler/emit/mortise/vector/MachineCode.h"

namespace tenon::npu {

/// `to`, `distance` iterations later, issues at least `latency` cycles after `from`. A latency of 0 allows
/// the same bundle: reads come before writes there.
struct Dependence {
  unsigned from, to;
  unsigned latency, distance;
};

/// How a loop's registers may be treated when iterations overlap.
struct LoopRegisters {
  /// Dead at both ends of an iteration: each iteration may have a copy of its own.
  std::vector<RegisterId> renamable;
  /// Addresses that only move by constants: an access on the other side of a move changes its offset instead.
  std::vector<RegisterId> pointers;
};

struct DependenceOptions {
  const mortise::Hardware *hardware = nullptr;
  const std::vector<MemoryObject> *objects = nullptr;
  const LoopRegisters *loop = nullptr; ///< null: straight code
};

std::vector<Dependence> dependencesOf(const std::vector<MachineOp> &ops, const DependenceOptions &options);

/// How much a pointer moves by that instruction; 0 where it does not.
int64_t movement(const MachineOp &op, RegisterId pointer);

/// Takes of bundles: one bit for each slot, and one that scalar loads and lane reads share, because a scalar
/// load reads its address after lane reads of the same bundle have written.
unsigned resourcesOf(Id id);
constexpr unsigned kResources = kSlots + 1;

} // namespace tenon::npu

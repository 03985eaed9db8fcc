// The instructions of the vector core on data: lane-wise rows are the expressions of the instruction table.
#pragma once

#include "sim/functional/State.h"

namespace tenon::sim {

/// An instruction with its operands by name, for the inner loops.
struct Operation {
  Id id = Id::Nop;
  mortise::Unit unit = mortise::Unit::Scalar;
  uint8_t d = 0, a = 0, b = 0, c = 0, g = 0;
  uint8_t latency = 1, action = 0;
  int32_t i = 0, j = 0, label = 0;
};

/// Result of a scalar row (MORTISE_SCALAR).
int64_t scalarResult(Id id, int64_t a, int64_t b, int64_t i);
/// Whether a branch is taken.
bool branchTaken(Id id, int64_t a, int64_t b);

/// Bytes of memory that one lane of a load or store takes.
int64_t laneBytes(Id id);
bool isBroadcast(Id id);

/// The vector slot. `scalars`: the core's scalar registers, read by vbc and ptail, written by vlane.
void executeVector(const Operation &op, VectorRegisters &registers, std::span<int64_t> scalars,
                   unsigned lanes);
/// Load and store slots; `address` is that of lane 0 (of the table for gather and scatter).
void executeLoad(const Operation &op, VectorRegisters &registers, LocalMemory &memory, int64_t address,
                 unsigned lanes);
void executeStore(const Operation &op, const VectorRegisters &registers, LocalMemory &memory, int64_t address,
                  unsigned lanes);

} // namespace tenon::sim

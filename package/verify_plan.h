// What the checks of a plan share (private to the verifier).
#pragma once

#include "package/model.h"
#include "package/verify.h"

namespace tenon::package {

/// Facts about a function's slots and buffers.
struct PlanFacts {
  /// Views of views of ...: bounds the work of placing one buffer.
  static constexpr uint8_t kMaxViewDepth = 16;

  const fb::Function *function = nullptr;
  uint32_t statics = 0; // slots below are known before the run
  uint32_t slots = 0;
  uint64_t evaluations = 0; // expressions in EvalSymbols commands so far
  Array<uint32_t> root;     // per buffer: the buffer that it finally views, or itself
  Array<uint8_t> late;      // per buffer: whether its place or size may change during a run
  Array<uint8_t> depth;     // per buffer: number of views

  Status build(const fb::Function &function, const Allocator &allocator);
};

/// Every slot that a command or an output reads has been written on every path to it.
Status verifyFlow(const PlanFacts &facts, const fb::Manifest &manifest, const Allocator &allocator);

} // namespace tenon::package

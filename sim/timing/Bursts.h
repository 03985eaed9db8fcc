// A DMA descriptor as bursts of the memory.
#pragma once

#include "sim/Command.h"

namespace tenon::sim {

/// A piece of a transfer: at most one burst of the memory, with the places in the scratchpad that belong to
/// it.
struct Burst {
  int64_t address = 0, bytes = 0;
  int64_t local = 0;    ///< of the first element
  int64_t elements = 1; ///< places in the scratchpad, `stride` apart, of `size` bytes each
  int64_t stride = 0, size = 0;
};

class BurstIterator {
public:
  BurstIterator() = default;
  /// `indices`: rows of a gather; empty: rows in order.
  BurstIterator(const Command &command, int64_t burst, std::vector<int64_t> indices);
  bool done() const { return done_; }
  /// Where the next burst begins in memory.
  int64_t address() const { return runGlobal_ + offset_; }
  Burst next();

private:
  void startRun();

  struct Dimension {
    int64_t count = 1, local = 0, global = 0;
  };
  std::array<Dimension, 4> outer_; ///< around the runs, innermost first
  std::array<int64_t, 4> at_{};
  std::vector<int64_t> indices_;
  int64_t localBase_ = 0, globalBase_ = 0, burst_ = 64;
  int64_t run_ = 0, offset_ = 0;         ///< bytes of a run, and how far it is
  int64_t size_ = 1, localStride_ = 1;   ///< elements within a run
  bool contiguous_ = true, done_ = true; ///< the run in the scratchpad
  int64_t runLocal_ = 0, runGlobal_ = 0;
};

} // namespace tenon::sim

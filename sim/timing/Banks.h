// The single-ported banks of a core's scratchpad and accumulators: each serves one word a cycle.
#pragma once

#include "isa/mortise/Hardware.h"

#include <algorithm>

namespace tenon::sim {

class Unit;

class Banks {
public:
  explicit Banks(const mortise::Hardware &hardware);

  int64_t wordOf(int64_t address) const { return address / width_; }
  int64_t width() const { return width_; }
  unsigned bankOfRow(int64_t row) const { return unsigned(banks_ + row / rowsPerBank_); }
  /// The bank of an address of either memory (accumulators are mapped).
  unsigned bankOf(int64_t address) const {
    // Inactive lanes may lie beyond the end.
    constexpr int64_t base = mortise::kAccumulatorBase;
    return address >= base ? bankOfRow(std::min((address - base) / rowBytes_, rows_ - 1))
                           : unsigned(uint64_t(address) / uint64_t(interleave_) % uint64_t(banks_));
  }
  /// Takes the bank for this cycle. After eight losses in a row a unit has the bank reserved for its next
  /// try, so that nobody starves.
  bool take(unsigned bank, uint64_t now, Unit &unit);
  /// Whether that many consecutive words lie in different banks.
  bool isConflictFree(int64_t words) const {
    return words <= 1 || (interleave_ == width_ && words <= banks_);
  }

private:
  int64_t width_, interleave_, banks_, rowsPerBank_, rowBytes_, rows_;
  static constexpr size_t kMaxBanks = 64 + 16;
  std::array<uint64_t, kMaxBanks> usedAt_{}; ///< cycle + 1
  std::array<uint64_t, kMaxBanks> reservedAt_{};
  std::array<const Unit *, kMaxBanks> reservedFor_{};
};

/// Words that an access still needs, by their banks.
class PendingWords {
public:
  void clear() { count_ = 0; }
  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }
  /// Adds the words of [address, address + bytes), none twice in a row.
  void add(const Banks &banks, int64_t address, int64_t bytes);
  /// Takes what this cycle gives; true when nothing is left.
  bool advance(Banks &banks, uint64_t now, Unit &unit);

private:
  static constexpr size_t kMax = 1100;
  size_t count_ = 0;
  int64_t last_ = -1;
  std::array<uint8_t, kMax> banks_; ///< written before they are read
};

} // namespace tenon::sim

// The single-ported banks of a core's scratchpad and accumulators: each serves one word a cycle.
#pragma once

#include "isa/mortise/Hardware.h"
#include "sim/timing/Unit.h"

#include <algorithm>
#include <bit>

namespace tenon::sim {

/// Division by a number that is a power of two on most machines.
class Divisor {
public:
  explicit Divisor(int64_t by)
      : by_(uint64_t(by)), shift_(std::has_single_bit(by_) ? std::countr_zero(by_) : -1) {}
  uint64_t quotient(uint64_t value) const { return shift_ >= 0 ? value >> shift_ : value / by_; }
  uint64_t remainder(uint64_t value) const { return shift_ >= 0 ? value & (by_ - 1) : value % by_; }

private:
  uint64_t by_;
  int shift_;
};

class Banks {
public:
  explicit Banks(const mortise::Hardware &hardware);

  /// The number of the word that holds an address; a word of the accumulators is a row.
  int64_t wordOf(int64_t address) const {
    return address >= mortise::kAccumulatorBase
               ? kFirstRow + (address - mortise::kAccumulatorBase) / rowBytes_
               : int64_t(widthDivisor_.quotient(uint64_t(address)));
  }
  /// The address after a word.
  int64_t endOfWord(int64_t word) const {
    return word >= kFirstRow ? mortise::kAccumulatorBase + (word - kFirstRow + 1) * rowBytes_
                             : (word + 1) * width_;
  }
  int64_t width() const { return width_; }
  unsigned bankOfRow(int64_t row) const { return unsigned(banks_ + row / rowsPerBank_); }
  /// The bank of an address of either memory (accumulators are mapped).
  unsigned bankOf(int64_t address) const {
    // Inactive lanes may lie beyond the end.
    constexpr int64_t base = mortise::kAccumulatorBase;
    return address >= base ? bankOfRow(std::min((address - base) / rowBytes_, rows_ - 1))
                           : unsigned(bankDivisor_.remainder(interleaveDivisor_.quotient(uint64_t(address))));
  }
  /// Takes the bank for this cycle. After eight losses in a row a unit has the bank reserved for its next
  /// try, so that nobody starves.
  bool take(unsigned bank, uint64_t now, Unit &unit) {
    constexpr unsigned kPatience = 8;
    bool reserved = reservedFor_[bank] && reservedFor_[bank] != &unit && reservedAt_[bank] == now;
    if (usedAt_[bank] == now + 1 || reserved) {
      if (++unit.losses >= kPatience) {
        reservedAt_[bank] = now + 1;
        reservedFor_[bank] = &unit;
      }
      return false;
    }
    usedAt_[bank] = now + 1;
    unit.losses = 0;
    return true;
  }
  /// Whether that many consecutive words lie in different banks.
  bool isConflictFree(int64_t words) const {
    return words <= 1 || (interleave_ == width_ && words <= banks_);
  }

private:
  static constexpr int64_t kFirstRow = int64_t(1) << 40;
  int64_t width_, interleave_, banks_, rowsPerBank_, rowBytes_, rows_;
  Divisor widthDivisor_, interleaveDivisor_, bankDivisor_;
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
  void add(const Banks &banks, int64_t address, int64_t bytes) {
    if (count_ == 0)
      last_ = -1;
    int64_t end = address + bytes;
    for (int64_t at = address; at < end;) {
      int64_t word = banks.wordOf(at);
      if (word != last_ && count_ < kMax)
        banks_[count_++] = uint8_t(banks.bankOf(at));
      last_ = word;
      at = banks.endOfWord(word);
    }
  }
  /// Takes what this cycle gives; true when nothing is left.
  bool advance(Banks &banks, uint64_t now, Unit &unit) {
    size_t kept = 0;
    for (size_t i = 0; i < count_; ++i)
      if (!banks.take(banks_[i], now, unit))
        banks_[kept++] = banks_[i];
    count_ = kept;
    return kept == 0;
  }

private:
  static constexpr size_t kMax = 1100;
  size_t count_ = 0;
  int64_t last_ = -1;
  std::array<uint8_t, kMax> banks_; ///< written before they are read
};

} // namespace tenon::sim

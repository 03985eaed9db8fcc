#include "sim/timing/Banks.h"

#include "sim/timing/Unit.h"

namespace tenon::sim {

Banks::Banks(const mortise::Hardware &hardware)
    : width_(hardware.scratchpad.width), interleave_(hardware.scratchpad.interleave),
      banks_(hardware.scratchpad.banks),
      rowsPerBank_(hardware.accumulatorRows() / hardware.accumulators.banks),
      rowBytes_(hardware.matrix.columns * 4), rows_(hardware.accumulatorRows()) {}

bool Banks::take(unsigned bank, uint64_t now, Unit &unit) {
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

void PendingWords::add(const Banks &banks, int64_t address, int64_t bytes) {
  if (count_ == 0)
    last_ = -1;
  int64_t end = address + bytes;
  for (int64_t at = address; at < end;) {
    int64_t word = banks.wordOf(at);
    if (word != last_ && count_ < kMax)
      banks_[count_++] = uint8_t(banks.bankOf(at));
    last_ = word;
    at = (word + 1) * banks.width();
  }
}

bool PendingWords::advance(Banks &banks, uint64_t now, Unit &unit) {
  size_t kept = 0;
  for (size_t i = 0; i < count_; ++i)
    if (!banks.take(banks_[i], now, unit))
      banks_[kept++] = banks_[i];
  count_ = kept;
  return kept == 0;
}

} // namespace tenon::sim

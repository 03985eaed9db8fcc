#include "sim/timing/Rows.h"

namespace tenon::sim {

void RowEngine::loadStep() {
  Banks &banks = simulation.cores[core]->banks;
  if (stream_.accumulator >= 0)
    accumulatorBank_ = int(banks.bankOfRow(stream_.accumulator + row_));
  const Region &rows = stream_.rows;
  size_t others = pending_.size();
  for (int64_t n = std::min(stream_.perStep, left_); n; --n) {
    pending_.add(banks,
                 rows.base + at_[0] * rows.stride[0] + at_[1] * rows.stride[1] + at_[2] * rows.stride[2],
                 rows.run);
    --left_;
    ++row_;
    for (int d = 0; d < 3 && ++at_[size_t(d)] == rows.count[size_t(d)]; ++d)
      at_[size_t(d)] = 0;
  }
  simulation.count(stream_.action, pending_.size() - others);
  *stream_.traffic += (pending_.size() - others) * uint64_t(banks.width());
  loaded_ = true;
}

/// Issues rows until the end (true), or until another engine may interfere.
bool RowEngine::issueRows(uint64_t now) {
  Banks &banks = simulation.cores[core]->banks;
  uint64_t limit = simulation.horizon(*this);
  for (uint64_t t = now;;) {
    if (!loaded_)
      loadStep();
    if (accumulatorBank_ >= 0 && banks.take(unsigned(accumulatorBank_), t, *this))
      accumulatorBank_ = -1;
    bool served = pending_.advance(banks, t, *this);
    if (!served || accumulatorBank_ >= 0) {
      become(Activity::Bank, t);
      wake = busyUntil_ = t + 1;
      return false;
    }
    become(Activity::Busy, t);
    loaded_ = false;
    t += stream_.cyclesPerStep;
    if (left_ == 0) {
      issued_ = t;
      return true;
    }
    if (t >= limit) {
      wake = busyUntil_ = t;
      return false;
    }
  }
}

void RowEngine::step(uint64_t now) {
  if (now < busyUntil_) {
    wake = busyUntil_;
    return;
  }
  if (!streaming_) {
    if (!takeSemaphores(now, complete_)) {
      become(Activity::Semaphore, now);
      return;
    }
    if (queue.empty()) {
      become(now < complete_ ? Activity::Pipeline : Activity::Idle, now);
      wake = now < complete_ ? complete_ : kNever;
      return;
    }
    if (!ready(queue.front(), now))
      return;
    current_ = queue.front();
    learn(current_);
    if (simulation.observer)
      simulation.observer->onInstruction(core, engine, current_.instruction, now);
    pending_.clear();
    stream_ = start(current_, now);
    at_ = {};
    row_ = 0;
    left_ = stream_.rows.count[0] * stream_.rows.count[1] * stream_.rows.count[2];
    streaming_ = true;
    started_ = now;
    popCommand(now);
  }
  if (!issueRows(now))
    return;
  std::tie(busyUntil_, complete_) = finishAt(started_, issued_);
  streaming_ = false;
  if (busyUntil_ > issued_)
    become(Activity::Pipeline, issued_);
  simulation.lastsUntil(std::max(busyUntil_, complete_));
  simulation.record(*this, current_, started_, busyUntil_);
  wake = busyUntil_;
}

} // namespace tenon::sim

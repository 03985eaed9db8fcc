#include "sim/timing/Bursts.h"

namespace tenon::sim {

BurstIterator::BurstIterator(const Command &command, int64_t burst, std::vector<int64_t> indices)
    : indices_(std::move(indices)), localBase_(command.a), globalBase_(command.b), burst_(burst),
      done_(false) {
  const Descriptor &d = command.descriptor;
  size_ = run_ = d[Field::Esize];
  std::array<Dimension, 4> all;
  for (size_t i = 0; i < 4; ++i)
    all[i] = {d.values[i], d.values[size_t(Field::L0) + i], d.values[size_t(Field::G0) + i]};
  bool gather = d[Field::Mode] == int64_t(mortise::DmaMode::Gather);
  bool fill = d[Field::Mode] == int64_t(mortise::DmaMode::Fill);
  size_t merged = 0;
  // Elements side by side in memory are one run; it grows while both sides go on.
  if (fill ? all[0].local == size_ : all[0].global == size_) {
    contiguous_ = all[0].local == size_;
    localStride_ = all[0].local;
    run_ = size_ * all[0].count;
    merged = 1;
    while (contiguous_ && merged < 4 && !(gather && merged == 1) && all[merged].local == run_ &&
           (fill || all[merged].global == run_))
      run_ *= all[merged++].count;
  }
  for (size_t i = merged; i < 4; ++i)
    outer_[i] = all[i];
  if (gather && indices_.empty())
    for (int64_t i = 0; i < all[1].count; ++i)
      indices_.push_back(i);
  startRun();
}

void BurstIterator::startRun() {
  runLocal_ = localBase_;
  runGlobal_ = globalBase_;
  for (size_t i = 0; i < 4; ++i) {
    runLocal_ += at_[i] * outer_[i].local;
    runGlobal_ += (i == 1 && !indices_.empty() ? indices_[size_t(at_[i])] : at_[i]) * outer_[i].global;
  }
  offset_ = 0;
}

Burst BurstIterator::next() {
  Burst result;
  result.address = runGlobal_ + offset_;
  result.bytes = std::min(run_ - offset_, burst_ - result.address % burst_);
  if (contiguous_) {
    result.local = runLocal_ + offset_;
    result.size = result.bytes;
  } else {
    int64_t first = offset_ / size_, last = (offset_ + result.bytes - 1) / size_;
    result.local = runLocal_ + first * localStride_;
    result.elements = last - first + 1;
    result.stride = localStride_;
    result.size = size_;
  }
  offset_ += result.bytes;
  if (offset_ < run_)
    return result;
  size_t i = 0;
  while (i < 4 && ++at_[i] == outer_[i].count)
    at_[i++] = 0;
  if (i == 4)
    done_ = true;
  else
    startRun();
  return result;
}

} // namespace tenon::sim

#include "sim/functional/State.h"

#include <algorithm>

namespace tenon::sim {

TensorMemory::TensorMemory(const mortise::Program &program, bool allocate) : program_(program) {
  bytes_.resize(program.tensors.size());
  if (!allocate)
    return;
  for (size_t i = 0; i < program.tensors.size(); ++i) {
    const mortise::Tensor &tensor = program.tensors[i];
    owned_.emplace_back(tensor.data);
    owned_.back().resize(tensor.bytes());
    bytes_[i] = owned_.back();
  }
}

int TensorMemory::find(int64_t low, int64_t high) const {
  auto holds = [&](const mortise::Tensor &tensor) {
    return low >= int64_t(tensor.address) && high <= int64_t(tensor.address + tensor.bytes());
  };
  auto after = std::upper_bound(
      program_.tensors.begin(), program_.tensors.end(), low,
      [](int64_t address, const mortise::Tensor &t) { return address < int64_t(t.address); });
  if (after == program_.tensors.begin() || !holds(*std::prev(after)))
    return -1;
  return int(after - program_.tensors.begin()) - 1;
}

uint8_t *TensorMemory::at(int64_t address) {
  int index = find(address, address + 1);
  return bytes_[size_t(index)].data() + (address - int64_t(program_.tensors[size_t(index)].address));
}

LocalMemory::LocalMemory(const mortise::Hardware &hardware, bool allocate)
    : scratchpadBytes_(hardware.scratchpad.bytes), accumulatorBytes_(hardware.accumulators.bytes),
      rowBytes_(hardware.matrix.columns * 4) {
  if (allocate) {
    scratchpad_.resize(size_t(scratchpadBytes_));
    accumulators_.resize(size_t(accumulatorBytes_));
  }
}

bool LocalMemory::contains(int64_t low, int64_t high) const {
  if (low >= mortise::kAccumulatorBase)
    return high <= mortise::kAccumulatorBase + accumulatorBytes_;
  return low >= 0 && high <= scratchpadBytes_;
}

CoreState::CoreState(const mortise::Hardware &hardware, bool allocate)
    : local(hardware, allocate), vectors(std::make_unique<VectorRegisters>()) {
  std::fill(std::begin(vectors->predicates[0]), std::end(vectors->predicates[0]), uint8_t(1));
}

} // namespace tenon::sim

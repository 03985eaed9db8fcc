#include "sim/functional/State.h"

#include <algorithm>

namespace tenon::sim {

TensorMemory::TensorMemory(const mortise::Program &program, bool allocate)
    : program_(program), owned_(program.tensors.size()), bytes_(program.tensors.size()),
      bound_(program.tensors.size()), holdsData_(allocate) {
  for (const mortise::Tensor &tensor : program.tensors)
    sizes_.push_back(tensor.bytes());
}

std::span<uint8_t> TensorMemory::bytes(int index) {
  auto i = size_t(index);
  if (holdsData_ && !bound_[i]) {
    owned_[i] = program_.tensors[i].data;
    owned_[i].resize(sizes_[i]);
    bind(index, owned_[i]);
  }
  return bytes_[i];
}

void TensorMemory::allocate() {
  for (int i = 0; i < int(bytes_.size()); ++i)
    bytes(i);
}

int TensorMemory::find(int64_t low, int64_t high) const {
  auto holds = [&](const mortise::Tensor &tensor) {
    return low >= int64_t(tensor.address) &&
           high <= int64_t(tensor.address + sizes_[size_t(&tensor - program_.tensors.data())]);
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

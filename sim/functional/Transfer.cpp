// DMA: what a descriptor moves.

#include "sim/functional/State.h"

#include "sim/functional/Numbers.h"

#include <tuple>

namespace tenon::sim {

namespace {

/// Visits the elements' places, innermost dimension as one call: (local, global).
template <typename Visit>
void forEachLine(const Command &command, std::span<const int64_t> indices, Visit &&visit) {
  const Descriptor &d = command.descriptor;
  for (int64_t i3 = 0; i3 < d[Field::N3]; ++i3)
    for (int64_t i2 = 0; i2 < d[Field::N2]; ++i2)
      for (int64_t i1 = 0; i1 < d[Field::N1]; ++i1) {
        int64_t row = indices.empty() ? i1 : indices[size_t(i1)];
        visit(command.a + i1 * d[Field::L1] + i2 * d[Field::L2] + i3 * d[Field::L3],
              command.b + row * d[Field::G1] + i2 * d[Field::G2] + i3 * d[Field::G3]);
      }
}

/// The lowest byte of `count` elements from `address` on, and the byte after the highest.
std::pair<int64_t, int64_t> span(int64_t address, int64_t stride, int64_t count, int64_t size) {
  int64_t last = address + (count - 1) * stride;
  return {std::min(address, last), std::max(address, last) + size};
}

/// A line of elements in one of the memories. A line with strides may lie in several tensors.
template <typename Memory> class Line {
public:
  Line(Memory &memory, bool isOnePiece, int64_t address, int64_t stride)
      : memory_(memory), base_(isOnePiece ? memory.at(address) : nullptr), address_(address),
        stride_(stride) {}
  uint8_t *at(int64_t i) { return base_ ? base_ + i * stride_ : memory_.at(address_ + i * stride_); }

private:
  Memory &memory_;
  uint8_t *base_;
  int64_t address_, stride_;
};

} // namespace

std::vector<int64_t> gatherIndices(const Command &command, CoreState &core) {
  std::vector<int64_t> indices;
  const uint8_t *list = core.local.at(command.descriptor[Field::Index]);
  for (int64_t i = 0; i < command.descriptor[Field::N1]; ++i)
    indices.push_back(loadAs<int32_t>(list + 4 * i));
  return indices;
}

void executeDma(const Command &command, bool isInput, CoreState &core, TensorMemory &memory) {
  const Descriptor &d = command.descriptor;
  int64_t count = d[Field::N0], size = d[Field::Esize], localStride = d[Field::L0],
          globalStride = d[Field::G0];
  auto mode = mortise::DmaMode(d[Field::Mode]);
  std::vector<int64_t> indices;
  if (mode == mortise::DmaMode::Gather)
    indices = gatherIndices(command, core);
  forEachLine(command, indices, [&](int64_t local, int64_t global) {
    auto [low, high] = span(local, localStride, count, size);
    Line here(core.local, core.local.contains(low, high), local, localStride);
    if (mode == mortise::DmaMode::Fill) {
      for (int64_t i = 0; i < count; ++i)
        std::memcpy(here.at(i), &d.values[size_t(Field::Fill)], size_t(size));
      return;
    }
    std::tie(low, high) = span(global, globalStride, count, size);
    Line there(memory, memory.find(low, high) >= 0, global, globalStride);
    bool inOne = localStride == size && globalStride == size;
    for (int64_t i = 0; i < (inOne ? 1 : count); ++i)
      std::memcpy(isInput ? here.at(i) : there.at(i), isInput ? there.at(i) : here.at(i),
                  size_t(inOne ? count * size : size));
  });
}

} // namespace tenon::sim

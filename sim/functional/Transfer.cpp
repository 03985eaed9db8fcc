// DMA: what a descriptor moves.

#include "sim/functional/State.h"

#include "sim/functional/Numbers.h"

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

void copyElements(uint8_t *to, int64_t toStride, const uint8_t *from, int64_t fromStride, int64_t count,
                  int64_t size) {
  if (toStride == size && fromStride == size) {
    std::memcpy(to, from, size_t(count * size));
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(to + i * toStride, from + i * fromStride, size_t(size));
}

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
    uint8_t *here = core.local.at(local);
    if (mode == mortise::DmaMode::Fill) {
      for (int64_t i = 0; i < count; ++i)
        std::memcpy(here + i * localStride, &d.values[size_t(Field::Fill)], size_t(size));
    } else if (isInput) {
      copyElements(here, localStride, memory.at(global), globalStride, count, size);
    } else {
      copyElements(memory.at(global), globalStride, here, localStride, count, size);
    }
  });
}

} // namespace tenon::sim

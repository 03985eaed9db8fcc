#include "runtime/session/session.h"

using tenon::package::Code;
using tenon::package::DType;
using tenon::package::StateKind;
using tenon::runtime::StateMemory;
using Status = tenon_session::Status;
namespace fb = tenon::package::fb;

Status tenon_session::createStates() {
  const auto &records = *package->manifest().states();
  if (!states.create(allocator, records.size()))
    return Status::error(Code::OutOfMemory, "no memory for %u states", records.size());
  for (uint32_t i = 0; i < records.size(); ++i) {
    if (records.Get(i)->size_bound() == 0)
      continue;
    TENON_TRY(resizeState(i, records.Get(i)->size_bound()));
  }
  return {};
}

Status tenon_session::resizeState(uint32_t index, uint64_t size) {
  StateMemory &state = states[index];
  if (!state.block.reserve(allocator, size))
    return Status::error(Code::OutOfMemory, "no memory for %llu bytes of state %s", (unsigned long long)size,
                         package->manifest().states()->Get(index)->name()->c_str());
  state.size = size;
  ++generation;
  return resetState(index);
}

Status tenon_session::resetState(uint32_t index) {
  StateMemory &state = states[index];
  if (state.size == 0)
    return {};
  uint64_t filled = 0;
  uint32_t initial = package->manifest().states()->Get(index)->initial_weight();
  if (initial != tenon::package::kNone) {
    tenon::package::Bytes weight = package->reader.weight(initial);
    filled = weight.size; // the verifier bounds it by the state's size
    if (filled)
      std::memcpy(state.block.data(), weight.data, filled);
  }
  std::memset(state.block.data() + filled, 0, state.size - filled);
  return {};
}

/// Lowers one counter of `width` bytes. The verifier allows signed and unsigned integers.
static void lower(uint8_t *element, uint32_t width, bool isSigned, int64_t length) {
  uint64_t raw = 0;
  std::memcpy(&raw, element, width);
  uint64_t sign = uint64_t{1} << (8 * width - 1);
  bool negative = isSigned && (raw & sign);
  if (negative || raw <= static_cast<uint64_t>(length))
    return;
  raw = static_cast<uint64_t>(length);
  std::memcpy(element, &raw, width);
}

Status tenon_session::truncateState(uint32_t index, int64_t length) {
  const fb::State &record = *package->manifest().states()->Get(index);
  StateMemory &state = states[index];
  DType dtype = static_cast<DType>(record.dtype());
  uint64_t width = tenon::package::bitWidth(dtype) / 8;
  const auto &dims = *record.dims();
  if (record.kind() == static_cast<uint8_t>(StateKind::Length)) {
    uint64_t count = 1;
    for (int64_t dim : dims)
      count *= static_cast<uint64_t>(dim);
    bool isSigned = dtype >= DType::I8 && dtype <= DType::I64;
    for (uint64_t i = 0; i < count; ++i)
      lower(state.block.data() + i * width, static_cast<uint32_t>(width), isSigned, length);
    return {};
  }
  if (record.kind() != static_cast<uint8_t>(StateKind::Sequence))
    return {};
  uint64_t outer = 1, inner = width, extent = static_cast<uint64_t>(dims.Get(record.length_axis()));
  for (uint32_t d = 0; d < dims.size(); ++d) {
    uint64_t dim = static_cast<uint64_t>(dims.Get(d));
    if (d < record.length_axis())
      outer *= dim;
    else if (d > record.length_axis())
      inner *= dim;
  }
  uint64_t kept = static_cast<uint64_t>(length) < extent ? static_cast<uint64_t>(length) : extent;
  if (inner == 0 || kept == extent)
    return {};
  for (uint64_t o = 0; o < outer; ++o)
    std::memset(state.block.data() + (o * extent + kept) * inner, 0, (extent - kept) * inner);
  return {};
}

// Loads and stores of the vector core.

#include "sim/functional/Lanes.h"
#include "sim/functional/Numbers.h"

namespace tenon::sim {

namespace {

enum class Element { Word, Bf16, F16, I8, U8, I16 };

constexpr int64_t sizeOf(Element element) {
  return element == Element::Word ? 4 : element == Element::I8 || element == Element::U8 ? 1 : 2;
}

int32_t read(const uint8_t *from, Element element) {
  switch (element) {
  case Element::Word:
    return loadAs<int32_t>(from);
  case Element::Bf16:
    return std::bit_cast<int32_t>(fromBf16(loadAs<uint16_t>(from)));
  case Element::F16:
    return std::bit_cast<int32_t>(fromF16(loadAs<uint16_t>(from)));
  case Element::I8:
    return loadAs<int8_t>(from);
  case Element::U8:
    return *from;
  default:
    return loadAs<int16_t>(from);
  }
}

void write(uint8_t *to, int32_t value, Element element) {
  switch (element) {
  case Element::Word:
    storeAs(to, value);
    break;
  case Element::Bf16:
    storeAs(to, toBf16(std::bit_cast<float>(value)));
    break;
  case Element::F16:
    storeAs(to, toF16(std::bit_cast<float>(value)));
    break;
  case Element::I8:
    storeAs(to, int8_t(std::clamp(value, -128, 127)));
    break;
  case Element::U8:
    storeAs(to, uint8_t(std::clamp(value, 0, 255)));
    break;
  default:
    storeAs(to, int16_t(std::clamp(value, -32768, 32767)));
    break;
  }
}

Element elementOf(Id id) {
  switch (id) {
#define MORTISE_INSTRUCTION(code, Id_, mnemonic, operands, unit, latency, action, semantics)
#define MORTISE_LOAD(code, Id_, mnemonic, Kind, semantics)                                                   \
  case Id::Id_:                                                                                              \
    return Element::Kind;
#define MORTISE_BROADCAST MORTISE_LOAD
#define MORTISE_STORE MORTISE_LOAD
#include "isa/mortise/Instructions.def"
  default:
    return Element::Word;
  }
}

} // namespace

int64_t laneBytes(Id id) { return sizeOf(elementOf(id)); }

bool isBroadcast(Id id) {
  switch (id) {
#define MORTISE_INSTRUCTION(code, Id_, mnemonic, operands, unit, latency, action, semantics)
#define MORTISE_BROADCAST(code, Id_, mnemonic, Kind, semantics)                                              \
  case Id::Id_:                                                                                              \
    return true;
#include "isa/mortise/Instructions.def"
  default:
    return false;
  }
}

void executeLoad(const Operation &op, VectorRegisters &r, LocalMemory &memory, int64_t address,
                 unsigned lanes) {
  int32_t *d = r.vectors[op.d];
  if (op.id == Id::Vgather) {
    for (unsigned l = 0; l < lanes; ++l)
      d[l] = r.predicates[op.g][l] ? loadAs<int32_t>(memory.at(address + r.vectors[op.b][l])) : 0;
    return;
  }
  Element element = elementOf(op.id);
  if (isBroadcast(op.id)) {
    std::fill_n(d, lanes, read(memory.at(address), element));
    return;
  }
  int64_t size = sizeOf(element);
  for (unsigned l = 0; l < lanes; ++l)
    d[l] = r.predicates[op.g][l] ? read(memory.at(address + l * size), element) : 0;
}

void executeStore(const Operation &op, const VectorRegisters &r, LocalMemory &memory, int64_t address,
                  unsigned lanes) {
  Element element = elementOf(op.id);
  int64_t size = sizeOf(element);
  for (unsigned l = 0; l < lanes; ++l)
    if (r.predicates[op.g][l])
      write(memory.at(op.id == Id::Vscatter ? address + r.vectors[op.b][l] : address + l * size),
            r.vectors[op.d][l], element);
}

} // namespace tenon::sim

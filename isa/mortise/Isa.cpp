#include "isa/mortise/Isa.h"

#include <algorithm>

namespace tenon::mortise {

namespace {

constexpr OperandKind kindOf(char letter) {
  switch (letter) {
  case 'R':
    return OperandKind::Register;
  case 'V':
    return OperandKind::VectorRegister;
  case 'P':
    return OperandKind::Predicate;
  case 'D':
    return OperandKind::Descriptor;
  case 'F':
    return OperandKind::Field;
  case 'S':
    return OperandKind::Semaphore;
  case 'E':
    return OperandKind::Engine;
  case 'G':
    return OperandKind::Flags;
  case 'I':
    return OperandKind::Immediate32;
  case 'H':
    return OperandKind::Immediate16;
  case 'B':
    return OperandKind::Immediate8;
  case 'U':
    return OperandKind::Immediate20;
  default:
    return OperandKind::Label;
  }
}

constexpr uint8_t widthOf(OperandKind kind) {
  constexpr uint8_t widths[] = {5, 5, 3, 4, 5, 6, 4, 2, 32, 16, 8, 20, 24};
  return widths[size_t(kind)];
}

constexpr Row makeRow(uint8_t code, Id id, const char *mnemonic, const char *syntax, Unit unit,
                      uint8_t latency, const char *action, const char *semantics) {
  Row row{id, code, unit, latency, mnemonic, syntax, action, semantics, 0, {}};
  uint8_t shift = 0;
  for (const char *at = syntax; *at; ++at) {
    if (*at < 'A' || *at > 'Z')
      continue;
    OperandKind kind = kindOf(*at);
    row.operands[row.operandCount++] = {kind, at[1], shift, widthOf(kind)};
    shift += widthOf(kind);
    ++at;
  }
  if (shift > 55)
    throw "the operands do not fit the word";
  return row;
}

constexpr std::array<Row, size_t(Id::Count)> kRows = {
#define MORTISE_INSTRUCTION(code, id, mnemonic, operands, unit, latency, action, semantics)                  \
  makeRow(code, Id::id, mnemonic, operands, Unit::unit, latency, action, semantics),
#include "isa/mortise/Instructions.def"
};

constexpr std::array<int16_t, 256> makeCodes() {
  std::array<int16_t, 256> codes{};
  for (int16_t &code : codes)
    code = -1;
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].code == 0 || codes[kRows[i].code] >= 0)
      throw "two instructions have the same code";
    codes[kRows[i].code] = int16_t(i);
  }
  return codes;
}
constexpr std::array<int16_t, 256> kCodes = makeCodes();

constexpr const char *kFieldNames[kFields] = {
    "n0",   "n1",   "n2",    "n3", "l0", "l1",   "l2",   "l3",    "g0",   "g1",  "g2",   "g3",  "esize",
    "mode", "fill", "index", "k",  "n",  "type", "bias", "scale", "zero", "low", "high", "step"};
constexpr const char *kTypeNames[kTypes] = {"i8", "u8", "i4", "i16", "bf16", "f16", "i32", "f32"};
constexpr const char *kEngineNames[] = {"ctl", "weights", "matrix", "drain", "vector"};

std::optional<unsigned> indexOf(std::span<const char *const> names, std::string_view name) {
  auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? std::nullopt : std::optional<unsigned>(unsigned(found - names.begin()));
}

constexpr uint64_t kChainBit = uint64_t(1) << 55;

} // namespace

std::span<const Row> rows() { return kRows; }
const Row &row(Id id) { return kRows[size_t(id)]; }
const Row *findRow(uint8_t code) { return kCodes[code] < 0 ? nullptr : &kRows[size_t(kCodes[code])]; }

const Row *findRow(std::string_view mnemonic) {
  auto found =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row &row) { return row.mnemonic == mnemonic; });
  return found == kRows.end() ? nullptr : &*found;
}

std::string engineName(unsigned engine) {
  if (engine < unsigned(Engine::In0))
    return kEngineNames[engine];
  return isInChannel(engine) ? "in" + std::to_string(engine - unsigned(Engine::In0))
                             : "out" + std::to_string(engine - unsigned(Engine::Out0));
}

std::optional<unsigned> findEngine(std::string_view name) {
  for (unsigned engine = 0; engine < kEngines; ++engine)
    if (engineName(engine) == name)
      return engine;
  return std::nullopt;
}

const char *fieldName(unsigned field) { return kFieldNames[field]; }
std::optional<unsigned> findField(std::string_view name) { return indexOf(kFieldNames, name); }
const char *typeName(unsigned type) { return kTypeNames[type]; }
std::optional<unsigned> findType(std::string_view name) { return indexOf(kTypeNames, name); }

unsigned typeBits(Type type) {
  constexpr unsigned bits[kTypes] = {8, 8, 4, 16, 16, 16, 32, 32};
  return bits[size_t(type)];
}

int32_t Instruction::operand(char name) const {
  const Row &r = row();
  for (unsigned i = 0; i < r.operandCount; ++i)
    if (r.operands[i].name == name)
      return operands[i];
  throw Error("TN1099", std::string("instruction '") + r.mnemonic + "' has no operand '" + name + "'");
}

std::pair<int64_t, int64_t> operandRange(OperandKind kind) {
  uint8_t width = widthOf(kind);
  if (kind == OperandKind::Immediate32 || kind == OperandKind::Immediate16)
    return {-(int64_t(1) << (width - 1)), (int64_t(1) << (width - 1)) - 1};
  if (kind == OperandKind::Field)
    return {0, kFields - 1};
  return {0, (int64_t(1) << width) - 1};
}

uint64_t encode(const Instruction &instruction) {
  const Row &row = instruction.row();
  uint64_t word = uint64_t(row.code) << 56 | (instruction.chained ? kChainBit : 0);
  for (unsigned i = 0; i < row.operandCount; ++i) {
    const OperandInfo &info = row.operands[i];
    auto [low, high] = operandRange(info.kind);
    int64_t value = instruction.operands[i];
    if (value < low || value > high)
      throw Error("TN1003", std::string("operand '") + info.name + "' of '" + row.mnemonic +
                                "' must be from " + std::to_string(low) + " to " + std::to_string(high) +
                                ", found " + std::to_string(value));
    word |= (uint64_t(value) & ((uint64_t(1) << info.width) - 1)) << info.shift;
  }
  return word;
}

Instruction decode(uint64_t word) {
  const Row *row = findRow(uint8_t(word >> 56));
  if (!row)
    throw Error("TN1010", "byte " + std::to_string(word >> 56) + " is the code of no instruction");
  Instruction instruction;
  instruction.id = row->id;
  instruction.chained = word & kChainBit;
  uint64_t used = uint64_t(0xff) << 56 | kChainBit;
  for (unsigned i = 0; i < row->operandCount; ++i) {
    const OperandInfo &info = row->operands[i];
    uint64_t mask = (uint64_t(1) << info.width) - 1;
    uint64_t bits = word >> info.shift & mask;
    used |= mask << info.shift;
    auto [low, high] = operandRange(info.kind);
    int64_t value = low < 0 && bits >> (info.width - 1) ? int64_t(bits) - int64_t(mask) - 1 : int64_t(bits);
    if (value > high)
      throw Error("TN1010", std::string("operand '") + info.name + "' of '" + row->mnemonic + "' is " +
                                std::to_string(value) + ", at most " + std::to_string(high) + " is defined");
    instruction.operands[i] = int32_t(value);
  }
  if (word & ~used)
    throw Error("TN1010", std::string("unused bits of '") + row->mnemonic + "' are not zero");
  return instruction;
}

namespace {

/// The order of slots in a bundle; an instruction of the control processor has none.
int slotOf(const Row &row) { return row.unit == Unit::Control ? -1 : int(row.unit) - int(Unit::Scalar); }

[[noreturn]] void badCode(size_t index, const std::string &why) {
  throw Error("TN1011", "instruction " + std::to_string(index) + ": " + why);
}

/// Registers that a word writes: results, and base registers that advance.
void collectWrites(const Instruction &instruction, std::vector<std::pair<OperandKind, int>> &writes) {
  const Row &row = instruction.row();
  bool advances = false;
  for (unsigned i = 0; i < row.operandCount; ++i)
    advances |= row.operands[i].name == 'j' && instruction.operands[i] != 0;
  for (unsigned i = 0; i < row.operandCount; ++i) {
    OperandKind kind = row.operands[i].kind;
    bool isRegister = kind == OperandKind::Register || kind == OperandKind::VectorRegister ||
                      kind == OperandKind::Predicate;
    char name = row.operands[i].name;
    if (isRegister && ((name == 'd' && row.unit != Unit::Store) || (name == 'a' && advances)))
      writes.emplace_back(kind, instruction.operands[i]);
  }
}

void verifyBundle(std::span<const Instruction> code, size_t begin, size_t end) {
  std::vector<std::pair<OperandKind, int>> writes;
  int last = -1;
  for (size_t i = begin; i < end; ++i) {
    int slot = slotOf(code[i].row());
    if (end - begin > 1 && slot < 0)
      badCode(i, std::string("'") + code[i].row().mnemonic + "' cannot be part of a bundle");
    if (end - begin > 1 && slot <= last)
      badCode(i,
              "a bundle has at most one instruction for each slot, in the order scalar, load, store, vector");
    last = slot;
    collectWrites(code[i], writes);
  }
  std::sort(writes.begin(), writes.end());
  if (std::adjacent_find(writes.begin(), writes.end()) != writes.end())
    badCode(begin, "two instructions of a bundle write the same register");
}

} // namespace

void verifyCode(std::span<const Instruction> code) {
  std::vector<bool> starts(code.size() + 1, false);
  for (size_t begin = 0; begin < code.size();) {
    starts[begin] = true;
    size_t end = begin;
    while (end < code.size() && code[end].chained)
      ++end;
    if (end == code.size())
      badCode(begin, "the last bundle is not closed");
    verifyBundle(code, begin, ++end);
    begin = end;
  }
  starts[code.size()] = true;
  for (size_t i = 0; i < code.size(); ++i) {
    const Row &row = code[i].row();
    for (unsigned k = 0; k < row.operandCount; ++k) {
      if (row.operands[k].kind != OperandKind::Label)
        continue;
      size_t target = size_t(code[i].operands[k]);
      bool isLoop = code[i].id == Id::Loop || code[i].id == Id::Loopi;
      if (target > code.size() || !starts[target])
        badCode(i, "the label is " + std::to_string(target) + ", which starts no instruction");
      if (isLoop && target <= i + 1)
        badCode(i, "the end of a loop must come after its body");
    }
  }
}

} // namespace tenon::mortise

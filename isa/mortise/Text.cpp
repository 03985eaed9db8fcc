// Instructions as text, and the reference document.

#include "isa/mortise/Isa.h"

#include <cctype>

namespace tenon::mortise {

namespace {

std::string operandText(const OperandInfo &info, int32_t value) {
  switch (info.kind) {
  case OperandKind::Register:
    return "r" + std::to_string(value);
  case OperandKind::VectorRegister:
    return "v" + std::to_string(value);
  case OperandKind::Predicate:
    return "p" + std::to_string(value);
  case OperandKind::Descriptor:
    return "d" + std::to_string(value);
  case OperandKind::Field:
    return fieldName(unsigned(value));
  case OperandKind::Semaphore:
    return "s" + std::to_string(value);
  case OperandKind::Engine:
    return engineName(unsigned(value));
  case OperandKind::Flags: {
    constexpr const char *names[] = {"none", "swap", "acc", "swap|acc"};
    return names[value & 3];
  }
  case OperandKind::Label:
    return "L" + std::to_string(value);
  default:
    return std::to_string(value);
  }
}

const char *unitName(Unit unit) {
  constexpr const char *names[] = {"control", "scalar", "load", "store", "vector"};
  return names[size_t(unit)];
}

std::string encodingText(const Row &row) {
  std::string text = "`";
  for (unsigned i = 0; i < row.operandCount; ++i) {
    const OperandInfo &info = row.operands[i];
    text += std::string(i ? " " : "") + info.name + "[" + std::to_string(info.shift + info.width - 1) + ":" +
            std::to_string(info.shift) + "]";
  }
  return row.operandCount ? text + "`" : "";
}

} // namespace

std::string toText(const Instruction &instruction) {
  const Row &row = instruction.row();
  std::string text = row.mnemonic;
  unsigned next = 0;
  if (row.operandCount)
    text += ' ';
  for (const char *at = row.syntax; *at; ++at) {
    if (*at < 'A' || *at > 'Z') {
      text += *at;
      continue;
    }
    text += operandText(row.operands[next], instruction.operands[next]);
    ++next;
    ++at;
  }
  return text;
}

std::string referenceDocument() {
  std::string text = "# Mortise instructions\n\n"
                     "Generated from `isa/mortise/Instructions.def` by `tenon asm --reference`. A word has "
                     "64 bits: the code in bits "
                     "63:56, the chain bit 55 (the next word belongs to the same bundle), operands from bit "
                     "0. Letters of operands: "
                     "R scalar register, V vector register, P predicate (p0 is always true), D descriptor, F "
                     "field, S semaphore, E "
                     "queue, G flags, I H B U immediates of 32 (signed), 16 (signed), 8 and 20 bits, L "
                     "label. A latency of 0 means "
                     "that the engine's timing decides.\n";
  for (Unit unit : {Unit::Scalar, Unit::Control, Unit::Load, Unit::Store, Unit::Vector}) {
    text +=
        "\n## Unit: " + std::string(unitName(unit)) +
        "\n\n| code | syntax | semantics | latency | energy action | encoding |\n|---|---|---|---|---|---|\n";
    for (const Row &row : rows()) {
      if (row.unit != unit)
        continue;
      constexpr const char *digits = "0123456789abcdef";
      std::string semantics;
      for (const char *at = row.semantics; *at; ++at)
        semantics += *at == '|' ? std::string("\\|") : std::string(1, *at);
      text += std::string("| 0x") + digits[row.code >> 4] + digits[row.code & 15] + " | `" + row.mnemonic +
              (row.operandCount ? " " : "") + row.syntax + "` | " + semantics + " | " +
              std::to_string(row.latency) + " | " + row.action + " | " + encodingText(row) + " |\n";
    }
  }
  text += "\n## Fields of descriptors\n\n";
  for (unsigned field = 0; field < kFields; ++field)
    text += std::string(field ? ", `" : "`") + fieldName(field) + "`";
  return text + ". `docs/mortise.md` says which instruction uses which.\n";
}

} // namespace tenon::mortise

#include "isa/mortise/Program.h"

#include <set>

namespace tenon::mortise {

namespace {

constexpr const char *kRoles[] = {"in", "out", "temp", "const"};

std::string quoted(const std::string &text) {
  std::string result = "\"";
  for (char c : text)
    result += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return result + "\"";
}

void appendTensor(const Tensor &tensor, std::string &text) {
  text += ".tensor " + tensor.name + ", " + kRoles[size_t(tensor.role)] + ", " +
          typeName(unsigned(tensor.type)) + ", ";
  for (size_t i = 0; i < tensor.shape.size(); ++i)
    text += (i ? "x" : "") + std::to_string(tensor.shape[i]);
  if (tensor.shape.empty())
    text += "scalar";
  text += ", " + std::to_string(tensor.address) + "\n";
  constexpr size_t kBytesPerLine = 32;
  constexpr const char *digits = "0123456789abcdef";
  for (size_t i = 0; i < tensor.data.size(); ++i) {
    if (i % kBytesPerLine == 0)
      text += i ? "\n.bytes " : ".bytes ";
    text += digits[tensor.data[i] >> 4];
    text += digits[tensor.data[i] & 15];
  }
  if (!tensor.data.empty())
    text += "\n";
}

std::set<uint32_t> labelsOf(const std::vector<Instruction> &code) {
  std::set<uint32_t> labels;
  for (const Instruction &instruction : code) {
    const Row &row = instruction.row();
    for (unsigned i = 0; i < row.operandCount; ++i)
      if (row.operands[i].kind == OperandKind::Label)
        labels.insert(uint32_t(instruction.operands[i]));
  }
  return labels;
}

} // namespace

std::string disassemble(const Program &program) {
  std::string text;
  for (const std::string &parameter : program.parameters)
    text += ".param " + parameter + "\n";
  for (const Tensor &tensor : program.tensors)
    appendTensor(tensor, text);
  // Nodes keep their numbers, used or not.
  for (const std::string &node : program.nodes)
    text += ".name " + quoted(node) + "\n";
  std::set<uint32_t> labels = labelsOf(program.code);
  size_t origin = 0;
  bool inBundle = false;
  for (uint32_t i = 0; i < program.code.size(); ++i) {
    const Instruction &instruction = program.code[i];
    if (labels.contains(i))
      text += "L" + std::to_string(i) + ":\n";
    if (origin < program.origins.size() && program.origins[origin].instruction == i)
      text += ".node " + std::to_string(program.origins[origin++].node) + "\n";
    bool opens = !inBundle && instruction.chained;
    text += (opens ? "  { " : inBundle ? "    " : "  ") + toText(instruction);
    if (inBundle && !instruction.chained)
      text += " }";
    inBundle = instruction.chained;
    text += "\n";
  }
  if (labels.contains(uint32_t(program.code.size())))
    text += "L" + std::to_string(program.code.size()) + ":\n";
  return text;
}

} // namespace tenon::mortise

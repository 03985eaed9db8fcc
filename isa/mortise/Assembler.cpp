// Assembly text, line by line:
//   ; comment            label:             instruction operands
//   { instruction ...    the bundle goes on with the next instructions until one that ends with }; on one
//   line they are
//                        separated by |
//   .param NAME          .tensor NAME, in|out|temp|const, TYPE, 2x3, ADDRESS      .bytes HEX (of the constant
//   above) .name "NODE"         .node N: what follows belongs to the N-th name           .equ NAME, VALUE
// Integers are decimal or 0x...; `2.5f` is the bits of a float; @NAME is the address of a tensor, %NAME the
// number of a parameter; names of types and of .equ are constants.

#include "isa/mortise/Program.h"

#include <bit>
#include <charconv>
#include <cstdlib>
#include <map>

namespace tenon::mortise {

namespace {

bool isSpace(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && isSpace(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && isSpace(text.back()))
    text.remove_suffix(1);
  return text;
}

bool isWordCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
         c == '$';
}

std::optional<int64_t> parseInteger(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative)
    text.remove_prefix(1);
  int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16)
    text.remove_prefix(2);
  uint64_t value = 0;
  auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || status != std::errc() || end != text.data() + text.size() ||
      value > uint64_t(INT64_MAX))
    return std::nullopt;
  return negative ? -int64_t(value) : int64_t(value);
}

std::optional<int64_t> parseFloatBits(std::string_view text) {
  if (text.size() < 2 || !text.ends_with('f') || text.starts_with("0x"))
    return std::nullopt;
  std::string digits(text.substr(0, text.size() - 1));
  char *end = nullptr;
  float value = std::strtof(digits.c_str(), &end);
  if (end != digits.c_str() + digits.size())
    return std::nullopt;
  return std::bit_cast<int32_t>(value);
}

class Assembler {
public:
  Assembler(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {}
  Program run();

private:
  [[noreturn]] void fail(const std::string &message, const char *code = "TN1001") const {
    throw Error(code, file_ + ":" + std::to_string(line_) + ": " + message);
  }
  void parseLine(std::string_view line);
  void parseDirective(std::string_view line);
  void parseTensor(std::string_view rest);
  void parseBytes(std::string_view rest);
  void parseName(std::string_view rest);
  void parseNode(std::string_view rest);
  void parseInstruction(std::string_view text);
  void parseOperands(const Row &row, std::string_view text, Instruction &instruction);
  int32_t parseOperand(const OperandInfo &info, std::string_view token, size_t index);
  int64_t constant(std::string_view token);
  std::string_view takeField(std::string_view &rest) const;
  void defineLabel(std::string_view name);
  void resolveLabels();

  struct Use {
    size_t instruction, operand, line;
    std::string label;
  };
  std::string_view text_;
  std::string file_;
  size_t line_ = 0;
  bool inBundle_ = false;
  Program program_;
  std::map<std::string, uint32_t, std::less<>> labels_;
  std::map<std::string, int64_t, std::less<>> constants_;
  std::vector<Use> uses_;
};

std::string_view Assembler::takeField(std::string_view &rest) const {
  size_t comma = rest.find(',');
  std::string_view field = trimmed(rest.substr(0, comma));
  rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  return field;
}

void Assembler::parseTensor(std::string_view rest) {
  Tensor tensor;
  tensor.name = takeField(rest);
  std::string_view role = takeField(rest), type = takeField(rest), shape = takeField(rest),
                   address = takeField(rest);
  constexpr std::string_view roles[] = {"in", "out", "temp", "const"};
  size_t r = 0;
  while (r < 4 && roles[r] != role)
    ++r;
  std::optional<unsigned> t = findType(type);
  std::optional<int64_t> at = parseInteger(address);
  if (r == 4 || !t || !at || *at < 0 || !rest.empty())
    fail(".tensor needs a name, in|out|temp|const, a type, a shape such as 2x3 and an address");
  while (!shape.empty() && shape != "scalar") {
    size_t x = shape.find('x');
    std::optional<int64_t> extent = parseInteger(shape.substr(0, x));
    if (!extent || *extent <= 0 || tensor.shape.size() == 8)
      fail("the shape of tensor '" + tensor.name + "' must be up to 8 positive sizes, such as 2x3");
    tensor.shape.push_back(*extent);
    shape = x == std::string_view::npos ? std::string_view() : shape.substr(x + 1);
  }
  tensor.role = Role(r);
  tensor.type = Type(*t);
  tensor.address = uint64_t(*at);
  program_.tensors.push_back(std::move(tensor));
}

void Assembler::parseBytes(std::string_view rest) {
  if (program_.tensors.empty() || program_.tensors.back().role != Role::Constant)
    fail(".bytes must follow the .tensor of a constant");
  std::vector<uint8_t> &data = program_.tensors.back().data;
  if (rest.size() % 2)
    fail(".bytes needs two digits for each byte");
  for (size_t i = 0; i < rest.size(); i += 2) {
    uint8_t value = 0;
    auto [end, status] = std::from_chars(rest.data() + i, rest.data() + i + 2, value, 16);
    if (status != std::errc() || end != rest.data() + i + 2)
      fail(".bytes needs hexadecimal digits");
    data.push_back(value);
  }
}

void Assembler::parseName(std::string_view rest) {
  if (rest.size() < 2 || rest.front() != '"' || rest.back() != '"')
    fail(".name needs a text in quotes");
  std::string name;
  for (size_t i = 1; i + 1 < rest.size(); ++i) {
    if (rest[i] == '\\' && i + 2 < rest.size())
      ++i;
    else if (rest[i] == '"' || rest[i] == '\\')
      fail("a quote or backslash inside .name needs a backslash before it");
    name += rest[i];
  }
  program_.nodes.push_back(std::move(name));
}

void Assembler::parseNode(std::string_view rest) {
  std::optional<int64_t> node = parseInteger(rest);
  if (!node || *node < 0 || size_t(*node) >= program_.nodes.size())
    fail(".node needs the number of a .name above");
  auto at = uint32_t(program_.code.size());
  if (!program_.origins.empty() && program_.origins.back().instruction == at)
    program_.origins.pop_back();
  program_.origins.push_back({at, uint32_t(*node)});
}

void Assembler::parseDirective(std::string_view line) {
  size_t space = line.find_first_of(" \t");
  std::string_view name = line.substr(0, space);
  std::string_view rest = space == std::string_view::npos ? std::string_view() : trimmed(line.substr(space));
  if (name == ".param")
    program_.parameters.emplace_back(rest);
  else if (name == ".tensor")
    parseTensor(rest);
  else if (name == ".bytes")
    parseBytes(rest);
  else if (name == ".name")
    parseName(rest);
  else if (name == ".node")
    parseNode(rest);
  else if (name == ".equ") {
    std::string key(takeField(rest));
    if (key.empty() || !constants_.emplace(key, constant(trimmed(rest))).second)
      fail(".equ needs a new name and a value");
  } else
    fail("unknown directive '" + std::string(name) + "'; known: .param .tensor .bytes .name .node .equ");
}

void Assembler::defineLabel(std::string_view name) {
  if (name.empty() || inBundle_ || !labels_.emplace(std::string(name), uint32_t(program_.code.size())).second)
    fail("label '" + std::string(name) + "' is empty, defined twice, or inside a bundle");
}

int64_t Assembler::constant(std::string_view token) {
  if (std::optional<int64_t> value = parseInteger(token))
    return *value;
  if (std::optional<int64_t> value = parseFloatBits(token))
    return *value;
  if (std::optional<unsigned> type = findType(token))
    return *type;
  if (token.starts_with('@')) {
    const Tensor *tensor = program_.findTensor(token.substr(1));
    if (!tensor)
      fail("no tensor '" + std::string(token.substr(1)) + "' is declared above");
    return int64_t(tensor->address);
  }
  if (token.starts_with('%')) {
    for (size_t i = 0; i < program_.parameters.size(); ++i)
      if (program_.parameters[i] == token.substr(1))
        return int64_t(i);
    fail("no parameter '" + std::string(token.substr(1)) + "' is declared above");
  }
  auto found = constants_.find(token);
  if (found == constants_.end())
    fail("expected a number, found '" + std::string(token) + "'");
  return found->second;
}

int32_t Assembler::parseOperand(const OperandInfo &info, std::string_view token, size_t index) {
  auto numbered = [&](char letter) -> int64_t {
    std::optional<int64_t> number =
        token.size() > 1 && token[0] == letter ? parseInteger(token.substr(1)) : std::nullopt;
    if (!number)
      fail(std::string("expected ") + letter + "0 to " + letter +
           std::to_string(operandRange(info.kind).second) + ", found '" + std::string(token) + "'");
    return *number;
  };
  auto named = [&](std::optional<unsigned> found, const char *what) -> int64_t {
    if (!found)
      fail("expected " + std::string(what) + ", found '" + std::string(token) + "'");
    return *found;
  };
  int64_t value = 0;
  switch (info.kind) {
  case OperandKind::Register:
    value = numbered('r');
    break;
  case OperandKind::VectorRegister:
    value = numbered('v');
    break;
  case OperandKind::Predicate:
    value = numbered('p');
    break;
  case OperandKind::Descriptor:
    value = numbered('d');
    break;
  case OperandKind::Semaphore:
    value = numbered('s');
    break;
  case OperandKind::Field:
    value = named(findField(token), "a field of a descriptor");
    break;
  case OperandKind::Engine:
    value = named(findEngine(token), "an engine");
    break;
  case OperandKind::Flags: {
    constexpr std::string_view names[] = {"none", "swap", "acc", "swap|acc"};
    while (value < 4 && names[value] != token)
      ++value;
    if (value == 4)
      fail("expected none, swap, acc or swap|acc, found '" + std::string(token) + "'");
    break;
  }
  case OperandKind::Label:
    uses_.push_back({program_.code.size(), index, line_, std::string(token)});
    break;
  default:
    value = constant(token);
  }
  auto [low, high] = operandRange(info.kind);
  if (value < low || value > high)
    fail("'" + std::string(token) + "' must be from " + std::to_string(low) + " to " + std::to_string(high),
         "TN1003");
  return int32_t(value);
}

void Assembler::parseOperands(const Row &row, std::string_view text, Instruction &instruction) {
  unsigned next = 0;
  auto mismatch = [&] { fail(std::string("expected '") + row.mnemonic + " " + row.syntax + "'"); };
  for (const char *at = row.syntax; *at; ++at) {
    text = trimmed(text);
    if (*at == ' ')
      continue;
    if (*at < 'A' || *at > 'Z') {
      if (text.empty() || text.front() != *at)
        mismatch();
      text.remove_prefix(1);
      continue;
    }
    ++at;
    // A token ends at the literal that follows it.
    char stop = at[1];
    size_t end = stop ? text.find(stop) : text.size();
    if (end == std::string_view::npos)
      mismatch();
    std::string_view token = trimmed(text.substr(0, end));
    if (token.empty())
      mismatch();
    instruction.operands[next] = parseOperand(row.operands[next], token, next);
    ++next;
    text.remove_prefix(end);
  }
  if (!trimmed(text).empty())
    mismatch();
}

void Assembler::parseInstruction(std::string_view text) {
  text = trimmed(text);
  bool closes = false;
  if (text.starts_with('{')) {
    if (inBundle_)
      fail("a bundle is open already");
    inBundle_ = true;
    text = trimmed(text.substr(1));
  }
  if (text.ends_with('}')) {
    if (!inBundle_)
      fail("} without {");
    closes = true;
    text = trimmed(text.substr(0, text.size() - 1));
  }
  // " | " separates instructions of a bundle; "swap|acc" has no spaces.
  for (size_t bar = text.find(" | "); bar != std::string_view::npos; bar = text.find(" | ")) {
    parseInstruction(text.substr(0, bar));
    text = trimmed(text.substr(bar + 3));
  }
  size_t space = text.find_first_of(" \t");
  std::string_view mnemonic = text.substr(0, space);
  const Row *row = findRow(mnemonic);
  if (!row)
    fail("unknown instruction '" + std::string(mnemonic) + "'", "TN1002");
  Instruction instruction;
  instruction.id = row->id;
  instruction.chained = inBundle_ && !closes;
  if (closes)
    inBundle_ = false;
  parseOperands(*row, space == std::string_view::npos ? std::string_view() : text.substr(space), instruction);
  program_.code.push_back(instruction);
}

void Assembler::parseLine(std::string_view line) {
  // Comments; a semicolon in quotes is text.
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    quoted ^= line[i] == '"' && (i == 0 || line[i - 1] != '\\');
    if (line[i] == ';' && !quoted)
      line = line.substr(0, i);
  }
  line = trimmed(line);
  size_t word = 0;
  while (word < line.size() && isWordCharacter(line[word]))
    ++word;
  if (word && word < line.size() && line[word] == ':') {
    defineLabel(line.substr(0, word));
    line = trimmed(line.substr(word + 1));
  }
  if (line.starts_with('.'))
    parseDirective(line);
  else if (!line.empty())
    parseInstruction(line);
}

void Assembler::resolveLabels() {
  for (const Use &use : uses_) {
    auto found = labels_.find(use.label);
    if (found == labels_.end()) {
      line_ = use.line;
      fail("label '" + use.label + "' is not defined");
    }
    program_.code[use.instruction].operands[use.operand] = int32_t(found->second);
  }
}

Program Assembler::run() {
  for (std::string_view rest = text_; !rest.empty();) {
    size_t end = rest.find('\n');
    ++line_;
    parseLine(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  if (inBundle_)
    fail("the last bundle is not closed");
  if (program_.code.size() >= (size_t(1) << 24))
    fail("a program has at most 2^24 - 1 instructions");
  resolveLabels();
  try {
    verify(program_);
  } catch (const Error &error) {
    throw Error(error.code(), file_ + ": " + error.message());
  }
  return std::move(program_);
}

} // namespace

Program assemble(std::string_view text, const std::string &file) { return Assembler(text, file).run(); }

} // namespace tenon::mortise

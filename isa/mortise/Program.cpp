#include "isa/mortise/Program.h"

#include <algorithm>
#include <set>

namespace tenon::mortise {

namespace {

constexpr uint64_t kMaxTensorBytes = uint64_t(1) << 40;

[[noreturn]] void badProgram(const std::string &message) { throw Error("TN1012", message); }

bool isName(const std::string &name) {
  return !name.empty() && name.size() <= 4096 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c > ' ' && c != '"' && c != ',' && c != ';' && c != '\\' && c < 127;
  });
}

/// Node names come from models and may hold anything that prints on one line.
bool isNodeName(const std::string &name) {
  return name.size() <= 65535 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return c >= ' ' && c != 127; });
}

void verifyTensors(const std::vector<Tensor> &tensors) {
  std::set<std::string> names;
  uint64_t end = 0;
  for (const Tensor &tensor : tensors) {
    if (!isName(tensor.name) || !names.insert(tensor.name).second)
      badProgram("the name of tensor '" + tensor.name +
                 "' is empty, used twice, or has a character that names cannot have");
    uint64_t bytes = tensor.bytes();
    if (tensor.shape.size() > 8 || bytes == 0 || bytes > kMaxTensorBytes)
      badProgram("tensor '" + tensor.name + "' must have at most 8 dimensions, and from 1 byte to 2^40");
    if (tensor.address < end || tensor.address > 2 * kL2Base)
      badProgram("tensor '" + tensor.name +
                 "' overlaps the one before, or tensors are not in the order of addresses");
    if (tensor.role == Role::Constant ? tensor.data.size() != bytes : !tensor.data.empty())
      badProgram("tensor '" + tensor.name + "' has " + std::to_string(tensor.data.size()) +
                 " bytes of data, expected " +
                 (tensor.role == Role::Constant ? std::to_string(bytes) : "none: it is no constant"));
    end = tensor.address + bytes;
  }
}

} // namespace

uint64_t Tensor::bytes() const {
  uint64_t elements = 1;
  for (int64_t extent : shape) {
    if (extent <= 0 || uint64_t(extent) > kMaxTensorBytes / elements)
      return 0;
    elements *= uint64_t(extent);
  }
  return (elements * typeBits(type) + 7) / 8;
}

std::string Program::nodeOf(uint32_t instruction) const {
  auto after = std::upper_bound(origins.begin(), origins.end(), instruction,
                                [](uint32_t i, const Origin &origin) { return i < origin.instruction; });
  return after == origins.begin() ? "" : nodes[std::prev(after)->node];
}

const Tensor *Program::findTensor(std::string_view name) const {
  auto found = std::find_if(tensors.begin(), tensors.end(), [&](const Tensor &t) { return t.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

void verify(const Program &program) {
  verifyCode(program.code);
  verifyTensors(program.tensors);
  std::set<std::string> names;
  for (const std::string &name : program.parameters)
    if (!isName(name) || !names.insert(name).second)
      badProgram("the name of parameter '" + name +
                 "' is empty, used twice, or has a character that names cannot have");
  for (const std::string &node : program.nodes)
    if (!isNodeName(node))
      badProgram("the name of a node has a control character or is too long");
  for (size_t i = 0; i < program.origins.size(); ++i) {
    const Origin &origin = program.origins[i];
    if (origin.node >= program.nodes.size() || origin.instruction >= program.code.size() ||
        (i && origin.instruction <= program.origins[i - 1].instruction))
      badProgram("origin " + std::to_string(i) + " names no instruction or node, or is out of order");
  }
}

} // namespace tenon::mortise

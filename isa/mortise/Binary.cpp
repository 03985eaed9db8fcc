// The binary form: "MRTS", major and minor version, then five counted sections: parameters, tensors, nodes,
// origins, code. Counts and sizes are u32 or u64, strings are a u32 length and bytes.

#include "isa/mortise/Program.h"

#include <cstring>

namespace tenon::mortise {

namespace {

constexpr char kMagic[4] = {'M', 'R', 'T', 'S'};

class Writer {
public:
  template <typename T> void number(T value) {
    for (size_t i = 0; i < sizeof(T); ++i)
      bytes_.push_back(uint8_t(uint64_t(value) >> (8 * i)));
  }
  void raw(const void *data, size_t size) {
    const auto *begin = static_cast<const uint8_t *>(data);
    bytes_.insert(bytes_.end(), begin, begin + size);
  }
  void text(const std::string &value) {
    number(uint32_t(value.size()));
    raw(value.data(), value.size());
  }
  std::vector<uint8_t> take() { return std::move(bytes_); }

private:
  std::vector<uint8_t> bytes_;
};

class Reader {
public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  template <typename T> T number() {
    need(sizeof(T));
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
      value |= uint64_t(bytes_[at_ + i]) << (8 * i);
    at_ += sizeof(T);
    return T(value);
  }
  /// A count of things of which each takes at least `size` bytes: a hostile count cannot make us allocate.
  uint32_t count(size_t size) {
    auto value = number<uint32_t>();
    if (value > (bytes_.size() - at_) / size)
      fail();
    return value;
  }
  std::string text() {
    uint32_t size = count(1);
    std::string value(reinterpret_cast<const char *>(bytes_.data()) + at_, size);
    at_ += size;
    return value;
  }
  std::vector<uint8_t> raw(uint64_t size) {
    need(size);
    std::vector<uint8_t> value(bytes_.begin() + ptrdiff_t(at_), bytes_.begin() + ptrdiff_t(at_ + size));
    at_ += size;
    return value;
  }
  bool atEnd() const { return at_ == bytes_.size(); }
  [[noreturn]] void fail() const {
    throw Error("TN1010",
                "the program ends within a section, or a count is too large, at byte " + std::to_string(at_));
  }

private:
  void need(uint64_t size) const {
    if (size > bytes_.size() - at_)
      fail();
  }
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
};

void write(Writer &to, const Tensor &tensor) {
  to.text(tensor.name);
  to.number(uint8_t(tensor.role));
  to.number(uint8_t(tensor.type));
  to.number(uint8_t(tensor.shape.size()));
  for (int64_t extent : tensor.shape)
    to.number(extent);
  to.number(tensor.address);
  to.number(uint64_t(tensor.data.size()));
  to.raw(tensor.data.data(), tensor.data.size());
}

Tensor readTensor(Reader &from) {
  Tensor tensor;
  tensor.name = from.text();
  auto role = from.number<uint8_t>(), type = from.number<uint8_t>(), rank = from.number<uint8_t>();
  if (role > uint8_t(Role::Constant) || type >= kTypes || rank > 8)
    throw Error("TN1010",
                "tensor '" + tensor.name + "' has an undefined role or type, or more than 8 dimensions");
  tensor.role = Role(role);
  tensor.type = Type(type);
  for (unsigned i = 0; i < rank; ++i)
    tensor.shape.push_back(from.number<int64_t>());
  tensor.address = from.number<uint64_t>();
  tensor.data = from.raw(from.number<uint64_t>());
  return tensor;
}

} // namespace

std::vector<uint8_t> writeBinary(const Program &program) {
  Writer to;
  to.raw(kMagic, sizeof kMagic);
  to.number(kBinaryMajor);
  to.number(kBinaryMinor);
  to.number(uint32_t(program.parameters.size()));
  for (const std::string &parameter : program.parameters)
    to.text(parameter);
  to.number(uint32_t(program.tensors.size()));
  for (const Tensor &tensor : program.tensors)
    write(to, tensor);
  to.number(uint32_t(program.nodes.size()));
  for (const std::string &node : program.nodes)
    to.text(node);
  to.number(uint32_t(program.origins.size()));
  for (const Origin &origin : program.origins) {
    to.number(origin.instruction);
    to.number(origin.node);
  }
  to.number(uint32_t(program.code.size()));
  for (const Instruction &instruction : program.code)
    to.number(encode(instruction));
  return to.take();
}

Program readBinary(std::span<const uint8_t> bytes) {
  if (bytes.size() < 8 || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0)
    throw Error("TN1010", "this is no Mortise program: it does not begin with MRTS");
  Reader from(bytes.subspan(4));
  auto major = from.number<uint16_t>(), minor = from.number<uint16_t>();
  if (major != kBinaryMajor || minor > kBinaryMinor)
    throw Error("TN1013", "the program has version " + std::to_string(major) + "." + std::to_string(minor) +
                              ", expected " + std::to_string(kBinaryMajor) + "." +
                              std::to_string(kBinaryMinor) +
                              " or an older minor one; assemble or compile it again");
  Program program;
  for (uint32_t n = from.count(4); n; --n)
    program.parameters.push_back(from.text());
  for (uint32_t n = from.count(23); n; --n)
    program.tensors.push_back(readTensor(from));
  for (uint32_t n = from.count(4); n; --n)
    program.nodes.push_back(from.text());
  for (uint32_t n = from.count(8); n; --n) {
    auto instruction = from.number<uint32_t>();
    program.origins.push_back({instruction, from.number<uint32_t>()});
  }
  uint32_t count = from.count(8);
  program.code.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    auto word = from.number<uint64_t>();
    try {
      program.code.push_back(decode(word));
    } catch (const Error &error) {
      throw Error(error.code(), "instruction " + std::to_string(i) + ": " + error.message());
    }
  }
  if (!from.atEnd())
    throw Error("TN1010", "bytes follow the end of the program");
  verify(program);
  return program;
}

} // namespace tenon::mortise

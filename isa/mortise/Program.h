// A program of Mortise: code, the memory it expects, and what ties it to a model. The binary form is
// little-endian.
#pragma once

#include "isa/mortise/Isa.h"

namespace tenon::mortise {

constexpr uint16_t kBinaryMajor = 1, kBinaryMinor = 0;

/// What a tensor is to the program.
enum class Role : uint8_t { Input, Output, Temporary, Constant };

/// A range of memory. Accesses outside every tensor are errors.
struct Tensor {
  std::string name;
  Role role = Role::Temporary;
  Type type = Type::I8;
  std::vector<int64_t> shape;
  uint64_t address = 0;      ///< in memory; addresses from kL2Base on lie in the on-chip second level
  std::vector<uint8_t> data; ///< of a Constant: all bytes; else empty

  bool operator==(const Tensor &) const = default;
  uint64_t bytes() const;
};

constexpr uint64_t kL2Base = uint64_t(1) << 40;

/// From this instruction on, code belongs to the node (until the next one).
struct Origin {
  uint32_t instruction = 0;
  uint32_t node = 0;
  bool operator==(const Origin &) const = default;
};

struct Program {
  std::vector<Instruction> code;
  std::vector<std::string> parameters; ///< 64-bit values given at launch: addresses, dynamic sizes
  std::vector<Tensor> tensors;         ///< ordered by address, disjoint
  std::vector<std::string> nodes;      ///< names in the model
  std::vector<Origin> origins;         ///< ordered by instruction

  bool operator==(const Program &) const = default;
  /// The node's name, or empty.
  std::string nodeOf(uint32_t instruction) const;
  const Tensor *findTensor(std::string_view name) const;
};

/// Checks everything that both forms must satisfy: code, names, disjoint tensors, origins. TN1011, TN1012.
void verify(const Program &program);

std::vector<uint8_t> writeBinary(const Program &program);
/// TN1010 not a program or malformed, TN1011, TN1012, TN1013 another version.
Program readBinary(std::span<const uint8_t> bytes);

/// Text to program and back; `assemble(disassemble(p)) == p`. Errors name `file:line`.
Program assemble(std::string_view text, const std::string &file = "input");
std::string disassemble(const Program &program);

} // namespace tenon::mortise

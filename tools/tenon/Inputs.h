// The tensors that a function is run on: from files, random, or zero, with their shapes.
#pragma once

#include "tools/tenon/HostTensor.h"

#include "tenon/tenon.hpp"

#include <map>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tenon::command {

/// `--input NAME=FILE.npy|random[:SEED]|zeros` and `--shape NAME=1x3x?x?`, as given.
struct InputFlags {
  std::vector<std::string> inputs;
  std::vector<std::string> shapes;
  void add(CLI::App &command);
  /// By input name. TN0002 for what is malformed or repeated.
  std::map<std::string, std::string> sources() const;
  /// -1 for `?`.
  std::map<std::string, std::vector<int64_t>> extents() const;
};

/// What an input or output is called and looks like; sizes that are not constant are symbol names or "?".
struct Signature {
  std::string name;
  tenon_dtype dtype = TENON_F32;
  std::vector<int64_t> dims;        // -1 where `symbols` has the name
  std::vector<std::string> symbols; // "" for constants, "?" for expressions
};

Signature inputSignature(const Package &package, uint32_t function, uint32_t input);
Signature outputSignature(const Package &package, uint32_t function, uint32_t output);
/// "f32[batchx3x?x224]", for messages and tables.
std::string describe(const Signature &signature);

/// Makes all tensors, in the order of `signatures`. Inputs that no flag names are random. Sizes come from
/// files, then from --shape, then from symbols that these bind; TN0508 names a size that is still unknown,
/// TN0509 an input that there is not.
std::vector<HostTensor> makeInputs(const std::vector<Signature> &signatures, const InputFlags &flags);

} // namespace tenon::command

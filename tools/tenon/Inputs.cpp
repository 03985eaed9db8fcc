#include "tools/tenon/Inputs.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Npy.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <random>

namespace tenon::command {

namespace {

using Sizes = std::map<std::string, int64_t>;

std::pair<std::string, std::string> splitAssignment(const std::string &flag, const std::string &text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    failUsage("TN0002", flag + " '" + text + "' is malformed, expected NAME=VALUE");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

int64_t parseExtent(const std::string &text, const std::string &whole) {
  if (text == "?")
    return -1;
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0)
    failUsage("TN0002", "--shape '" + whole + "' is malformed: '" + text +
                            "' is no size, expected for example NAME=1x3x?x?");
  return value;
}

std::vector<int64_t> parseExtents(const std::string &text, const std::string &whole) {
  std::vector<int64_t> result;
  for (size_t start = 0; !text.empty() && start <= text.size();) {
    size_t end = std::min(text.find('x', start), text.size());
    result.push_back(parseExtent(text.substr(start, end - start), whole));
    start = end + 1;
  }
  return result;
}

Signature signatureOf(const tenon_tensor_info &info, const Package &package, uint32_t function) {
  Signature result{info.name, info.dtype, {}, {}};
  for (uint32_t i = 0; i < info.rank; ++i) {
    std::string symbol;
    tenon_symbol_info named;
    if (info.dims[i].symbol != TENON_NO_INDEX &&
        tenon_package_symbol(package.get(), function, info.dims[i].symbol, &named) == TENON_OK)
      symbol = named.name;
    else if (info.dims[i].value < 0)
      symbol = "?";
    result.dims.push_back(symbol.empty() ? info.dims[i].value : -1);
    result.symbols.push_back(symbol);
  }
  return result;
}

void bindSymbols(const Signature &signature, const std::vector<int64_t> &shape, Sizes &sizes) {
  if (shape.size() != signature.symbols.size())
    return; // the runtime reports the rank with all details
  for (size_t i = 0; i < shape.size(); ++i)
    if (!signature.symbols[i].empty() && signature.symbols[i] != "?" && shape[i] >= 0)
      sizes.emplace(signature.symbols[i], shape[i]);
}

/// The shape for a tensor that is made up.
std::vector<int64_t> resolveShape(const Signature &signature, const std::vector<int64_t> *given,
                                  const Sizes &sizes) {
  std::vector<int64_t> shape = given ? *given : signature.dims;
  if (given && given->size() != signature.dims.size())
    failInput("TN0908", "--shape gives input '" + signature.name + "' " + std::to_string(given->size()) +
                            " sizes, expected " + std::to_string(signature.dims.size()) + " as in " +
                            describe(signature));
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] >= 0)
      continue;
    auto found = sizes.find(signature.symbols[i]);
    if (signature.dims[i] >= 0)
      shape[i] = signature.dims[i];
    else if (found != sizes.end())
      shape[i] = found->second;
    else
      failInput("TN0508", "axis " + std::to_string(i) + " of input '" + signature.name + "' (" +
                              describe(signature) + ") has no size; give --shape '" + signature.name +
                              "=...' or --input '" + signature.name + "=FILE.npy'");
  }
  return shape;
}

uint64_t parseSeed(const std::string &source) {
  if (source == "random")
    return 0;
  uint64_t seed = 0;
  const char *begin = source.data() + std::string_view("random:").size();
  const char *end = source.data() + source.size();
  auto [stop, error] = std::from_chars(begin, end, seed);
  if (error != std::errc() || stop != end)
    failUsage("TN0002", "--input: '" + source + "' is malformed, expected random:SEED with a number");
  return seed;
}

void fillRandom(HostTensor &tensor, int64_t elements, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  uint64_t limit = tensor.dtype == TENON_BOOL ? 2 : tensor.dtype == TENON_I4 ? 8 : 10;
  for (int64_t i = 0; i < elements; ++i)
    setElement(tensor.dtype, tensor.data(), i,
               isFloat(tensor.dtype) ? normal(engine) : static_cast<double>(engine() % limit));
}

HostTensor makeUp(const Signature &signature, std::vector<int64_t> shape, const std::string &source,
                  size_t index) {
  HostTensor tensor;
  tensor.dtype = signature.dtype;
  tensor.shape = std::move(shape);
  int64_t elements = 0;
  if (!elementCount(tensor.dtype, tensor.shape, elements))
    failInput("TN0002", "input '" + signature.name + "' would be too large");
  tensor.allocate(elements);
  if (source != "zeros")
    fillRandom(tensor, elements, parseSeed(source) + 1000003 * index); // inputs differ from each other
  return tensor;
}

bool isMadeUp(const std::string &source) {
  return source == "zeros" || source == "random" || source.rfind("random:", 0) == 0;
}

template <typename Value>
void requireKnown(const char *flag, const std::map<std::string, Value> &given,
                  const std::vector<Signature> &signatures) {
  for (const auto &[name, value] : given) {
    std::string known;
    bool found = false;
    for (const Signature &signature : signatures) {
      found |= signature.name == name;
      known += (known.empty() ? "'" : ", '") + signature.name + "'";
    }
    if (!found)
      failInput("TN0509", std::string(flag) + ": there is no input '" + name + "'; the inputs are " +
                              (known.empty() ? "none" : known));
  }
}

} // namespace

void InputFlags::add(CLI::App &command) {
  command.add_option("--input", inputs, "NAME=FILE.npy, NAME=random[:SEED] or NAME=zeros; default: random")
      ->type_name("NAME=SOURCE")
      ->allow_extra_args(false);
  command.add_option("--shape", shapes, "sizes of an input; ? leaves one open")
      ->type_name("NAME=1x3x?x?")
      ->allow_extra_args(false);
}

std::map<std::string, std::string> InputFlags::sources() const {
  std::map<std::string, std::string> result;
  for (const std::string &text : inputs)
    if (auto [name, source] = splitAssignment("--input", text); !result.emplace(name, source).second)
      failUsage("TN0002", "--input names '" + name + "' twice");
  return result;
}

std::map<std::string, std::vector<int64_t>> InputFlags::extents() const {
  std::map<std::string, std::vector<int64_t>> result;
  for (const std::string &text : shapes)
    if (auto [name, sizes] = splitAssignment("--shape", text);
        !result.emplace(name, parseExtents(sizes, text)).second)
      failUsage("TN0002", "--shape names '" + name + "' twice");
  return result;
}

Signature inputSignature(const Package &package, uint32_t function, uint32_t input) {
  tenon_tensor_info info;
  if (tenon_package_input(package.get(), function, input, &info) != TENON_OK)
    throw Failure(ExitStatus::Defect, "TN0599", "input " + std::to_string(input) + " cannot be queried");
  return signatureOf(info, package, function);
}

Signature outputSignature(const Package &package, uint32_t function, uint32_t output) {
  tenon_tensor_info info;
  if (tenon_package_output(package.get(), function, output, &info) != TENON_OK)
    throw Failure(ExitStatus::Defect, "TN0599", "output " + std::to_string(output) + " cannot be queried");
  return signatureOf(info, package, function);
}

std::string describe(const Signature &signature) {
  std::string text = tenon_dtype_name(signature.dtype);
  text += "[";
  for (size_t i = 0; i < signature.dims.size(); ++i)
    text += (i ? " x " : "") +
            (signature.symbols[i].empty() ? std::to_string(signature.dims[i]) : signature.symbols[i]);
  return text + "]";
}

std::vector<HostTensor> makeInputs(const std::vector<Signature> &signatures, const InputFlags &flags) {
  auto sources = flags.sources();
  auto shapes = flags.extents();
  requireKnown("--input", sources, signatures);
  requireKnown("--shape", shapes, signatures);
  std::vector<HostTensor> tensors(signatures.size());
  Sizes sizes;
  for (size_t i = 0; i < signatures.size(); ++i) {
    auto source = sources.emplace(signatures[i].name, "random").first;
    if (!isMadeUp(source->second)) {
      tensors[i] = readNpy(source->second, signatures[i].dtype);
      bindSymbols(signatures[i], tensors[i].shape, sizes);
    }
  }
  for (const Signature &signature : signatures)
    if (auto given = shapes.find(signature.name); given != shapes.end())
      bindSymbols(signature, given->second, sizes);
  for (size_t i = 0; i < signatures.size(); ++i)
    if (const std::string &source = sources[signatures[i].name]; isMadeUp(source)) {
      auto given = shapes.find(signatures[i].name);
      tensors[i] = makeUp(
          signatures[i], resolveShape(signatures[i], given == shapes.end() ? nullptr : &given->second, sizes),
          source, i);
    }
  return tensors;
}

} // namespace tenon::command

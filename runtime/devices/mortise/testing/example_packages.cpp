#include "runtime/devices/mortise/testing/example_packages.h"

#include "isa/mortise/Hardware.h"
#include "package/testing/sample_package.h"
#include "package/writer.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

namespace tenon::runtime::testing {

using namespace tenon::package;
using tenon::package::testing::FunctionBuilder;

mortise::Program exampleProgram(const std::string &file, const std::vector<std::string> &buffers,
                                const std::vector<std::string> &scalars) {
  std::ifstream stream(std::string(TENON_MORTISE_EXAMPLES) + "/" + file);
  std::stringstream text;
  text << stream.rdbuf();
  mortise::Program program = mortise::assemble(text.str(), file);
  auto rename = [](std::string &name, const std::vector<std::string> &names, char letter) {
    if (auto found = std::find(names.begin(), names.end(), name); found != names.end())
      name = letter + std::to_string(found - names.begin());
  };
  for (mortise::Tensor &tensor : program.tensors)
    rename(tensor.name, buffers, 'b');
  for (std::string &parameter : program.parameters)
    rename(parameter, scalars, 's');
  return program;
}

mortise::Program gemmProgram() {
  mortise::Program program = exampleProgram("gemm.s", {"a", "b", "bias", "scale", "c"});
  program.nodes = {"gemm_1"};
  program.origins = {{0, 0}};
  return program;
}

void addMortiseKernel(Package &package, const std::vector<uint8_t> &program, std::vector<Access> access,
                      uint32_t symbols) {
  package.devices = {{"mortise", mortise::toYaml(mortise::loadHardware("edge-512k"))}};
  Kernel kernel;
  kernel.name = "k" + std::to_string(package.kernels.size());
  kernel.family = "mortise";
  kernel.access = std::move(access);
  kernel.symbolCount = symbols;
  kernel.program = static_cast<uint32_t>(package.programs.size());
  package.kernels.push_back(kernel);
  package.programs.push_back({0, program});
}

template <typename T> Weight weightOf(const std::string &name, DType dtype, const std::vector<T> &values) {
  Weight weight;
  weight.name = name;
  weight.dtype = dtype;
  weight.dims = {static_cast<int64_t>(values.size())};
  weight.size = values.size() * sizeof(T);
  const auto *bytes = reinterpret_cast<const uint8_t *>(values.data());
  weight.source = fromBytes({bytes, bytes + weight.size});
  return weight;
}

template Weight weightOf<float>(const std::string &, DType, const std::vector<float> &);

Gemm::Gemm(const std::vector<uint8_t> &program) {
  constexpr int64_t size = kMatrixSize;
  std::mt19937 random(5);
  for (int64_t i = 0; i < size * size; ++i) {
    a.push_back(static_cast<int8_t>(static_cast<int>(random() % 256) - 128));
    b.push_back(static_cast<int8_t>((7 * (i / size) + 3 * (i % size)) % 255 - 127));
  }
  for (int32_t n = 0; n < int32_t(size); ++n) {
    bias.push_back(40 * n - 5000);
    scale.push_back(static_cast<float>(1 + n % 100) * 1e-5f);
  }
  addMortiseKernel(package, program, {Access::Read, Access::Read, Access::Read, Access::Read, Access::Write},
                   0);
  package.weights = {weightOf("b", DType::I8, b), weightOf("bias", DType::I32, bias),
                     weightOf("scale", DType::F32, scale)};
  FunctionBuilder f("main");
  Slot n = f.constant(size), bytes = f.constant(size * size), one = f.constant(1),
       words = f.constant(size * 4);
  BufferId left = f.buffer(Region::Input, f.input("a", DType::I8, {n, n}), bytes);
  BufferId right = f.buffer(Region::Weight, 0, bytes);
  BufferId offsets = f.buffer(Region::Weight, 1, words), scales = f.buffer(Region::Weight, 2, words);
  BufferId result = f.buffer(Region::Output, f.output("c", DType::I8, {n, n}), bytes);
  f.dispatch(0, {left, right, offsets, scales, result}, one);
  f.function.commands[0].queue = 1;
  f.function.commands[0].origin = 0;
  f.function.queues = 2;
  package.functions.push_back(f.finish());
  package.debug.nodes = {{"gemm_1", "Gemm"}};
  package.debug.origins = {{{0}}};
  package.debug.schedules = {{0, "panels of 32"}};
}

std::vector<int8_t> Gemm::expected() const {
  std::vector<int8_t> c;
  for (int64_t m = 0; m < kMatrixSize; ++m)
    for (int64_t n = 0; n < kMatrixSize; ++n) {
      int32_t sum = bias[size_t(n)];
      for (int64_t k = 0; k < kMatrixSize; ++k)
        sum += int32_t(a[size_t(m * kMatrixSize + k)]) * b[size_t(k * kMatrixSize + n)];
      float value = std::nearbyint(static_cast<float>(sum) * scale[size_t(n)]);
      c.push_back(static_cast<int8_t>(std::clamp(value, -128.0f, 127.0f)));
    }
  return c;
}

} // namespace tenon::runtime::testing

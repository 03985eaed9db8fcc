// Reductions over all axes but the last, on the simulator, against loops.
#include "compiler/emit/mortise/tile/Columns.h"
#include "compiler/emit/mortise/tile/TileKernel.h"

#include "sim/Machine.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace tenon;
using namespace tenon::npu;
using mortise::Hardware, mortise::Role, mortise::Type;

namespace {

/// Sums of bytes times two, plus a channel's bias.
ColumnsBody bodyOfTest() {
  ColumnsBody body;
  body.map = [](VectorBuilder &b, Value x, std::span<const Value>) { return b.op(Id::VaddI, x, x); };
  body.combine = [](VectorBuilder &b, Value x, Value y) { return b.op(Id::VaddI, x, y); };
  body.finish = [](VectorBuilder &b, Value x, std::span<const Value> values) {
    return b.op(Id::VaddI, x, values[0]);
  };
  return body;
}

void check(Columns c, const Hardware &h, std::mt19937 &random, const std::string &what) {
  std::vector<uint8_t> input(size_t(c.outer * c.rows * c.channels)), bias(size_t(c.channels) * 4),
      output(size_t(c.outer * c.channels) * 4);
  for (uint8_t &x : input)
    x = uint8_t(random());
  for (size_t i = 0; i < bias.size(); i += 4)
    bias[i] = uint8_t(random());
  Stream stream;
  stream.nodes = {"layer"};
  uint64_t next = 0;
  auto tensor = [&](const char *name, Role role, size_t bytes) {
    stream.tensors.push_back({name, role, Type::U8, {int64_t(bytes)}, next, {}});
    next += (bytes + 63) / 64 * 64;
    return int64_t(stream.tensors.back().address);
  };
  c.store = Id::VstW;
  c.resultBytes = 4;
  c.input = tensor("b0", Role::Input, input.size());
  c.tables = {{1, c.channels, 4, true, Id::VldW, tensor("b1", Role::Input, bias.size())}};
  c.output = tensor("b2", Role::Output, output.size());
  std::string why;
  std::optional<CompiledKernel> kernel = columnsKernel(c, bodyOfTest(), h, why);
  ASSERT_TRUE(kernel) << why;
  stream.kernels.push_back({kernel->code, spillArea(*kernel, h)});
  emitColumns(c, h, 0, stream);
  FinishedStream finished = finishStream(std::move(stream), h, {});
  ASSERT_EQ(finished.error, "") << what;
  sim::Machine machine(h, finished.program, {});
  machine.bind("b0", input);
  machine.bind("b1", bias);
  machine.bind("b2", output);
  machine.run();
  for (int64_t outer = 0; outer < c.outer; ++outer)
    for (int64_t channel = 0; channel < c.channels; ++channel) {
      int32_t sum = bias[size_t(channel) * 4], found = 0;
      for (int64_t row = 0; row < c.rows; ++row)
        sum += 2 * input[size_t((outer * c.rows + row) * c.channels + channel)];
      std::memcpy(&found, output.data() + 4 * (outer * c.channels + channel), 4);
      ASSERT_EQ(found, sum) << what << " at " << outer << ", " << channel;
    }
}

TEST(Columns, addsWhatLoopsDo) {
  std::mt19937 random(3);
  const char *presets[] = {"edge-512k", "u55-256", "gemmini"};
  for (int i = 0; i < 30; ++i) {
    Hardware h = mortise::loadHardware(presets[i % 3]);
    Columns c;
    c.outer = 1 + int64_t(random() % 3);
    c.rows = 1 + int64_t(random() % 200);
    c.channels = 1 + int64_t(random() % 600);
    check(c, h, random, "case " + std::to_string(i) + " on " + h.name);
  }
}

TEST(Columns, saysThatAColumnIsTooLong) {
  Hardware h = mortise::loadHardware("edge-512k");
  Columns c;
  c.rows = 100000;
  c.channels = 64;
  std::string why;
  EXPECT_FALSE(columnsKernel(c, bodyOfTest(), h, why));
  EXPECT_NE(why.find("more scratchpad"), std::string::npos) << why;
}

} // namespace

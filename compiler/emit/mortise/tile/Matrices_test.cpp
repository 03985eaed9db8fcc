// Products with computed right operands on the simulator against loops.
#include "compiler/emit/mortise/tile/Matrices.h"
#include "compiler/emit/mortise/tile/TileKernel.h"

#include "sim/Machine.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace tenon;
using namespace tenon::npu;
using mortise::Hardware, mortise::Role, mortise::Type;

namespace {

/// Where an element of a right operand lies, as Matrices.h says.
size_t indexOf(const Matrices &m, int64_t matrix, int64_t k, int64_t n) {
  auto up = [](int64_t x, int64_t by) { return (x + by - 1) / by; };
  int64_t width = m.right.width, group = m.right.group, groups = up(m.layer.channels, group),
          panels = up(m.layer.outputs, width);
  return size_t(((((matrix * panels + n / width) * groups + k / group) * width) + n % width) * group +
                k % group);
}

int32_t byteOf(uint8_t bits, Type type) { return type == Type::I8 ? int8_t(bits) : bits; }

/// What sums begin with: an operand of rows minus twice one of columns that all matrices share.
std::vector<StartOperand> operandsOfTest() { return {{true, true, 0}, {false, false, 0}}; }
Value bodyOfTest(VectorBuilder &b, std::span<const Value> values) {
  return b.op(Id::VsubI, values[0], b.op(Id::VaddI, values[1], values[1]));
}

struct Bound {
  std::vector<uint8_t> bytes;
  int64_t address = 0;
};

class Program {
public:
  explicit Program(std::mt19937 &random) : random_(random) {}
  int64_t tensor(Role role, int64_t bytes) {
    std::string name = "b" + std::to_string(bound.size());
    stream.tensors.push_back({name, role, Type::U8, {bytes}, next_, {}});
    next_ += uint64_t(bytes + 127) / 128 * 128;
    bound.push_back({std::vector<uint8_t>(size_t(bytes)), int64_t(stream.tensors.back().address)});
    for (uint8_t &x : bound.back().bytes)
      x = uint8_t(random_());
    return bound.back().address;
  }
  uint64_t run(const Hardware &h) {
    FinishedStream finished = finishStream(std::move(stream), h, {});
    EXPECT_EQ(finished.error, "");
    sim::Machine machine(h, finished.program, {});
    for (size_t i = 0; i < bound.size(); ++i)
      machine.bind("b" + std::to_string(i), bound[i].bytes);
    return machine.run().cycles;
  }
  Stream stream;
  std::vector<Bound> bound;

private:
  std::mt19937 &random_;
  uint64_t next_ = 0;
};

int32_t word(const Bound &from, int64_t index) {
  int32_t value = 0;
  std::memcpy(&value, from.bytes.data() + index * 4, 4);
  return value;
}

void check(Matrices m, bool begins, const Hardware &h, std::mt19937 &random, const std::string &what) {
  Product &p = m.layer;
  Program program(random);
  p.drain = {
      Type::I32, false, false, 0, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
  p.input = program.tensor(Role::Input, p.images * p.height * p.channels);
  m.right.memory = program.tensor(Role::Input, int64_t(indexOf(m, p.images, 0, 0)));
  p.output = program.tensor(Role::Output, p.images * p.height * p.outputs * 4);
  int64_t rows = program.tensor(Role::Input, p.images * p.height * 4),
          columns = program.tensor(Role::Input, p.outputs * 4);
  program.stream.nodes = {"layer"};
  if (begins) {
    std::string why;
    std::optional<CompiledKernel> kernel = startKernel(operandsOfTest(), bodyOfTest, h, why);
    ASSERT_TRUE(kernel) << why;
    program.stream.kernels.push_back({kernel->code, spillArea(*kernel, h)});
    m.start = StartStage{0, operandsOfTest()};
    m.start->operands[0].memory = rows;
    m.start->operands[1].memory = columns;
  }
  std::optional<ProductCut> cut = cutMatrices(m, h, h.scratchpad.bytes);
  ASSERT_TRUE(cut) << what;
  emitMatrices(m, *cut, h, 0, program.stream);
  program.run(h);
  int64_t at = 0;
  for (int64_t matrix = 0; matrix < p.images; ++matrix)
    for (int64_t row = 0; row < p.height; ++row)
      for (int64_t n = 0; n < p.outputs; ++n, ++at) {
        auto sum = begins ? uint32_t(word(program.bound[3], matrix * p.height + row)) -
                                2 * uint32_t(word(program.bound[4], n))
                          : 0U;
        for (int64_t k = 0; k < p.channels; ++k)
          sum += uint32_t(
              byteOf(program.bound[0].bytes[size_t((matrix * p.height + row) * p.channels + k)], p.left) *
              byteOf(program.bound[1].bytes[indexOf(m, matrix, k, n)], p.right));
        ASSERT_EQ(word(program.bound[2], at), int32_t(sum))
            << what << ": matrix " << matrix << ", row " << row << ", column " << n;
      }
}

TEST(Matrices, multipliesWhatLoopsDo) {
  std::mt19937 random(7);
  const char *presets[] = {"edge-512k", "u55-256", "u65-512", "gemmini"};
  for (int i = 0; i < 64; ++i) {
    Hardware h = mortise::loadHardware(presets[i % 4]);
    Matrices m;
    Product &p = m.layer;
    p.images = 1 + int64_t(random() % 4);
    p.height = 1 + int64_t(random() % 150);
    p.channels = 1 + int64_t(random() % 150);
    p.outputs = 1 + int64_t(random() % (i % 3 ? 150 : 20));
    p.left = random() % 2 ? Type::U8 : Type::I8;
    p.right = random() % 2 ? Type::U8 : Type::I8;
    switch (random() % 3) {
    case 0:
      m.right = {16, 4, 0};
      break;
    case 1:
      m.right = {p.outputs, 1, 0};
      break;
    default:
      m.right = {1, p.channels, 0};
    }
    check(m, random() % 2, h, random, "case " + std::to_string(i) + " on " + h.name);
  }
}

TEST(Matrices, comesInPartsWhereTheScratchpadIsSmall) {
  std::mt19937 random(11);
  Hardware h = mortise::loadHardware("edge-512k");
  h.scratchpad.bytes = 65536;
  for (int64_t group : {1, 4}) {
    Matrices m;
    m.layer.images = 2;
    m.layer.height = 70;
    m.layer.channels = 200;
    m.layer.outputs = 500;
    m.layer.right = Type::I8;
    m.right = {16, group, 0};
    std::optional<ProductCut> cut = cutMatrices(m, h, h.scratchpad.bytes);
    ASSERT_TRUE(cut);
    EXPECT_LT(cut->resident, 16);
    check(m, group == 4, h, random, "groups of " + std::to_string(group));
  }
}

/// Twelve heads of 128 x 32 times 32 x 128: 512 cycles of the array for each, 768 of the memory.
TEST(Matrices, keepsTheMemoryBusy) {
  std::mt19937 random(1);
  Hardware h = mortise::loadHardware("edge-512k");
  for (bool begins : {false, true}) {
    Matrices m;
    Product &p = m.layer;
    p.images = 12;
    p.height = p.outputs = 128;
    p.channels = 32;
    Program program(random);
    p.drain = {Type::U8, false, false, 0, 0, 255};
    m.right = {1, 32, program.tensor(Role::Input, p.images * 4096)};
    p.input = program.tensor(Role::Input, p.images * 4096);
    p.output = program.tensor(Role::Output, p.images * 128 * 128);
    program.stream.nodes = {"layer"};
    if (begins) {
      std::string why;
      std::optional<CompiledKernel> kernel = startKernel(operandsOfTest(), bodyOfTest, h, why);
      ASSERT_TRUE(kernel) << why;
      program.stream.kernels.push_back({kernel->code, spillArea(*kernel, h)});
      m.start = StartStage{0, operandsOfTest()};
      m.start->operands[0].memory = program.tensor(Role::Input, p.images * 512);
      m.start->operands[1].memory = program.tensor(Role::Input, 512);
    }
    std::optional<ProductCut> cut = cutMatrices(m, h, h.scratchpad.bytes);
    ASSERT_TRUE(cut);
    emitMatrices(m, *cut, h, 0, program.stream);
    uint64_t cycles = program.run(h);
    EXPECT_LT(double(cycles), (begins ? 1.4 : 1.2) * 12 * 768);
  }
}

} // namespace

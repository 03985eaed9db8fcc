// Chains of products whose tensors stay in the scratchpad, against the same through memory.
#include "compiler/emit/mortise/tile/EmitSlices.h"
#include "compiler/emit/mortise/tile/ImageLines.h"
#include "compiler/emit/mortise/tile/TileResults.h"

#include "sim/Machine.h"

#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace tenon;
using namespace tenon::npu;
using mortise::Hardware, mortise::Role, mortise::Type;

namespace {

constexpr const char *kPresets[] = {"edge-512k", "u55-256", "u65-512", "gemmini"};

/// Two products, the second of what the first makes.
struct Chain {
  Product first, second;

  int64_t between() const { return first.pixels() * first.groups * first.outputs; }
  int64_t outputBytes() const {
    return second.pixels() * second.groups * second.outputs * second.resultBytes();
  }
  ResidentFrame frame() const { return imageOf(second).frame(); }
  int64_t residentBytes() const { return frame().hasBorder() ? frame().bytes() : between(); }
};

struct Ran {
  std::vector<uint8_t> output;
  uint64_t moved = 0; ///< bytes of DRAM and of the second level
  std::string error;
};

class Runner {
public:
  Runner(const Hardware &hardware, Chain chain, unsigned seed) : h(hardware), chain(std::move(chain)) {
    std::mt19937 random(seed);
    const Product &p = this->chain.first;
    input = bytes(p.images * p.height * p.width * p.groups * p.channels, random);
    for (const Product *product : {&p, const_cast<const Product *>(&this->chain.second)})
      weights.push_back(packed(*product, random));
  }

  /// Nothing where a product does not fit beside the tensor.
  std::optional<Ran> run(bool resident, bool sliced = false) {
    Stream stream;
    stream.nodes = {"first", "second"};
    uint64_t next = 0;
    auto tensor = [&](const char *name, Role role, int64_t size) {
      stream.tensors.push_back({name, role, Type::U8, {size}, next, {}});
      next += uint64_t(upTo(size, 64));
      return int64_t(stream.tensors.back().address);
    };
    Product first = chain.first, second = chain.second;
    first.input = tensor("b0", Role::Input, int64_t(input.size()));
    first.weights = tensor("b1", Role::Input, int64_t(weights[0].size()));
    second.weights = tensor("b2", Role::Input, int64_t(weights[1].size()));
    second.output = tensor("b3", Role::Output, chain.outputBytes());
    int64_t room = h.scratchpad.bytes;
    if (resident) {
      room = (room - chain.residentBytes() - residentSlack(h)) / 64 * 64;
      first.output = second.input = residentAddress(room);
      first.frame = chain.frame();
    } else {
      first.output = second.input = tensor("t0", Role::Temporary, chain.between());
    }
    second.node = 1;
    std::optional<ProductCut> cuts[] = {cutProduct(first, h, room), cutProduct(second, h, room)};
    if (sliced)
      for (auto [cut, product] : {std::pair(&cuts[0], &first), std::pair(&cuts[1], &second)})
        if (auto slices = cutSlices(*product, h, room, std::numeric_limits<double>::infinity()))
          *cut = slices;
    if (room < 0 || !cuts[0] || !cuts[1])
      return std::nullopt;
    if (resident) {
      Commands commands(stream, h, 0);
      fillBorder(commands, first.output, first.frame);
    }
    emitProduct(first, *cuts[0], h, 0, stream);
    emitProduct(second, *cuts[1], h, 0, stream);
    return simulate(std::move(stream));
  }

private:
  static std::vector<uint8_t> bytes(int64_t count, std::mt19937 &random) {
    std::vector<uint8_t> all(static_cast<size_t>(count));
    for (uint8_t &byte : all)
      byte = uint8_t(random());
    return all;
  }

  /// Random weights, with scales that leave results of many sizes.
  std::vector<uint8_t> packed(const Product &p, std::mt19937 &random) {
    PackedWeights w = packedWeights(p, h);
    std::vector<uint8_t> all = bytes(w.bytes, random);
    for (int64_t panel = 0; panel < w.panels * p.groups; ++panel)
      for (int64_t column = 0; column < 2 * h.matrix.columns; ++column) {
        float scale = float(random() % 1000 + 1) * 1e-5F;
        int32_t bias = int32_t(random() % 20001) - 10000;
        uint8_t *at = all.data() + panel * w.panelBytes + w.rows * w.rowBytes + column * 4;
        if (p.drain.bias)
          std::memcpy(at, column < h.matrix.columns ? static_cast<void *>(&bias) : &scale, 4);
      }
    return all;
  }

  Ran simulate(Stream stream) {
    Ran ran;
    FinishedStream finished = finishStream(std::move(stream), h, {});
    ran.error = finished.error;
    if (!ran.error.empty())
      return ran;
    ran.output.resize(size_t(chain.outputBytes()));
    sim::Machine machine(h, finished.program, {});
    machine.bind("b0", input);
    machine.bind("b1", weights[0]);
    machine.bind("b2", weights[1]);
    machine.bind("b3", ran.output);
    sim::Statistics cost = machine.run();
    ran.moved = cost.dram.read + cost.dram.write + cost.l2.read + cost.l2.write;
    return ran;
  }

  const Hardware &h;
  Chain chain;
  std::vector<uint8_t> input;
  std::vector<std::vector<uint8_t>> weights;
};

Chain randomChain(std::mt19937 &random) {
  auto from = [&](int64_t low, int64_t high) { return low + int64_t(random() % uint64_t(high - low + 1)); };
  Chain chain;
  Product &a = chain.first, &b = chain.second;
  a.images = from(1, 2);
  a.channels = from(1, 70);
  a.groups = from(0, 3) ? 1 : 2;
  a.outputs = from(1, 40);
  for (WindowAxis *axis : {&a.y, &a.x})
    *axis = {from(1, 3), from(1, 2), 1, from(0, 1), from(0, 1)};
  a.height = std::max(a.y.extent(), from(3, 12));
  a.width = std::max(a.x.extent(), from(3, 20));
  a.drain = {Type::U8, true, true, from(0, 255), 0, 255};
  b.images = a.images;
  b.height = a.outputHeight();
  b.width = a.outputWidth();
  b.channels = a.groups * a.outputs;
  if (b.channels % 2 == 0 && from(0, 2) == 0) {
    b.groups = 2;
    b.channels /= 2;
  }
  b.outputs = from(1, 80);
  b.padValue = from(0, 255);
  if (from(0, 2))
    for (WindowAxis *axis : {&b.y, &b.x})
      *axis = {from(1, 3), from(1, 2), from(1, 2), from(0, 2), from(0, 2)};
  b.y.high = std::max(b.y.high, b.y.extent() - b.y.low - b.height);
  b.x.high = std::max(b.x.high, b.x.extent() - b.x.low - b.width);
  if (from(0, 1))
    b.drain = {Type::U8, true, true, from(0, 255), 0, 255};
  else
    b.drain = {Type::I32, false, false, 0, INT32_MIN, INT32_MAX};
  return chain;
}

TEST(Resident, chainsOfProductsComputeTheSame) {
  std::mt19937 random(23);
  int bordered = 0, plain = 0;
  for (int i = 0; i < 160; ++i) {
    Hardware h = mortise::loadHardware(kPresets[i % 4]);
    Chain chain = randomChain(random);
    Runner runner(h, chain, unsigned(random()));
    std::optional<Ran> there = runner.run(false), here = runner.run(true, i % 2);
    if (!there || !here)
      continue;
    std::string what = "case " + std::to_string(i) + " on " + h.name;
    ASSERT_EQ(there->error, "") << what;
    ASSERT_EQ(here->error, "") << what;
    ASSERT_EQ(here->output, there->output) << what;
    ++(chain.frame().hasBorder() ? bordered : plain);
  }
  EXPECT_GT(bordered, 30);
  EXPECT_GT(plain, 20);
}

TEST(Resident, tensorsAreNotMoved) {
  Hardware h = mortise::loadHardware("edge-512k");
  Chain chain;
  Product &a = chain.first, &b = chain.second;
  a.height = b.height = 1024;
  a.channels = b.outputs = 32;
  a.outputs = b.channels = 128;
  a.drain = b.drain = {Type::U8, true, true, 0, 0, 255};
  Runner runner(h, chain, 5);
  std::optional<Ran> there = runner.run(false), here = runner.run(true);
  ASSERT_TRUE(there && here);
  EXPECT_EQ(here->output, there->output);
  constexpr uint64_t kBursts = 1024; // weights may come in others
  EXPECT_LE(here->moved + 2 * uint64_t(chain.between()), there->moved + kBursts);
}

} // namespace

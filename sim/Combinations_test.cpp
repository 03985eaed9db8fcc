// Instructions that do the work of two, executed against the two.

#include "isa/mortise/Pattern.h"
#include "sim/functional/Lanes.h"

#include <gtest/gtest.h>
#include <random>

using namespace tenon::sim;
using tenon::mortise::Combination, tenon::mortise::combinations;

namespace {

TEST(Combinations, areExact) {
  ASSERT_FALSE(combinations().empty());
  std::mt19937_64 random(3);
  auto registers = std::make_unique<VectorRegisters>();
  std::array<int64_t, tenon::mortise::kRegisters> scalars{};
  for (const Combination &c : combinations()) {
    for (int i = 1; i <= 3; ++i)
      for (int32_t &lane : registers->vectors[i])
        lane = int32_t(random());
    auto execute = [&](Id id, unsigned d, std::array<unsigned, 3> from) {
      Operation op{};
      op.id = id;
      op.d = uint8_t(d);
      op.a = uint8_t(from[0]);
      op.b = uint8_t(from[1]);
      op.c = uint8_t(from[2]);
      executeVector(op, *registers, scalars, 64);
    };
    auto count = [](Id id) {
      unsigned n = 0;
      for (const auto &operand : tenon::mortise::row(id).operands)
        n += operand.name >= 'a' && operand.name <= 'c' && operand.width > 0;
      return n;
    };
    execute(c.whole, 10, {1, 2, 3});
    execute(c.inner, 11, {1, 2, 3});
    std::array<unsigned, 3> from{};
    for (unsigned o = 0, next = 1 + count(c.inner); o < count(c.outer); ++o)
      from[o] = char('a' + o) == c.operand ? 11 : next++;
    execute(c.outer, 12, from);
    for (int l = 0; l < 64; ++l)
      ASSERT_EQ(registers->vectors[10][l], registers->vectors[12][l])
          << tenon::mortise::row(c.whole).mnemonic << ", lane " << l;
  }
}

} // namespace

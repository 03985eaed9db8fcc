#include "compiler/emit/mortise/vector/Combine.h"
#include "compiler/emit/mortise/vector/VectorBuilder.h"

#include "isa/mortise/Pattern.h"
#include "sim/functional/Lanes.h"

#include <gtest/gtest.h>
#include <random>

using namespace tenon::npu;
using tenon::mortise::loadHardware;

namespace {

/// The text of what is left of a kernel that reads `x` and stores to `y`, from its first instruction on.
template <typename Make> std::string combined(Make make, bool contract = false) {
  VectorFunction function("k");
  function.contract = contract;
  VectorBuilder b(function);
  Value p = b.parameter("p");
  make(b, p, b.object("x"), b.object("y"));
  combine(function, loadHardware("edge-512k"));
  verify(function);
  std::string text = toText(function);
  size_t begin = text.find('\n') + 1;
  return text.substr(begin, text.size() - begin - 2);
}

TEST(Combine, productsAndSumsOfIntegersAreOneInstruction) {
  EXPECT_EQ(combined([](VectorBuilder &b, Value p, ObjectId x, ObjectId y) {
              Value a = b.load(Id::VldW, {p, x}), c = b.load(Id::VldW, {p, x, 256});
              b.store(Id::VstW, {p, y}, b.op(Id::VaddI, a, b.op(Id::VmulI, a, c)));
            }),
            "  %2 = vld.w %1, 0, 0, always @x\n"
            "  %3 = vld.w %1, 256, 0, always @x\n"
            "  %5 = vmad.i %2, %3, %2\n"
            "  vst.w %1, 0, %5, 0, always @y\n");
}

TEST(Combine, roundingOnceNeedsPermission) {
  auto make = [](VectorBuilder &b, Value p, ObjectId x, ObjectId y) {
    Value a = b.load(Id::VldW, {p, x});
    b.store(Id::VstW, {p, y}, b.op(Id::VaddF, b.op(Id::VmulF, a, a), a));
  };
  EXPECT_EQ(combined(make).find("vfma"), std::string::npos);
  EXPECT_NE(combined(make, true).find("vfma.f %2, %2, %2"), std::string::npos);
}

TEST(Combine, aProductWithTwoUsesStays) {
  std::string text = combined([](VectorBuilder &b, Value p, ObjectId x, ObjectId y) {
    Value a = b.load(Id::VldW, {p, x}), product = b.op(Id::VmulI, a, a);
    b.store(Id::VstW, {p, y}, b.op(Id::VaddI, product, a));
    b.store(Id::VstW, {p, y, 256}, product);
  });
  EXPECT_EQ(text.find("vmad"), std::string::npos);
}

TEST(Combine, additionsToAddressesBecomeOffsets) {
  EXPECT_EQ(combined([](VectorBuilder &b, Value p, ObjectId x, ObjectId y) {
              Value far = b.op(Id::Add, b.add(p, 100), b.scalar(28));
              b.store(Id::VstW, {b.add(far, 32000), y, 700}, b.load(Id::VldW, {far, x, 4}));
            }),
            // 32128 + 700 does not fit 16 bits
            "  %3 = scalar 28\n"
            "  %5 = addi %1, 32128\n"
            "  %6 = vld.w %1, 132, 0, always @x\n"
            "  vst.w %5, 700, %6, 0, always @y\n");
}

TEST(Combine, addressesThatLoopsCarryAdvanceByLoads) {
  EXPECT_EQ(combined([](VectorBuilder &b, Value p, ObjectId x, ObjectId y) {
              b.loop(8, {p}, [&](std::span<const Value> at) -> std::vector<Value> {
                Address from{at[0], x};
                Value first = b.loadAdvance(Id::VldW, from, 256), second = b.loadAdvance(Id::VldW, from, 256);
                b.store(Id::VstW, {p, y}, b.op(Id::VaddF, first, second));
                return {from.base};
              });
            }),
            "  %3 = loop 8 (%2 = %1) {\n"
            "    %5 = vld.w %2, 0, 0, always @x\n"
            "    %7, %6 = vld.w %2, 256, 512, always @x\n"
            "    %8 = vadd.f %5, %7\n"
            "    vst.w %1, 0, %8, 0, always @y\n"
            "    yield %6\n"
            "  }\n");
}

TEST(Combine, whatDoesNotChangeLeavesTheLoop) {
  EXPECT_EQ(combined([](VectorBuilder &b, Value p, ObjectId x, ObjectId y) {
              b.loop(8, {p}, [&](std::span<const Value> at) -> std::vector<Value> {
                Value weight = b.load(Id::VldW, {p, x}), twice = b.op(Id::VaddF, weight, weight);
                b.store(Id::VstW, {at[0], y}, twice);
                return {b.add(at[0], 256)};
              });
            }),
            "  %4 = vld.w %1, 0, 0, always @x\n"
            "  %5 = vadd.f %4, %4\n"
            "  %3 = loop 8 (%2 = %1) {\n"
            "    %6 = vst.w %2, 0, %5, 256, always @y\n"
            "    yield %6\n"
            "  }\n");
}

TEST(Combine, loadsStayBesideStoresOfTheirObject) {
  std::string text = combined([](VectorBuilder &b, Value p, ObjectId, ObjectId y) {
    b.loop(8, {}, [&](std::span<const Value>) -> std::vector<Value> {
      Value value = b.load(Id::VldW, {p, y});
      b.store(Id::VstW, {p, y}, b.op(Id::VaddF, value, b.load(Id::VldW, {p, y})));
      return {};
    });
  });
  EXPECT_EQ(text, "  loop 8 () {\n"
                  "    %2 = vld.w %1, 0, 0, always @y\n"
                  "    %3 = vld.w %1, 0, 0, always @y\n"
                  "    %4 = vadd.f %2, %3\n"
                  "    vst.w %1, 0, %4, 0, always @y\n"
                  "    yield\n"
                  "  }\n");
}

TEST(Combine, constantsFold) {
  EXPECT_EQ(combined([](VectorBuilder &b, Value p, ObjectId, ObjectId y) {
              Value three = b.op(Id::VaddI, b.splatInt(1), b.splatInt(2));
              Value lanes = b.op(Id::Vbc, b.op(Id::Muli, b.op(Id::Lanes), Immediate{2}));
              Value same = b.op(Id::VmulI, b.op(Id::VaddI, lanes, b.splatInt(0)), b.splatInt(1));
              b.store(Id::VstW, {p, y}, b.op(Id::VsubI, same, three));
            })
                    .substr(0, 200)
                    .find("splat 125") != std::string::npos,
            true);
}

TEST(Combine, whatNobodyUsesGoes) {
  EXPECT_EQ(combined([](VectorBuilder &b, Value p, ObjectId x, ObjectId y) {
              b.loop(8, {p, b.splat(0)}, [&](std::span<const Value> at) -> std::vector<Value> {
                Value sum = b.op(Id::VaddF, at[1], b.load(Id::VldW, {at[0], x}));
                return {b.add(at[0], 256), sum};
              });
              b.store(Id::VstW, {p, y}, b.splat(0));
            }),
            "  %2 = splat 0\n"
            "  vst.w %1, 0, %2, 0, always @y\n");
}

/// The folding of constants is written apart from the simulator.
TEST(Combine, constantsAreThoseOfTheMachine) {
  std::mt19937_64 random(3);
  unsigned folded = 0;
  for (const auto &row : tenon::mortise::rows()) {
    auto domain = tenon::mortise::domainOf(row.id);
    using tenon::mortise::Domain;
    if (!domain || (*domain != Domain::Scalar && *domain != Domain::Integer && *domain != Domain::Float))
      continue;
    for (int round = 0; round < 200; ++round) {
      std::array<int64_t, 4> v{};
      for (int64_t &value : v)
        value = int64_t(random()) >> (random() % 64);
      if (*domain != Domain::Scalar)
        for (int64_t &value : v)
          value = int32_t(value);
      v[3] = int32_t(v[3]);
      auto found = evaluate(row.id, v[0], v[1], v[2], v[3]);
      if (!found)
        continue;
      ++folded;
      if (*domain == Domain::Scalar) {
        ASSERT_EQ(*found, tenon::sim::scalarResult(row.id, v[0], v[1], v[3])) << row.mnemonic;
        continue;
      }
      tenon::sim::Operation op;
      op.id = row.id;
      op.d = 0;
      op.a = 1;
      op.b = 2;
      op.c = 3;
      auto registers = std::make_unique<tenon::sim::VectorRegisters>();
      for (size_t k = 0; k < 3; ++k)
        registers->vectors[k + 1][0] = int32_t(v[k]);
      tenon::sim::executeVector(op, *registers, {}, 1);
      ASSERT_EQ(*found, registers->vectors[0][0]) << row.mnemonic;
    }
  }
  EXPECT_GT(folded, 5000U);
}

} // namespace

// Scheduling, allocation and emission on kernels made for one of their rules each.

#include "compiler/emit/mortise/testing/Interpreter.h"
#include "compiler/emit/mortise/testing/Kernels.h"
#include "compiler/emit/mortise/vector/CompileKernel.h"
#include "compiler/emit/mortise/vector/VectorBuilder.h"

#include <gtest/gtest.h>
#include <random>

using namespace tenon::npu;
using tenon::mortise::Error, tenon::mortise::Hardware, tenon::mortise::loadHardware;

namespace {

using Values = std::vector<Value>;

Memory randomMemory() {
  std::mt19937 random(2);
  Memory memory(1 << 16);
  for (uint8_t &byte : memory)
    byte = uint8_t(random());
  return memory;
}

constexpr int64_t kSpill = 0xC000;

/// Compiles, checks the result below the spill area, and gives the kernel.
CompiledKernel checked(const VectorFunction &function, const std::vector<int64_t> &parameters,
                       const VectorOptions &options = {}) {
  Hardware hardware = loadHardware("edge-512k");
  CompiledKernel kernel = compile(function, hardware, options);
  Memory memory = randomMemory(), expected = interpret(function, hardware, memory, parameters),
         found = simulate(kernel, hardware, memory, parameters).memory;
  expected.resize(kSpill);
  found.resize(kSpill);
  EXPECT_TRUE(found == expected);
  return kernel;
}

/// Loads `count` vectors, then stores their running sums in the other direction: all are live at once.
VectorFunction wide(int count, bool constants) {
  VectorFunction function("wide");
  VectorBuilder b(function);
  Value from = b.parameter("x"), to = b.parameter("y");
  ObjectId x = b.object("x"), y = b.object("y");
  b.loop(3, {to}, [&](std::span<const Value> at) -> Values {
    Values values;
    for (int i = 0; i < count; ++i)
      values.push_back(constants ? b.splatInt(i * 7 + 1) : b.load(Id::VldW, {from, x, i * 64}));
    Value sum = b.load(Id::VldW, {at[0], y});
    for (int i = count; i-- > 0;) {
      sum = b.op(Id::Vxor, sum, values[size_t(i)]);
      b.store(Id::VstW, {at[0], y, i * 256}, sum);
    }
    return {b.add(at[0], 128)};
  });
  return function;
}

VectorOptions withSpill(int64_t bytes) {
  VectorOptions options;
  options.spill.address = kSpill;
  options.spill.bytes = bytes;
  return options;
}

std::string errorOf(const VectorFunction &function, const VectorOptions &options) {
  try {
    compile(function, loadHardware("edge-512k"), options);
  } catch (const Error &error) {
    return error.code() + ": " + error.message();
  }
  return "none";
}

TEST(Allocate, vectorsThatFindNoRegisterAreSpilled) {
  CompiledKernel kernel = checked(wide(40, false), {0, 0x4000}, withSpill(0x4000));
  EXPECT_GE(kernel.statistics.spilled, 8U);
  EXPECT_LE(kernel.statistics.spilled, 20U);
  EXPECT_EQ(kernel.statistics.remade, 0U);
  EXPECT_GE(kernel.statistics.registers[size_t(RegisterClass::Vector)], 30U);
  EXPECT_GT(checked(wide(60, false), {0, 0x4000}, withSpill(0x4000)).statistics.spilled, 20U);
}

TEST(Allocate, fewerVectorsNeedNoMemory) {
  EXPECT_EQ(checked(wide(25, false), {0, 0x4000}).statistics.spilled, 0U);
}

TEST(Allocate, constantsAreMadeAgainInsteadOfSpilled) {
  CompiledKernel kernel = checked(wide(40, true), {0, 0x4000});
  EXPECT_EQ(kernel.statistics.spilled, 0U);
  EXPECT_GE(kernel.statistics.remade, 8U);
}

TEST(Allocate, aSpillAreaThatIsTooSmallIsAnError) {
  std::string error = errorOf(wide(40, false), withSpill(1024));
  EXPECT_EQ(error,
            "TN1351: kernel 'wide': more than 32 vectors are live at once, and 5 of them need 1280 bytes, "
            "but the spill area has 1024; give a larger area or a smaller tile");
}

TEST(Allocate, scalarsCannotBeSpilled) {
  VectorFunction function("scalars");
  VectorBuilder b(function);
  Value p = b.parameter("p");
  ObjectId x = b.object("x");
  Values values;
  for (int i = 0; i < 40; ++i)
    values.push_back(b.load(Id::Slds, {p, x, i * 4}));
  for (Value value : values)
    b.store(Id::VstW, {p, x}, b.op(Id::Vbc, value));
  EXPECT_EQ(errorOf(function, {}).substr(0, 79),
            "TN1351: kernel 'scalars': more scalars are live at once than the 32 registers h");
}

TEST(Allocate, theSpillAreaMayBeAParameter) {
  VectorFunction function = wide(40, false);
  VectorBuilder b(function);
  VectorOptions options;
  options.spill.base = b.parameter("spill");
  options.spill.bytes = 0x4000;
  EXPECT_GT(checked(function, {0, 0x4000, kSpill}, options).statistics.spilled, 0U);
}

TEST(Schedule, pipelinesReachTheBoundOfTheirSlots) {
  CompiledKernel kernel = checked(requantizeKernel(64, 40), {0, 0x4000, 40});
  ASSERT_EQ(kernel.statistics.loops.size(), 1U);
  EXPECT_EQ(kernel.statistics.loops[0].interval, 4U); // four vector instructions
  EXPECT_GT(kernel.statistics.loops[0].plainCycles, 14U);
  EXPECT_GE(kernel.statistics.loops[0].stages, 4U);
}

/// sum = sum + x: the latency of the addition bounds the interval.
TEST(Schedule, recurrencesBoundTheInterval) {
  VectorFunction function("sum");
  VectorBuilder b(function);
  Value from = b.parameter("x");
  ObjectId x = b.object("x"), y = b.object("y");
  Values sums = b.loop(30, {from, b.splat(0)}, [&](std::span<const Value> at) -> Values {
    Value value = b.op(Id::VcvtIf, b.load(Id::VldB, {at[0], x}));
    return {b.add(at[0], 64), b.op(Id::VaddF, at[1], value)};
  });
  b.store(Id::VstW, {b.scalar(0x8000), y}, sums[1]);
  EXPECT_EQ(checked(function, {0}).statistics.loops.at(0).interval, 3U);
}

/// y[i + 1] = y[i] + 1 through memory: iterations must not overlap, unless the object promises independence.
TEST(Schedule, memoryOrdersIterationsThatDepend) {
  for (bool independent : {false, true}) {
    VectorFunction function("memory");
    VectorBuilder b(function);
    ObjectId y = b.object("y", independent);
    int32_t distance = independent ? 0 : 256;
    b.loop(30, {b.parameter("y")}, [&](std::span<const Value> at) -> Values {
      Value next = b.op(Id::VmulI, b.load(Id::VldW, {at[0], y}), b.splatInt(3));
      b.store(Id::VstW, {at[0], y, distance}, next);
      return {b.add(at[0], 256)};
    });
    unsigned interval = checked(function, {0}).statistics.loops.at(0).interval;
    EXPECT_EQ(independent, interval != 0 && interval < 4) << interval;
  }
}

/// A load and a store through one address: the offset of what moves past the increment changes.
TEST(Schedule, pointersOrderNothing) {
  VectorFunction function("inplace");
  VectorBuilder b(function);
  ObjectId x = b.object("x", true);
  b.loop(50, {b.parameter("x")}, [&](std::span<const Value> at) -> Values {
    Value value = b.op(Id::VtanhF, b.op(Id::VcvtIf, b.load(Id::VldW, {at[0], x})));
    b.store(Id::VstW, {at[0], x}, value);
    return {b.add(at[0], 256)};
  });
  EXPECT_EQ(checked(function, {0}).statistics.loops.at(0).interval, 2U);
}

TEST(Schedule, specialFunctionsKeepTheirDistance) {
  Hardware hardware = loadHardware("edge-512k");
  hardware.vector.specialCycles = 5;
  VectorFunction function = softmaxKernel(64, 16);
  CompiledKernel kernel = compile(function, hardware, {});
  EXPECT_EQ(kernel.statistics.loops.at(1).interval, 5U);
}

TEST(Schedule, shortLoopsStayPlain) {
  EXPECT_EQ(checked(requantizeKernel(64, 2), {0, 0x4000, 2}).statistics.loops.at(0).interval, 0U);
}

TEST(Emit, labelsMoveWithTheCode) {
  Hardware hardware = loadHardware("edge-512k");
  CompiledKernel kernel = compile(requantizeKernel(64, 40), hardware, {});
  tenon::mortise::Program program;
  EXPECT_EQ(kernel.appendTo(program), 0U);
  EXPECT_EQ(program.code, kernel.code);
  auto second = kernel.appendTo(program);
  EXPECT_EQ(second, kernel.code.size());
  EXPECT_EQ(program.code.back().id, Id::Ret);
  tenon::mortise::verifyCode(program.code);
  unsigned loops = 0;
  for (size_t i = 0; i < kernel.code.size(); ++i)
    if (kernel.code[i].id == Id::Loopi) {
      ++loops;
      EXPECT_EQ(program.code[second + i].operands[1], kernel.code[i].operands[1] + int32_t(second));
    }
  EXPECT_EQ(loops, 1U);
}

TEST(Estimate, isTheSimulatorsTimeWithoutBanks) {
  Hardware hardware = loadHardware("edge-512k");
  hardware.scratchpad.banks = 64; // nothing conflicts
  for (int64_t count : {0, 3, 25, 100}) {
    CompiledKernel kernel = compile(requantizeKernel(64, {}), hardware, {});
    std::vector<int64_t> parameters{0, 0x8000 + 1024, count};
    EXPECT_EQ(estimateCycles(kernel, hardware, parameters),
              simulate(kernel, hardware, randomMemory(), parameters).cycles)
        << count;
  }
  CompiledKernel kernel = compile(requantizeKernel(64, {}), hardware, {});
  EXPECT_THROW(estimateCycles(kernel, hardware, std::array<int64_t, 1>{0}), Error);
}

TEST(Estimate, tripCountsFromDataAreRefused) {
  VectorFunction function("data");
  VectorBuilder b(function);
  Value p = b.parameter("p");
  ObjectId x = b.object("x"), y = b.object("y");
  b.loop(b.load(Id::Slds, {p, x}), {}, [&](std::span<const Value>) -> Values {
    b.store(Id::VstW, {p, y}, b.splat(0));
    return {};
  });
  Hardware hardware = loadHardware("edge-512k");
  CompiledKernel kernel = compile(function, hardware, {});
  try {
    estimateCycles(kernel, hardware, std::array<int64_t, 1>{0});
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), "TN1353");
  }
}

} // namespace

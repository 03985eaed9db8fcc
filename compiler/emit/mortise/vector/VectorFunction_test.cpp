#include "compiler/emit/mortise/vector/VectorBuilder.h"

#include <gtest/gtest.h>

using namespace tenon::npu;
using tenon::mortise::Error;

namespace {

template <typename Body> std::string errorOf(Body body) {
  try {
    body();
  } catch (const Error &error) {
    return error.code() + ": " + error.message();
  }
  return "none";
}

/// What the verifier says of a kernel that a function makes.
template <typename Make> std::string verdict(Make make) {
  return errorOf([&] {
    VectorFunction function("k");
    VectorBuilder b(function);
    make(b, function);
    verify(function);
  });
}

TEST(VectorFunction, text) {
  VectorFunction function("scale");
  VectorBuilder b(function);
  Value from = b.parameter("from"), to = b.parameter("to"), count = b.parameter("count");
  ObjectId x = b.object("x"), y = b.object("y", true);
  Value factor = b.splat(0.5F);
  b.loop(count, {from, to}, [&](std::span<const Value> at) -> std::vector<Value> {
    Address source{at[0], x}, target{at[1], y};
    Value value = b.op(Id::VmulF, b.loadAdvance(Id::VldW, source, 256), factor);
    b.storeAdvance(Id::VstW, target, value, 256);
    return {source.base, target.base};
  });
  verify(function);
  EXPECT_EQ(toText(function), R"(kernel scale(%1: from, %2: to, %3: count) {
  %4 = splat 1056964608
  %6, %8 = loop %3 (%5 = %1, %7 = %2) {
    %10, %9 = vld.w %5, 0, 256, always @x
    %11 = vmul.f %10, %4
    %12 = vst.w %7, 0, %11, 256, always @y
    yield %9, %12
  }
}
)");
}

TEST(VectorFunction, usesMustBeDefinedBefore) {
  EXPECT_EQ(verdict([](VectorBuilder &b, VectorFunction &f) {
              Value later = f.add(RegisterClass::Vector);
              b.op(Id::VnegF, later);
            }),
            "TN1350: kernel 'k': 'vneg.f Vd, Va' uses %1, which is not defined there");
  EXPECT_EQ(verdict([](VectorBuilder &b, VectorFunction &) {
              Value inner;
              b.loop(3, {}, [&](std::span<const Value>) -> std::vector<Value> {
                inner = b.op(Id::Viota);
                return {};
              });
              b.op(Id::VnegF, inner);
            }),
            "TN1350: kernel 'k': 'vneg.f Vd, Va' uses %1, which is not defined there");
}

TEST(VectorFunction, classesMustFit) {
  EXPECT_EQ(verdict([](VectorBuilder &b, VectorFunction &) { b.op(Id::VaddI, b.splat(1), b.scalar(1)); }),
            "TN1350: kernel 'k': 'vadd.i Vd, Va, Vb' uses %2, which is of another class");
  EXPECT_EQ(verdict([](VectorBuilder &b, VectorFunction &) {
              b.loop(3, {b.splat(1)},
                     [&](std::span<const Value>) -> std::vector<Value> { return {kAlways}; });
            }),
            "TN1350: kernel 'k': a yielded value uses %0, which is of another class");
}

TEST(VectorFunction, valuesAreDefinedOnce) {
  EXPECT_EQ(verdict([](VectorBuilder &b, VectorFunction &f) {
              b.op(Id::Viota);
              f.body.items.push_back(f.body.items.front());
            }),
            "TN1350: kernel 'k': 'viota Vd' defines %1 a second time");
}

TEST(VectorFunction, immediatesAndObjectsMustExist) {
  EXPECT_EQ(
      verdict(
          [](VectorBuilder &b, VectorFunction &) { b.load(Id::VldW, {b.scalar(0), b.object("x"), 40000}); }),
      "TN1350: kernel 'k': 'vld.w Vd, [Ra+Hi], Hj, Pg' has 40000 as operand 'i', which must be from -32768 "
      "to 32767");
  EXPECT_EQ(verdict([](VectorBuilder &b, VectorFunction &) { b.load(Id::VldW, {b.scalar(0)}); }),
            "TN1350: kernel 'k': 'vld.w Vd, [Ra+Hi], Hj, Pg' names no memory object");
  EXPECT_EQ(
      verdict([](VectorBuilder &b, VectorFunction &) {
        b.loop(1 << 20, {}, [](std::span<const Value>) -> std::vector<Value> { return {}; });
      }),
      "TN1350: kernel 'k': a loop's count is 1048576, which must be from 0 to 2^20 - 1; take a scalar for "
      "larger ones");
}

TEST(VectorFunction, incrementsDefineAnAddress) {
  EXPECT_EQ(
      verdict([](VectorBuilder &b, VectorFunction &f) {
        b.load(Id::VldW, {b.scalar(0), b.object("x")});
        f.body.items.back().operation.set('j', 4);
      }),
      "TN1350: kernel 'k': 'vld.w Vd, [Ra+Hi], Hj, Pg' must define an address exactly if its increment is "
      "not 0");
}

TEST(VectorFunction, loopsNestAsDeepAsTheMachine) {
  auto nest = [](VectorBuilder &b, int depth) {
    auto inner = [&b](auto &self, int left) -> void {
      b.loop(2, {}, [&](std::span<const Value>) -> std::vector<Value> {
        if (left > 1)
          self(self, left - 1);
        return {};
      });
    };
    inner(inner, depth);
  };
  EXPECT_EQ(verdict([&](VectorBuilder &b, VectorFunction &) { nest(b, 4); }), "none");
  EXPECT_EQ(verdict([&](VectorBuilder &b, VectorFunction &) { nest(b, 5); }),
            "TN1352: kernel 'k': loops are nested deeper than 4; unroll or merge the innermost ones");
}

TEST(VectorBuilder, refusesCallsThatDoNotFitTheTable) {
  EXPECT_EQ(verdict([](VectorBuilder &b, VectorFunction &) { b.op(Id::VaddF, b.splat(1)); }),
            "TN1350: kernel 'k': 'vadd.f' lacks a value for operand 'b' of 'Vd, Va, Vb'");
  EXPECT_EQ(verdict([](VectorBuilder &b, VectorFunction &) {
              b.op(Id::Jmp, std::span<const Value>(), Immediate{0});
            }),
            "TN1350: kernel 'k': 'jmp Le' is called with 0 sources, or gives no result; use load, store or "
            "loop for "
            "those");
  EXPECT_EQ(verdict([](VectorBuilder &b, VectorFunction &) {
              b.loop(2, {b.splat(1)}, [](std::span<const Value>) -> std::vector<Value> { return {}; });
            }),
            "TN1350: kernel 'k': a loop carries 1 values, its body returns 0");
  EXPECT_EQ(
      verdict([](VectorBuilder &b, VectorFunction &) {
        for (int i = 0; i < 32; ++i)
          b.parameter("p" + std::to_string(i));
      }),
      "TN1350: kernel 'k': at most 30 parameters fit the registers, 'p30' is one more; pass a table in the "
      "scratchpad");
}

TEST(VectorFunction, controlFlowIsNoInstruction) {
  EXPECT_EQ(verdict([](VectorBuilder &, VectorFunction &f) {
              Operation jump;
              jump.id = Id::Jmp;
              f.body.items.emplace_back(jump);
            }),
            "TN1350: kernel 'k': 'jmp Le' is no instruction of a block: control flow is made of loops");
}

} // namespace

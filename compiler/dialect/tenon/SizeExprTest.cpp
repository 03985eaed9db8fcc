//===- SizeExprTest.cpp - tests of symbolic sizes --------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/dialect/tenon/SizeExpr.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <limits>
#include <random>
#include <vector>

using namespace tenon;

namespace {

class SizeExprTest : public ::testing::Test {
protected:
  Size n(int64_t v) { return context.constant(v); }
  Size declare(const char *name, int64_t min, std::optional<int64_t> max, int64_t multipleOf = 1) {
    SymbolInfo info;
    info.name = name;
    info.min = min;
    info.max = max;
    info.multipleOf = multipleOf;
    return context.declare(info);
  }

  SizeContext context;
  Size B = context.symbol("B"), S = context.symbol("S");
};

TEST_F(SizeExprTest, PolynomialsAreUnique) {
  EXPECT_EQ((B + S) * (B - S), B * B - S * S);
  EXPECT_EQ(B * S + 2, S * B + 2);
  EXPECT_NE(B, S);
  EXPECT_EQ(B - B, n(0));
  EXPECT_EQ((n(3) * n(4)).constant(), 12);
  EXPECT_FALSE(B.constant());
  EXPECT_EQ(B.symbol(), "B");
  EXPECT_EQ((B + 1).symbol(), "");
  EXPECT_EQ(context.symbol("B"), B);
}

TEST_F(SizeExprTest, TextIsOrderedByDegreeAndName) {
  EXPECT_EQ((n(2) + S * 3 + S * B * 4 - B).str(), "4*B*S - B + 3*S + 2");
  EXPECT_EQ((S * -1).str(), "-S");
  EXPECT_EQ(n(0).str(), "0");
  EXPECT_EQ((S - 7).floorDiv(2).str(), "floordiv(S + 1, 2) - 4");
  EXPECT_EQ(S.min(B).str(), "min(B, S)");
  EXPECT_EQ(S.mod(B).str(), "mod(S, B)");
  SizeContext other;
  Size s = other.symbol("S"), b = other.symbol("B");
  EXPECT_EQ((s * b + s.min(b)).str(), (S * B + S.min(B)).str());
}

TEST_F(SizeExprTest, DivisionByConstantsTakesOutDivisibleTerms) {
  EXPECT_EQ((B * 8 + S).floorDiv(4), B * 2 + S.floorDiv(4));
  EXPECT_EQ((B * 8 + S).mod(4), S.mod(4));
  EXPECT_EQ((S * 6 + 3).floorDiv(6), S);
  EXPECT_EQ((S * 6 + 3).mod(6), n(3));
  EXPECT_EQ((S * 4 + 2).mod(6), (S * 2 + 1).mod(3) * 2);
  EXPECT_EQ((S * 4 + 3).floorDiv(6), (S * 2 + 1).floorDiv(3));
  EXPECT_EQ(S.ceilDiv(16), (S + 15).floorDiv(16));
  EXPECT_EQ(S.floorDiv(1), S);
  EXPECT_EQ(S.mod(1), n(0));
  EXPECT_EQ(n(-7).floorDiv(2), n(-4));
  EXPECT_EQ(n(-7).mod(2), n(1));
}

TEST_F(SizeExprTest, NestedDivisionsMerge) {
  EXPECT_EQ(S.floorDiv(2).floorDiv(3), S.floorDiv(6));
  // Two strided convolutions, kernel 3, padding 1.
  auto conv = [](Size h) { return (h + int64_t(2 - 3)).floorDiv(2) + 1; };
  EXPECT_EQ(conv(conv(S)), (S + 3).floorDiv(4));
  EXPECT_EQ(S.mod(12).mod(4), S.mod(4));
  EXPECT_EQ((S.mod(12) + B).mod(6), (S + B).mod(6));
}

TEST_F(SizeExprTest, DivisionBySymbolicSizes) {
  EXPECT_EQ(S.floorDiv(S), n(1));
  EXPECT_EQ((B * S).floorDiv(S), B);
  EXPECT_EQ((B * S).mod(S), n(0));
  EXPECT_EQ((B * S + B).floorDiv(B * 2), (S + 1).floorDiv(2));
  EXPECT_EQ((S + 2).floorDiv(S + 1), n(1));
  EXPECT_EQ((B * S + S).mod(B), S.mod(B));
}

TEST_F(SizeExprTest, ExactDivision) {
  EXPECT_EQ((B * S * 384 + B * 384).exactDiv(B * S + B), n(384));
  EXPECT_EQ((B * B - S * S).exactDiv(B - S), B + S);
  EXPECT_EQ((S * 6).exactDiv(n(3)), S * 2);
  EXPECT_FALSE(S.exactDiv(n(2)));
  EXPECT_FALSE((B + S).exactDiv(B));
  EXPECT_FALSE(S.exactDiv(n(0)));
  EXPECT_EQ(n(0).exactDiv(S), n(0));
}

TEST_F(SizeExprTest, MultipleOfIsUsed) {
  Size M = declare("M", 8, 512, 8);
  EXPECT_EQ(M.mod(8), n(0));
  EXPECT_EQ(M.mod(4), n(0));
  EXPECT_EQ(M.floorDiv(8) * 8, M);
  EXPECT_EQ((M + S).floorDiv(8), M.floorDiv(8) + S.floorDiv(8));
  EXPECT_EQ(M.exactDiv(n(4)), M.floorDiv(4));
  EXPECT_EQ(M.symbol(), "M");
  EXPECT_EQ(M.str(), "M");
  EXPECT_EQ(M.floorDiv(2).str(), "floordiv(M, 2)");
  EXPECT_EQ((M * S * 3).str(), "3*M*S");
  EXPECT_EQ((M * M).knownDivisor(), 64);
  EXPECT_EQ((M * 3 + 12).knownDivisor(), 12);
  EXPECT_EQ(n(0).knownDivisor(), 0);
  EXPECT_EQ(M.range().min, 8);
  EXPECT_EQ(M.range().max, 512);
  EXPECT_EQ(M.floorDiv(16).evaluate({{"M", 40}}), 2);
}

TEST_F(SizeExprTest, RangesResolveMinAndMax) {
  Size T = declare("T", 1, 64);
  EXPECT_EQ(T.min(n(64)), T);
  EXPECT_EQ(T.max(n(64)), n(64));
  EXPECT_EQ(S.min(S + B), S);
  EXPECT_EQ(S.max(S * B), S * B);
  EXPECT_EQ(S.min(S), S);
  EXPECT_EQ(S.min(B).min(T), T.min(S).min(B));
  EXPECT_EQ(S.max(n(1)), S);
  EXPECT_EQ(T.min(n(8)).max(n(9)), n(9));
  EXPECT_EQ(T.mod(128), T);
  EXPECT_EQ(T.floorDiv(128), n(0));
}

TEST_F(SizeExprTest, RangesSeeThroughDivisions) {
  Size T = declare("T", 1, 64);
  for (Size x : {S, T}) {
    EXPECT_EQ(x.min(x.floorDiv(2)), x.floorDiv(2));
    EXPECT_EQ(x.min(x.ceilDiv(2) * 2), x);
    EXPECT_EQ(x.max(x.floorDiv(8) * 8), x);
    EXPECT_EQ((x.ceilDiv(8) * 8 - x).range().min, 0);
    EXPECT_EQ((x.ceilDiv(8) * 8 - x).range().max, 7);
    EXPECT_EQ((x - x.floorDiv(2) - x.floorDiv(4)).range().min, 1);
  }
  EXPECT_EQ((T - T.floorDiv(2)).range().max, 32);
}

TEST_F(SizeExprTest, Ranges) {
  Size T = declare("T", 2, 10);
  auto expect = [](Size e, std::optional<int64_t> min, std::optional<int64_t> max) {
    EXPECT_EQ(e.range().min, min) << e.str();
    EXPECT_EQ(e.range().max, max) << e.str();
  };
  expect(T * 3 - 1, 5, 29);
  expect(n(4) - T, -6, 2);
  expect(T * S, 2, std::nullopt);
  expect(T.floorDiv(3), 0, 3);
  expect(T.mod(3), 0, 2);
  expect(S.mod(T), 0, 9);
  expect(S.min(T), 1, 10);
  expect(S.max(T), 2, std::nullopt);
  expect(B * S - B, 0, std::nullopt);
  expect(S * int64_t(std::numeric_limits<int64_t>::max()), std::numeric_limits<int64_t>::max(), std::nullopt);
}

TEST_F(SizeExprTest, EvaluationReportsWhatHasNoValue) {
  int64_t big = std::numeric_limits<int64_t>::max();
  EXPECT_EQ((B * S).evaluate({{"B", 3}, {"S", 5}}), 15);
  EXPECT_FALSE((B * S).evaluate({{"B", 3}}));
  EXPECT_FALSE((B * S).evaluate({{"B", big}, {"S", 2}}));
  EXPECT_EQ((B * S - B).evaluate({{"B", big}, {"S", 1}}), 0);
  EXPECT_EQ((S * 2 - S).evaluate({{"S", big}}), big);
  EXPECT_FALSE((S + 1).evaluate({{"S", big}}));
  EXPECT_FALSE(S.floorDiv(B).evaluate({{"B", 0}, {"S", 1}}));
  EXPECT_TRUE(S.floorDiv(0).isUndefined());
  Size overflow = S * big * 2;
  EXPECT_TRUE(overflow.isUndefined());
  EXPECT_TRUE((overflow + B).isUndefined());
  EXPECT_TRUE(overflow.min(B).isUndefined());
  EXPECT_FALSE(overflow.range().min);
  EXPECT_FALSE(overflow.evaluate({{"S", 1}}));
}

TEST_F(SizeExprTest, SymbolsAndFreshNames) {
  Size u = context.fresh("nz", 0, 100), v = context.fresh("nz", 0, std::nullopt);
  EXPECT_EQ(u.symbol(), "nz");
  EXPECT_EQ(v.symbol(), "nz_1");
  EXPECT_EQ(context.info("nz")->max, 100);
  EXPECT_EQ(context.info("absent"), nullptr);
  Size e = S.floorDiv(B * 3 + 1) + u;
  EXPECT_EQ(e.symbols(), (llvm::SmallVector<llvm::StringRef>{"B", "S", "nz"}));
  EXPECT_EQ(productOf(context, {}), n(1));
  EXPECT_EQ(productOf(context, {B, S, n(2)}), B * S * 2);
}

/// Evaluates through the visitor; handles are indices into `slots`.
class Calculator : public SizeVisitor {
public:
  explicit Calculator(const std::map<std::string, int64_t> &values) : values(values) {}
  Handle constant(int64_t v) override { return push(v); }
  Handle symbol(llvm::StringRef name) override {
    ++symbolVisits;
    return push(values.at(name.str()));
  }
  Handle add(Handle a, Handle b) override { return push(get(a) + get(b)); }
  Handle mul(Handle a, Handle b) override { return push(get(a) * get(b)); }
  Handle floorDiv(Handle a, Handle b) override { return push((get(a) - get(mod(a, b))) / get(b)); }
  Handle mod(Handle a, Handle b) override { return push((get(a) % get(b) + get(b)) % get(b)); }
  Handle min(Handle a, Handle b) override { return push(std::min(get(a), get(b))); }
  Handle max(Handle a, Handle b) override { return push(std::max(get(a), get(b))); }
  int64_t get(Handle h) const { return slots[reinterpret_cast<intptr_t>(h)]; }

  int symbolVisits = 0;

private:
  Handle push(int64_t v) {
    slots.push_back(v);
    return reinterpret_cast<Handle>(static_cast<intptr_t>(slots.size() - 1));
  }
  const std::map<std::string, int64_t> &values;
  std::vector<int64_t> slots;
};

TEST_F(SizeExprTest, VisitorSharesAtoms) {
  std::map<std::string, int64_t> values{{"B", 3}, {"S", 17}};
  Calculator calculator(values);
  Size e = S * S + S.floorDiv(B) * B + S;
  EXPECT_EQ(calculator.get(visitSize(e, calculator)), 17 * 17 + 15 + 17);
  EXPECT_EQ(calculator.symbolVisits, 2);
}

/// Random expressions: the simplified form must agree with direct arithmetic at random points, stay inside
/// its range, be divisible by its known divisor, and lower to the same value.
class RandomSizes : public SizeExprTest {
protected:
  struct Pair {
    Size size;
    std::vector<int64_t> values; // at each sample point
  };

  void SetUp() override {
    symbols = {B, S, declare("M", 4, 400, 4), declare("Z", -5, 5)};
    for (int i = 0; i < points; ++i)
      samples.push_back(
          {{"B", pick(1, 20)}, {"S", pick(1, 300)}, {"M", pick(1, 100) * 4}, {"Z", pick(-5, 5)}});
  }

  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
  static int64_t floorDiv(int64_t a, int64_t b) { return (a - ((a % b) + b) % b) / b; }

  static bool isSmall(const Pair &p) {
    return std::all_of(p.values.begin(), p.values.end(), [](int64_t v) { return std::abs(v) < (1 << 24); });
  }

  Pair leaf() {
    Pair p;
    bool isConstant = pick(0, 2) == 0;
    p.size = isConstant ? n(pick(-9, 9)) : symbols[pick(0, symbols.size() - 1)];
    for (auto &sample : samples)
      p.values.push_back(isConstant ? *p.size.constant() : sample.at(p.size.symbol().str()));
    return p;
  }

  template <typename F> Pair combine(const Pair &a, const Pair &b, Size size, F f) {
    Pair p{size, {}};
    for (int i = 0; i < points; ++i)
      p.values.push_back(f(a.values[i], b.values[i]));
    return p;
  }

  Pair expression(int depth) {
    if (depth == 0)
      return leaf();
    Pair a = expression(depth - 1), b = expression(depth - 1);
    switch (pick(0, 6)) {
    case 0:
      return combine(a, b, a.size + b.size, std::plus<int64_t>());
    case 1:
      return combine(a, b, a.size - b.size, std::minus<int64_t>());
    case 2:
      if (isSmall(a) && isSmall(b))
        return combine(a, b, a.size * b.size, std::multiplies<int64_t>());
      return a;
    case 3:
      return combine(a, b, a.size.min(b.size), [](int64_t x, int64_t y) { return std::min(x, y); });
    case 4:
      return combine(a, b, a.size.max(b.size), [](int64_t x, int64_t y) { return std::max(x, y); });
    default:
      return divide(a, b);
    }
  }

  Pair divide(const Pair &a, Pair b) {
    auto range = b.size.range();
    if (!range.min || *range.min < 1) {
      int64_t c = pick(1, 12);
      b = {n(c), std::vector<int64_t>(points, c)};
    }
    if (pick(0, 1))
      return combine(a, b, a.size.floorDiv(b.size), floorDiv);
    return combine(a, b, a.size.mod(b.size), [](int64_t x, int64_t y) { return x - floorDiv(x, y) * y; });
  }

  static constexpr int points = 8;
  std::mt19937 random{7};
  std::vector<Size> symbols;
  std::vector<std::map<std::string, int64_t>> samples;
};

TEST_F(RandomSizes, AgreeWithDirectArithmetic) {
  for (int round = 0; round < 3000; ++round) {
    Pair p = expression(pick(1, 4));
    ASSERT_FALSE(p.size.isUndefined());
    SizeRange range = p.size.range();
    int64_t divisor = p.size.knownDivisor();
    for (int i = 0; i < points; ++i) {
      ASSERT_EQ(p.size.evaluate(samples[i]), p.values[i]) << p.size.str();
      Calculator calculator(samples[i]);
      ASSERT_EQ(calculator.get(visitSize(p.size, calculator)), p.values[i]) << p.size.str();
      ASSERT_TRUE(!range.min || *range.min <= p.values[i]) << p.size.str();
      ASSERT_TRUE(!range.max || *range.max >= p.values[i]) << p.size.str();
      ASSERT_TRUE(divisor == 0 ? p.values[i] == 0 : p.values[i] % divisor == 0) << p.size.str();
    }
  }
}

TEST_F(RandomSizes, ProductsDivideExactly) {
  for (int round = 0; round < 500; ++round) {
    Size a = expression(2).size, b = expression(2).size;
    if (!b.isConstant(0)) {
      ASSERT_EQ((a * b).exactDiv(b), a) << a.str() << " times " << b.str();
    }
  }
}

} // namespace

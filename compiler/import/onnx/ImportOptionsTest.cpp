//===- ImportOptionsTest.cpp - options, facts about symbols, weights --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/ImportOptions.h"
#include "compiler/import/onnx/SizeLogic.h"
#include "compiler/import/onnx/SymbolFacts.h"
#include <gtest/gtest.h>

using namespace tenon;
using namespace tenon::importer;

namespace {

TEST(ImportOptions, Shapes) {
  ImportOptions options;
  std::string error;
  ASSERT_TRUE(parseShapeOption("x=1x3x?xheight", options, error)) << error;
  const auto &dims = options.shapes["x"];
  ASSERT_EQ(dims.size(), 4u);
  EXPECT_EQ(dims[0].value, 1);
  EXPECT_FALSE(dims[2].value);
  EXPECT_EQ(dims[3].symbol, "height");
  for (const char *bad : {"x", "x=", "=1x2", "x=1xx2", "x=-1", "x=3a"})
    EXPECT_FALSE(parseShapeOption(bad, options, error)) << bad;
}

TEST(ImportOptions, Symbols) {
  ImportOptions options;
  std::string error;
  ASSERT_TRUE(parseSymbolOption("h=32:1280:32:640,320", options, error)) << error;
  EXPECT_EQ(options.symbols["h"].max, 1280);
  EXPECT_EQ(options.symbols["h"].multipleOf, 32);
  EXPECT_EQ(options.symbols["h"].likely, (std::vector<int64_t>{640, 320}));
  ASSERT_TRUE(parseSymbolOption("n=1:", options, error));
  EXPECT_FALSE(options.symbols["n"].max);
  for (const char *bad : {"h", "h=4:2", "h=1:8:0", "h=1:8:1:9", "h=a:b", "h=1:2:3:4:5"})
    EXPECT_FALSE(parseSymbolOption(bad, options, error)) << bad;
}

TEST(ImportOptions, States) {
  ImportOptions options;
  std::string error;
  ASSERT_TRUE(parseStateOption("a=b,c=d", options, error));
  EXPECT_EQ(options.states["c"], "d");
  EXPECT_FALSE(parseStateOption("a", options, error));
}

TEST(SymbolFacts, EqualSymbolsBecomeOne) {
  SizeContext sizes;
  Size a = sizes.symbol("a"), b = sizes.symbol("b");
  SymbolFacts facts;
  std::vector<std::string> inputs{"a", "b"};
  EXPECT_TRUE(facts.learn({Equality{b, a}}, sizes, inputs));
  EXPECT_EQ(facts.resolve("b").symbol, "a");
  EXPECT_FALSE(facts.learn({Equality{a, b}, Equality{b, a}}, sizes, inputs));
  EXPECT_TRUE(facts.learn({Equality{b, sizes.constant(7)}}, sizes, inputs));
  EXPECT_EQ(facts.resolve("a").value, 7);
  EXPECT_EQ(facts.resolve("b").value, 7);
}

TEST(SymbolFacts, HalvedAndDoubledSizesNeedMultiples) {
  SizeContext sizes;
  Size h = sizes.symbol("h"), n = sizes.symbol("n");
  SymbolFacts facts;
  std::vector<std::string> inputs{"h", "n"};
  Size quarter = h.ceilDiv(2).ceilDiv(2);
  EXPECT_TRUE(facts.learn({Equality{n * h, n * quarter * 4}}, sizes, inputs));
  EXPECT_EQ(facts.multiples["h"], 4);
  EXPECT_EQ(facts.multiples.count("n") ? facts.multiples["n"] : 1, 1);
}

TEST(SizeLogic, ConditionsAndChoices) {
  mlir::MLIRContext context;
  mlir::OpBuilder builder(&context);
  SizeContext sizes;
  GraphBuilder g(builder, sizes);
  Size x = sizes.fresh("x", -100, 100);
  std::string name = x.symbol().str();
  Size clamped = fromEnd(g, x, g.size(10)), equal = isEqual(g, x, g.size(3)), less = isLess(g, x, g.size(3));
  for (int64_t v : {-7, 0, 2, 3, 4, 50}) {
    EXPECT_EQ(clamped.evaluate({{name, v}}), v < 0 ? v + 10 : v);
    EXPECT_EQ(equal.evaluate({{name, v}}), v == 3);
    EXPECT_EQ(less.evaluate({{name, v}}), v < 3);
  }
  Size n = sizes.symbol("n"); // at least 1
  EXPECT_EQ(isLess(g, n, g.size(1)).constant(), 0);
  EXPECT_EQ(fromEnd(g, n, g.size(10)), n);
}

} // namespace

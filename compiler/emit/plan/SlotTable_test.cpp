//===- SlotTable_test.cpp ------------------------------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/plan/SlotTable.h"

#include <gtest/gtest.h>

using namespace tenon;
using namespace tenon::plan;
using package::ExprOp;

namespace {

std::optional<package::Slot> none(llvm::StringRef) { return std::nullopt; }

TEST(SlotTable, EqualSizesShareASlot) {
  SizeContext context;
  SlotTable table({"batch", "seq"});
  Size a = context.symbol("batch") * context.symbol("seq") * 4;
  EXPECT_EQ(table.size(context.symbol("seq"), none), 1u);
  auto first = table.size(a, none),
       second = table.size(context.symbol("seq") * 4 * context.symbol("batch"), none);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
  EXPECT_FALSE(SlotTable::isLate(*first));
  EXPECT_EQ(table.finish().size(), table.staticCount());
}

TEST(SlotTable, UnknownSymbolHasNoSlot) {
  SizeContext context;
  SlotTable table({"batch"});
  EXPECT_FALSE(table.size(context.symbol("other") + 1, none));
}

TEST(SlotTable, WhatDependsOnAWrittenSlotIsLate) {
  SlotTable table({"batch"});
  package::Slot written = table.external();
  package::Slot sum = table.expression(ExprOp::Add, written, 0);
  EXPECT_TRUE(SlotTable::isLate(sum));
  auto pending = table.takePending();
  ASSERT_TRUE(pending);
  EXPECT_EQ(pending->first, 1u); // after the written slot
  EXPECT_EQ(pending->count, 1u);
  EXPECT_FALSE(table.takePending());
  // A static expression that is made later moves late slots up.
  table.constant(7);
  EXPECT_EQ(table.finalSlot(written), 2u);
  EXPECT_EQ(table.finalSlot(sum), 3u);
  std::vector<package::Expr> exprs = table.finish();
  ASSERT_EQ(exprs.size(), 3u);
  EXPECT_EQ(exprs[1].op, ExprOp::External);
  EXPECT_EQ(exprs[2].a, 2u);
}

TEST(SlotTable, LateExpressionsLastAsLongAsTheirScope) {
  SlotTable table({});
  package::Slot written = table.external();
  table.openScope();
  package::Slot inner = table.expression(ExprOp::Add, written, written);
  EXPECT_EQ(table.expression(ExprOp::Add, written, written), inner);
  table.closeScope();
  EXPECT_NE(table.expression(ExprOp::Add, written, written), inner);
}

} // namespace

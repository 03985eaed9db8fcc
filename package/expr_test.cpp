#include "package/expr.h"

#include <gtest/gtest.h>

using namespace tenon::package;

namespace {

int64_t value(ExprOp op, int64_t a, int64_t b = 0, int64_t c = 0) {
  int64_t result = 0;
  EXPECT_TRUE(evaluate(op, a, b, c, 0, result));
  return result;
}

bool fails(ExprOp op, int64_t a, int64_t b) {
  int64_t result = 0;
  return !evaluate(op, a, b, 0, 0, result);
}

} // namespace

TEST(Expr, DivisionRoundsAsNamed) {
  EXPECT_EQ(value(ExprOp::FloorDiv, 7, 2), 3);
  EXPECT_EQ(value(ExprOp::FloorDiv, -7, 2), -4);
  EXPECT_EQ(value(ExprOp::FloorDiv, 7, -2), -4);
  EXPECT_EQ(value(ExprOp::CeilDiv, 7, 2), 4);
  EXPECT_EQ(value(ExprOp::CeilDiv, -7, 2), -3);
  EXPECT_EQ(value(ExprOp::CeilDiv, 6, 2), 3);
  EXPECT_EQ(value(ExprOp::Mod, -7, 2), 1);
  EXPECT_EQ(value(ExprOp::Mod, 7, -2), -1);
  EXPECT_EQ(value(ExprOp::Mod, INT64_MIN, -1), 0);
}

TEST(Expr, OverflowAndDivisionByZeroFail) {
  EXPECT_TRUE(fails(ExprOp::Add, INT64_MAX, 1));
  EXPECT_TRUE(fails(ExprOp::Sub, INT64_MIN, 1));
  EXPECT_TRUE(fails(ExprOp::Mul, INT64_MAX, 2));
  EXPECT_TRUE(fails(ExprOp::FloorDiv, 1, 0));
  EXPECT_TRUE(fails(ExprOp::FloorDiv, INT64_MIN, -1));
  EXPECT_TRUE(fails(ExprOp::CeilDiv, 1, 0));
  EXPECT_TRUE(fails(ExprOp::CeilDiv, INT64_MIN, -1));
  EXPECT_TRUE(fails(ExprOp::Mod, 1, 0));
  EXPECT_TRUE(fails(ExprOp::External, 0, 0));
}

TEST(Expr, LogicAndComparison) {
  EXPECT_EQ(value(ExprOp::Eq, 3, 3), 1);
  EXPECT_EQ(value(ExprOp::Ne, 3, 3), 0);
  EXPECT_EQ(value(ExprOp::Lt, 2, 3), 1);
  EXPECT_EQ(value(ExprOp::Le, 3, 3), 1);
  EXPECT_EQ(value(ExprOp::And, 2, 4), 1);
  EXPECT_EQ(value(ExprOp::Or, 0, 0), 0);
  EXPECT_EQ(value(ExprOp::Not, 5), 0);
  EXPECT_EQ(value(ExprOp::Select, 1, 8, 9), 8);
  EXPECT_EQ(value(ExprOp::Select, 0, 8, 9), 9);
  EXPECT_EQ(value(ExprOp::Min, 4, -4), -4);
  EXPECT_EQ(value(ExprOp::Max, 4, -4), 4);
}

TEST(Expr, TensorBytesRoundSubByteTypesUp) {
  int64_t bytes = 0;
  EXPECT_TRUE(tensorBytes(DType::I4, 3, bytes));
  EXPECT_EQ(bytes, 2);
  EXPECT_TRUE(tensorBytes(DType::F32, 3, bytes));
  EXPECT_EQ(bytes, 12);
  EXPECT_FALSE(tensorBytes(DType::F32, -1, bytes));
  EXPECT_FALSE(tensorBytes(DType::F32, INT64_MAX / 2, bytes));
}

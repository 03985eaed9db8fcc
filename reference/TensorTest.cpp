//===- TensorTest.cpp - tests of the interpreter's tensors ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>

using namespace tenon::reference;

namespace {

TEST(TensorTest, FloatsRoundOnceToNearestEven) {
  // f16 has 11 significant bits, bf16 has 8, f32 has 24.
  EXPECT_EQ(roundTo(DType::F16, 2049.0), 2048.0);
  EXPECT_EQ(roundTo(DType::F16, 2051.0), 2052.0);
  EXPECT_EQ(roundTo(DType::F16, 65520.0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(roundTo(DType::BF16, 257.0), 256.0);
  EXPECT_EQ(roundTo(DType::BF16, 259.0), 260.0);
  EXPECT_EQ(roundTo(DType::F32, 16777217.0), 16777216.0);
  // Through f32 this would round twice, to 1.
  EXPECT_EQ(roundTo(DType::BF16, 1.0 + 0x1p-8 + 0x1p-30), 1.0 + 0x1p-7);
  EXPECT_TRUE(std::isnan(roundTo(DType::BF16, NAN)));
}

TEST(TensorTest, IntegersWrap) {
  EXPECT_EQ(wrapTo(DType::I8, 200), -56);
  EXPECT_EQ(wrapTo(DType::U8, -1), 255);
  EXPECT_EQ(wrapTo(DType::I32, int64_t(1) << 31), std::numeric_limits<int32_t>::min());
  EXPECT_EQ(wrapTo(DType::U64, -1), -1);
  EXPECT_EQ(wrapTo(DType::Bool, 2), 1);
}

TEST(TensorTest, ElementsSurviveStorage) {
  for (DType dtype :
       {DType::I8, DType::I16, DType::I32, DType::I64, DType::U8, DType::U16, DType::U32, DType::U64}) {
    Tensor t = Tensor::fromInts(dtype, {3}, {-1, 0, 77});
    EXPECT_EQ(t.ints(), (std::vector<int64_t>{wrapTo(dtype, -1), 0, 77})) << nameOf(dtype).str();
    EXPECT_EQ(t.bytes().size(), 3 * byteWidth(dtype));
  }
  for (DType dtype : {DType::F64, DType::F32, DType::F16, DType::BF16})
    EXPECT_EQ(Tensor::fromDoubles(dtype, {2}, {-1.5, 96.0}).doubles(), (std::vector<double>{-1.5, 96.0}));
}

TEST(TensorTest, CopiesDoNotShareWrites) {
  Tensor a = Tensor::fromInts(DType::I32, {2}, {1, 2}), b = a;
  b.copyElement(0, a, 1);
  EXPECT_EQ(a.ints(), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(b.ints(), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(a.withDims({1, 2}).typeText(), "1x2xi32");
}

TEST(TensorTest, AttributesRoundTrip) {
  mlir::MLIRContext context;
  for (DType dtype : {DType::F64, DType::F32, DType::F16, DType::BF16, DType::I8, DType::I64, DType::U8,
                      DType::U64, DType::Bool}) {
    Tensor t = isFloat(dtype) ? Tensor::fromDoubles(dtype, {2, 2}, {0, 1, 1, -2})
                              : Tensor::fromInts(dtype, {2, 2}, {0, 1, 1, -2});
    auto type = mlir::RankedTensorType::get({2, 2}, elementTypeOf(dtype, &context));
    std::optional<Tensor> back = Tensor::fromAttribute(t.toAttribute(type));
    ASSERT_TRUE(back) << nameOf(dtype).str();
    EXPECT_EQ(back->bytes(), t.bytes()) << nameOf(dtype).str();
    EXPECT_EQ(back->typeText(), t.typeText());
  }
  auto splat =
      mlir::DenseElementsAttr::get(mlir::RankedTensorType::get({3}, mlir::Float32Type::get(&context)), 2.5f);
  EXPECT_EQ(Tensor::fromAttribute(splat)->doubles(), (std::vector<double>{2.5, 2.5, 2.5}));
}

} // namespace

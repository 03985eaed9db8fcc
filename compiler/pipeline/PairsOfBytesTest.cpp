//===- PairsOfBytesTest.cpp --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/PairsOfBytes.h"

#include "compiler/dialect/tenon/ProductAttributes.h"
#include "compiler/dialect/tenon/TenonDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace tenon;
using pipeline::pairsFit;

namespace {

/// What the instruction that saturates makes of two products.
bool isExact(int x, int y, int8_t v, int8_t w) {
  int sum = x * v + y * w;
  return sum <= 32767 && sum >= -32768;
}

TEST(PairsOfBytes, FitWhenNoInputSaturates) {
  for (int v = -128; v < 128; ++v)
    for (int w = -128; w < 128; ++w) {
      auto a = static_cast<int8_t>(v), c = static_cast<int8_t>(w);
      bool exact = isExact(255, 255, a, c) && isExact(255, 0, a, c) && isExact(0, 255, a, c);
      EXPECT_EQ(pairsFit({a, c}), exact) << v << ", " << w;
    }
}

TEST(PairsOfBytes, OnlyNeighboursCount) {
  EXPECT_TRUE(pairsFit({127, 1, 127, 1}));
  EXPECT_FALSE(pairsFit({1, 1, 127, 2}));
  EXPECT_TRUE(pairsFit({}));
}

class MarkPairs : public ::testing::Test {
protected:
  /// How many products are marked, with this byte everywhere in the weights.
  int marked(char byte, bool saturate) {
    MLIRContext context;
    context.loadDialect<TenonDialect, func::FuncDialect>();
    importer::WeightStore weights;
    std::string path = weights.addBuffer(std::string(256, byte));
    OwningOpRef<ModuleOp> module =
        parseSourceString<ModuleOp>("tenon.weight @w : tensor<1x4x16x4xi8> = \"" + path + R"(", 0, 256, ""
        func.func @main(%x: tensor<3x16xui8>, %v: tensor<1x4x16x4xi8>) -> (tensor<3x16xi32>, tensor<3x16xi32>) {
          %w = tenon.get_weight @w : tensor<1x4x16x4xi8>
          %y = tenon.packed_contract %x, %w : tensor<3x16xui8>, tensor<1x4x16x4xi8> -> tensor<3x16xi32>
          %z = tenon.packed_contract %x, %v : tensor<3x16xui8>, tensor<1x4x16x4xi8> -> tensor<3x16xi32>
          return %y, %z : tensor<3x16xi32>, tensor<3x16xi32> })",
                                    &context);
    if (!module)
      return -1;
    pipeline::Settings settings;
    settings.int8Saturate = saturate;
    pipeline::markPairsThatFit(*module, settings, weights);
    int count = 0;
    module->walk([&](PackedContractOp op) { count += op->hasAttr(kPairsFitAttr); });
    return count;
  }
};

TEST_F(MarkPairs, WeightsProveThatTheyFit) {
  EXPECT_EQ(marked(64, false), 1); // the other operand is not known
  EXPECT_EQ(marked(65, false), 0);
}

TEST_F(MarkPairs, TheUserMayAcceptSaturation) { EXPECT_EQ(marked(65, true), 2); }

} // namespace

//===- WeightPrograms_test.cpp --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/WeightPrograms.h"

#include "compiler/dialect/tenon/TenonDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include <cstring>
#include <gtest/gtest.h>

using namespace mlir;
using namespace tenon;

namespace {

class WeightProgramsTest : public ::testing::Test {
protected:
  WeightProgramsTest() : weights(std::make_shared<importer::WeightStore>()) {
    context.loadDialect<TenonDialect, arith::ArithDialect, func::FuncDialect, scf::SCFDialect,
                        tensor::TensorDialect>();
  }

  void run(const std::string &text) {
    module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    ASSERT_TRUE(succeeded(pipeline::runWeightPrograms(*module, pipeline::Settings(), weights,
                                                      [&](uint32_t, uint32_t) { ++programs; })));
  }
  std::string addFloats(std::vector<float> values) {
    return weights->addBuffer(
        std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)));
  }
  std::vector<float> valueOf(GetWeightOp read) {
    auto op = module->lookupSymbol<WeightOp>(read.getWeight());
    auto bytes = weights->bytes(op.getPath(), op.getOffset(), op.getLength());
    std::vector<float> values(bytes->size() / sizeof(float));
    std::memcpy(values.data(), bytes->data(), bytes->size());
    return values;
  }
  template <typename Op> int count() {
    int n = 0;
    module->walk([&](Op) { ++n; });
    return n;
  }

  MLIRContext context;
  std::shared_ptr<importer::WeightStore> weights;
  OwningOpRef<ModuleOp> module;
  int programs = 0;
};

TEST_F(WeightProgramsTest, TransposeOfAWeightRunsNow) {
  std::string path = addFloats({1, 2, 3, 4, 5, 6});
  run("tenon.weight @w : tensor<2x3xf32> = \"" + path +
      "\", 0, 24, \"\"\n"
      "func.func @main(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {\n"
      "%w = tenon.get_weight @w : tensor<2x3xf32>\n"
      "%t = tenon.transpose %w [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>\n"
      "%y = tenon.add %x, %t : tensor<3x2xf32>\nreturn %y : tensor<3x2xf32> }");
  EXPECT_EQ(count<TransposeOp>(), 0);
  ASSERT_EQ(count<GetWeightOp>(), 1);
  module->walk([&](GetWeightOp read) { EXPECT_EQ(valueOf(read), (std::vector<float>{1, 4, 2, 5, 3, 6})); });
}

TEST_F(WeightProgramsTest, WhatDependsOnInputsStays) {
  std::string path = addFloats({1, 2, 3, 4, 5, 6});
  run("tenon.weight @w : tensor<2x3xf32> = \"" + path +
      "\", 0, 24, \"\"\n"
      "func.func @main(%x: tensor<2x3xf32>) -> tensor<3x2xf32> {\n"
      "%w = tenon.get_weight @w : tensor<2x3xf32>\n%s = tenon.add %x, %w : tensor<2x3xf32>\n"
      "%t = tenon.transpose %s [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>\nreturn %t : tensor<3x2xf32> }");
  EXPECT_EQ(programs, 0);
  EXPECT_EQ(count<TransposeOp>(), 1);
}

TEST_F(WeightProgramsTest, EqualComputationsShareTheirResult) {
  std::string path = addFloats({1, 2, 3, 4, 5, 6});
  std::string use = "tenon.transpose %w [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>\n";
  run("tenon.weight @w : tensor<2x3xf32> = \"" + path +
      "\", 0, 24, \"\"\n"
      "func.func @main(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {\n"
      "%w = tenon.get_weight @w : tensor<2x3xf32>\n%t = " +
      use + "%u = " + use +
      "%y = tenon.add %x, %t : tensor<3x2xf32>\n%z = tenon.add %y, %u : tensor<3x2xf32>\n"
      "return %z : tensor<3x2xf32> }");
  std::vector<StringRef> read;
  module->walk([&](GetWeightOp op) { read.push_back(op.getWeight()); });
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0], read[1]);
}

TEST_F(WeightProgramsTest, BroadcastsAreNotStored) {
  std::string path = addFloats({1, 2, 3});
  run("tenon.weight @w : tensor<1x3xf32> = \"" + path +
      "\", 0, 12, \"\"\n"
      "func.func @main(%x: tensor<64x3xf32>) -> tensor<64x3xf32> {\n"
      "%w = tenon.get_weight @w : tensor<1x3xf32>\n"
      "%b = tenon.broadcast %w : tensor<1x3xf32> -> tensor<64x3xf32>\n"
      "%y = tenon.add %x, %b : tensor<64x3xf32>\nreturn %y : tensor<64x3xf32> }");
  EXPECT_EQ(programs, 0);
  EXPECT_EQ(count<BroadcastOp>(), 1);
}

/// 1600 floats become 25600: too much for another reader, but panels of a product are kept.
TEST_F(WeightProgramsTest, PanelsOfAProductAreStoredHoweverMuchTheyGrow) {
  std::string path = addFloats(std::vector<float>(1600, 1));
  auto model = [&](const std::string &type, const std::string &use) {
    return "tenon.weight @w : tensor<1x1600x1xf32> = \"" + path +
           "\", 0, 6400, \"\"\n"
           "func.func @main(%x: " +
           type + ") -> " + type +
           " {\n"
           "%w = tenon.get_weight @w : tensor<1x1600x1xf32>\n%z = tenon.constant dense<0.0> : tensor<f32>\n"
           "%p = tenon.pad %w, %z low() [0, 0, 0] high() [0, 0, 15] : tensor<1x1600x1xf32>, tensor<f32> -> "
           "tensor<1x1600x16xf32>\n" +
           use + "return %y : " + type + " }";
  };
  run(model("tensor<1600x1600xf32>",
            "%c = tenon.packed_contract %x, %p : tensor<1600x1600xf32>, tensor<1x1600x16xf32> -> "
            "tensor<1600x1xf32>\n%b = tenon.broadcast %c : tensor<1600x1xf32> -> tensor<1600x1600xf32>\n"
            "%y = tenon.add %x, %b : tensor<1600x1600xf32>\n"));
  EXPECT_EQ(count<PadOp>(), 0);
  run(model("tensor<1x1600x16xf32>", "%y = tenon.add %x, %p : tensor<1x1600x16xf32>\n"));
  EXPECT_EQ(count<PadOp>(), 1);
}

} // namespace

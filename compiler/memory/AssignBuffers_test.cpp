//===- AssignBuffers_test.cpp ----------------------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/memory/AssignBuffers.h"

#include "compiler/dialect/tenon/BufferTable.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace tenon;

namespace {

/// Kernels of one input and one output; what they compute is of no interest to Memory.
std::string kernel(StringRef result, StringRef input, StringRef attributes = "") {
  return (result + " = tenon.kernel \"map\" (" + input + ") sizes() result_sizes() " + attributes +
          " : (tensor<8xf32>) -> tensor<8xf32> {\n^bb0(%in: tensor<8xf32>):\n  tenon.yield %in : "
          "tensor<8xf32>\n}\n")
      .str();
}

class AssignBuffersTest : public ::testing::Test {
protected:
  AssignBuffersTest() {
    context.loadDialect<TenonDialect, arith::ArithDialect, func::FuncDialect, scf::SCFDialect,
                        tensor::TensorDialect>();
  }

  /// Parses a module with one function and runs the phase and its verifier on it.
  void run(const std::string &body) {
    module = parseSourceString<ModuleOp>(body, &context);
    ASSERT_TRUE(module);
    function = *module->getOps<func::FuncOp>().begin();
    SizeAnalysis sizes(function);
    ASSERT_TRUE(succeeded(memory::assignBuffers(function, sizes)));
    ASSERT_TRUE(succeeded(verify(*module)));
    ASSERT_TRUE(succeeded(memory::verifyBuffers(function)));
    FailureOr<BufferTable> read = BufferTable::of(function);
    ASSERT_TRUE(succeeded(read));
    table = *read;
  }
  BufferRegion regionOf(Value value) { return table.entries[bufferOf(value)].region; }
  Operation *end() { return function.getBody().front().getTerminator(); }
  int copies() {
    int count = 0;
    function.walk([&](CopyOp) { ++count; });
    return count;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  func::FuncOp function;
  BufferTable table;
};

TEST_F(AssignBuffersTest, ResultIsComputedInTheCallersMemory) {
  run("func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {" + kernel("%a", "%x") + kernel("%b", "%a") +
      "return %b : tensor<8xf32> }");
  EXPECT_EQ(copies(), 0);
  EXPECT_EQ(regionOf(function.getArgument(0)), BufferRegion::Input);
  EXPECT_EQ(regionOf(end()->getOperand(0)), BufferRegion::Output);
}

TEST_F(AssignBuffersTest, ReturnedInputsAndRepeatedResultsAreCopied) {
  run("func.func @main(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {" +
      kernel("%a", "%x") + "return %a, %a, %x : tensor<8xf32>, tensor<8xf32>, tensor<8xf32> }");
  EXPECT_EQ(copies(), 2);
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(regionOf(end()->getOperand(i)), BufferRegion::Output);
    EXPECT_EQ(table.entries[bufferOf(end()->getOperand(i))].index, i);
  }
}

TEST_F(AssignBuffersTest, ReshapeSharesTheBuffer) {
  run("func.func @main(%x: tensor<8xf32>) -> tensor<2x4xf32> {" + kernel("%a", "%x") +
      "%r = tenon.reshape %a : tensor<8xf32> -> tensor<2x4xf32>\nreturn %r : tensor<2x4xf32> }");
  EXPECT_EQ(copies(), 0);
  EXPECT_EQ(regionOf(end()->getOperand(0)), BufferRegion::Output);
}

TEST_F(AssignBuffersTest, StateIsWrittenInPlaceWhenTheOldValueIsNotReadLater) {
  run("tenon.state @s : tensor<8xf32>\nfunc.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {"
      "%old = tenon.read_state @s : tensor<8xf32>\n" +
      kernel("%y", "%old") + kernel("%new", "%x") +
      "tenon.write_state @s, %new : tensor<8xf32>\nreturn %y : tensor<8xf32> }");
  EXPECT_EQ(copies(), 0);
}

TEST_F(AssignBuffersTest, StateIsCopiedWhenTheOldValueIsReadByTheUpdate) {
  run("tenon.state @s : tensor<8xf32>\nfunc.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {"
      "%old = tenon.read_state @s : tensor<8xf32>\n" +
      kernel("%new", "%old") + kernel("%y", "%x") +
      "tenon.write_state @s, %new : tensor<8xf32>\nreturn %y : tensor<8xf32> }");
  EXPECT_EQ(copies(), 1);
}

TEST_F(AssignBuffersTest, TiedUpdateChangesTheStateItself) {
  run("tenon.state @s : tensor<8xf32>\nfunc.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {"
      "%old = tenon.read_state @s : tensor<8xf32>\n" +
      kernel("%new", "%old", "{tenon.ties = array<i64: 0>}") + kernel("%y", "%new") +
      "tenon.write_state @s, %new : tensor<8xf32>\nreturn %y : tensor<8xf32> }");
  EXPECT_EQ(copies(), 0);
  function.walk([&](ReadStateOp read) {
    EXPECT_EQ(bufferOf(read), bufferOf((*read->getUsers().begin())->getResult(0)));
  });
}

TEST_F(AssignBuffersTest, TiedUpdateOfAValueThatIsReadLaterWorksOnACopy) {
  run("func.func @main(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {" + kernel("%a", "%x") +
      kernel("%b", "%a", "{tenon.ties = array<i64: 0>}") + kernel("%c", "%a") +
      "return %b, %c : tensor<8xf32>, tensor<8xf32> }");
  EXPECT_EQ(copies(), 1);
  EXPECT_EQ(regionOf(end()->getOperand(0)), BufferRegion::Output);
}

TEST_F(AssignBuffersTest, LoopVariablesThatChangePlacesAreSavedFirst) {
  run("func.func @main(%x: tensor<8xf32>, %y: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {"
      "%c0 = arith.constant 0 : index\n%c1 = arith.constant 1 : index\n%c5 = arith.constant 5 : index\n"
      "%r:2 = scf.for %i = %c0 to %c5 step %c1 iter_args(%a = %x, %b = %y) -> (tensor<8xf32>, tensor<8xf32>) "
      "{\n"
      "scf.yield %b, %a : tensor<8xf32>, tensor<8xf32>\n}\n"
      "return %r#0, %r#1 : tensor<8xf32>, tensor<8xf32> }");
  EXPECT_EQ(copies(), 5); // two starts; save %b, move %a, move what was saved
  scf::ForOp loop = *function.getOps<scf::ForOp>().begin();
  EXPECT_EQ(bufferOf(loop.getRegionIterArg(0)), bufferOf(loop.getBody()->getTerminator()->getOperand(0)));
  EXPECT_NE(bufferOf(loop.getResult(0)), bufferOf(loop.getResult(1)));
}

TEST_F(AssignBuffersTest, ValuesUsedInsideALoopOutliveIt) {
  run("func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {"
      "%c0 = arith.constant 0 : index\n%c1 = arith.constant 1 : index\n%c5 = arith.constant 5 : index\n" +
      kernel("%k", "%x") + kernel("%z", "%x") +
      "%r = scf.for %i = %c0 to %c5 step %c1 iter_args(%a = %z) -> (tensor<8xf32>) {\n" + kernel("%t", "%k") +
      kernel("%m", "%t") + kernel("%u", "%m") +
      "scf.yield %u : tensor<8xf32>\n}\nreturn %r : tensor<8xf32> }");
  EXPECT_EQ(copies(), 0);
  // %k lives through the loop, so that %m, which is born after %k's only use, must not share its bytes.
  scf::ForOp loop = *function.getOps<scf::ForOp>().begin();
  auto first = cast<KernelOp>(loop.getBody()->front());
  auto second = cast<KernelOp>(first->getNextNode());
  int64_t held = bufferOf(first.getInputs()[0]), inner = bufferOf(second.getResult(0));
  ASSERT_NE(held, inner);
  EXPECT_TRUE(llvm::is_contained(table.entries[std::max(held, inner)].conflicts,
                                 static_cast<uint32_t>(std::min(held, inner))));
}

TEST_F(AssignBuffersTest, BranchesFillTheResultOfAConditional) {
  run("func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {%f = arith.constant true\n"
      "%r = scf.if %f -> (tensor<8xf32>) {\n" +
      kernel("%a", "%x") + "scf.yield %a : tensor<8xf32>\n} else {\nscf.yield %x : tensor<8xf32>\n}\n" +
      "return %r : tensor<8xf32> }");
  EXPECT_EQ(copies(), 1);
  function.walk([&](CopyOp copy) { EXPECT_EQ(regionOf(copy.getResult()), BufferRegion::Output); });
}

} // namespace

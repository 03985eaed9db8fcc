//===- InterpreterTest.cpp - tests of functions, control flow, symbols, weights and states -===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/ReferenceTest.h"
#include "reference/RunFunction.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace tenon;
using namespace tenon::reference;

namespace {

class InterpreterTest : public ReferenceTest {
protected:
  Tensors run(const std::string &text, llvm::ArrayRef<Tensor> arguments) {
    Interpreter interpreter(parse(text));
    mlir::FailureOr<Tensors> results = runMain(interpreter, arguments);
    EXPECT_TRUE(mlir::succeeded(results)) << errors;
    return mlir::succeeded(results) ? *results : Tensors();
  }
};

const char *const kSymbols = R"(
func.func @main(%x: tensor<?x?xf32> {tenon.dims = ["B", "S"], tenon.name = "x"},
                %y: tensor<?xf32> {tenon.dims = ["S"], tenon.name = "y"}) -> (tensor<?xf32> {tenon.name = "z"}) {
  %b = tenon.symbol "B" min 1 max 4 multiple_of 1 likely []
  %s = tenon.symbol "S" min 2 multiple_of 2 likely []
  %n = arith.muli %b, %s : index
  %f = tenon.reshape %x (%n) : tensor<?x?xf32> -> tensor<?xf32>
  %r = tenon.concat %f, %y axis 0 : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %r : tensor<?xf32>
})";

TEST_F(InterpreterTest, SymbolsComeFromTheArguments) {
  expectFloats(run(kSymbols, {counting({2, 2}), f32({2}, {8, 9})})[0], {6}, {0, 1, 2, 3, 8, 9});
}

TEST_F(InterpreterTest, ArgumentsAreChecked) {
  Interpreter interpreter(parse(kSymbols));
  EXPECT_TRUE(mlir::failed(runMain(interpreter, {counting({2, 2}), counting({4})})));
  expectError("TN0713", "argument 1 has size 4 on axis 0, but 'S' is 2");
  EXPECT_TRUE(mlir::failed(runMain(interpreter, {counting({5, 2}), counting({2})})));
  expectError("TN0714", "'B' is 5");
  EXPECT_TRUE(mlir::failed(runMain(interpreter, {counting({1, 3}), counting({3})})));
  expectError("TN0714", "multiple of 2");
  EXPECT_TRUE(mlir::failed(runMain(interpreter, {counting({1, 2}, DType::I64), counting({2})})));
  expectError("TN0713", "1x2xi64");
  EXPECT_TRUE(mlir::failed(runMain(interpreter, {})));
  expectError("TN0713", "takes 2 arguments");
}

TEST_F(InterpreterTest, SizesAndTensors) {
  Tensors results = run(R"(
func.func @main(%x: tensor<?x3xf32>) -> (tensor<2xi64>, index, tensor<i32>) {
  %c0 = arith.constant 0 : index
  %c7 = arith.constant 7 : index
  %d = tensor.dim %x, %c0 : tensor<?x3xf32>
  %q = arith.ceildivsi %c7, %d : index
  %t = tenon.from_index %d, %q : tensor<2xi64>
  %s = tenon.read_scalar %t at 1 min 0 max 10 : tensor<2xi64>
  %k = tenon.constant dense<5> : tensor<i32>
  return %t, %s, %k : tensor<2xi64>, index, tensor<i32>
})",
                        {counting({2, 3})});
  expectInts(results[0], {2}, {2, 4});
  EXPECT_EQ(results[1].firstInt(), 4);
  expectInts(results[2], {}, {5});
}

TEST_F(InterpreterTest, ScalarOutOfBounds) {
  Interpreter interpreter(parse("func.func @main(%x: tensor<1xi64>) -> index {\n"
                                "  %s = tenon.read_scalar %x at 0 min 0 max 4 : tensor<1xi64>\n"
                                "  return %s : index\n}"));
  EXPECT_TRUE(mlir::failed(runMain(interpreter, {i64({1}, 9)})));
  expectError("TN0714", "found the size 9");
}

TEST_F(InterpreterTest, ControlFlow) {
  // Doubles x while it is below 100, then adds i for i in 0, 2, 4 and, on a condition, negates it.
  const char *text = R"(
func.func @main(%x: tensor<i64>, %c: i1) -> tensor<i64> {
  %limit = tenon.constant dense<100> : tensor<i64>
  %w = scf.while (%a = %x) : (tensor<i64>) -> tensor<i64> {
    %less = tenon.cmp lt %a, %limit : tensor<i64> -> tensor<i1>
    %go = tensor.extract %less[] : tensor<i1>
    scf.condition(%go) %a : tensor<i64>
  } do {
  ^bb0(%a: tensor<i64>):
    %b = tenon.add %a, %a : tensor<i64>
    scf.yield %b : tensor<i64>
  }
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c5 = arith.constant 5 : index
  %f = scf.for %i = %c0 to %c5 step %c2 iter_args(%a = %w) -> tensor<i64> {
    %t = tenon.from_index %i : tensor<i64>
    %b = tenon.add %a, %t : tensor<i64>
    scf.yield %b : tensor<i64>
  }
  %r = scf.if %c -> tensor<i64> {
    %n = tenon.neg %f : tensor<i64>
    scf.yield %n : tensor<i64>
  } else {
    scf.yield %f : tensor<i64>
  }
  return %r : tensor<i64>
})";
  expectInts(run(text, {i64({}, 3), boolean({}, 1)})[0], {}, {-198});
  expectInts(run(text, {i64({}, 200), boolean({}, 0)})[0], {}, {206});
}

TEST_F(InterpreterTest, KernelsAndCalls) {
  expectFloats(run(R"(
func.func private @twice(%x: tensor<?xf32>) -> tensor<?xf32> {
  %y = tenon.add %x, %x : tensor<?xf32>
  return %y : tensor<?xf32>
}
func.func @main(%x: tensor<?xf32>, %n: index) -> tensor<?x1xf32> {
  %t = func.call @twice(%x) : (tensor<?xf32>) -> tensor<?xf32>
  %k = tenon.kernel "map" (%t) sizes (%n) result_sizes (%n) : (tensor<?xf32>) -> tensor<?x1xf32> {
  ^bb0(%a: tensor<?xf32>, %s: index):
    %b = tenon.neg %a : tensor<?xf32>
    %c = tenon.reshape %b (%s) : tensor<?xf32> -> tensor<?x1xf32>
    tenon.yield %c : tensor<?x1xf32>
  }
  return %k : tensor<?x1xf32>
})",
                   {f32({2}, {1, 2}), Tensor::index(2)})[0],
               {2, 1}, {-2, -4});
}

TEST_F(InterpreterTest, StatesLiveBetweenRuns) {
  Interpreter interpreter(parse(R"(
tenon.state @sum : tensor<2xf32>
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %s = tenon.read_state @sum : tensor<2xf32>
  %n = tenon.add %s, %x : tensor<2xf32>
  tenon.write_state @sum, %n : tensor<2xf32>
  return %s : tensor<2xf32>
})"));
  Tensor x = f32({2}, {1, 2});
  expectFloats((*runMain(interpreter, {x}))[0], {2}, {0, 0});
  expectFloats((*runMain(interpreter, {x}))[0], {2}, {1, 2});
  expectFloats((*runMain(interpreter, {x}))[0], {2}, {2, 4});
  interpreter.resetStates();
  expectFloats((*runMain(interpreter, {x}))[0], {2}, {0, 0});
}

const char *const kWeights = R"(
tenon.weight @a : tensor<2xf32> = "mem:0", 4, 8, ""
tenon.weight @b : tensor<2xf32> = "", 0, 8, ""
func.func @main() -> tensor<2xf32> {
  %a = tenon.get_weight @a : tensor<2xf32>
  %b = tenon.get_weight @b : tensor<2xf32>
  %r = tenon.add %a, %b : tensor<2xf32>
  return %r : tensor<2xf32>
})";

TEST_F(InterpreterTest, WeightsAreReadFromFilesAndBuffers) {
  llvm::SmallString<64> path;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("weights", "bin", path));
  float inFile[] = {10, 20}, inMemory[] = {0, 1, 2};
  auto write = [&](size_t length) {
    std::error_code error;
    llvm::raw_fd_ostream file(path, error);
    file.write(reinterpret_cast<const char *>(inFile), length);
  };
  write(sizeof(inFile));
  llvm::ArrayRef<char> buffer(reinterpret_cast<const char *>(inMemory), sizeof(inMemory));
  Interpreter interpreter(parse(kWeights), WeightFiles(path, buffer));
  auto results = runMain(interpreter, {});
  ASSERT_TRUE(mlir::succeeded(results)) << errors;
  expectFloats((*results)[0], {2}, {11, 22});

  write(4);
  Interpreter truncated(*module, WeightFiles(path, buffer));
  EXPECT_TRUE(mlir::failed(runMain(truncated, {})));
  expectError("TN0715", "bytes 0 to 8 of a file of 4 bytes");
  llvm::sys::fs::remove(path);
  Interpreter missing(*module, WeightFiles(path, buffer));
  EXPECT_TRUE(mlir::failed(runMain(missing, {})));
  expectError("TN0715", "cannot be read");
  Interpreter without(*module);
  EXPECT_TRUE(mlir::failed(runMain(without, {})));
  expectError("TN0715", "nothing was given that reads weights");
}

TEST_F(InterpreterTest, RunFunctionByName) {
  Interpreter interpreter(parse(kSymbols));
  auto outputs = runFunction(interpreter, "main", {{"y", counting({2})}, {"x", counting({1, 2})}});
  ASSERT_TRUE(mlir::succeeded(outputs)) << errors;
  ASSERT_EQ(outputs->size(), 1u);
  EXPECT_EQ((*outputs)[0].name, "z");
  expectFloats((*outputs)[0].value, {4}, {0, 1, 0, 1});
  EXPECT_TRUE(mlir::failed(runFunction(interpreter, "main", {{"x", counting({1, 2})}})));
  expectError("TN0716", "needs the input 'y'");
  EXPECT_TRUE(mlir::failed(runFunction(
      interpreter, "main", {{"y", counting({2})}, {"x", counting({1, 2})}, {"q", counting({1})}})));
  expectError("TN0716", "no input 'q'; its inputs are x, y");
  EXPECT_TRUE(mlir::failed(runFunction(interpreter, "other", {})));
  expectError("TN0716", "no function 'other'");
}

TEST_F(InterpreterTest, WhatHasNoMeaningIsReported) {
  Interpreter interpreter(parse("func.func @main(%x: tensor<4xf32>) -> tensor<2xf32> {\n"
                                "  %r = tensor.extract_slice %x[0] [2] [1] : tensor<4xf32> to tensor<2xf32>\n"
                                "  return %r : tensor<2xf32>\n}"));
  EXPECT_TRUE(mlir::failed(runMain(interpreter, {counting({4})})));
  expectError("TN0711", "tensor.extract_slice");
}

} // namespace

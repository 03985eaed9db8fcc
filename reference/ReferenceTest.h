//===- ReferenceTest.h - what the interpreter's tests share --------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "reference/Interpreter.h"
#include "gtest/gtest.h"

namespace tenon::reference {

/// Runs functions given as text. Diagnostics are kept in `errors`.
class ReferenceTest : public ::testing::Test {
protected:
  using Tensors = llvm::SmallVector<Tensor>;

  ReferenceTest() : handler(&context, [this](mlir::Diagnostic &d) { errors += d.str() + "\n"; }) {
    context.loadDialect<TenonDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect,
                        mlir::scf::SCFDialect, mlir::tensor::TensorDialect>();
  }

  static Tensor f32(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<double> v) {
    return Tensor::fromDoubles(DType::F32, dims, v);
  }
  static Tensor i64(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<int64_t> v) {
    return Tensor::fromInts(DType::I64, dims, v);
  }
  static Tensor boolean(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<int64_t> v) {
    return Tensor::fromInts(DType::Bool, dims, v);
  }
  /// 0, 1, 2, ...
  static Tensor counting(llvm::ArrayRef<int64_t> dims, DType dtype = DType::F32) {
    int64_t count = Tensor(dtype, dims).size();
    std::vector<double> values(count);
    for (int64_t i = 0; i < count; ++i)
      values[i] = i;
    if (isFloat(dtype))
      return Tensor::fromDoubles(dtype, dims, values);
    return Tensor::fromInts(dtype, dims, std::vector<int64_t>(values.begin(), values.end()));
  }

  /// Parses a module; the test fails where the text is wrong.
  mlir::ModuleOp parse(const std::string &text) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module) << errors << text;
    return *module;
  }

  mlir::FailureOr<Tensors> runMain(Interpreter &interpreter, llvm::ArrayRef<Tensor> arguments) {
    return interpreter.run(interpreter.module().lookupSymbol<mlir::func::FuncOp>("main"), arguments);
  }

  /// Runs one operation, with its operands named in `arguments` ("%a: tensor<4xf32>, %n: index"), of one
  /// result.
  mlir::FailureOr<Tensor> evaluate(const std::string &arguments, const std::string &op,
                                   const std::string &resultType, llvm::ArrayRef<Tensor> values) {
    if (!parse("func.func @main(" + arguments + ") -> " + resultType + " {\n  %result = " + op +
               "\n  return %result : " + resultType + "\n}"))
      return mlir::failure();
    Interpreter interpreter(*module);
    mlir::FailureOr<Tensors> results = runMain(interpreter, values);
    if (mlir::failed(results))
      return mlir::failure();
    return results->front();
  }

  /// evaluate, of an operation that succeeds.
  Tensor value(const std::string &arguments, const std::string &op, const std::string &resultType,
               llvm::ArrayRef<Tensor> values) {
    mlir::FailureOr<Tensor> result = evaluate(arguments, op, resultType, values);
    EXPECT_TRUE(mlir::succeeded(result)) << errors << op;
    return mlir::succeeded(result) ? *result : Tensor();
  }

  static void expectFloats(const Tensor &t, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<double> expected,
                           double tolerance = 0) {
    ASSERT_TRUE(isFloat(t.dtype()));
    ASSERT_EQ(t.dims(), dims) << t.typeText();
    std::vector<double> found = t.doubles();
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      if (std::isnan(expected[i])) {
        EXPECT_TRUE(std::isnan(found[i])) << "element " << i;
      } else if (std::isinf(expected[i])) {
        EXPECT_EQ(found[i], expected[i]) << "element " << i;
      } else {
        EXPECT_NEAR(found[i], expected[i], tolerance) << "element " << i;
      }
    }
  }

  static void expectInts(const Tensor &t, llvm::ArrayRef<int64_t> dims,
                         const std::vector<int64_t> &expected) {
    ASSERT_FALSE(isFloat(t.dtype()));
    ASSERT_EQ(t.dims(), dims) << t.typeText();
    EXPECT_EQ(t.ints(), expected);
  }

  /// That the last run failed with this code, and that the text has what tells the user more.
  void expectError(const std::string &code, const std::string &text) {
    EXPECT_NE(errors.find(code), std::string::npos) << errors;
    EXPECT_NE(errors.find(text), std::string::npos) << errors;
  }

  mlir::MLIRContext context;
  std::string errors;
  mlir::ScopedDiagnosticHandler handler;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace tenon::reference

//===- PlanExecution_test.cpp --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plans of control flow, run by the runtime. The functions compute with sizes only, so that no kernel is
// needed.
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Phases.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "package/writer.h"
#include "runtime/include/tenon/tenon.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace tenon;

namespace {

class PlanExecution : public ::testing::Test {
protected:
  PlanExecution() {
    context.loadDialect<TenonDialect, arith::ArithDialect, func::FuncDialect, scf::SCFDialect,
                        tensor::TensorDialect>();
  }
  ~PlanExecution() override {
    if (session)
      tenon_session_destroy(session);
    tenon_package_release(loaded);
  }

  /// Makes a package of a module and opens a session on it.
  void load(const std::string &text) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    ASSERT_TRUE(succeeded(pipeline::runMemory(*module)));
    package::Package built;
    pipeline::Settings settings;
    auto weights = std::make_shared<importer::WeightStore>();
    ASSERT_TRUE(succeeded(pipeline::runEmit(*module, {}, settings, weights, built)));
    std::vector<uint8_t> bytes;
    package::Status status = package::writeMemory(built, bytes);
    ASSERT_TRUE(status.ok()) << status.message();
    tenon_load_options options = {};
    options.copy = 1;
    tenon_error error;
    ASSERT_EQ(tenon_package_load_memory(bytes.data(), bytes.size(), &options, &loaded, &error), TENON_OK)
        << error.message;
    ASSERT_EQ(tenon_session_create(loaded, nullptr, &session, &error), TENON_OK) << error.message;
  }

  /// Runs `main` on a vector and gives its only output.
  std::vector<int64_t> run(std::vector<int64_t> input) {
    auto size = static_cast<int64_t>(input.size());
    EXPECT_EQ(tenon_session_bind_input(session, 0, 0, input.data(), TENON_I64, &size, 1), TENON_OK);
    EXPECT_EQ(tenon_session_run(session, 0), TENON_OK) << tenon_session_message(session);
    tenon_tensor tensor = {};
    EXPECT_EQ(tenon_session_output(session, 0, 0, &tensor), TENON_OK);
    const auto *data = static_cast<const int64_t *>(tensor.data);
    return {data, data + tensor.elements};
  }

  MLIRContext context;
  tenon_package *loaded = nullptr;
  tenon_session *session = nullptr;
};

constexpr const char *header =
    "func.func @main(%x: tensor<?xi64> {tenon.dims = [\"n\"], tenon.name = \"x\"}) -> (tensor<2xi64> "
    "{tenon.name = \"y\"}) {"
    "%n = tenon.symbol \"n\" min 1 multiple_of 1 likely []\n"
    "%c0 = arith.constant 0 : index\n%c1 = arith.constant 1 : index\n%c10 = arith.constant 10 : index\n";

TEST_F(PlanExecution, SizesBecomeElements) {
  load(std::string(header) + "%m = arith.muli %n, %n : index\n%y = tenon.from_index %n, %m : tensor<2xi64>\n"
                             "return %y : tensor<2xi64> }");
  EXPECT_EQ(run({5, 6, 7}), (std::vector<int64_t>{3, 9}));
  EXPECT_EQ(run({5}), (std::vector<int64_t>{1, 1}));
}

TEST_F(PlanExecution, LoopCarriesScalarsInParallel) {
  // Fibonacci: both variables are replaced at once.
  load(std::string(header) +
       "%r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %c0, %b = %c1) -> (index, index) {\n"
       "%s = arith.addi %a, %b : index\nscf.yield %b, %s : index, index }\n"
       "%y = tenon.from_index %r#0, %r#1 : tensor<2xi64>\nreturn %y : tensor<2xi64> }");
  EXPECT_EQ(run({0, 0, 0, 0, 0, 0, 0}), (std::vector<int64_t>{13, 21}));
}

TEST_F(PlanExecution, LoopVariableIsReadAfterItsReplacement) {
  // The second variable takes the old value of the first, which is replaced before.
  load(std::string(header) +
       "%r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %c1, %b = %c0) -> (index, index) {\n"
       "%s = arith.addi %a, %b : index\nscf.yield %s, %a : index, index }\n"
       "%y = tenon.from_index %r#0, %r#1 : tensor<2xi64>\nreturn %y : tensor<2xi64> }");
  EXPECT_EQ(run({0, 0, 0, 0, 0, 0, 0}), (std::vector<int64_t>{21, 13}));
}

TEST_F(PlanExecution, BranchChoosesByData) {
  load(std::string(header) +
       "%k = tenon.read_scalar %x at 0 : tensor<?xi64>\n%p = arith.cmpi sgt, %k, %c10 : index\n"
       "%r = scf.if %p -> (index) { scf.yield %n : index } else {\n"
       "%q = arith.addi %k, %k : index\nscf.yield %q : index }\n"
       "%y = tenon.from_index %k, %r : tensor<2xi64>\nreturn %y : tensor<2xi64> }");
  EXPECT_EQ(run({11, 0, 0}), (std::vector<int64_t>{11, 3}));
  EXPECT_EQ(run({4, 0, 0}), (std::vector<int64_t>{4, 8}));
}

TEST_F(PlanExecution, ElementsAreExtracted) {
  load(std::string(header) +
       "%e = tensor.extract %x[%c1] : tensor<?xi64>\n%k = arith.index_cast %e : i64 to index\n"
       "%y = tenon.from_index %k, %n : tensor<2xi64>\nreturn %y : tensor<2xi64> }");
  EXPECT_EQ(run({7, 8, 9}), (std::vector<int64_t>{8, 3}));
}

TEST_F(PlanExecution, WhileRunsUntilItsConditionFails) {
  // Doubles until the value is at least the first element.
  load(std::string(header) +
       "%k = tenon.read_scalar %x at 0 : tensor<?xi64>\n"
       "%r:2 = scf.while (%v = %c1, %steps = %c0) : (index, index) -> (index, index) {\n"
       "%p = arith.cmpi slt, %v, %k : index\nscf.condition(%p) %v, %steps : index, index\n} do {\n"
       "^bb0(%w: index, %t: index):\n%d = arith.addi %w, %w : index\n%u = arith.addi %t, %c1 : index\n"
       "scf.yield %d, %u : index, index\n}\n"
       "%y = tenon.from_index %r#0, %r#1 : tensor<2xi64>\nreturn %y : tensor<2xi64> }");
  EXPECT_EQ(run({100}), (std::vector<int64_t>{128, 7}));
  EXPECT_EQ(run({1}), (std::vector<int64_t>{1, 0}));
}

TEST_F(PlanExecution, LoopCarriesTensors) {
  load(std::string(header) +
       "%s = tenon.from_index %c0, %c1 : tensor<2xi64>\n"
       "%r = scf.for %i = %c0 to %n step %c1 iter_args(%v = %s) -> (tensor<2xi64>) {\n"
       "%a = tenon.read_scalar %v at 0 : tensor<2xi64>\n%b = tenon.read_scalar %v at 1 : tensor<2xi64>\n"
       "%c = arith.addi %a, %b : index\n%t = tenon.from_index %b, %c : tensor<2xi64>\n"
       "scf.yield %t : tensor<2xi64> }\nreturn %r : tensor<2xi64> }");
  EXPECT_EQ(run({0, 0, 0, 0, 0}), (std::vector<int64_t>{5, 8}));
}

TEST_F(PlanExecution, StateLastsFromRunToRun) {
  load("tenon.state @s : tensor<2xi64>\n" + std::string(header) +
       "%s = tenon.read_state @s : tensor<2xi64>\n%a = tenon.read_scalar %s at 0 : tensor<2xi64>\n"
       "%b = arith.addi %a, %n : index\n%t = tenon.from_index %b, %a : tensor<2xi64>\n"
       "tenon.write_state @s, %t : tensor<2xi64>\nreturn %t : tensor<2xi64> }");
  EXPECT_EQ(run({0, 0}), (std::vector<int64_t>{2, 0}));
  EXPECT_EQ(run({0, 0, 0}), (std::vector<int64_t>{5, 2}));
}

TEST_F(PlanExecution, SizeOutOfItsRangeFailsTheRun) {
  load(std::string(header) + "%k = tenon.read_scalar %x at 0 min 0 max 9 : tensor<?xi64>\n"
                             "%y = tenon.from_index %k, %k : tensor<2xi64>\nreturn %y : tensor<2xi64> }");
  EXPECT_EQ(run({9}), (std::vector<int64_t>{9, 9}));
  std::vector<int64_t> large = {10};
  int64_t one = 1;
  ASSERT_EQ(tenon_session_bind_input(session, 0, 0, large.data(), TENON_I64, &one, 1), TENON_OK);
  EXPECT_EQ(tenon_session_run(session, 0), 913); // TN0913: a check of the plan
}

} // namespace

//===- Segments_test.cpp - kernels of Mortise beside those of the CPU ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The whole way with a lowering of hand: segments that add a weight by a program in assembly, run by the
// simulator behind the runtime's device interface.
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/cpu/CpuTargets.h"
#include "compiler/pipeline/Phases.h"
#include "compiler/pipeline/Segments.h"
#include "compiler/place/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "package/writer.h"
#include "tenon/mortise.h"
#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>

using namespace mlir;
using namespace tenon;

namespace {

/// b1 = b0, rows of 64 floats, through the scratchpad: what a segment of a reshape would be.
constexpr const char *kCopy = ".tensor b0, in, f32, 64, 0\n"
                              ".tensor b1, out, f32, 64, 4096\n"
                              "dseti d0.n0, 256\ndseti d0.l0, 1\ndseti d0.g0, 1\n"
                              "li r1, 0\nli r2, @b0\ndma in0, d0, r1, r2\nrel in0, s0, 1\n"
                              "acq out0, s0, 1\nli r2, @b1\ndma out0, d0, r1, r2\nhalt\n";

class Segments : public ::testing::Test {
protected:
  Segments() {
    context.loadDialect<TenonDialect, arith::ArithDialect, func::FuncDialect, scf::SCFDialect,
                        tensor::TensorDialect>();
    settings.mortise = mortise::loadHardware("edge-512k");
  }
  ~Segments() override {
    if (session)
      tenon_session_destroy(session);
    tenon_package_release(loaded);
  }

  /// Parses, forms segments of the kernels marked `tenon.take`, and plans.
  LogicalResult build(const std::string &text, const npu::Lowering &lowering) {
    module = parseSourceString<ModuleOp>(text, &context);
    if (!module)
      return failure();
    pipeline::runSegments(*module, *settings.mortise, lowering);
    std::string error;
    auto levels = cpu::resolveCpuTargets("native", false, error);
    if (failed(levels) || failed(pipeline::runMemory(*module)))
      return failure();
    settings.cacheFolder = "off";
    auto weights = std::make_shared<importer::WeightStore>();
    return pipeline::runEmit(*module, *levels, settings, weights, built, lowering);
  }

  void load() {
    package::Status status = package::writeMemory(built, bytes);
    ASSERT_TRUE(status.ok()) << status.message();
    const tenon_device *devices[] = {tenon_mortise_device()};
    tenon_load_options options = {};
    options.copy = 1;
    options.devices = devices;
    options.device_count = 1;
    tenon_error error = {};
    ASSERT_EQ(tenon_package_load_memory(bytes.data(), bytes.size(), &options, &loaded, &error), TENON_OK)
        << error.message;
    ASSERT_EQ(tenon_session_create(loaded, nullptr, &session, &error), TENON_OK) << error.message;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  pipeline::Settings settings;
  package::Package built;
  std::vector<uint8_t> bytes;
  tenon_package *loaded = nullptr;
  tenon_session *session = nullptr;
};

std::string takeMarked(KernelOp op, SizeAnalysis &, const mortise::Hardware &) {
  return op->hasAttr("tenon.take") ? "" : "it is not marked";
}

npu::Lowering copying() {
  npu::Lowering lowering;
  lowering.takes = takeMarked;
  lowering.compile = [](KernelOp op, SizeAnalysis &, const mortise::Hardware &,
                        const npu::OperandBytes &bytes) -> FailureOr<npu::CompiledSegment> {
    EXPECT_TRUE(place::isSegment(op));
    npu::CompiledSegment segment;
    std::string text = kCopy;
    if (op.getInputs().size() == 2) { // the constant comes out, twice as large
      std::optional<ArrayRef<uint8_t>> known = bytes(1);
      EXPECT_FALSE(bytes(0));
      EXPECT_TRUE(known);
      if (!known || known->size() != 256)
        return failure();
      npu::ReplacedOperand replaced{1, std::vector<uint8_t>(512)};
      for (size_t i = 0; i < 64; ++i) {
        float value = 0;
        std::memcpy(&value, known->data() + 4 * i, 4);
        value *= 2;
        std::memcpy(replaced.bytes.data() + 256 + 4 * i, &value, 4);
      }
      segment.replaced.push_back(std::move(replaced));
      text = ".tensor b1, in, f32, 128, 0\n.tensor b2, out, f32, 64, 4096\n"
             "dseti d0.n0, 256\ndseti d0.l0, 1\ndseti d0.g0, 1\n"
             "li r1, 0\nli r2, @b1\naddi r2, r2, 256\ndma in0, d0, r1, r2\nrel in0, s0, 1\n"
             "acq out0, s0, 1\nli r2, @b2\ndma out0, d0, r1, r2\nhalt\n";
    }
    segment.program = mortise::assemble(text);
    segment.schedule = "by hand";
    return segment;
  };
  return lowering;
}

constexpr const char *kNeighbours = R"(
func.func @main(%x: tensor<64xf32> {tenon.name = "x"}) -> (tensor<64xf32> {tenon.name = "y"}) {
  %0 = tenon.kernel "map"(%x) sizes() result_sizes() {tenon.take} : (tensor<64xf32>) -> tensor<64xf32> {
  ^bb0(%a: tensor<64xf32>):
    %t = tenon.neg %a : tensor<64xf32>
    tenon.yield %t : tensor<64xf32>
  }
  %1 = tenon.kernel "map"(%x) sizes() result_sizes() : (tensor<64xf32>) -> tensor<64xf32> {
  ^bb0(%a: tensor<64xf32>):
    %t = tenon.neg %a : tensor<64xf32>
    tenon.yield %t : tensor<64xf32>
  }
  %2 = tenon.kernel "map"(%0, %1) sizes() result_sizes() : (tensor<64xf32>, tensor<64xf32>) -> tensor<64xf32> {
  ^bb0(%a: tensor<64xf32>, %b: tensor<64xf32>):
    %t = tenon.add %a, %b : tensor<64xf32>
    %u = tenon.add %t, %b : tensor<64xf32>
    tenon.yield %u : tensor<64xf32>
  }
  return %2 : tensor<64xf32>
})";

TEST_F(Segments, RunBesideTheCpu) {
  ASSERT_TRUE(succeeded(build(kNeighbours, copying())));
  ASSERT_EQ(built.devices.size(), 1u);
  EXPECT_EQ(built.devices[0].name, "mortise");
  EXPECT_EQ(built.kernels.back().family, "mortise");
  EXPECT_EQ(built.functions[0].queues, 2u);
  EXPECT_EQ(built.debug.schedules.back().text, "by hand");
  load();
  std::vector<float> x(64);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(i) + 1;
  int64_t size = 64;
  ASSERT_EQ(tenon_session_bind_input(session, 0, 0, x.data(), TENON_F32, &size, 1), TENON_OK);
  for (int run = 0; run < 3; ++run)
    ASSERT_EQ(tenon_session_run(session, 0), TENON_OK) << tenon_session_message(session);
  tenon_tensor y = {};
  ASSERT_EQ(tenon_session_output(session, 0, 0, &y), TENON_OK);
  for (size_t i = 0; i < x.size(); ++i) // the device copies, the CPU negates
    EXPECT_EQ(static_cast<const float *>(y.data)[i], x[i] - 2 * x[i]);
  tenon_session_stats stats = {};
  ASSERT_EQ(tenon_session_get_stats(session, &stats), TENON_OK);
  EXPECT_GT(stats.device_cycles, 0u);
}

TEST_F(Segments, MayReplaceTheirWeights) {
  ASSERT_TRUE(succeeded(build(R"(
func.func @main(%x: tensor<64xf32> {tenon.name = "x"}) -> (tensor<64xf32> {tenon.name = "y"}) {
  %w = tenon.constant dense<1.5> : tensor<64xf32>
  %0 = tenon.kernel "map"(%x, %w) sizes() result_sizes() {tenon.take} : (tensor<64xf32>, tensor<64xf32>) -> tensor<64xf32> {
  ^bb0(%a: tensor<64xf32>, %b: tensor<64xf32>):
    %t = tenon.add %a, %b : tensor<64xf32>
    tenon.yield %t : tensor<64xf32>
  }
  return %0 : tensor<64xf32>
})",
                              copying())));
  ASSERT_EQ(built.weights.size(), 1u); // the one before is gone
  EXPECT_EQ(built.weights[0].size, 512u);
  load();
  std::vector<float> x(64);
  int64_t size = 64;
  ASSERT_EQ(tenon_session_bind_input(session, 0, 0, x.data(), TENON_F32, &size, 1), TENON_OK);
  ASSERT_EQ(tenon_session_run(session, 0), TENON_OK) << tenon_session_message(session);
  tenon_tensor y = {};
  ASSERT_EQ(tenon_session_output(session, 0, 0, &y), TENON_OK);
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(static_cast<const float *>(y.data)[i], 3.0f);
}

TEST_F(Segments, WithoutALoweringAreErrors) {
  std::string text;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { text = diagnostic.str(); });
  npu::Lowering lowering;
  lowering.takes = takeMarked;
  EXPECT_TRUE(failed(build(kNeighbours, lowering)));
  EXPECT_NE(text.find("TN0407"), std::string::npos) << text;
}

TEST_F(Segments, MalformedProgramsAreErrors) {
  std::string text;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { text = diagnostic.str(); });
  npu::Lowering lowering = copying();
  lowering.compile = [](auto &&...) -> FailureOr<npu::CompiledSegment> {
    npu::CompiledSegment segment;
    segment.program.parameters = {"s0", "s0"};
    return segment;
  };
  EXPECT_TRUE(failed(build(kNeighbours, lowering)));
  EXPECT_NE(text.find("TN0407"), std::string::npos) << text;
}

TEST_F(Segments, NothingTakenStaysOnTheCpu) {
  ASSERT_TRUE(succeeded(build(kNeighbours, {})));
  EXPECT_TRUE(built.devices.empty());
  EXPECT_EQ(built.functions[0].queues, 1u);
}

} // namespace

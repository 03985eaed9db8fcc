// Packages whose kernels are Mortise programs, through the runtime: results against plain loops, and errors.

#include "package/writer.h"
#include "runtime/devices/library/DeviceLibrary.h"
#include "runtime/devices/mortise/testing/example_packages.h"
#include "runtime/testing/loaded_package.h"
#include "tenon/mortise.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace tenon::package;
using namespace tenon::package::testing;
using namespace tenon::runtime::testing;
using tenon::Error;
using tenon::Session;
namespace mortise = tenon::mortise;

namespace {

constexpr int64_t kSize = kMatrixSize;

tenon_load_options withMortise() {
  static const tenon_device *const list[] = {tenon_mortise_device()};
  tenon_load_options options = {};
  options.devices = list;
  options.device_count = 1;
  return options;
}

tenon_status run(Session &session, const Gemm &gemm, std::vector<int8_t> &c) {
  c.assign(kSize * kSize, 0);
  EXPECT_RUNS(session, session.bindInput(0, 0, gemm.a.data(), TENON_I8, {kSize, kSize}));
  EXPECT_RUNS(session, session.bindOutput(0, 0, c.data(), c.size()));
  return session.run(0);
}

Error loadError(const Package &model) {
  std::vector<uint8_t> bytes;
  EXPECT_TRUE(writeMemory(model, bytes).ok());
  AlignedBytes aligned(bytes);
  Error error = {};
  EXPECT_FALSE(tenon::Package::loadMemory(aligned.data(), aligned.size(), error, withMortise()));
  return error;
}

} // namespace

TEST(MortiseDevice, ComputesAProduct) {
  Gemm gemm;
  LoadedPackage loaded(gemm.package, withMortise());
  Session session = loaded.session();
  std::vector<int8_t> c;
  ASSERT_RUNS(session, run(session, gemm, c));
  EXPECT_EQ(c, gemm.expected());
  tenon_session_stats stats = session.stats();
  EXPECT_GT(stats.device_cycles, 16384u); // 256^3 / (32 x 32) at the peak
  EXPECT_LT(stats.device_cycles, 2 * 16384u);
  EXPECT_EQ(stats.device_ns, stats.device_cycles); // at 1 GHz
}

TEST(MortiseDevice, IsFoundAsALibrary) {
  Gemm gemm;
  tenon_load_options options = {};
  options.find_device = [](void *, const char *name) {
    return tenon::runtime::loadDevice(name, {"/nonexistent", TENON_MORTISE_FOLDER});
  };
  LoadedPackage loaded(gemm.package, options);
  Session session = loaded.session();
  std::vector<int8_t> c;
  ASSERT_RUNS(session, run(session, gemm, c));
  EXPECT_EQ(c, gemm.expected());
  EXPECT_EQ(tenon::runtime::loadDevice("mortise", {"/nonexistent"}), nullptr);
  EXPECT_EQ(tenon::runtime::loadDevice("../mortise", {TENON_MORTISE_FOLDER}), nullptr);
  EXPECT_EQ(tenon::runtime::loadDevice("other", {TENON_MORTISE_FOLDER}), nullptr);
}

TEST(MortiseDevice, ReportsWhatItCost) {
  Gemm gemm;
  LoadedPackage loaded(gemm.package, withMortise());
  tenon_session_options options = LoadedPackage::oneThread();
  options.profile = 2;
  Session session = loaded.session(options);
  std::vector<int8_t> c;
  ASSERT_RUNS(session, run(session, gemm, c));
  tenon_device_row row = {};
  ASSERT_EQ(tenon_session_profile_device(session.get(), 0, 0, &row), TENON_OK);
  EXPECT_STREQ(row.device, "mortise");
  EXPECT_EQ(row.ideal_cycles, 16384u);
  nlohmann::json report = nlohmann::json::parse(row.report);
  EXPECT_EQ(report["cycles"], row.cycles);
  EXPECT_EQ(report["ideal_cycles"], 16384);
  EXPECT_EQ(report["nodes"][0]["node"], "gemm_1");
  EXPECT_EQ(report["nodes"][0]["macs"], 256 * 256 * 256);
  EXPECT_GT(report["trace_events"].size(), 100u);
  EXPECT_NE(report["timeline"].get<std::string>().find("<svg"), std::string::npos);
}

TEST(MortiseDevice, ServesEveryNumberOfRows) {
  mortise::Program program = exampleProgram("layer-norm.s", {"x", "gamma", "beta", "y"}, {"rows"});
  Package package;
  addMortiseKernel(package, mortise::writeBinary(program),
                   {Access::Read, Access::Read, Access::Read, Access::Write}, 1);
  package.weights = {weightOf("gamma", DType::F32, std::vector<float>(kSize, 2.0f)),
                     weightOf("beta", DType::F32, std::vector<float>(kSize, 1.0f))};
  FunctionBuilder f("main");
  Slot rows = f.symbol("rows", 1, 64), n = f.constant(kSize), row = f.constant(kSize * 4),
       one = f.constant(1), bytes = f.expr(ExprOp::Mul, rows, row);
  BufferId x = f.buffer(Region::Input, f.input("x", DType::F32, {rows, n}), bytes);
  BufferId gamma = f.buffer(Region::Weight, 0, row), beta = f.buffer(Region::Weight, 1, row);
  BufferId y = f.buffer(Region::Output, f.output("y", DType::F32, {rows, n}), bytes);
  f.dispatch(0, {x, gamma, beta, y}, one, {rows});
  package.functions.push_back(f.finish());
  LoadedPackage loaded(package, withMortise());
  Session session = loaded.session();
  for (int64_t count : {64, 16, 32}) { // fewer rows than the tensor has, in buffers of their size
    std::vector<float> values(count * kSize);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = std::sin(static_cast<float>(i));
    ASSERT_RUNS(session, session.bindInput(0, 0, values.data(), TENON_F32, {count, kSize}));
    ASSERT_RUNS(session, session.run(0));
    std::vector<float> result = floats(session, 0, 0);
    for (int64_t r = 0; r < count; ++r) {
      double mean = 0, square = 0;
      for (int64_t i = 0; i < kSize; ++i)
        mean += values[r * kSize + i] / double(kSize);
      for (int64_t i = 0; i < kSize; ++i)
        square += std::pow(values[r * kSize + i] - mean, 2) / double(kSize);
      for (int64_t i = 0; i < kSize; ++i)
        ASSERT_NEAR(result[r * kSize + i], (values[r * kSize + i] - mean) / std::sqrt(square + 1e-5) * 2 + 1,
                    1e-4)
            << count << " rows, " << r << ", " << i;
    }
  }
}

TEST(MortiseDevice, SmallBuffersAreErrors) {
  Gemm gemm;
  gemm.package.functions[0].exprs[1].imm = 100; // bytes of a, b and c
  gemm.package.functions[0].buffers[4].size = gemm.package.functions[0].buffers[2].size;
  LoadedPackage loaded(gemm.package, withMortise());
  Session session = loaded.session();
  std::vector<int8_t> c;
  EXPECT_EQ(run(session, gemm, c), 1209) << session.message();
  EXPECT_NE(std::string(session.message()).find("tensor 'b0' has 65536 bytes, the buffer for it 100"),
            std::string::npos)
      << session.message();
}

TEST(MortiseDevice, BadProgramsAreRefusedWhenLoaded) {
  auto refused = [](auto change) {
    mortise::Program program = gemmProgram();
    change(program);
    return loadError(Gemm(mortise::writeBinary(program)).package);
  };
  EXPECT_EQ(loadError(Gemm({1, 2, 3}).package).code, 1010);
  Error error = refused([](mortise::Program &p) { p.tensors[0].name = "b7"; });
  EXPECT_EQ(error.code, 1012);
  EXPECT_NE(std::string(error.message).find("tensor 'b7'"), std::string::npos) << error.message;
  EXPECT_EQ(refused([](mortise::Program &p) { p.tensors[0].name = "a"; }).code, 1012);
  EXPECT_EQ(refused([](mortise::Program &p) { p.tensors[0].name = "b00"; }).code, 1012);
  EXPECT_EQ(refused([](mortise::Program &p) { p.tensors[0].role = mortise::Role::Output; }).code, 1012);
  EXPECT_EQ(refused([](mortise::Program &p) { p.parameters = {"s0"}; }).code, 1012);
  EXPECT_EQ(refused([](mortise::Program &p) { p.tensors.back().address = uint64_t(1) << 40; }).code, 1205);
  Gemm other;
  other.package.devices[0].description = "name: [";
  EXPECT_EQ(loadError(other.package).code / 100, 11);
}

TEST(MortiseDevice, FailingProgramsKeepTheirCode) {
  mortise::Program program = gemmProgram();
  // Without its first acquire the array reads a before it is there.
  auto acquire = std::find_if(program.code.begin(), program.code.end(),
                              [](const mortise::Instruction &i) { return i.id == mortise::Id::Acq; });
  ASSERT_NE(acquire, program.code.end());
  *acquire = mortise::Instruction{};
  Gemm gemm(mortise::writeBinary(program));
  LoadedPackage loaded(gemm.package, withMortise());
  Session session = loaded.session();
  std::vector<int8_t> c;
  tenon_status status = run(session, gemm, c);
  EXPECT_TRUE(status == 1201 || status == 1203) << session.message();
  EXPECT_NE(std::string(session.message()).find("function main, command 0"), std::string::npos)
      << session.message();
}

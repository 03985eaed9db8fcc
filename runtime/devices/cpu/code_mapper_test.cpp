#include "runtime/devices/cpu/code_mapper.h"

#include "package/writer.h"
#include "runtime/devices/cpu/features.h"
#include "runtime/testing/loaded_package.h"
#include "tenon/kernel_abi.h"

#include <cstring>
#include <fstream>
#include <gtest/gtest.h>

using namespace tenon::package;
using namespace tenon::package::testing;
using namespace tenon::runtime;
using namespace tenon::runtime::testing;

namespace {

/// Runs the kernel "level" of a package loaded with a forced ISA.
int32_t levelOf(const Package &model, const char *isa) {
  tenon_load_options options = {};
  options.isa = isa;
  LoadedPackage loaded(model, options);
  tenon::Session session = loaded.session();
  EXPECT_EQ(session.run(0), TENON_OK);
  tenon_tensor tensor = {};
  EXPECT_EQ(session.output(0, 0, tensor), TENON_OK);
  int32_t level = 0;
  std::memcpy(&level, tensor.data, sizeof(level));
  return level;
}

Package levelPackage() {
  Package model = kernelsOnly();
  FunctionBuilder f("f");
  Slot one = f.constant(1), four = f.constant(4);
  f.dispatch(Level, {f.buffer(Region::Output, f.output("y", DType::I32, {one}), four)}, one);
  model.functions = {f.finish()};
  return model;
}

#if defined(__x86_64__)
constexpr const char *kBaseImage = "base";
#else
constexpr const char *kBaseImage = "aarch64";
#endif

} // namespace

TEST(CodeMapper, MapsRelocatesAndProtects) {
  std::vector<uint8_t> file = imageFile(kBaseImage);
  ElfImage image;
  ASSERT_TRUE(ElfImage::parse({file.data(), file.size()}, kMachine, image).ok());
  CodeMapping mapping;
  Status status = mapping.map(image);
  ASSERT_TRUE(status.ok()) << status.message();
  uint64_t address = 0;
  ASSERT_TRUE(image.findSymbol("test_table", address).ok());
  auto kernel = reinterpret_cast<tenon_kernel_fn>(const_cast<void *>(mapping.at(address)));
  float y[2] = {};
  void *buffers[] = {y};
  tenon_kernel_io io = {buffers, nullptr, nullptr};
  EXPECT_EQ(kernel(&io, 0, 2, 0), 0);
  EXPECT_EQ(y[0], 2.5f);
  EXPECT_EQ(y[1], 4.5f);
  // No page of the mapping is writable any more.
  std::ifstream maps("/proc/self/maps");
  uintptr_t begin = reinterpret_cast<uintptr_t>(mapping.at(0)), end = begin + image.span();
  int pages = 0;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t low = 0, high = 0;
    char rights[5] = {};
    ASSERT_EQ(std::sscanf(line.c_str(), "%lx-%lx %4s", &low, &high, rights), 3);
    if (low >= begin && high <= end + 4096) {
      EXPECT_EQ(rights[1], '-') << line;
      ++pages;
    }
  }
  EXPECT_GE(pages, 2);
}

#if defined(__x86_64__)

TEST(CodeMapper, TakesTheBestImageThatTheCpuRuns) {
  uint64_t features = cpuFeatures();
  bool v4 = (kX86V4Features & ~features) == 0, v3 = (kX86V3Features & ~features) == 0;
  EXPECT_EQ(levelOf(levelPackage(), nullptr), v4 ? 4 : v3 ? 3 : 1);
  EXPECT_EQ(levelOf(levelPackage(), "x86-64"), 1);
  if (v3) {
    EXPECT_EQ(levelOf(levelPackage(), "x86-64-v3"), 3);
  }
}

TEST(CodeMapper, FallsBackPerKernel) {
  Package model = levelPackage();
  for (size_t i = 1; i < model.images.size(); ++i)
    model.kernels[Level].entrySymbols[i] = "";
  EXPECT_EQ(levelOf(model, nullptr), 1);
}

static tenon::Error loadError(const Package &model, const tenon_load_options &options) {
  std::vector<uint8_t> bytes;
  EXPECT_TRUE(writeMemory(model, bytes).ok());
  AlignedBytes aligned(bytes);
  tenon::Error error = {};
  EXPECT_FALSE(tenon::Package::loadMemory(aligned.data(), aligned.size(), error, options));
  return error;
}

TEST(CodeMapper, ReportsWhatTheCpuLacks) {
  Package model = levelPackage();
  model.images.erase(model.images.begin() + 1, model.images.end());
  for (Kernel &kernel : model.kernels)
    kernel.entrySymbols.resize(1);
  model.images[0].features = kAllX86Features; // no CPU has all of them
  tenon::Error error = loadError(model, {});
  EXPECT_EQ(error.code, 903);
  EXPECT_NE(std::strstr(error.message, "the closest needs"), nullptr) << error.message;
  model.images[0] = {"aarch64", Machine::AArch64, 0, imageFile("aarch64")};
  error = loadError(model, {});
  EXPECT_EQ(error.code, 903);
  EXPECT_NE(std::strstr(error.message, "none is for this machine"), nullptr) << error.message;
}

TEST(CodeMapper, UnknownLevelsAreErrors) {
  tenon_load_options options = {};
  options.isa = "x86-64-v9";
  EXPECT_EQ(loadError(levelPackage(), options).code, 904);
}

TEST(Features, AgreeWithTheCompiler) {
  uint64_t features = cpuFeatures();
  __builtin_cpu_init();
  EXPECT_EQ((features & bit(CpuFeature::AVX2)) != 0, __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ((features & bit(CpuFeature::FMA)) != 0, __builtin_cpu_supports("fma") != 0);
  EXPECT_EQ((features & bit(CpuFeature::AVX512F)) != 0, __builtin_cpu_supports("avx512f") != 0);
  EXPECT_EQ((features & bit(CpuFeature::AVX512BW)) != 0, __builtin_cpu_supports("avx512bw") != 0);
  EXPECT_EQ((features & bit(CpuFeature::AVX512VL)) != 0, __builtin_cpu_supports("avx512vl") != 0);
  EXPECT_EQ((features & bit(CpuFeature::AVX512VNNI)) != 0, __builtin_cpu_supports("avx512vnni") != 0);
  EXPECT_EQ((features & bit(CpuFeature::AVX512BF16)) != 0, __builtin_cpu_supports("avx512bf16") != 0);
}

#endif

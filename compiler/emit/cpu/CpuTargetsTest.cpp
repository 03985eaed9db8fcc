//===- CpuTargetsTest.cpp - targets by name -----------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/CpuTargets.h"
#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace tenon::cpu {
namespace {

using package::bit;
using package::CpuFeature;

std::vector<CpuTarget> resolve(const std::string &names, bool emulate = false) {
  std::string error;
  auto result = resolveCpuTargets(names, emulate, error);
  EXPECT_TRUE(succeeded(result)) << error;
  return succeeded(result) ? *result : std::vector<CpuTarget>();
}

std::string errorOf(const std::string &names) {
  std::string error;
  EXPECT_TRUE(failed(resolveCpuTargets(names, false, error)));
  return error;
}

/// A description in a file of its own, removed at the end.
class DescriptionFile {
public:
  explicit DescriptionFile(const std::string &text)
      : path(testing::TempDir() + "target" + std::to_string(getpid()) + ".yaml") {
    std::ofstream(path) << text;
  }
  ~DescriptionFile() { std::remove(path.c_str()); }
  const std::string path;
};

constexpr const char *kDescription = "name: mine\nlevel: x86-64-v3\nfeatures: [avxvnni]\n"
                                     "vector: {bits: 256, registers: 16}\ncache: {l1: 1000, l2: 2000}\n"
                                     "peak: {gflops: 50, dram_gbs: 10}\n";

TEST(CpuTargets, NamesLevels) {
  std::vector<CpuTarget> targets = resolve("x86-64-v3, zen5,x86-64-v3");
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].name, "x86-64-v3");
  EXPECT_EQ(targets[0].required, package::kX86V3Features);
  EXPECT_EQ(targets[0].vectorBits, 256u);
  EXPECT_EQ(targets[0].vectorRegisters, 16u);
  EXPECT_FALSE(targets[0].vnni);
  EXPECT_EQ(targets[1].llvmCpu, "x86-64-v4");
  EXPECT_EQ(targets[1].vectorBits, 512u);
  EXPECT_EQ(targets[1].vectorRegisters, 32u);
  EXPECT_TRUE(targets[1].vnni && targets[1].bf16);
  EXPECT_EQ(targets[1].required & bit(CpuFeature::AVX512BF16), bit(CpuFeature::AVX512BF16));
  EXPECT_NE(targets[1].features.find("+avx512vnni"), std::string::npos);
}

TEST(CpuTargets, EveryKnownTargetResolves) {
  std::vector<std::string> names = knownCpuTargets();
  EXPECT_GE(names.size(), 5u);
  for (const std::string &name : names) {
    std::vector<CpuTarget> targets = resolve(name);
    ASSERT_EQ(targets.size(), 1u) << name;
    EXPECT_EQ(targets[0].name, name);
    EXPECT_EQ(targets[0].required & package::kX86V3Features, package::kX86V3Features);
  }
}

TEST(CpuTargets, EmulationNeedsOnlyAvx2) {
  std::vector<CpuTarget> targets = resolve("sapphirerapids", true);
  ASSERT_EQ(targets.size(), 1u);
  EXPECT_TRUE(targets[0].emulate);
  EXPECT_EQ(targets[0].required, package::kX86V3Features);
  EXPECT_EQ(targets[0].llvmCpu, "x86-64-v3");
  EXPECT_EQ(targets[0].vectorBits, 512u);
  EXPECT_TRUE(targets[0].vnni);
}

TEST(CpuTargets, NativeRunsHere) {
  if (!hostRuns(package::kX86V3Features))
    GTEST_SKIP() << "this CPU has no AVX2";
  std::vector<CpuTarget> targets = resolve("native");
  ASSERT_EQ(targets.size(), 1u);
  EXPECT_NE(targets[0].name, "native");
  EXPECT_TRUE(hostRuns(targets[0].required));
}

TEST(CpuTargets, UnknownNameListsTheKnownOnes) {
  std::string error = errorOf("pentium");
  EXPECT_EQ(error.rfind("TN0301: unknown CPU target 'pentium'", 0), 0u) << error;
  for (const std::string &name : knownCpuTargets())
    EXPECT_NE(error.find(name), std::string::npos) << error;
}

TEST(CpuTargets, ReadsAFile) {
  DescriptionFile file(kDescription);
  std::vector<CpuTarget> targets = resolve(file.path);
  ASSERT_EQ(targets.size(), 1u);
  EXPECT_EQ(targets[0].name, "mine");
  EXPECT_EQ(targets[0].l1Bytes, 1000);
  EXPECT_EQ(targets[0].peakGflops, 50.0);
  EXPECT_TRUE(targets[0].vnni);
}

TEST(CpuTargets, BadFilesNameTheLine) {
  struct {
    const char *from, *to, *expected;
  } cases[] = {
      {"[avxvnni]", "[avx9]", ":3: bad target description: unknown feature 'avx9'"},
      {"x86-64-v3", "x86-64-v9", ":2: bad target description: unknown level 'x86-64-v9'"},
      {"bits: 256", "bits: 512", ":4: bad target description: vectors of 512 bits"},
      {"registers: 16", "registers: 64", ":4: bad target description: 64 vector registers"},
      {"l1: 1000", "l1: -1", ":5: bad target description: 'l1' must be positive"},
      {"l1: 1000", "l1: many", ":5: bad target description: "},
      {"peak:", "peek:", ":6: bad target description: unknown key 'peek'"},
      {"name: mine\n", "", "expected the key 'name'"},
      {"features: [avxvnni]", "features: [avxvnni", "bad target description"},
  };
  for (const auto &[from, to, expected] : cases) {
    std::string text = kDescription;
    text.replace(text.find(from), std::string(from).size(), to);
    DescriptionFile file(text);
    std::string error = errorOf(file.path);
    EXPECT_EQ(error.rfind("TN0302: " + file.path, 0), 0u) << error;
    EXPECT_NE(error.find(expected), std::string::npos) << error;
  }
  EXPECT_EQ(errorOf("/nonexistent/cpu.yaml").rfind("TN0302: cannot read", 0), 0u);
}

} // namespace
} // namespace tenon::cpu

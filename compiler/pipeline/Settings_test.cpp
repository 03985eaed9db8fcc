//===- Settings_test.cpp --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Settings.h"

#include <gtest/gtest.h>

using namespace tenon::pipeline;

namespace {

TEST(Settings, FlagsSetWhatTheyName) {
  Settings settings;
  OptionError error;
  for (auto [name, value] :
       {std::pair("target", "x86-64-v3,x86-64-v4"), std::pair("jobs", "3"), std::pair("compile-to", "kernel"),
        std::pair("emulate-isa", ""), std::pair("symbol", "batch=1:64"), std::pair("precision", "bf16"),
        std::pair("int8-saturate", "on")})
    EXPECT_TRUE(applyOption(settings, name, value, error)) << error.message;
  EXPECT_EQ(settings.targets, "x86-64-v3,x86-64-v4");
  EXPECT_EQ(settings.jobs, 3u);
  EXPECT_EQ(settings.stopAfter, Phase::Kernel);
  EXPECT_TRUE(settings.emulateIsa);
  EXPECT_TRUE(settings.bf16);
  EXPECT_TRUE(settings.int8Saturate);
  EXPECT_EQ(settings.import.symbols.at("batch").max, 64);
}

TEST(Settings, UnknownNamesAreTN0001) {
  Settings settings;
  OptionError error;
  EXPECT_FALSE(applyOption(settings, "optimise", "latency", error));
  EXPECT_EQ(error.code, "TN0001");
  EXPECT_NE(error.message.find("optimize-for"), std::string::npos);
}

TEST(Settings, MalformedValuesAreTN0002) {
  for (auto [name, value] :
       {std::pair("jobs", "many"), std::pair("jobs", "-1"), std::pair("compile-to", "link"),
        std::pair("precision", "f16"), std::pair("int8-saturate", "maybe"), std::pair("emit", "elf"),
        std::pair("target", ""), std::pair("emulate-isa", "perhaps"), std::pair("symbol", "batch")}) {
    Settings settings;
    OptionError error;
    EXPECT_FALSE(applyOption(settings, name, value, error)) << name << "=" << value;
    EXPECT_EQ(error.code, "TN0002");
  }
}

TEST(Settings, MachinesStandAmongTheTargets) {
  Settings settings;
  OptionError error;
  ASSERT_TRUE(applyOption(settings, "target", "mortise:edge-512k,x86-64-v3", error)) << error.message;
  EXPECT_EQ(settings.targets, "x86-64-v3");
  ASSERT_TRUE(settings.mortise);
  EXPECT_EQ(settings.mortise->name, "edge-512k");
  ASSERT_TRUE(applyOption(settings, "target", "mortise:tpuv1", error)) << error.message;
  EXPECT_EQ(settings.targets, "native");
  ASSERT_TRUE(applyOption(settings, "target", "native", error));
  EXPECT_FALSE(settings.mortise);
  EXPECT_FALSE(applyOption(settings, "target", "mortise:nothing", error));
  EXPECT_EQ(error.code, "TN1101");
  EXPECT_FALSE(applyOption(settings, "target", "mortise:tpuv1,mortise:nvdla", error));
  EXPECT_EQ(error.code, "TN0002");
  EXPECT_FALSE(applyOption(settings, "target", "mortise:tpuv1,reference", error));
  EXPECT_EQ(error.code, "TN0002");
}

} // namespace

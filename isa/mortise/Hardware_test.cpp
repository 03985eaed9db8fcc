#include "isa/mortise/Hardware.h"

#include <gtest/gtest.h>
#include <random>

using namespace tenon::mortise;

namespace {

std::string edge() { return presetText("edge-512k"); }

std::string replaced(std::string text, const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string errorOf(const std::string &yaml) {
  try {
    parseHardware(yaml, "m.yaml");
  } catch (const Error &error) {
    return error.code() + " " + error.message();
  }
  return "none";
}

TEST(Hardware, presetsLoadAndWriteThemselves) {
  std::vector<std::string> names = presetNames();
  for (const char *name :
       {"edge-512k", "u55-256", "u65-512", "ane-m1", "tpuv1", "nvdla", "eyeriss", "gemmini"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  for (const std::string &name : names) {
    Hardware hardware = loadHardware(name);
    EXPECT_EQ(hardware.name, name);
    EXPECT_FALSE(hardware.resembles.empty() || hardware.notes.empty() || hardware.energy.source.empty())
        << name;
    std::string text = toYaml(hardware);
    EXPECT_EQ(toYaml(parseHardware(text, "again")), text) << name;
  }
}

TEST(Hardware, theDefaultHasItsFigures) {
  Hardware h = loadHardware("edge-512k");
  EXPECT_EQ(h.scratchpad.bytes, 512 * 1024);
  EXPECT_EQ(h.scratchpad.banks, 16);
  EXPECT_EQ(h.peakMacs(), 1024);
  EXPECT_EQ(h.accumulatorRows(), 512);
  EXPECT_EQ(h.rate(Type::Bf16), 1);
  EXPECT_EQ(h.rate(Type::I16), 0.5);
  EXPECT_EQ(h.dram.bytesPerCycle, 32);
  EXPECT_EQ(h.energy.actions.at("dram.read"), 64);
}

TEST(Hardware, errorsNameTheFieldAndTheLimit) {
  EXPECT_EQ(errorOf(replaced(edge(), "banks: 16", "banks: 100")),
            "TN1103 m.yaml: field 'scratchpad.banks' must be from 1 to 64, found 100");
  EXPECT_EQ(errorOf(replaced(edge(), "setup: 32", "set_up: 32")),
            "TN1103 m.yaml: field 'dma.set_up' is unknown; `tenon sim --fields` lists the fields");
  EXPECT_EQ(errorOf(replaced(edge(), "  setup: 32\n", "")),
            "TN1103 m.yaml: field 'dma.setup' is missing; it must be from 0 to 10000");
  EXPECT_EQ(errorOf(replaced(edge(), "lanes: 64", "lanes: 48")),
            "TN1103 m.yaml: field 'vector.lanes' must be a power of two, found 48");
  EXPECT_EQ(errorOf(replaced(edge(), "latency: 100", "latency: soon")),
            "TN1103 m.yaml: field 'dram.latency' must be a number from 0 to 100000, found 'soon'");
  EXPECT_EQ(errorOf(replaced(edge(), "dataflow: ws", "dataflow: rs")),
            "TN1103 m.yaml: field 'matrix.dataflow' must be ws or os, found 'rs'");
  EXPECT_EQ(errorOf(replaced(edge(), "interleave: 64", "interleave: 96")),
            "TN1104 m.yaml: scratchpad.interleave must be a multiple of scratchpad.width and at most a bank "
            "(32768), "
            "found 96");
  EXPECT_TRUE(errorOf("a: [").starts_with("TN1102 m.yaml:"));
  EXPECT_EQ(errorOf("- 1"), "TN1102 m.yaml: a hardware description is a map of fields");
}

TEST(Hardware, damagedTextsAreErrorsNotCrashes) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 1500; ++round) {
    std::string text = edge();
    for (int n = 0; n < 4; ++n)
      text[random() % text.size()] = char(random() % 96 + 32);
    std::string error = errorOf(text);
    EXPECT_TRUE(error == "none" || error.starts_with("TN11")) << error;
  }
}

TEST(Hardware, anUnknownNameListsThePresets) {
  try {
    loadHardware("no-such-machine");
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), "TN1101");
    EXPECT_NE(error.message().find("edge-512k"), std::string::npos);
  }
}

} // namespace

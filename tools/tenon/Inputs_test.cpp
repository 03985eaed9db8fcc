#include "tools/tenon/Failure.h"
#include "tools/tenon/Inputs.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace tenon::command {
namespace {

const std::vector<Signature> kSignatures = {{"x", TENON_F32, {-1, 3}, {"batch", ""}},
                                            {"ids", TENON_I64, {-1, -1}, {"batch", "length"}}};

std::string codeOf(const InputFlags &flags) {
  try {
    makeInputs(kSignatures, flags);
  } catch (const Failure &failure) {
    return failure.diagnostics().front().code;
  }
  return "";
}

TEST(Inputs, SymbolsCarryOver) {
  InputFlags flags;
  flags.shapes = {"x=2x3", "ids=?x5"};
  std::vector<HostTensor> tensors = makeInputs(kSignatures, flags);
  EXPECT_EQ(tensors[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(tensors[1].shape, (std::vector<int64_t>{2, 5}));
}

TEST(Inputs, RandomIsRepeatableAndInRange) {
  InputFlags flags;
  flags.shapes = {"x=64x3", "ids=64x8"};
  flags.inputs = {"x=random:7"};
  std::vector<HostTensor> first = makeInputs(kSignatures, flags), again = makeInputs(kSignatures, flags);
  EXPECT_EQ(std::memcmp(first[0].data(), again[0].data(), first[0].bytes()), 0);
  double sum = 0, squares = 0;
  for (int i = 0; i < 192; ++i) {
    double value = elementAt(TENON_F32, first[0].data(), i);
    sum += value, squares += value * value;
  }
  EXPECT_LT(std::fabs(sum / 192), 0.3);
  EXPECT_NEAR(squares / 192, 1, 0.4);
  for (int i = 0; i < 512; ++i) {
    double value = elementAt(TENON_I64, first[1].data(), i);
    EXPECT_TRUE(value >= 0 && value <= 9);
  }
  flags.inputs = {"x=random:8"};
  EXPECT_NE(std::memcmp(first[0].data(), makeInputs(kSignatures, flags)[0].data(), first[0].bytes()), 0);
}

TEST(Inputs, ZerosAreZero) {
  InputFlags flags;
  flags.shapes = {"ids=1x4"};
  flags.inputs = {"x=zeros", "ids=zeros"};
  EXPECT_EQ(elementAt(TENON_I64, makeInputs(kSignatures, flags)[1].data(), 3), 0);
}

TEST(Inputs, FlagsThatAreWrong) {
  EXPECT_EQ(codeOf({{}, {}}), "TN0508");
  EXPECT_EQ(codeOf({{}, {"x=2x3"}}), "TN0508");
  EXPECT_EQ(codeOf({{"y=zeros"}, {}}), "TN0509");
  EXPECT_EQ(codeOf({{}, {"y=1"}}), "TN0509");
  EXPECT_EQ(codeOf({{"x"}, {}}), "TN0002");
  EXPECT_EQ(codeOf({{"x=zeros", "x=zeros"}, {}}), "TN0002");
  EXPECT_EQ(codeOf({{"x=random:z"}, {"x=2x3", "ids=1x1"}}), "TN0002");
  EXPECT_EQ(codeOf({{}, {"x=2xx3"}}), "TN0002");
  EXPECT_EQ(codeOf({{}, {"x=-1x3"}}), "TN0002");
  EXPECT_EQ(codeOf({{}, {"x=2", "ids=1x1"}}), "TN0908");
  EXPECT_EQ(codeOf({{"x=missing.npy"}, {}}), "TN0503");
}

} // namespace
} // namespace tenon::command

//===- ObjectCodeTest.cpp - MLIR to machine code that runs --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/ObjectCode.h"
#include "compiler/emit/cpu/ObjectCodeHarness.h"
#include "package/elf_image.h"
#include <bit>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <thread>

namespace tenon::cpu::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class ObjectCode : public testing::TestWithParam<CpuTarget> {
protected:
  /// Runs an elementwise body on one input; the size is a multiple of the lanes.
  template <typename Out, typename In>
  std::vector<Out> unary(unsigned lanes, const char *from, const char *to, const std::string &body,
                         std::vector<In> in) {
    std::vector<Out> out(in.size());
    EXPECT_EQ(runKernel(elementwiseKernel(1, lanes, from, to, body), GetParam(), {in.data(), out.data()},
                        in.size() / lanes),
              "");
    return out;
  }
  template <typename T>
  std::vector<T> binary(unsigned lanes, const char *type, const std::string &body, std::vector<T> a,
                        std::vector<T> b) {
    std::vector<T> out(a.size());
    EXPECT_EQ(runKernel(elementwiseKernel(2, lanes, type, type, body), GetParam(),
                        {a.data(), b.data(), out.data()}, a.size() / lanes),
              "");
    return out;
  }
  std::string errorOf(const std::string &source) {
    std::string error;
    EXPECT_TRUE(buildImage(source, GetParam(), error).empty());
    return error;
  }
};

TEST_P(ObjectCode, RunsTheRangeItIsGiven) {
  std::string error;
  std::vector<uint8_t> image = buildImage(
      elementwiseKernel(2, 16, "f32", "f32", "%r = arith.addf %a, %b : vector<16xf32>"), GetParam(), error);
  ASSERT_FALSE(image.empty()) << error;
  LoadedImage loaded = LoadedImage::load(image, error);
  tenon_kernel_fn kernel = loaded.find("kernel");
  ASSERT_NE(kernel, nullptr) << error;
  std::vector<float> a(64, 1.0f), b(64, 2.0f), c(64, 0.0f);
  void *buffers[] = {a.data(), b.data(), c.data()};
  alignas(64) tenon_kernel_io io{buffers, nullptr, nullptr};
  EXPECT_EQ(kernel(&io, 1, 3, 0), 0);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(c[i], i >= 16 && i < 48 ? 3.0f : 0.0f);
}

TEST_P(ObjectCode, PowersAreCs) {
  std::vector<float> values = {0.0f,       -0.0f, 1.0f,  -1.0f,  2.0f,  -2.0f,      0.5f,
                               -0.5f,      3.0f,  -3.0f, 1e-40f, 1e30f, -1e30f,     kInfinity,
                               -kInfinity, kNan,  1.5f,  7.0f,   -7.5f, 16777217.0f};
  std::vector<float> x, y;
  for (float a : values)
    for (float b : values)
      x.push_back(a), y.push_back(b);
  std::mt19937 random(3);
  std::uniform_real_distribution<float> base(0, 20), power(-8, 8);
  while (x.size() < 4000)
    x.push_back(base(random)), y.push_back(power(random));
  std::vector<float> r = binary<float>(8, "f32", "%r = math.powf %a, %b : vector<8xf32>", x, y);
  for (size_t i = 0; i < x.size(); ++i) {
    auto truth = static_cast<float>(std::pow(double(x[i]), double(y[i])));
    if (std::isnan(truth))
      EXPECT_TRUE(std::isnan(r[i])) << x[i] << " ^ " << y[i] << " = " << r[i];
    else
      EXPECT_EQ(r[i], truth) << x[i] << " ^ " << y[i];
  }
}

TEST_P(ObjectCode, ConstantPowers) {
  std::vector<float> x = {0.0f, -0.0f, 1.5f, -1.5f, kInfinity, -kInfinity, 4.0f, 9.0f};
  for (float power : {2.0f, 3.0f, 1.0f, 0.5f, -1.0f, 0.0f, -0.5f, 4.0f}) {
    std::string body = "%p = arith.constant dense<" + std::to_string(power) + "> : vector<8xf32>\n" +
                       "%r = math.powf %a, %p : vector<8xf32>";
    std::vector<float> r = unary<float>(8, "f32", "f32", body, x);
    for (size_t i = 0; i < x.size(); ++i) {
      float truth = std::pow(x[i], power);
      if (std::isnan(truth))
        EXPECT_TRUE(std::isnan(r[i])) << x[i] << " ^ " << power;
      else
        EXPECT_FLOAT_EQ(r[i], truth) << x[i] << " ^ " << power;
    }
  }
}

TEST_P(ObjectCode, AtanOfTwo) {
  std::vector<float> values = {0.0f,   -0.0f,  1.0f,      -1.0f,      2.5f, -2.5f,
                               1e-30f, -1e30f, kInfinity, -kInfinity, kNan, 0.3f};
  std::vector<float> x, y;
  for (float a : values)
    for (float b : values)
      x.push_back(a), y.push_back(b);
  std::vector<float> r = binary<float>(8, "f32", "%r = math.atan2 %a, %b : vector<8xf32>", y, x);
  for (size_t i = 0; i < x.size(); ++i) {
    auto truth = static_cast<float>(std::atan2(double(y[i]), double(x[i])));
    if (std::isnan(truth))
      EXPECT_TRUE(std::isnan(r[i])) << y[i] << ", " << x[i];
    else
      EXPECT_EQ(std::bit_cast<uint32_t>(r[i]), std::bit_cast<uint32_t>(truth))
          << y[i] << ", " << x[i] << ": " << r[i];
  }
}

template <typename T> std::pair<std::vector<T>, std::vector<T>> remainderCases() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> values = {0,
                           -T(0),
                           1,
                           -1,
                           T(5.5),
                           T(-5.5),
                           T(0.1),
                           3,
                           T(1e-3),
                           T(1e10),
                           Limits::max(),
                           Limits::min(),
                           Limits::denorm_min(),
                           3 * Limits::denorm_min(),
                           Limits::infinity(),
                           -Limits::infinity(),
                           Limits::quiet_NaN(),
                           T(123456.789)};
  std::vector<T> x, y;
  for (T a : values)
    for (T b : values)
      x.push_back(a), y.push_back(b);
  std::mt19937_64 random(5);
  std::uniform_real_distribution<T> exponent(Limits::min_exponent / 2, Limits::max_exponent / 2);
  while (x.size() < 2000)
    x.push_back(std::exp2(exponent(random))), y.push_back(-std::exp2(exponent(random)));
  return {x, y};
}

template <typename T>
void expectRemainders(const std::vector<T> &x, const std::vector<T> &y, const std::vector<T> &r) {
  for (size_t i = 0; i < x.size(); ++i) {
    T truth = std::fmod(x[i], y[i]);
    if (std::isnan(truth))
      EXPECT_TRUE(std::isnan(r[i])) << x[i] << " % " << y[i] << " = " << r[i];
    else
      EXPECT_TRUE(r[i] == truth && std::signbit(r[i]) == std::signbit(truth))
          << x[i] << " % " << y[i] << " = " << r[i] << ", expected " << truth;
  }
}

TEST_P(ObjectCode, RemaindersAreExact) {
  auto [x, y] = remainderCases<float>();
  expectRemainders(x, y, binary<float>(8, "f32", "%r = arith.remf %a, %b : vector<8xf32>", x, y));
  auto [v, w] = remainderCases<double>();
  expectRemainders(v, w, binary<double>(4, "f64", "%r = arith.remf %a, %b : vector<4xf64>", v, w));
}

TEST_P(ObjectCode, IntegerPowers) {
  std::vector<int32_t> x, y;
  for (int a : {-3, -2, -1, 0, 1, 2, 3, 10})
    for (int b : {0, 1, 2, 3, 5, 7, -1, -2})
      if (a != 0 || b >= 0)
        x.push_back(a), y.push_back(b);
  x.resize(64, 2), y.resize(64, 4);
  std::vector<int32_t> r = binary<int32_t>(8, "i32", "%r = math.ipowi %a, %b : vector<8xi32>", x, y);
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(r[i], static_cast<int32_t>(std::pow(x[i], y[i]))) << x[i] << " ^ " << y[i];
}

float fromBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

TEST_P(ObjectCode, HalvesConvertAndCalculate) {
  std::vector<uint16_t> halves(1 << 16);
  for (size_t i = 0; i < halves.size(); ++i)
    halves[i] = static_cast<uint16_t>(i);
  // bf16 is exactly the upper half; the way back restores every number.
  std::vector<float> wide =
      unary<float>(16, "bf16", "f32", "%r = arith.extf %a : vector<16xbf16> to vector<16xf32>", halves);
  std::vector<uint16_t> back =
      unary<uint16_t>(16, "f32", "bf16", "%r = arith.truncf %a : vector<16xf32> to vector<16xbf16>", wide);
  bool flushes = GetParam().bf16 && !GetParam().emulate; // vcvtneps2bf16 takes denormals for zeros
  for (size_t i = 0; i < halves.size(); ++i) {
    float expected = fromBf16(halves[i]);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(wide[i]) && std::isnan(fromBf16(back[i])));
      continue;
    }
    EXPECT_EQ(wide[i], expected);
    if (!flushes || std::abs(expected) >= std::numeric_limits<float>::min() || expected == 0)
      EXPECT_EQ(back[i], halves[i]);
  }
  // f16 through f64, which needs one rounding only.
  std::vector<double> doubles;
  for (size_t i = 0; i < 0x7bff; ++i) {
    auto a = static_cast<double>(std::bit_cast<_Float16>(halves[i])),
         b = static_cast<double>(std::bit_cast<_Float16>(halves[i + 1]));
    for (double between : {0.0, 0.5, 0.5 - 1e-9, 0.5 + 1e-9})
      doubles.push_back(a + between * (b - a));
  }
  doubles.resize((doubles.size() + 7) / 8 * 8, -1e300);
  std::vector<uint16_t> narrow =
      unary<uint16_t>(8, "f64", "f16", "%r = arith.truncf %a : vector<8xf64> to vector<8xf16>", doubles);
  for (size_t i = 0; i < doubles.size(); ++i) {
    auto expected = std::bit_cast<uint16_t>(static_cast<_Float16>(doubles[i]));
    ASSERT_EQ(narrow[i], expected) << doubles[i];
  }
  // Arithmetic and functions in f32.
  std::vector<uint16_t> some(halves.begin() + 0x3000, halves.begin() + 0x4000);
  std::vector<uint16_t> computed = unary<uint16_t>(
      8, "f16", "f16", "%s = arith.addf %a, %a : vector<8xf16>\n%r = math.exp %s : vector<8xf16>", some);
  for (size_t i = 0; i < some.size(); ++i) {
    auto x = static_cast<float>(std::bit_cast<_Float16>(some[i]));
    auto truth = static_cast<_Float16>(std::exp(2 * x));
    EXPECT_NEAR(static_cast<float>(std::bit_cast<_Float16>(computed[i])), static_cast<float>(truth),
                static_cast<float>(truth) * 1e-3f);
  }
}

TEST_P(ObjectCode, SumsAcrossVectors) {
  std::string body = "%s = vector.reduction <add>, %a : vector<24xf32> into f32\n"
                     "%m = vector.reduction <maximumf>, %a : vector<24xf32> into f32\n"
                     "%t = arith.addf %s, %m : f32\n"
                     "%r = vector.broadcast %t : f32 to vector<24xf32>";
  std::vector<float> in(24);
  for (int i = 0; i < 24; ++i)
    in[i] = static_cast<float>(i);
  EXPECT_EQ(unary<float>(24, "f32", "f32", body, in)[5], 276.0f + 23.0f);
}

TEST_P(ObjectCode, ShufflesSlicesAndMasks) {
  std::string body = R"(
    %low = vector.extract_strided_slice %a {offsets = [0], sizes = [8], strides = [1]} : vector<16xf32> to vector<8xf32>
    %s = vector.insert_strided_slice %low, %a {offsets = [8], strides = [1]} : vector<8xf32> into vector<16xf32>
    %n = arith.constant 13 : index
    %mask = vector.create_mask %n : vector<16xi1>
    %minus = arith.constant dense<-1.0> : vector<16xf32>
    %steps = vector.step : vector<16xindex>
    %ints = arith.index_cast %steps : vector<16xindex> to vector<16xi32>
    %floats = arith.sitofp %ints : vector<16xi32> to vector<16xf32>
    %sum = arith.addf %s, %floats : vector<16xf32>
    %r = arith.select %mask, %sum, %minus : vector<16xi1>, vector<16xf32>)";
  std::vector<float> in(16);
  for (int i = 0; i < 16; ++i)
    in[i] = static_cast<float>(i);
  std::vector<float> out = unary<float>(16, "f32", "f32", body, in);
  for (int i = 0; i < 16; ++i)
    EXPECT_EQ(out[i], i < 13 ? static_cast<float>(i % 8 + i) : -1.0f);
}

TEST_P(ObjectCode, MaskedMemoryStaysWithinTheMask) {
  std::string body = R"(
    %n = arith.constant 5 : index
    %mask = vector.create_mask %n : vector<16xi1>
    %pass = arith.constant dense<7.0> : vector<16xf32>
    %m = llvm.intr.masked.load %p0, %mask, %pass {alignment = 4 : i32} : (!llvm.ptr, vector<16xi1>, vector<16xf32>) -> vector<16xf32>
    %r = arith.addf %m, %m : vector<16xf32>)";
  std::vector<float> in(16, 1.0f);
  std::vector<float> out = unary<float>(16, "f32", "f32", body, in);
  for (int i = 0; i < 16; ++i)
    EXPECT_EQ(out[i], i < 5 ? 2.0f : 14.0f);
}

// Helpers of a kernel stay inside; its tables need no relocation.
TEST_P(ObjectCode, ImagesExportOnlyKernels) {
  std::string source = R"(
    llvm.mlir.global private constant @table(dense<[1.5, 2.5, 3.5, 4.5]> : vector<4xf32>) : vector<4xf32>
    func.func private @kernel_body(%out: !llvm.ptr {llvm.noalias}, %i: i32) {
      %t = llvm.mlir.addressof @table : !llvm.ptr
      %p = llvm.getelementptr %t[%i] : (!llvm.ptr, i32) -> !llvm.ptr, f32
      %v = llvm.load %p : !llvm.ptr -> f32
      llvm.store %v, %out : f32, !llvm.ptr
      return
    }
    func.func @kernel(%io: !llvm.ptr, %begin: i32, %end: i32, %worker: i32) -> i32 {
      %buffers = llvm.load %io : !llvm.ptr -> !llvm.ptr
      %out = llvm.load %buffers : !llvm.ptr -> !llvm.ptr
      func.call @kernel_body(%out, %begin) : (!llvm.ptr, i32) -> ()
      %zero = arith.constant 0 : i32
      return %zero : i32
    })";
  std::string error;
  std::vector<uint8_t> image = buildImage(source, GetParam(), error);
  ASSERT_FALSE(image.empty()) << error;
  EXPECT_EQ(image, buildImage(source, GetParam(), error)) << "not deterministic";
  std::string text(image.begin(), image.end());
  for (const char *unwanted : {"kernel_body", ".comment", ".eh_frame", "tenon-link", "LLD"})
    EXPECT_EQ(text.find(unwanted), std::string::npos) << unwanted;

  package::ElfImage elf;
  package::Status status =
      package::ElfImage::parse({image.data(), image.size()}, package::Machine::X86_64, elf);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(elf.relocationCount(), 0u);
  EXPECT_TRUE(elf.checkNoUndefinedSymbols().ok());
  uint64_t address = 0;
  EXPECT_TRUE(elf.findSymbol("kernel", address).ok());
  EXPECT_TRUE(elf.isCode(address));

  LoadedImage loaded = LoadedImage::load(image, error);
  ASSERT_NE(loaded.find("kernel"), nullptr) << error;
  EXPECT_EQ(loaded.find("kernel_body"), nullptr);
  float out = 0;
  void *buffers[] = {&out};
  alignas(64) tenon_kernel_io io{buffers, nullptr, nullptr};
  EXPECT_EQ(loaded.find("kernel")(&io, 2, 3, 0), 0);
  EXPECT_EQ(out, 3.5f);
}

/// A kernel with every operation of one input type on scalars and on vectors; results go to memory.
std::string everyOperation(const std::string &element) {
  std::string text = "func.func @kernel(%io: !llvm.ptr, %b: i32, %e: i32, %w: i32) -> i32 {\n";
  int next = 0;
  bool isFloat = element[0] != 'i';
  auto add = [&](const std::string &from, const std::string &to, const std::string &op,
                 const std::string &operands, const std::string &type) {
    std::string n = std::to_string(next++), text1 = operands;
    for (size_t at = 0; (at = text1.find("%a", at)) != std::string::npos; at += 2 + n.size())
      text1.insert(at + 2, n);
    text += "  %a" + n + " = llvm.load %io {alignment = 1 : i64} : !llvm.ptr -> " + from + "\n  %r" + n +
            " = " + op + " " + text1 + " : " + type + "\n  llvm.store %r" + n +
            ", %io {alignment = 1 : i64} : " + to + ", !llvm.ptr\n";
  };
  for (unsigned lanes : {1u, 8u, 24u}) {
    auto typeOf = [&](const std::string &e) {
      return lanes == 1 ? e : "vector<" + std::to_string(lanes) + "x" + e + ">";
    };
    std::string type = typeOf(element);
    auto same = [&](const char *op, const char *operands) { add(type, type, op, operands, type); };
    for (const char *integer : {"i8", "i16", "i32", "i64"})
      for (const char *op : {"arith.fptosi", "arith.fptoui", "arith.sitofp", "arith.uitofp"})
        if (std::string(op).substr(6, 2) == "fp" && isFloat)
          add(type, typeOf(integer), op, "%a", type + " to " + typeOf(integer));
        else if (std::string(op).substr(6, 2) != "fp" && element == integer)
          for (const char *to : {"f16", "bf16", "f32", "f64"})
            add(type, typeOf(to), op, "%a", type + " to " + typeOf(to));
    if (!isFloat) {
      for (const char *op :
           {"divsi", "divui", "remsi", "remui", "floordivsi", "ceildivsi", "maxsi", "shrui", "muli"})
        same((std::string("arith.") + op).c_str(), "%a, %a");
      for (const char *op : {"ctpop", "ctlz", "cttz", "absi"})
        same((std::string("math.") + op).c_str(), "%a");
      same("math.ipowi", "%a, %a");
      continue;
    }
    for (const char *op : {"addf", "divf", "remf", "maximumf", "minnumf"})
      same((std::string("arith.") + op).c_str(), "%a, %a");
    for (const char *op : {"round", "roundeven", "floor", "absf", "erf", "tanh", "sin", "rsqrt"})
      same((std::string("math.") + op).c_str(), "%a");
    same("math.fma", "%a, %a, %a");
    same("math.copysign", "%a, %a");
    add(type, typeOf("i1"), "math.isnan", "%a", type);
  }
  return text + "  return %b : i32\n}\n";
}

TEST_P(ObjectCode, NoOperationNeedsALibrary) {
  for (const char *element : {"f16", "bf16", "f32", "f64", "i8", "i16", "i32", "i64"}) {
    std::string error;
    EXPECT_FALSE(buildObject(everyOperation(element), GetParam(), error).empty()) << element << ": " << error;
  }
}

TEST_P(ObjectCode, AListingLeavesTheObjectAsItIs) {
  std::string source = elementwiseKernel(1, 16, "f32", "f32", "%r = math.exp %a : vector<16xf32>"), error,
              assembly;
  std::vector<uint8_t> plain = buildObject(source, GetParam(), error);
  ASSERT_FALSE(plain.empty()) << error;
  EXPECT_EQ(plain, buildObject(source, GetParam(), error, &assembly));
  EXPECT_NE(assembly.find("kernel:"), std::string::npos);
  EXPECT_NE(assembly.find(".loc"), std::string::npos);
}

TEST_P(ObjectCode, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(errorOf("func.func private @sinf(f32) -> f32\nfunc.func @kernel(%x: f32) -> f32 {\n"
                    "%y = func.call @sinf(%x) : (f32) -> f32\nreturn %y : f32\n}"),
            "TN0403: a kernel needs functions that no code image has: sinf; its operations must be lowered "
            "to instructions");
  std::string error = errorOf("func.func @kernel(%x: vector<2x4xf32>) -> vector<2x4xf32> {\n"
                              "%y = math.exp %x : vector<2x4xf32>\nreturn %y : vector<2x4xf32>\n}");
  EXPECT_EQ(error.rfind("TN0402: a kernel cannot be lowered to machine code: 'math.exp' op expected a scalar "
                        "or a 1-D vector",
                        0),
            0u)
      << error;
}

TEST_P(ObjectCode, LinksSeveralKernelsAndRejectsMissingOnes) {
  std::vector<std::vector<uint8_t>> objects;
  std::string error;
  for (const char *name : {"one", "two"})
    objects.push_back(
        buildObject(std::string("func.func @") + name +
                        "(%io: !llvm.ptr, %b: i32, %e: i32, %w: i32) -> i32 {\nreturn %b : i32\n}",
                    GetParam(), error));
  std::vector<uint8_t> image = linkObjects(objects, {"one", "two"}, GetParam(), error);
  ASSERT_FALSE(image.empty()) << error;
  LoadedImage loaded = LoadedImage::load(image, error);
  EXPECT_NE(loaded.find("one"), nullptr) << error;
  EXPECT_NE(loaded.find("two"), nullptr) << error;
  EXPECT_TRUE(linkObjects({{1, 2, 3}}, {"one"}, GetParam(), error).empty());
  EXPECT_EQ(error.rfind("TN0404: the code image cannot be linked", 0), 0u) << error;
  EXPECT_FALSE(linkObjects(objects, {"one"}, GetParam(), error).empty())
      << "the linker cannot run after an error: " << error;
}

TEST_P(ObjectCode, CompilesInSeveralThreads) {
  std::vector<std::vector<uint8_t>> images(4);
  std::vector<std::string> errors(4);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      images[i] = buildImage(elementwiseKernel(1, 16, "f32", "f32", "%r = math.tanh %a : vector<16xf32>"),
                             GetParam(), errors[i]);
    });
  for (std::thread &thread : threads)
    thread.join();
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(images[i].empty()) << errors[i];
    EXPECT_EQ(images[i], images[0]);
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, ObjectCode, testing::ValuesIn(testTargets()),
                         [](const testing::TestParamInfo<CpuTarget> &info) {
                           std::string name = info.param.name + (info.param.emulate ? "_emulated" : "");
                           for (char &c : name)
                             c = isalnum(c) ? c : '_';
                           return name;
                         });

} // namespace
} // namespace tenon::cpu::test

//===- QuantizedBytesTest.cpp - bytes computed from bytes against the interpreter
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tests/kernels/KernelFamiliesHarness.h"

#include <gtest/gtest.h>

using tenon::cpu::test::compareWithReference;
using tenon::test::ValueRange;

namespace {

/// Writes a function on tensors of one shape.
class Text {
public:
  explicit Text(std::string dims) : dims(std::move(dims)) {}
  std::string type(const std::string &element) const { return "tensor<" + dims + "x" + element + ">"; }
  std::string number(double v, const std::string &element = "f32") {
    std::string value = element == "f32" ? std::to_string(v) : std::to_string(static_cast<int64_t>(v));
    return add("constant dense<" + value + ">", element);
  }
  std::string op(const std::string &name, const std::vector<std::string> &operands,
                 const std::string &element = "f32") {
    std::string text = name, before = " ";
    for (const std::string &o : operands) {
      text += before + o;
      before = ", ";
    }
    return add(text, element);
  }
  std::string cast(const std::string &v, const std::string &from, const std::string &to) {
    std::string name = "%v" + std::to_string(next++);
    body += "    " + name + " = tenon.cast " + v + " : " + type(from) + " -> " + type(to) + "\n";
    return name;
  }
  std::string dequantize(const std::string &v, const std::string &byte, double scale, double zero) {
    std::string wide = cast(v, byte, "i32");
    if (zero != 0)
      wide = op("sub", {wide, number(zero, "i32")}, "i32");
    return op("mul", {cast(wide, "i32", "f32"), number(scale)});
  }
  std::string quantize(const std::string &v, const std::string &byte, double scale, double zero) {
    std::string q = op("round", {op("div", {v, number(scale)})});
    if (zero != 0)
      q = op("add", {q, number(zero)});
    double low = byte == "ui8" ? 0 : -128;
    q = op("min", {op("max", {q, number(low)}), number(low + 255)});
    return cast(cast(q, "f32", "i32"), "i32", byte);
  }
  std::string function(const std::string &arguments, const std::string &result,
                       const std::string &element) const {
    return "func.func @main(" + arguments + ") -> " + type(element) + " {\n" + body + "    return " + result +
           " : " + type(element) + " }";
  }

private:
  std::string add(const std::string &text, const std::string &element) {
    std::string name = "%v" + std::to_string(next++);
    body.append("    ").append(name).append(" = tenon.").append(text).append(" : ");
    body.append(type(element)).append("\n");
    return name;
  }
  std::string dims, body;
  int next = 0;
};

ValueRange bytes() {
  ValueRange values;
  values.wholeRange = true;
  return values;
}

struct Parameters {
  const char *byte;
  double scale, zero;
};

TEST(QuantizedSums, AllPairsOfBytes) {
  const Parameters signedByte{"i8", 0.03137, -9}, unsignedByte{"ui8", 0.0210918784, 0},
      shifted{"ui8", 0.0471832044, 142}, result{"ui8", 0.0243515987, 0}, centered{"i8", 0.0517, 5};
  for (auto [a, b, y] : {std::tuple(unsignedByte, shifted, result), std::tuple(shifted, signedByte, centered),
                         std::tuple(signedByte, signedByte, result), std::tuple(shifted, shifted, shifted)}) {
    Text text("300x512");
    std::string x = text.dequantize("%a", a.byte, a.scale, a.zero);
    std::string sum = text.op("add", {x, text.dequantize("%b", b.byte, b.scale, b.zero)});
    std::string q = text.quantize(sum, y.byte, y.scale, y.zero);
    EXPECT_EQ(compareWithReference(
                  {text.function("%a: " + text.type(a.byte) + ", %b: " + text.type(b.byte), q, y.byte),
                   {{300, 512}, {300, 512}},
                   0,
                   bytes(),
                   true}),
              "");
  }
}

TEST(QuantizedSums, OfWhatIsQuantizedInTheSameKernel) {
  for (const char *byte : {"ui8", "i8"}) {
    Text text("60x40");
    double zero = byte[0] == 'u' ? 121 : 0;
    std::string quotient = text.op("div", {text.cast("%a", "i32", "f32"), text.cast("%c", "i32", "f32")});
    std::string fresh = text.quantize(quotient, byte, 0.043, zero);
    std::string x = text.dequantize(fresh, byte, 0.043, zero);
    std::string y = text.dequantize("%b", "ui8", 0.031, 7);
    std::string q = text.quantize(text.op("add", {x, y}), "ui8", 0.0517, 3);
    ValueRange values; // infinities and NaN among the quotients
    values.leastInteger = 0;
    values.mostInteger = 9;
    std::string arguments = "%a: " + text.type("i32");
    arguments.append(", %c: ").append(text.type("i32")).append(", %b: ").append(text.type("ui8"));
    EXPECT_EQ(compareWithReference(
                  {text.function(arguments, q, "ui8"), {{60, 40}, {60, 40}, {60, 40}}, 0, values, true}),
              "");
  }
}

/// x * clamp(x / 6 + 0.5, 0, 1), every step quantized.
std::string hardSwish(Text &text, const std::string &x, const Parameters &from, const Parameters &to) {
  auto again = [&](const std::string &v, double scale, double zero) {
    return text.dequantize(text.quantize(v, "ui8", scale, zero), "ui8", scale, zero);
  };
  std::string number = text.dequantize(x, from.byte, from.scale, from.zero);
  std::string shifted = again(text.op("add", {number, text.number(3)}), 0.0461, 61);
  std::string gate = text.op("min", {text.op("max", {shifted, text.number(0)}), text.number(6)});
  gate = again(text.op("div", {again(gate, 0.0235, 0), text.number(6)}), 0.00392, 0);
  return text.quantize(text.op("mul", {number, gate}), to.byte, to.scale, to.zero);
}

TEST(ByteTables, FunctionsOfOneByte) {
  const Parameters fromUnsigned{"ui8", 0.0471832044, 142}, fromSigned{"i8", 0.0517, -5};
  const Parameters toUnsigned{"ui8", 0.031, 12}, toSigned{"i8", 0.047, -20};
  // Whole vectors, a tail, and too few elements for a table.
  for (const std::vector<int64_t> &sizes : std::vector<std::vector<int64_t>>{{40, 128}, {37, 131}, {3, 5}})
    for (const Parameters &from : {fromUnsigned, fromSigned})
      for (const Parameters &to : {toUnsigned, toSigned}) {
        Text text(std::to_string(sizes[0]) + "x" + std::to_string(sizes[1]));
        std::string result = hardSwish(text, "%a", from, to);
        EXPECT_EQ(
            compareWithReference(
                {text.function("%a: " + text.type(from.byte), result, to.byte), {sizes}, 0, bytes(), true}),
            "");
      }
}

TEST(ByteTables, OfWhatIsQuantizedInTheSameKernel) {
  const Parameters middle{"ui8", 0.043, 121}, other{"ui8", 0.0517, 3};
  Text text("90x57");
  std::string x = text.op("div", {text.cast("%a", "i32", "f32"), text.number(40)});
  std::string first = text.quantize(x, middle.byte, middle.scale, middle.zero);
  std::string gated = hardSwish(text, first, middle, other);
  // A sum of a table's bytes and of other ones is none.
  std::string sum = text.op("add", {text.dequantize(gated, other.byte, other.scale, other.zero),
                                    text.dequantize("%b", "ui8", 0.031, 7)});
  std::string result = text.quantize(sum, "ui8", 0.061, 9);
  ValueRange values;
  values.leastInteger = -300;
  values.mostInteger = 300;
  std::string arguments = "%a: " + text.type("i32");
  arguments.append(", %b: ").append(text.type("ui8"));
  EXPECT_EQ(
      compareWithReference({text.function(arguments, result, "ui8"), {{90, 57}, {90, 57}}, 0, values, true}),
      "");
}

} // namespace

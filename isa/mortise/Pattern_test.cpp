#include "isa/mortise/Pattern.h"

#include <gtest/gtest.h>

using namespace tenon::mortise;

namespace {

std::string textOf(Id id) {
  const Pattern *pattern = patternOf(id);
  return pattern ? toText(*pattern) : "none";
}

TEST(Pattern, treesComeFromTheTable) {
  EXPECT_EQ(textOf(Id::VfmaF), "fma(a, b, c)");
  EXPECT_EQ(textOf(Id::VmadI), "wrapAdd(wrapMul(a, b), c)");
  EXPECT_EQ(textOf(Id::VmaxI), "?:(>(a, b), a, b)");
  EXPECT_EQ(textOf(Id::VrsqrtF), "/(1.0f, squareRoot(a))");
  EXPECT_EQ(textOf(Id::VnegF), "-(a)");
  EXPECT_EQ(textOf(Id::Addi), "wrapAdd(a, i)");
  EXPECT_EQ(textOf(Id::Bge), ">=(a, b)");
  EXPECT_EQ(textOf(Id::Jmp), "true");
  EXPECT_EQ(textOf(Id::VredsumF), "none");
}

/// Operands of the pattern are operands of the instruction.
void check(const Pattern &pattern, const Row &row) {
  if (pattern.kind == Pattern::Kind::Operand) {
    bool known = false;
    for (unsigned i = 0; i < row.operandCount; ++i)
      known |= row.operands[i].name == pattern.operand;
    EXPECT_TRUE(known) << row.mnemonic << " has no operand " << pattern.operand;
  }
  for (const Pattern &argument : pattern.arguments)
    check(argument, row);
}

TEST(Pattern, everyOperandIsTheInstructions) {
  int patterns = 0;
  for (const Row &row : rows()) {
    const Pattern *pattern = patternOf(row.id);
    EXPECT_EQ(pattern != nullptr, domainOf(row.id).has_value());
    if (!pattern)
      continue;
    ++patterns;
    check(*pattern, row);
  }
  EXPECT_GT(patterns, 60);
}

TEST(Pattern, aMultiplyAddIsAProductAndASum) {
  bool found = false;
  for (const Combination &c : combinations()) {
    found |= c.whole == Id::VmadI && c.outer == Id::VaddI && c.inner == Id::VmulI && c.operand == 'a';
    EXPECT_NE(c.whole, Id::VfmaF); // it rounds once
  }
  EXPECT_TRUE(found);
}

} // namespace

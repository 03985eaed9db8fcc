#include "isa/mortise/Program.h"

#include <gtest/gtest.h>
#include <random>

using namespace tenon::mortise;

namespace {

Instruction randomInstruction(std::mt19937_64 &random, const Row &row, size_t codeSize) {
  Instruction instruction;
  instruction.id = row.id;
  for (unsigned i = 0; i < row.operandCount; ++i) {
    auto [low, high] = operandRange(row.operands[i].kind);
    if (row.operands[i].kind == OperandKind::Label)
      high = int64_t(codeSize);
    instruction.operands[i] = int32_t(std::uniform_int_distribution<int64_t>(low, high)(random));
  }
  return instruction;
}

/// Any instructions, bundled where the slots allow it, with labels at the starts of bundles.
Program randomProgram(uint64_t seed) {
  std::mt19937_64 random(seed);
  Program program;
  size_t count = 1 + random() % 60;
  std::vector<int32_t> starts;
  while (program.code.size() < count) {
    starts.push_back(int32_t(program.code.size()));
    int last = -1;
    size_t begin = program.code.size();
    for (size_t n = 1 + random() % 3; n; --n) {
      const Row &row = rows()[random() % rows().size()];
      int slot = int(row.unit);
      bool alone = row.unit == Unit::Control;
      if (program.code.size() > begin && (alone || slot <= last))
        break;
      if (program.code.size() > begin)
        program.code.back().chained = true;
      program.code.push_back(randomInstruction(random, row, 0));
      last = slot;
      if (alone)
        break;
    }
  }
  starts.push_back(int32_t(program.code.size()));
  for (size_t at = 0; at < program.code.size(); ++at) {
    Instruction &i = program.code[at];
    for (unsigned k = 0; k < i.row().operandCount; ++k)
      if (i.row().operands[k].kind == OperandKind::Label)
        i.operands[k] =
            i.id == Id::Loop || i.id == Id::Loopi ? starts.back() : starts[random() % starts.size()];
  }
  program.parameters = {"batch", "length"};
  program.tensors = {{"x", Role::Input, Type::Bf16, {3, 5}, 64, {}},
                     {"w", Role::Constant, Type::I4, {3}, 4096, {7, 9}}};
  program.nodes = {"Conv_0 \"quoted\\\"", "a;b"};
  program.origins = {{0, 1}};
  return program;
}

/// Bundles may by chance write a register twice; such a program is none.
bool isValid(const Program &program) {
  try {
    verify(program);
    return true;
  } catch (const Error &) {
    return false;
  }
}

TEST(Program, assembleOfDisassembleIsExact) {
  int valid = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Program program = randomProgram(seed);
    if (!isValid(program))
      continue;
    ++valid;
    std::string text = disassemble(program);
    Program again = assemble(text);
    ASSERT_EQ(again, program) << text;
    ASSERT_EQ(disassemble(again), text);
    std::vector<uint8_t> bytes = writeBinary(program);
    ASSERT_EQ(readBinary(bytes), program);
    ASSERT_EQ(writeBinary(again), bytes);
  }
  EXPECT_GT(valid, 1500);
}

TEST(Program, everyRowRoundTripsThroughWordAndText) {
  std::mt19937_64 random(1);
  for (const Row &row : rows()) {
    EXPECT_EQ(findRow(row.code), &row);
    EXPECT_EQ(findRow(std::string_view(row.mnemonic)), &row);
    for (int i = 0; i < 50; ++i) {
      Instruction instruction = randomInstruction(random, row, 100);
      EXPECT_EQ(decode(encode(instruction)), instruction);
    }
  }
}

TEST(Program, randomBytesAreAnErrorNotACrash) {
  std::mt19937_64 random(2);
  std::vector<uint8_t> valid = writeBinary(randomProgram(4));
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> bytes = valid;
    if (round % 2) {
      bytes.resize(random() % 200);
      for (uint8_t &byte : bytes)
        byte = uint8_t(random());
      if (bytes.size() >= 8)
        std::copy(valid.begin(), valid.begin() + 8, bytes.begin());
    } else {
      for (int n = 0; n < 3; ++n)
        bytes[random() % bytes.size()] = uint8_t(random());
    }
    try {
      Program program = readBinary(bytes);
      ++accepted;
      EXPECT_EQ(assemble(disassemble(program)), program);
    } catch (const Error &error) {
      EXPECT_TRUE(error.code().starts_with("TN10")) << error.code();
    }
  }
  EXPECT_LT(accepted, 20000);
}

std::string errorOf(const std::string &text) {
  try {
    assemble(text, "a.s");
  } catch (const Error &error) {
    return error.code() + " " + error.message();
  }
  return "none";
}

TEST(Program, errorsSayWhereAndWhat) {
  EXPECT_EQ(errorOf("  nop\n  bogus r1\n"), "TN1002 a.s:2: unknown instruction 'bogus'");
  EXPECT_EQ(errorOf("add r1, r2"), "TN1001 a.s:1: expected 'add Rd, Ra, Rb'");
  EXPECT_EQ(errorOf("li r32, 1"), "TN1003 a.s:1: 'r32' must be from 0 to 31");
  EXPECT_EQ(errorOf("jmp there"), "TN1001 a.s:1: label 'there' is not defined");
  EXPECT_EQ(errorOf("{ halt | vmov v1, v2 }"),
            "TN1011 a.s: instruction 0: 'halt' cannot be part of a bundle");
  EXPECT_EQ(errorOf("{ vmov v1, v2 | vmov v3, v2 }"), "TN1011 a.s: instruction 1: a bundle has at most one "
                                                      "instruction for each slot, in the order scalar, load, "
                                                      "store, vector");
  EXPECT_EQ(errorOf("{ addi r1, r1, 4 | vld.w v0, [r1+0], 4, p0 }"),
            "TN1011 a.s: instruction 0: two instructions of a bundle write the same register");
  EXPECT_EQ(errorOf(".tensor x, in, f32, 4, 0\n.tensor y, in, f32, 4, 8\n"),
            "TN1012 a.s: tensor 'y' overlaps the one before, or tensors are not in the order of addresses");
}

TEST(Program, constantsOfTheAssembler) {
  Program program = assemble(".param n\n.tensor x, in, f32, 4, 256\n.equ tile, 0x20\n"
                             "li r1, @x\nli r2, tile\nli r3, 1.5f\nldp r4, %n\ndseti d0.type, bf16\nhalt\n");
  EXPECT_EQ(program.code[0].operands[1], 256);
  EXPECT_EQ(program.code[1].operands[1], 32);
  EXPECT_EQ(program.code[2].operands[1], 0x3fc00000);
  EXPECT_EQ(program.code[3].operands[1], 0);
  EXPECT_EQ(program.code[4].operands[2], int(Type::Bf16));
}

TEST(Program, anotherVersionIsRefused) {
  std::vector<uint8_t> bytes = writeBinary(randomProgram(4));
  bytes[4] = 9;
  try {
    readBinary(bytes);
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), "TN1013");
  }
}

} // namespace

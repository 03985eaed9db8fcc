// tenon asm, tenon disasm: Mortise programs as text and as binaries.

#include "tools/tenon/Commands.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"

#include "isa/mortise/Program.h"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace tenon::command {

namespace {

struct AssemblerCommand {
  std::string input, output;
  bool reference = false;

  void assemble() const;
  void disassemble() const;
};

std::string_view asText(const std::vector<uint8_t> &bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

void AssemblerCommand::assemble() const {
  if (reference) {
    std::fputs(mortise::referenceDocument().c_str(), stdout);
    return;
  }
  if (input.empty() || output.empty())
    failUsage("TN0001", "a source and -o are needed; see tenon asm --help");
  try {
    mortise::Program program = mortise::assemble(asText(readFile(input)), input);
    std::vector<uint8_t> bytes = mortise::writeBinary(program);
    writeFile(output, {asText(bytes)});
  } catch (const mortise::Error &error) {
    failInput(error.code().c_str(), error.message());
  }
}

void AssemblerCommand::disassemble() const {
  try {
    std::string text = mortise::disassemble(mortise::readBinary(readFile(input)));
    if (output.empty())
      std::fputs(text.c_str(), stdout);
    else
      writeFile(output, {text});
  } catch (const mortise::Error &error) {
    failInput(error.code().c_str(), "'" + input + "': " + error.message());
  }
}

} // namespace

void addAssembler(CLI::App &app) {
  auto command = std::make_shared<AssemblerCommand>();
  CLI::App *sub = app.add_subcommand("asm", "assemble a program of Mortise");
  sub->add_option("file", command->input, "assembly text")->type_name("FILE.s");
  sub->add_option("-o", command->output, "the binary")->type_name("FILE.bin");
  sub->add_flag("--reference", command->reference, "print the reference of all instructions, in Markdown");
  sub->footer("Examples:\n  tenon asm gemm.s -o gemm.bin\n  tenon asm --reference");
  sub->callback([command] { command->assemble(); });
}

void addDisassembler(CLI::App &app) {
  auto command = std::make_shared<AssemblerCommand>();
  CLI::App *sub = app.add_subcommand("disasm", "print a program of Mortise as assembly text");
  sub->add_option("file", command->input, "a binary")->type_name("FILE.bin")->required();
  sub->add_option("-o", command->output, "write the text there")->type_name("FILE.s");
  sub->footer("Example:\n  tenon disasm gemm.bin");
  sub->callback([command] { command->disassemble(); });
}

} // namespace tenon::command

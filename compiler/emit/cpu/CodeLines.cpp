//===- CodeLines.cpp - which code comes from which line -------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/CodeLines.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/DebugInfo/DWARF/DWARFContext.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/MCInst.h"
#include "llvm/MC/MCInstPrinter.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/TargetSelect.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

/// Appends the rows of one line table, without those that repeat the line before.
void appendRows(const llvm::DWARFDebugLine::LineTable &table, std::vector<CodeLines::Row> &rows) {
  for (const llvm::DWARFDebugLine::Row &row : table.Rows) {
    auto offset = static_cast<uint32_t>(row.Address.Address);
    uint32_t line = row.EndSequence ? 0 : row.Line;
    if (!rows.empty() && rows.back().offset == offset)
      rows.back().line = line;
    else if (rows.empty() || rows.back().line != line)
      rows.push_back({offset, line});
  }
}

} // namespace

FailureOr<CodeLines> readCodeLines(ArrayRef<uint8_t> object, StringRef entry) {
  StringRef bytes(reinterpret_cast<const char *>(object.data()), object.size());
  auto parsed = llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(bytes, "kernel"));
  if (!parsed) {
    llvm::consumeError(parsed.takeError());
    return failure();
  }
  CodeLines lines;
  bool found = false;
  for (const llvm::object::SymbolRef &symbol : (*parsed)->symbols()) {
    llvm::Expected<StringRef> name = symbol.getName();
    llvm::Expected<uint64_t> address = symbol.getAddress();
    llvm::Expected<llvm::object::section_iterator> section = symbol.getSection();
    if (name && address && section && *name == entry && *section != (*parsed)->section_end()) {
      lines.entry = static_cast<uint32_t>(*address);
      lines.size = static_cast<uint32_t>((*section)->getSize());
      found = true;
    }
    llvm::consumeError(name.takeError());
    llvm::consumeError(address.takeError());
    llvm::consumeError(section.takeError());
  }
  if (!found)
    return failure();
  std::unique_ptr<llvm::DWARFContext> dwarf = llvm::DWARFContext::create(**parsed);
  for (const auto &unit : dwarf->compile_units())
    if (const llvm::DWARFDebugLine::LineTable *table = dwarf->getLineTableForUnit(unit.get()))
      appendRows(*table, lines.rows);
  llvm::sort(lines.rows, [](auto &a, auto &b) { return a.offset < b.offset; });
  return lines;
}

FailureOr<std::string> disassemble(ArrayRef<uint8_t> code, StringRef tripleText,
                                   std::vector<uint32_t> &offsets, std::string &error) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86Disassembler();
  llvm::Triple triple(tripleText);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) {
    error = "TN0402: no disassembler for the triple '" + tripleText.str() + "': " + error;
    return failure();
  }
  llvm::MCTargetOptions options;
  std::unique_ptr<llvm::MCRegisterInfo> registers(target->createMCRegInfo(triple));
  std::unique_ptr<llvm::MCAsmInfo> info(target->createMCAsmInfo(*registers, triple, options));
  std::unique_ptr<llvm::MCSubtargetInfo> features(target->createMCSubtargetInfo(triple, "", ""));
  std::unique_ptr<llvm::MCInstrInfo> instructions(target->createMCInstrInfo());
  llvm::MCContext context(triple, info.get(), registers.get(), features.get());
  std::unique_ptr<llvm::MCDisassembler> decoder(target->createMCDisassembler(*features, context));
  std::unique_ptr<llvm::MCInstPrinter> printer(
      target->createMCInstPrinter(triple, info->getAssemblerDialect(), *info, *instructions, *registers));
  if (!decoder || !printer) {
    error = "TN0402: no disassembler for the triple '" + tripleText.str() + "'";
    return failure();
  }
  printer->setPrintBranchImmAsAddress(true); // addresses count from the start of `code`
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (uint64_t at = 0, size = 1; at < code.size(); at += size) {
    llvm::MCInst instruction;
    offsets.push_back(static_cast<uint32_t>(at));
    if (decoder->getInstruction(instruction, size, code.drop_front(at), at, llvm::nulls()) ==
        llvm::MCDisassembler::Success) {
      printer->printInst(&instruction, at, "", *features, stream);
    } else {
      size = 1;
      stream << "\t.byte\t" << static_cast<unsigned>(code[at]);
    }
    stream << "\n";
  }
  return text;
}

} // namespace tenon::cpu

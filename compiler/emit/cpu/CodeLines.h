//===- CodeLines.h - which code comes from which line -------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::cpu {

/// The code of one kernel's object and the lines that it comes from. The linker keeps an object's code
/// together, so that offsets hold in the image too.
struct CodeLines {
  struct Row {
    uint32_t offset; // of the first instruction, in the object's code
    uint32_t line;   // up to the next row; 0: none
  };
  uint32_t entry = 0;    // offset of the kernel's function
  uint32_t size = 0;     // bytes of code
  std::vector<Row> rows; // ascending by offset
};

/// Reads the DWARF line table of an object that compileToObject made. Fails when `entry` is no function of
/// it.
mlir::FailureOr<CodeLines> readCodeLines(llvm::ArrayRef<uint8_t> object, llvm::StringRef entry);

/// The instructions of `code`, one a line; `offsets` receives where each starts. Bytes that are no
/// instruction become `.byte` lines. Fails with a message where there is no disassembler for the triple.
mlir::FailureOr<std::string> disassemble(llvm::ArrayRef<uint8_t> code, llvm::StringRef triple,
                                         std::vector<uint32_t> &offsets, std::string &error);

} // namespace tenon::cpu

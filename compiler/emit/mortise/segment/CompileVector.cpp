//===- CompileVector.cpp - the vector backend for callers without exceptions --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/CompileVector.h"

namespace tenon::npu {

bool compileVector(const VectorFunction &function, const mortise::Hardware &hardware, CompiledKernel &kernel,
                   std::string &why) {
  try {
    kernel = compile(function, hardware, {});
    return true;
  } catch (const mortise::Error &e) {
    why = e.message();
    return false;
  }
}

} // namespace tenon::npu

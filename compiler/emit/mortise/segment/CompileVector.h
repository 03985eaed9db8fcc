//===- CompileVector.h - the vector backend for callers without exceptions --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/vector/CompileKernel.h"

namespace tenon::npu {

/// `compile`, whose error becomes `why`; false then.
bool compileVector(const VectorFunction &function, const mortise::Hardware &hardware, CompiledKernel &kernel,
                   std::string &why);

} // namespace tenon::npu

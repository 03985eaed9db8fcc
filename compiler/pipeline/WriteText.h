//===- WriteText.h - texts for the user -------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/StringRef.h"
#include <system_error>

namespace tenon::pipeline {

/// Writes a file, whole or not at all: under another name in the same folder, which then takes the place of
/// `path`. What exists and is no regular file (a device, a pipe) is written to as it is.
std::error_code writeText(llvm::StringRef path, llvm::StringRef text);

} // namespace tenon::pipeline

//===- WriteText.cpp - texts for the user -----------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/WriteText.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace tenon::pipeline {

/// The stream must not end with an error that nobody has looked at.
static std::error_code writeTo(raw_fd_ostream &stream, StringRef text) {
  stream << text;
  stream.flush();
  std::error_code error = stream.error();
  stream.clear_error();
  return error;
}

std::error_code writeText(StringRef path, StringRef text) {
  if (sys::fs::exists(path) && !sys::fs::is_regular_file(path)) {
    std::error_code error;
    raw_fd_ostream stream(path, error, sys::fs::CD_OpenExisting);
    return error ? error : writeTo(stream, text);
  }
  // Not sys::fs::TempFile, which installs handlers of signals: this may be a library in somebody's process.
  SmallString<128> partial;
  int file = -1;
  if (std::error_code error = sys::fs::createUniqueFile(path + ".%%%%%%.tmp", file, partial, sys::fs::OF_None,
                                                        sys::fs::all_read | sys::fs::all_write))
    return error;
  std::error_code error;
  {
    raw_fd_ostream stream(file, /*shouldClose=*/true);
    error = writeTo(stream, text);
    stream.close();
    if (stream.has_error() && !error)
      error = stream.error();
    stream.clear_error();
  }
  if (!error)
    error = sys::fs::rename(partial, path);
  if (!error)
    return {};
  std::error_code left = sys::fs::remove(partial);
  (void)left; // what went wrong first is what matters
  return error;
}

} // namespace tenon::pipeline

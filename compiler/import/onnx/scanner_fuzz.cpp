//===- scanner_fuzz.cpp - fuzzes the wire scanner ---------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/WireScanner.h"

#include <cstdlib>

using namespace tenon::importer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef bytes(reinterpret_cast<const char *>(data), size);
  ScanLimits limits;
  limits.inlineBytes = 8; // small inputs have payloads too
  ScannedModel scanned;
  std::string message;
  ScanError error = scanModel(bytes, limits, scanned, message);
  if ((error == ScanError::None) != message.empty())
    abort();
  for (const Payload &p : scanned.payloads)
    if (p.offset > size || p.length > size - p.offset)
      abort();
  return 0;
}

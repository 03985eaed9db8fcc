//===- WireScanner.h - finds the weights in the bytes of an ONNX model ------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Walks the protobuf wire format of a ModelProto without decoding it. Large tensor data (raw_data, packed
// float_data and double_data) is left out of a reduced copy of the model, which the protobuf library then
// parses; the place of the data in the original bytes is recorded. The link between the two is the tensor's
// doc_string, which in the reduced model holds the index of its payload in decimal (doc_strings of the
// original are dropped).
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::importer {

/// Bytes of a tensor in the model file, little-endian, row-major.
struct Payload {
  enum class Kind { Raw, Float, Double };
  Kind kind = Kind::Raw;
  uint64_t offset = 0, length = 0; // bytes from the start of the scanned buffer
};

struct ScannedModel {
  std::string reduced; // a ModelProto without the payloads
  std::vector<Payload> payloads;
};

/// Limits that a hostile file meets before memory does.
struct ScanLimits {
  uint64_t inlineBytes = 1024;          // tensor data up to this size stays in the reduced model
  uint64_t maxReducedBytes = 512 << 20; // of the reduced model
  uint64_t maxMessages = 8'000'000;     // nested messages looked into
  int maxDepth = 90;                    // protobuf itself stops at 100
};

enum class ScanError { None, Truncated, Malformed, TooLarge };

/// Scans `bytes` (a serialized ModelProto). On failure `message` tells what was expected and at which byte.
ScanError scanModel(llvm::StringRef bytes, const ScanLimits &limits, ScannedModel &out, std::string &message);

} // namespace tenon::importer

//===- WireScanner.cpp - finds the weights in the bytes of an ONNX model ----===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/WireScanner.h"

#include <optional>

using namespace tenon::importer;
using llvm::StringRef;

namespace {

enum class Message { Model, Graph, Node, Attribute, Tensor, SparseTensor, Function, Opaque };

/// The kind of message in a length-delimited field, Opaque when tensors cannot be below it. The numbers are
/// those of onnx-ml.proto, which never change.
Message childOf(Message parent, uint64_t field) {
  switch (parent) {
  case Message::Model:
    return field == 7 ? Message::Graph : field == 25 ? Message::Function : Message::Opaque;
  case Message::Graph:
    return field == 1    ? Message::Node
           : field == 5  ? Message::Tensor
           : field == 15 ? Message::SparseTensor
                         : Message::Opaque;
  case Message::Function:
    return field == 7 ? Message::Node : field == 11 ? Message::Attribute : Message::Opaque;
  case Message::Node:
    return field == 5 ? Message::Attribute : Message::Opaque;
  case Message::Attribute:
    return field == 5 || field == 10    ? Message::Tensor
           : field == 6 || field == 11  ? Message::Graph
           : field == 22 || field == 23 ? Message::SparseTensor
                                        : Message::Opaque;
  case Message::SparseTensor:
    return field == 1 || field == 2 ? Message::Tensor : Message::Opaque;
  case Message::Tensor:
  case Message::Opaque:
    return Message::Opaque;
  }
  return Message::Opaque;
}

constexpr uint64_t kFloatData = 4, kRawData = 9, kDoubleData = 10, kDocString = 12;
constexpr uint64_t kTrainingInfo = 20; // of ModelProto; inference does not need it

struct Field {
  uint64_t number = 0;
  unsigned wireType = 0;
  uint64_t start = 0;             // of the tag
  uint64_t payload = 0, size = 0; // of a length-delimited field
  uint64_t end = 0;
};

class Scanner {
public:
  Scanner(StringRef bytes, const ScanLimits &limits, ScannedModel &out)
      : bytes(bytes), limits(limits), out(out) {}

  bool message(Message kind, uint64_t begin, uint64_t end, int depth, std::string &reduced);

  ScanError error = ScanError::None;
  std::string text;

private:
  bool fail(ScanError kind, uint64_t at, StringRef what) {
    error = kind;
    text = (what + " at byte " + llvm::Twine(at)).str();
    return false;
  }
  bool varint(uint64_t &at, uint64_t end, uint64_t &value);
  bool field(uint64_t &at, uint64_t end, Field &f);
  bool tensor(uint64_t begin, uint64_t end, std::string &reduced);
  bool append(std::string &reduced, StringRef piece, uint64_t at);

  StringRef bytes;
  const ScanLimits &limits;
  ScannedModel &out;
  uint64_t messages = 0;
};

void appendVarint(std::string &s, uint64_t value) {
  while (value >= 0x80) {
    s.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  s.push_back(static_cast<char>(value));
}

bool Scanner::append(std::string &reduced, StringRef piece, uint64_t at) {
  if (reduced.size() + piece.size() > limits.maxReducedBytes)
    return fail(ScanError::TooLarge, at,
                "the model without its weights is larger than " + std::to_string(limits.maxReducedBytes) +
                    " bytes");
  reduced.append(piece.data(), piece.size());
  return true;
}

bool Scanner::varint(uint64_t &at, uint64_t end, uint64_t &value) {
  value = 0;
  uint64_t start = at;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at >= end)
      return fail(ScanError::Truncated, start, "a number is cut off");
    auto byte = static_cast<uint8_t>(bytes[at++]);
    if (shift == 63 && byte > 1)
      return fail(ScanError::Malformed, start, "a number has more than 64 bits");
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return true;
  }
  return fail(ScanError::Malformed, start, "a number has more than 10 bytes");
}

bool Scanner::field(uint64_t &at, uint64_t end, Field &f) {
  f = Field();
  f.start = at;
  uint64_t tag;
  if (!varint(at, end, tag))
    return false;
  f.number = tag >> 3;
  f.wireType = tag & 7;
  if (f.number == 0 || f.number > (1u << 29) - 1)
    return fail(ScanError::Malformed, f.start, "a field has an impossible number");
  uint64_t skip = 0;
  switch (f.wireType) {
  case 0:
    if (!varint(at, end, skip))
      return false;
    break;
  case 1:
  case 5:
    skip = f.wireType == 1 ? 8 : 4;
    if (end - at < skip)
      return fail(ScanError::Truncated, f.start, "a field is cut off");
    at += skip;
    break;
  case 2:
    if (!varint(at, end, f.size))
      return false;
    if (end - at < f.size)
      return fail(ScanError::Truncated, f.start,
                  "a field of " + std::to_string(f.size) + " bytes reaches beyond the " +
                      std::to_string(end - at) + " that are left");
    f.payload = at;
    at += f.size;
    break;
  default:
    return fail(ScanError::Malformed, f.start,
                "a field has the unknown wire type " + std::to_string(f.wireType));
  }
  f.end = at;
  return true;
}

bool Scanner::tensor(uint64_t begin, uint64_t end, std::string &reduced) {
  std::optional<Payload> payload;
  bool mixed = false;
  uint64_t at = begin;
  Field f;
  while (at < end) {
    if (!field(at, end, f))
      return false;
    if (f.number == kDocString)
      continue;
    bool isData =
        f.wireType == 2 && (f.number == kRawData || f.number == kFloatData || f.number == kDoubleData);
    if (isData && f.size > limits.inlineBytes) {
      Payload found;
      found.kind = f.number == kRawData     ? Payload::Kind::Raw
                   : f.number == kFloatData ? Payload::Kind::Float
                                            : Payload::Kind::Double;
      found.offset = f.payload;
      found.length = f.size;
      mixed |= payload.has_value();
      payload = found;
      continue;
    }
    if (!append(reduced, bytes.slice(f.start, f.end), f.start))
      return false;
  }
  if (mixed)
    return fail(ScanError::Malformed, begin, "a tensor holds its data more than once");
  if (payload) {
    std::string index = std::to_string(out.payloads.size());
    appendVarint(reduced, kDocString << 3 | 2);
    appendVarint(reduced, index.size());
    reduced += index;
    out.payloads.push_back(*payload);
  }
  return true;
}

bool Scanner::message(Message kind, uint64_t begin, uint64_t end, int depth, std::string &reduced) {
  if (++messages > limits.maxMessages)
    return fail(ScanError::TooLarge, begin,
                "the model has more than " + std::to_string(limits.maxMessages) +
                    " nodes, attributes and tensors");
  if (depth > limits.maxDepth)
    return fail(ScanError::TooLarge, begin,
                "messages are nested more than " + std::to_string(limits.maxDepth) + " deep");
  if (kind == Message::Tensor)
    return tensor(begin, end, reduced);
  uint64_t at = begin;
  Field f;
  while (at < end) {
    if (!field(at, end, f))
      return false;
    if (kind == Message::Model && f.number == kTrainingInfo)
      continue;
    Message child = f.wireType == 2 ? childOf(kind, f.number) : Message::Opaque;
    if (child == Message::Opaque) {
      if (!append(reduced, bytes.slice(f.start, f.end), f.start))
        return false;
      continue;
    }
    std::string body;
    if (!message(child, f.payload, f.payload + f.size, depth + 1, body))
      return false;
    appendVarint(reduced, f.number << 3 | 2);
    appendVarint(reduced, body.size());
    if (!append(reduced, body, f.start))
      return false;
  }
  return true;
}

} // namespace

ScanError tenon::importer::scanModel(StringRef bytes, const ScanLimits &limits, ScannedModel &out,
                                     std::string &message) {
  out = ScannedModel();
  Scanner scanner(bytes, limits, out);
  if (!scanner.message(Message::Model, 0, bytes.size(), 0, out.reduced))
    message = scanner.text;
  return scanner.error;
}

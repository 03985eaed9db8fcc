//===- ModuleState.cpp - weights, states and source nodes of a module -------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/ModuleState.h"

#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

/// A hash of a few pieces: reading every weight at import would page in the whole file. Equality is decided
/// by comparing the bytes.
static uint64_t sampledHash(StringRef bytes) {
  constexpr size_t piece = 256;
  uint64_t hash = bytes.size();
  for (size_t i = 0; i < 4; ++i) {
    size_t at = bytes.size() <= piece ? 0 : (bytes.size() - piece) / 3 * i;
    hash = hash * 0x9e3779b97f4a7c15ull + llvm::xxh3_64bits(bytes.substr(at, piece));
  }
  return hash;
}

std::string ModuleState::uniqueName(StringRef name) {
  std::string base = name.empty() ? "weight" : name.str(), candidate = base;
  for (unsigned i = 1; !names.insert(candidate).second; ++i)
    candidate = base + "_" + std::to_string(i);
  return candidate;
}

void ModuleState::insertAtTop(Operation *op) {
  if (last)
    op->moveAfter(last);
  last = op;
}

WeightOp ModuleState::weight(StringRef name, TensorData &data, Location loc) {
  auto type = RankedTensorType::get(data.dims, data.elementType);
  StringRef bytes = data.inSource ? data.bytes : StringRef(data.owned);
  // A hostile file can have many weights that differ where the hash does not look; a few comparisons are
  // enough.
  constexpr size_t maxCompared = 8;
  auto &known = weights[{type.getAsOpaquePointer(), sampledHash(bytes)}];
  for (const Known &k : known)
    if (k.bytes == bytes)
      return k.op;
  if (!data.inSource) {
    data.path = store->addBuffer(std::move(data.owned));
    bytes = *store->source(data.path);
    data.offset = 0;
  }
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  auto op = WeightOp::create(builder, loc, uniqueName(name), type, data.path, data.offset, bytes.size(), "");
  insertAtTop(op);
  if (known.size() < maxCompared)
    known.push_back({op, bytes});
  return op;
}

StateOp ModuleState::state(StringRef name, RankedTensorType type, Location loc) {
  auto [it, isNew] = states.try_emplace(name);
  if (!isNew)
    return it->second.getType() == type ? it->second : StateOp();
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  it->second = StateOp::create(builder, loc, uniqueName(name), type, FlatSymbolRefAttr());
  insertAtTop(it->second);
  return it->second;
}

int64_t ModuleState::addNode(StringRef name, StringRef op, StringRef domain) {
  nodes.push_back({name.str(), op.str(), domain.str()});
  return static_cast<int64_t>(nodes.size()) - 1;
}

void ModuleState::writeNodes() {
  Builder b(module.getContext());
  SmallVector<Attribute> rows;
  for (const Node &n : nodes)
    rows.push_back(b.getStrArrayAttr({n.name, n.op, n.domain}));
  module->setAttr("tenon.nodes", b.getArrayAttr(rows));
}

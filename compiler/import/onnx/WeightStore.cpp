//===- WeightStore.cpp - the bytes behind tenon.weight ----------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/WeightStore.h"

using namespace tenon::importer;
using llvm::StringRef;

std::optional<StringRef> WeightStore::source(StringRef path) const {
  auto it = sources.find(path);
  if (it == sources.end())
    return std::nullopt;
  return it->second->getBuffer();
}

std::optional<StringRef> WeightStore::bytes(StringRef path, uint64_t offset, uint64_t length) const {
  auto whole = source(path);
  if (!whole || offset > whole->size() || length > whole->size() - offset)
    return std::nullopt;
  return whole->substr(offset, length);
}

void WeightStore::add(StringRef path, std::unique_ptr<llvm::MemoryBuffer> buffer) {
  sources[path] = std::move(buffer);
}

std::string WeightStore::addBuffer(std::string bytes) {
  std::string path = "mem:" + std::to_string(buffers++);
  sources[path] = llvm::MemoryBuffer::getMemBufferCopy(bytes, path);
  return path;
}

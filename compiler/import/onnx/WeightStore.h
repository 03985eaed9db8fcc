//===- WeightStore.h - the bytes behind tenon.weight ------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace tenon::importer {

/// Maps the `path` of a tenon.weight to bytes: "" is the file of the first model, "model:<i>" that of a
/// further one, "mem:<n>" a buffer made by the import, anything else a file of external data. Files stay
/// mapped as long as the store lives; nothing is copied.
class WeightStore {
public:
  /// The bytes [offset, offset + length) of a source; nothing when the source or the range does not exist.
  std::optional<llvm::StringRef> bytes(llvm::StringRef path, uint64_t offset, uint64_t length) const;

  /// The whole source, nothing when there is none of that name.
  std::optional<llvm::StringRef> source(llvm::StringRef path) const;

  void add(llvm::StringRef path, std::unique_ptr<llvm::MemoryBuffer> buffer);
  /// Adds a buffer of the import's own and returns its path, "mem:<n>".
  std::string addBuffer(std::string bytes);

private:
  llvm::StringMap<std::unique_ptr<llvm::MemoryBuffer>> sources;
  unsigned buffers = 0;
};

} // namespace tenon::importer

// Writes packages: to a file, whole or not at all, or to memory (the JIT's way; there is no second path).
#pragma once

#include "package/error.h"
#include "package/model.h"

#include <string>
#include <vector>

namespace tenon::package {

struct WriteOptions {
  bool debugSection = true;
};

/// What was written, for reports.
struct WriteReport {
  uint64_t fileBytes = 0;
  uint64_t manifestBytes = 0;
  uint64_t imageBytes = 0;
  uint64_t weightBytes = 0;       // in the file
  uint64_t sharedWeightBytes = 0; // saved by storing equal weights once
  uint64_t debugBytes = 0;
};

/// Verifies `package`, streams the weights one at a time and renames a finished temporary file in the folder
/// of `path` over it. On failure the file at `path` is as it was and the temporary file is gone.
Status writeFile(const Package &package, const std::string &path, const WriteOptions &options = {},
                 WriteReport *report = nullptr);

/// As writeFile, into `bytes` (replaced; empty on failure). The first byte is to be placed at a 4096-byte
/// boundary when kernels rely on aligned weights: tenon_package_load_memory copies nothing.
Status writeMemory(const Package &package, std::vector<uint8_t> &bytes, const WriteOptions &options = {},
                   WriteReport *report = nullptr);

/// A source that copies from memory, which lives as long as the package is written.
WeightSource fromMemory(const void *data, size_t size);

/// A source that owns its bytes.
WeightSource fromBytes(std::vector<uint8_t> bytes);

/// A source that reads `size` bytes at `offset` of the file at `path` in pieces.
WeightSource fromFile(std::string path, uint64_t offset, uint64_t size);

} // namespace tenon::package

// Where the writer's bytes go (private to the writer).
#pragma once

#include "package/error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::package {

class Output {
public:
  virtual ~Output() = default;
  virtual Status append(const void *data, uint64_t size) = 0;
  /// Replaces bytes already appended.
  virtual Status overwrite(uint64_t offset, const void *data, uint64_t size) = 0;
  /// Drops what was appended from `size` on.
  virtual Status truncate(uint64_t size) = 0;
  uint64_t size() const { return size_; }

protected:
  uint64_t size_ = 0;
};

class MemoryOutput : public Output {
public:
  explicit MemoryOutput(std::vector<uint8_t> &bytes) : bytes_(bytes) {}
  Status append(const void *data, uint64_t size) override;
  Status overwrite(uint64_t offset, const void *data, uint64_t size) override;
  Status truncate(uint64_t size) override;

private:
  std::vector<uint8_t> &bytes_;
};

/// A temporary file beside the final one. It disappears unless commit() succeeds.
class FileOutput : public Output {
public:
  FileOutput() = default;
  FileOutput(const FileOutput &) = delete;
  FileOutput &operator=(const FileOutput &) = delete;
  ~FileOutput() override;
  Status open(const std::string &path);
  Status append(const void *data, uint64_t size) override;
  Status overwrite(uint64_t offset, const void *data, uint64_t size) override;
  Status truncate(uint64_t size) override;
  /// Flushes to the disk and renames.
  Status commit();

private:
  Status failed(const char *what) const;

  std::string path_, temporary_;
  int descriptor_ = -1;
};

} // namespace tenon::package

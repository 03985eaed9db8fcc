#include "package/writer.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

namespace tenon::package {

WeightSource fromMemory(const void *data, size_t size) {
  return [data, size](WeightSink &sink, std::string &) { return sink.append(data, size); };
}

WeightSource fromBytes(std::vector<uint8_t> bytes) {
  auto shared = std::make_shared<std::vector<uint8_t>>(std::move(bytes));
  return [shared](WeightSink &sink, std::string &) { return sink.append(shared->data(), shared->size()); };
}

static bool copyFile(int file, uint64_t offset, uint64_t size, WeightSink &sink, std::string &error) {
  std::vector<char> piece(size < (1u << 20) ? size : (1u << 20));
  while (size > 0) {
    ssize_t count =
        pread(file, piece.data(), size < piece.size() ? size : piece.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0) {
      error = count == 0 ? "the file ends too early" : std::strerror(errno);
      return false;
    }
    if (!sink.append(piece.data(), static_cast<size_t>(count)))
      return false;
    offset += static_cast<uint64_t>(count), size -= static_cast<uint64_t>(count);
  }
  return true;
}

WeightSource fromFile(std::string path, uint64_t offset, uint64_t size) {
  return [path = std::move(path), offset, size](WeightSink &sink, std::string &error) {
    int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
      error = "cannot open " + path + ": " + std::strerror(errno);
      return false;
    }
    bool ok = copyFile(file, offset, size, sink, error);
    close(file);
    if (!ok && !error.empty())
      error = "cannot read " + path + ": " + error;
    return ok;
  };
}

} // namespace tenon::package

#include "package/output.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon::package {

Status MemoryOutput::append(const void *data, uint64_t size) {
  const uint8_t *bytes = static_cast<const uint8_t *>(data);
  bytes_.insert(bytes_.end(), bytes, bytes + size);
  size_ = bytes_.size();
  return {};
}

Status MemoryOutput::overwrite(uint64_t offset, const void *data, uint64_t size) {
  std::memcpy(bytes_.data() + offset, data, size);
  return {};
}

Status MemoryOutput::truncate(uint64_t size) {
  bytes_.resize(size);
  size_ = size;
  return {};
}

FileOutput::~FileOutput() {
  if (descriptor_ < 0)
    return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

Status FileOutput::failed(const char *what) const {
  return Status::error(Code::WriteFailed, "cannot %s %s: %s", what, path_.c_str(), std::strerror(errno));
}

Status FileOutput::open(const std::string &path) {
  path_ = path;
  struct stat existing;
  if (stat(path.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode)) {
    errno = S_ISDIR(existing.st_mode) ? EISDIR : EINVAL;
    return failed("replace");
  }
  temporary_ = path + ".XXXXXX";
  descriptor_ = mkstemp(temporary_.data());
  if (descriptor_ < 0)
    return failed("create a temporary file beside");
  // mkstemp makes files private; a package has the usual permissions.
  mode_t mask = umask(0);
  umask(mask);
  if (fchmod(descriptor_, 0666 & ~mask) != 0)
    return failed("set the permissions of");
  return {};
}

Status FileOutput::append(const void *data, uint64_t size) {
  TENON_TRY(overwrite(size_, data, size));
  size_ += size;
  return {};
}

Status FileOutput::overwrite(uint64_t offset, const void *data, uint64_t size) {
  const char *bytes = static_cast<const char *>(data);
  while (size > 0) {
    ssize_t written = pwrite(descriptor_, bytes, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return failed("write");
    bytes += written, offset += static_cast<uint64_t>(written), size -= static_cast<uint64_t>(written);
  }
  return {};
}

Status FileOutput::truncate(uint64_t size) {
  if (ftruncate(descriptor_, static_cast<off_t>(size)) != 0)
    return failed("write");
  size_ = size;
  return {};
}

Status FileOutput::commit() {
  if (fsync(descriptor_) != 0)
    return failed("write");
  if (rename(temporary_.c_str(), path_.c_str()) != 0)
    return failed("replace");
  close(descriptor_);
  descriptor_ = -1;
  return {};
}

} // namespace tenon::package

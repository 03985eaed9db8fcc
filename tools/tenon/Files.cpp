#include "tools/tenon/Files.h"
#include "tools/tenon/Failure.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon::command {

namespace {

class Descriptor {
public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0)
      ::close(value_);
  }
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  int get() const { return value_; }

private:
  int value_;
};

[[noreturn]] void failRead(const std::string &path, const char *reason) {
  failInput("TN0503", "cannot read '" + path + "': " + reason);
}

[[noreturn]] void failWrite(const std::string &path) {
  failInput("TN0504", "cannot write '" + path + "': " + std::strerror(errno));
}

Descriptor openRegular(const std::string &path, uint64_t &size) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info = {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0)
    failRead(path, std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    failRead(path, S_ISDIR(info.st_mode) ? "it is a folder, expected a file" : "it is not a regular file");
  size = static_cast<uint64_t>(info.st_size);
  return Descriptor(::dup(file.get()));
}

size_t readUpTo(const Descriptor &file, const std::string &path, void *data, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t count = ::read(file.get(), static_cast<char *>(data) + done, size - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      failRead(path, std::strerror(errno));
    if (count == 0)
      break;
    done += static_cast<size_t>(count);
  }
  return done;
}

bool writeAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

} // namespace

std::vector<uint8_t> readFile(const std::string &path) {
  uint64_t size = 0;
  Descriptor file = openRegular(path, size);
  std::vector<uint8_t> bytes(size);
  bytes.resize(readUpTo(file, path, bytes.data(), bytes.size()));
  return bytes;
}

std::string readStart(const std::string &path, size_t count) {
  uint64_t size = 0;
  Descriptor file = openRegular(path, size);
  std::string bytes(count, '\0');
  bytes.resize(readUpTo(file, path, bytes.data(), count));
  return bytes;
}

void writeFile(const std::string &path, const std::vector<std::string_view> &pieces) {
  struct stat info = {};
  bool exists = ::stat(path.c_str(), &info) == 0;
  if (path.rfind("/dev/", 0) == 0 || path.rfind("/proc/", 0) == 0 || (exists && !S_ISREG(info.st_mode))) {
    // A device, a pipe or a link to an open file (/dev/stdout) must not be replaced.
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    for (std::string_view piece : pieces)
      if (file.get() < 0 || !writeAll(file.get(), piece))
        failWrite(path);
    return;
  }
  std::error_code error;
  std::filesystem::path target =
      exists ? std::filesystem::canonical(path, error) : std::filesystem::path(path);
  if (error)
    failInput("TN0504", "cannot write '" + path + "': " + error.message());
  std::string name = "." + target.filename().string() + "." + std::to_string(::getpid()) + ".tmp";
  std::string temporary = (target.parent_path() / name).string();
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0)
    failWrite(path);
  bool written = true;
  for (std::string_view piece : pieces)
    written = written && writeAll(file.get(), piece);
  if (!written || ::rename(temporary.c_str(), target.c_str()) != 0) {
    int reason = errno;
    ::unlink(temporary.c_str());
    errno = reason;
    failWrite(path);
  }
}

void makeFolder(const std::string &path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    failInput("TN0504", "cannot make the folder '" + path + "': " + error.message());
}

TemporaryFolder::TemporaryFolder() {
  std::error_code error;
  std::filesystem::path base = std::filesystem::temp_directory_path(error);
  path_ = (error ? "/tmp" : base.string()) + "/tenon-XXXXXX";
  if (!::mkdtemp(path_.data()))
    failWrite(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored; // a leftover in the temporary folder is no reason to fail
  std::filesystem::remove_all(path_, ignored);
}

std::string executableFolder() {
  std::error_code error;
  std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "." : self.parent_path().string();
}

std::vector<std::string> libraryFolders() {
  namespace fs = std::filesystem;
  fs::path folder = executableFolder();
  std::vector<std::string> result;
  for (const char *relative :
       {".", "../lib", "../lib/x86_64-linux-gnu", "../lib/aarch64-linux-gnu", "../../lib"})
    result.push_back((folder / relative).lexically_normal().string());
  std::error_code ignored; // a folder that cannot be listed holds no library
  for (const fs::directory_entry &entry : fs::directory_iterator(folder / "../lib", ignored))
    if (entry.path().filename().string().rfind("python3", 0) == 0)
      result.push_back((entry.path() / "site-packages/tenon").lexically_normal().string());
  return result;
}

} // namespace tenon::command

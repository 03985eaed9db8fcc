#include "runtime/platform/system.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace tenon::runtime {

using package::Code;
using package::Status;

static Status failed(const char *what, const char *path) {
  return Status::error(Code::FileFailed, "cannot %s %.200s: %s", what, path, std::strerror(errno));
}

Status mapFile(const char *path, package::Bytes &result) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return failed("open", path);
  struct stat info;
  Status status;
  void *memory = MAP_FAILED;
  if (fstat(file, &info) != 0)
    status = failed("read", path);
  else if (!S_ISREG(info.st_mode))
    status =
        Status::error(Code::FileFailed, "%.200s is not a regular file; load it through a callback", path);
  else if (info.st_size == 0)
    status = Status::error(Code::Truncated, "%.200s is empty", path);
  else if (memory = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, file, 0);
           memory == MAP_FAILED)
    status = failed("map", path);
  close(file);
  if (status.ok())
    result = {static_cast<const uint8_t *>(memory), static_cast<uint64_t>(info.st_size)};
  return status;
}

void unmapFile(package::Bytes bytes) { munmap(const_cast<uint8_t *>(bytes.data), bytes.size); }

uint64_t pageSize() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

void *mapPages(uint64_t size) {
  void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void unmapPages(void *memory, uint64_t size) { munmap(memory, size); }

bool protectPages(void *memory, uint64_t size, Protection protection) {
  int flags = protection == Protection::None   ? PROT_NONE
              : protection == Protection::Read ? PROT_READ
                                               : PROT_READ | PROT_EXEC;
  return mprotect(memory, size, flags) == 0;
}

uint64_t now() {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
}

uint32_t availableCpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
    return static_cast<uint32_t>(CPU_COUNT(&set));
#endif
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? static_cast<uint32_t>(count) : 1;
}

} // namespace tenon::runtime

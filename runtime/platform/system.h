// What the runtime asks of the operating system, besides threads.
#pragma once

#include "package/error.h"
#include "package/memory.h"

namespace tenon::runtime {

/// Maps a regular file for reading.
package::Status mapFile(const char *path, package::Bytes &result);
void unmapFile(package::Bytes bytes);

uint64_t pageSize();

/// Zeroed pages, writable; nullptr on failure. `size` is a multiple of the page size.
void *mapPages(uint64_t size);
void unmapPages(void *memory, uint64_t size);
enum class Protection { None, Read, ReadExecute };
[[nodiscard]] bool protectPages(void *memory, uint64_t size, Protection protection);

/// Monotonic nanoseconds.
uint64_t now();

/// CPUs that this process may use, at least 1.
uint32_t availableCpus();

} // namespace tenon::runtime

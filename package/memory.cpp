#include "package/memory.h"

#include <cstdlib>

namespace tenon::package {

static void *allocateSystem(void *, size_t size, size_t alignment) {
  // aligned_alloc wants a multiple of the alignment, which itself is at least a pointer's.
  if (alignment < sizeof(void *))
    alignment = sizeof(void *);
  uint64_t rounded = 0;
  if (!alignUp(size, alignment, rounded))
    return nullptr;
  return std::aligned_alloc(alignment, rounded);
}

static void releaseSystem(void *, void *memory, size_t, size_t) { std::free(memory); }

Allocator systemAllocator() { return {allocateSystem, releaseSystem, nullptr}; }

} // namespace tenon::package

#include "runtime/devices/cpu/code_mapper.h"

#include "runtime/platform/system.h"

namespace tenon::runtime {

using package::Code;
using package::ElfImage;
using package::ElfRelocation;
using package::ElfSegment;
using package::Status;

using Number = unsigned long long;

CodeMapping::~CodeMapping() {
  if (memory_)
    unmapPages(memory_, size_);
}

/// Segments with their own rights must not meet in a page of this system.
static Status checkPages(const ElfImage &image, uint64_t page) {
  for (uint32_t i = 1; i < image.segmentCount(); ++i) {
    const ElfSegment &before = image.segment(i - 1), &segment = image.segment(i);
    uint64_t last = (before.address + before.memorySize - 1) / page;
    if (segment.address / page <= last && segment.executable != before.executable)
      return Status::error(
          Code::MapFailed,
          "code image: segments at %llu and %llu share a page of %llu bytes; link it with a larger "
          "max-page-size",
          (Number)before.address, (Number)segment.address, (Number)page);
  }
  return {};
}

Status CodeMapping::map(const ElfImage &image) {
  uint64_t page = pageSize();
  TENON_TRY(checkPages(image, page));
  if (!package::alignUp(image.span(), page, size_))
    return Status::error(Code::MapFailed, "code image: %llu bytes are too many", (Number)image.span());
  memory_ = mapPages(size_);
  if (!memory_)
    return Status::error(Code::MapFailed, "the system gives no memory for %llu bytes of code", (Number)size_);
  uint8_t *base = static_cast<uint8_t *>(memory_);
  for (uint32_t i = 0; i < image.segmentCount(); ++i) {
    const ElfSegment &segment = image.segment(i);
    std::memcpy(base + segment.address, image.file().data + segment.fileOffset, segment.fileSize);
  }
  for (uint64_t i = 0; i < image.relocationCount(); ++i) {
    ElfRelocation relocation = image.relocation(i);
    uint64_t value = reinterpret_cast<uintptr_t>(base) + relocation.addend;
    std::memcpy(base + relocation.target, &value, sizeof(value));
  }
  return protect(image, page);
}

Status CodeMapping::protect(const ElfImage &image, uint64_t page) {
  uint8_t *base = static_cast<uint8_t *>(memory_);
  uint64_t done = 0;
  for (uint32_t i = 0; i < image.segmentCount(); ++i) {
    const ElfSegment &segment = image.segment(i);
    uint64_t begin = segment.address / page * page;
    uint64_t end = (segment.address + segment.memorySize + page - 1) / page * page;
    // Gaps belong to no segment. Kernels have no mutable globals, so no segment stays writable.
    bool ok = begin <= done || protectPages(base + done, begin - done, Protection::None);
    ok = ok && protectPages(base + begin, end - begin,
                            segment.executable ? Protection::ReadExecute : Protection::Read);
    if (!ok)
      return Status::error(Code::MapFailed,
                           "the system does not let memory be executed; allow it for this process");
    done = end;
    if (segment.executable)
      __builtin___clear_cache(reinterpret_cast<char *>(base + segment.address),
                              reinterpret_cast<char *>(base + segment.address + segment.memorySize));
  }
  return {};
}

} // namespace tenon::runtime

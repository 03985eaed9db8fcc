// Maps code images: copies the segments, applies RELATIVE relocations, then takes the right to write away
// (W^X).
#pragma once

#include "package/elf_image.h"

namespace tenon::runtime {

/// A mapped image; unmapped when it goes.
class CodeMapping {
public:
  CodeMapping() = default;
  ~CodeMapping();
  CodeMapping(const CodeMapping &) = delete;
  CodeMapping &operator=(const CodeMapping &) = delete;

  /// Once. Fails when the system refuses memory, or when two segments with different rights share a page.
  package::Status map(const package::ElfImage &image);

  bool mapped() const { return memory_ != nullptr; }
  /// Where the image's `address` lies; the caller has checked it with ElfImage::isCode.
  const void *at(uint64_t address) const { return static_cast<const uint8_t *>(memory_) + address; }

private:
  package::Status protect(const package::ElfImage &image, uint64_t page);

  void *memory_ = nullptr;
  uint64_t size_ = 0;
};

} // namespace tenon::runtime

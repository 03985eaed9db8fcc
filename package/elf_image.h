// Reads the ELF shared objects that hold kernels, bounds-checked. Used by the verifier, the writer and the
// mapper.
//
// What is accepted: ELF64 little endian, ET_DYN, up to 8 PT_LOAD segments in ascending order, no segment both
// writable and executable, RELATIVE relocations whose targets lie in writable segments, and no writable data
// that outlives relocation (kernels have no mutable globals). Dependencies, thread-local storage,
// initializers and every other kind of relocation are refused.
#pragma once

#include "package/cpu_features.h"
#include "package/error.h"
#include "package/memory.h"

namespace tenon::package {

struct ElfSegment {
  uint64_t address = 0; // virtual, relative to the image's start
  uint64_t memorySize = 0;
  uint64_t fileOffset = 0;
  uint64_t fileSize = 0;
  bool writable = false;
  bool executable = false;
};

struct ElfRelocation {
  uint64_t target = 0; // address of the 8 bytes that become load address + addend
  uint64_t addend = 0;
};

/// A checked image. Valid while the bytes are.
class ElfImage {
public:
  static constexpr uint32_t kMaxSegments = 8;
  /// An image may not ask for more address space than this.
  static constexpr uint64_t kMaxSpan = uint64_t{1} << 30;

  static Status parse(Bytes file, Machine machine, ElfImage &result);

  Bytes file() const { return file_; }
  uint32_t segmentCount() const { return segmentCount_; }
  const ElfSegment &segment(uint32_t index) const { return segments_[index]; }
  /// Bytes from address 0 to the end of the last segment.
  uint64_t span() const { return span_; }
  uint64_t relocationCount() const { return relocationCount_; }
  ElfRelocation relocation(uint64_t index) const;

  /// Whether `address` is in an executable segment's file contents.
  bool isCode(uint64_t address) const;

  /// Looks an exported symbol up (for the writer: through the section headers, which a loader does not need).
  Status findSymbol(const char *name, uint64_t &address) const;
  /// Fails on a symbol that is used and not defined.
  Status checkNoUndefinedSymbols() const;

private:
  Status readSegments();
  Status readDynamic(uint64_t offset, uint64_t size);
  Status checkRelocations() const;
  template <typename Visitor> Status visitSymbols(Visitor visit) const;
  const ElfSegment *segmentAt(uint64_t address, uint64_t size) const;

  Bytes file_;
  Machine machine_ = Machine::X86_64;
  ElfSegment segments_[kMaxSegments];
  uint32_t segmentCount_ = 0;
  uint64_t span_ = 0;
  uint64_t relocationAddress_ = 0;
  uint64_t relocationCount_ = 0;
};

} // namespace tenon::package

#include "package/elf_image.h"

#include <elf.h>

namespace tenon::package {

template <typename... Args> static Status refuse(const char *format, Args... args) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
  return Status::error(Code::BadImage, format, args...);
#pragma GCC diagnostic pop
}

using Number = unsigned long long;

static bool inRange(uint64_t offset, uint64_t size, uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

/// Copies a structure out of the file, whose contents need not be aligned.
template <typename T> static bool readAt(Bytes file, uint64_t offset, T &value) {
  if (!inRange(offset, sizeof(T), file.size))
    return false;
  std::memcpy(&value, file.data + offset, sizeof(T));
  return true;
}

Status ElfImage::parse(Bytes file, Machine machine, ElfImage &result) {
  result = ElfImage();
  ElfImage image;
  image.file_ = file;
  image.machine_ = machine;
  TENON_TRY(image.readSegments());
  TENON_TRY(image.checkRelocations());
  result = image;
  return {};
}

static Status checkHeader(const Elf64_Ehdr &header, Machine machine) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return refuse("code image: not an ELF file");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
    return refuse("code image: expected 64-bit little-endian ELF");
  if (header.e_type != ET_DYN)
    return refuse("code image: expected a shared object (type %d), found type %d", ET_DYN,
                  (int)header.e_type);
  int expected = machine == Machine::X86_64 ? EM_X86_64 : EM_AARCH64;
  if (header.e_machine != expected)
    return refuse("code image: expected machine %d, found %d", expected, (int)header.e_machine);
  if (header.e_phentsize != sizeof(Elf64_Phdr))
    return refuse("code image: program headers of %d bytes, expected %zu", (int)header.e_phentsize,
                  sizeof(Elf64_Phdr));
  return {};
}

static Status checkLoad(const Elf64_Phdr &header, uint64_t end, uint64_t fileSize) {
  if (header.p_filesz > header.p_memsz || !inRange(header.p_offset, header.p_filesz, fileSize))
    return refuse("code image: a segment of %llu bytes at offset %llu is not in the file",
                  (Number)header.p_filesz, (Number)header.p_offset);
  if (!inRange(header.p_vaddr, header.p_memsz, ElfImage::kMaxSpan))
    return refuse("code image: a segment of %llu bytes at address %llu, expected all below %llu",
                  (Number)header.p_memsz, (Number)header.p_vaddr, (Number)ElfImage::kMaxSpan);
  if (header.p_vaddr < end)
    return refuse("code image: segments overlap or are out of order at address %llu", (Number)header.p_vaddr);
  if ((header.p_flags & PF_W) && (header.p_flags & PF_X))
    return refuse("code image: a segment is both writable and executable");
  return {};
}

Status ElfImage::readSegments() {
  Elf64_Ehdr header;
  if (!readAt(file_, 0, header))
    return refuse("code image: %llu bytes are too few for an ELF header", (Number)file_.size);
  TENON_TRY(checkHeader(header, machine_));
  Elf64_Phdr dynamic = {}, relro = {};
  for (uint32_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr program;
    uint64_t offset = 0;
    if (__builtin_add_overflow(header.e_phoff, uint64_t{i} * sizeof(program), &offset) ||
        !readAt(file_, offset, program))
      return refuse("code image: program header %u is not in the file", i);
    if (program.p_type == PT_TLS || program.p_type == PT_INTERP)
      return refuse("code image: thread-local storage and interpreters are not supported");
    if (program.p_type == PT_DYNAMIC)
      dynamic = program;
    if (program.p_type == PT_GNU_RELRO)
      relro = program;
    if (program.p_type != PT_LOAD || program.p_memsz == 0)
      continue;
    TENON_TRY(checkLoad(program, span_, file_.size));
    if (segmentCount_ == kMaxSegments)
      return refuse("code image: more than %u segments", kMaxSegments);
    segments_[segmentCount_++] = {program.p_vaddr,
                                  program.p_memsz,
                                  program.p_offset,
                                  program.p_filesz,
                                  (program.p_flags & PF_W) != 0,
                                  (program.p_flags & PF_X) != 0};
    span_ = program.p_vaddr + program.p_memsz;
  }
  if (segmentCount_ == 0)
    return refuse("code image: no loadable segment");
  for (uint32_t i = 0; i < segmentCount_; ++i) {
    const ElfSegment &segment = segments_[i];
    uint64_t relroEnd = 0;
    if (segment.writable &&
        (segment.address < relro.p_vaddr || __builtin_add_overflow(relro.p_vaddr, relro.p_memsz, &relroEnd) ||
         segment.address + segment.memorySize > relroEnd))
      return refuse("code image: writable data at address %llu; kernels have no mutable globals",
                    (Number)segment.address);
  }
  return dynamic.p_type == PT_DYNAMIC ? readDynamic(dynamic.p_offset, dynamic.p_filesz) : Status();
}

Status ElfImage::readDynamic(uint64_t offset, uint64_t size) {
  if (!inRange(offset, size, file_.size))
    return refuse("code image: the dynamic section is not in the file");
  uint64_t relaSize = 0, relaEntry = sizeof(Elf64_Rela);
  for (uint64_t i = 0; i < size / sizeof(Elf64_Dyn); ++i) {
    Elf64_Dyn entry;
    if (!readAt(file_, offset + i * sizeof(entry), entry))
      return refuse("code image: dynamic entry %llu is not in the file", (Number)i);
    switch (entry.d_tag) {
    case DT_NULL:
      i = size; // the last entry
      break;
    case DT_RELA:
      relocationAddress_ = entry.d_un.d_ptr;
      break;
    case DT_RELASZ:
      relaSize = entry.d_un.d_val;
      break;
    case DT_RELAENT:
      relaEntry = entry.d_un.d_val;
      break;
    case DT_NEEDED:
      return refuse("code image: it needs another library");
    case DT_JMPREL:
    case DT_REL:
    case 36: // DT_RELR, absent from older headers
      return refuse("code image: relocations with tag %lld, expected DT_RELA only", (long long)entry.d_tag);
    case DT_TEXTREL:
      return refuse("code image: relocations in code");
    case DT_INIT:
    case DT_FINI:
    case DT_INIT_ARRAY:
    case DT_FINI_ARRAY:
    case DT_PREINIT_ARRAY:
      return refuse("code image: initializers are not supported");
    default:
      break;
    }
    if (i == size)
      break;
  }
  if (relaEntry != sizeof(Elf64_Rela) || relaSize % sizeof(Elf64_Rela) != 0)
    return refuse("code image: relocations of %llu bytes in steps of %llu, expected steps of %zu",
                  (Number)relaSize, (Number)relaEntry, sizeof(Elf64_Rela));
  relocationCount_ = relaSize / sizeof(Elf64_Rela);
  return {};
}

const ElfSegment *ElfImage::segmentAt(uint64_t address, uint64_t size) const {
  for (uint32_t i = 0; i < segmentCount_; ++i)
    if (address >= segments_[i].address &&
        inRange(address - segments_[i].address, size, segments_[i].fileSize))
      return &segments_[i];
  return nullptr;
}

Status ElfImage::checkRelocations() const {
  if (relocationCount_ == 0)
    return {};
  const ElfSegment *table = segmentAt(relocationAddress_, relocationCount_ * sizeof(Elf64_Rela));
  if (!table)
    return refuse("code image: %llu relocations at address %llu are not in a segment",
                  (Number)relocationCount_, (Number)relocationAddress_);
  if (table->writable)
    return refuse("code image: the relocation table lies in a writable segment");
  uint32_t expected = machine_ == Machine::X86_64 ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE;
  for (uint64_t i = 0; i < relocationCount_; ++i) {
    Elf64_Rela entry;
    std::memcpy(&entry,
                file_.data + table->fileOffset + (relocationAddress_ - table->address) + i * sizeof(entry),
                sizeof(entry));
    if (ELF64_R_TYPE(entry.r_info) != expected || ELF64_R_SYM(entry.r_info) != 0)
      return refuse(
          "code image: relocation %llu has type %u and symbol %u, expected type %u (relative) without symbol",
          (Number)i, (unsigned)ELF64_R_TYPE(entry.r_info), (unsigned)ELF64_R_SYM(entry.r_info), expected);
    const ElfSegment *target = segmentAt(entry.r_offset, sizeof(uint64_t));
    if (!target || !target->writable)
      return refuse("code image: relocation %llu changes address %llu, which is not in a writable segment",
                    (Number)i, (Number)entry.r_offset);
    if (static_cast<uint64_t>(entry.r_addend) > span_)
      return refuse("code image: relocation %llu points outside the image", (Number)i);
  }
  return {};
}

ElfRelocation ElfImage::relocation(uint64_t index) const {
  const ElfSegment *table = segmentAt(relocationAddress_, relocationCount_ * sizeof(Elf64_Rela));
  Elf64_Rela entry;
  std::memcpy(&entry,
              file_.data + table->fileOffset + (relocationAddress_ - table->address) + index * sizeof(entry),
              sizeof(entry));
  return {entry.r_offset, static_cast<uint64_t>(entry.r_addend)};
}

bool ElfImage::isCode(uint64_t address) const {
  const ElfSegment *segment = segmentAt(address, 1);
  return segment && segment->executable;
}

/// Calls visit(const Elf64_Sym &, const char *name) for each dynamic symbol until it returns false.
template <typename Visitor> Status ElfImage::visitSymbols(Visitor visit) const {
  Elf64_Ehdr header;
  if (!readAt(file_, 0, header) || header.e_shoff == 0)
    return refuse("code image: no section headers; link it without stripping them");
  for (uint32_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr table, strings;
    if (!readAt(file_, header.e_shoff + uint64_t{i} * sizeof(table), table))
      return refuse("code image: section header %u is not in the file", i);
    if (table.sh_type != SHT_DYNSYM)
      continue;
    if (!readAt(file_, header.e_shoff + uint64_t{table.sh_link} * sizeof(strings), strings) ||
        !inRange(table.sh_offset, table.sh_size, file_.size) ||
        !inRange(strings.sh_offset, strings.sh_size, file_.size) || strings.sh_size == 0 ||
        file_.data[strings.sh_offset + strings.sh_size - 1] != 0)
      return refuse("code image: the symbol table is corrupt");
    for (uint64_t s = 1; s < table.sh_size / sizeof(Elf64_Sym); ++s) {
      Elf64_Sym symbol;
      if (!readAt(file_, table.sh_offset + s * sizeof(symbol), symbol) || symbol.st_name >= strings.sh_size)
        return refuse("code image: symbol %llu is corrupt", (Number)s);
      if (!visit(symbol, reinterpret_cast<const char *>(file_.data + strings.sh_offset + symbol.st_name)))
        return {};
    }
  }
  return {};
}

Status ElfImage::findSymbol(const char *name, uint64_t &address) const {
  bool found = false;
  TENON_TRY(visitSymbols([&](const Elf64_Sym &symbol, const char *symbolName) {
    if (symbol.st_shndx == SHN_UNDEF || std::strcmp(symbolName, name) != 0)
      return true;
    address = symbol.st_value;
    found = true;
    return false;
  }));
  if (!found)
    return Status::error(Code::MissingEntry, "code image: no exported symbol %s", name);
  if (!isCode(address))
    return Status::error(Code::MissingEntry, "code image: symbol %s is not code", name);
  return {};
}

Status ElfImage::checkNoUndefinedSymbols() const {
  char undefined[128] = {};
  TENON_TRY(visitSymbols([&](const Elf64_Sym &symbol, const char *symbolName) {
    if (symbol.st_shndx != SHN_UNDEF)
      return true;
    std::strncpy(undefined, symbolName, sizeof(undefined) - 1);
    return false;
  }));
  if (undefined[0])
    return refuse("code image: undefined symbol %s; kernels import nothing", (const char *)undefined);
  return {};
}

} // namespace tenon::package

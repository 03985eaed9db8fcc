#include "package/elf_image.h"

#include "package/testing/sample_package.h"

#include <cstddef>
#include <elf.h>
#include <gtest/gtest.h>

using namespace tenon::package;
using tenon::package::testing::imageFile;

namespace {

Status parse(const std::vector<uint8_t> &file, Machine machine = Machine::X86_64) {
  ElfImage image;
  return ElfImage::parse({file.data(), file.size()}, machine, image);
}

::testing::AssertionResult refused(const Status &status, const char *why) {
  if (status.code() == Code::BadImage && std::strstr(status.message(), why))
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "expected '" << why << "', found '" << status.message() << "'";
}

/// Applies a change to each program header of a type.
template <typename Change>
std::vector<uint8_t> withProgram(std::vector<uint8_t> file, uint32_t type, Change change) {
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof(header));
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr program;
    uint8_t *at = file.data() + header.e_phoff + i * sizeof(program);
    std::memcpy(&program, at, sizeof(program));
    if (program.p_type == type)
      change(program);
    std::memcpy(at, &program, sizeof(program));
  }
  return file;
}

/// Applies a change to each entry of the dynamic section.
template <typename Change> std::vector<uint8_t> withDynamic(std::vector<uint8_t> file, Change change) {
  Elf64_Phdr dynamic = {};
  withProgram(file, PT_DYNAMIC, [&](Elf64_Phdr &program) { dynamic = program; });
  for (uint64_t i = 0; i < dynamic.p_filesz / sizeof(Elf64_Dyn); ++i) {
    Elf64_Dyn entry;
    uint8_t *at = file.data() + dynamic.p_offset + i * sizeof(entry);
    std::memcpy(&entry, at, sizeof(entry));
    change(entry);
    std::memcpy(at, &entry, sizeof(entry));
  }
  return file;
}

template <typename Change> std::vector<uint8_t> withHeader(std::vector<uint8_t> file, Change change) {
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof(header));
  change(header);
  std::memcpy(file.data(), &header, sizeof(header));
  return file;
}

} // namespace

TEST(ElfImage, ReadsImagesOfBothMachines) {
  for (const char *name : {"base", "v3", "v4", "aarch64"}) {
    std::vector<uint8_t> file = imageFile(name);
    ElfImage image;
    Machine machine = std::strcmp(name, "aarch64") ? Machine::X86_64 : Machine::AArch64;
    Status status = ElfImage::parse({file.data(), file.size()}, machine, image);
    ASSERT_TRUE(status.ok()) << name << ": " << status.message();
    if (machine == Machine::X86_64) { // elsewhere the compiler computes the addresses in code
      EXPECT_GE(image.relocationCount(), 2u) << name;
    }
    EXPECT_TRUE(image.checkNoUndefinedSymbols().ok());
    uint64_t address = 0;
    ASSERT_TRUE(image.findSymbol("test_add", address).ok());
    EXPECT_TRUE(image.isCode(address));
    EXPECT_FALSE(image.isCode(0));
    EXPECT_EQ(image.findSymbol("test_none", address).code(), Code::MissingEntry);
  }
}

TEST(ElfImage, RefusesWhatKernelsMustNotHave) {
  EXPECT_TRUE(refused(parse(imageFile("mutable")), "mutable globals"));
  EXPECT_TRUE(refused(parse(imageFile("tls")), "thread-local"));
  EXPECT_TRUE(refused(parse(imageFile("initializer")), "initializers"));
  EXPECT_FALSE(parse(imageFile("undefined")).ok());
  EXPECT_TRUE(refused(parse(imageFile("aarch64")), "expected machine"));
}

TEST(ElfImage, RefusesForeignFiles) {
  EXPECT_TRUE(refused(parse({}), "too few"));
  EXPECT_TRUE(refused(parse(std::vector<uint8_t>(200)), "not an ELF file"));
  std::vector<uint8_t> base = imageFile("base");
  EXPECT_TRUE(refused(parse(withHeader(base, [](auto &h) { h.e_ident[EI_CLASS] = ELFCLASS32; })), "64-bit"));
  EXPECT_TRUE(refused(parse(withHeader(base, [](auto &h) { h.e_type = ET_EXEC; })), "shared object"));
  EXPECT_TRUE(refused(parse(withHeader(base, [](auto &h) { h.e_phentsize = 1; })), "program headers of"));
  EXPECT_TRUE(
      refused(parse(withHeader(base, [](auto &h) { h.e_phoff = UINT64_MAX - 8; })), "program header 0"));
  EXPECT_TRUE(refused(parse(withHeader(base, [](auto &h) { h.e_phnum = 0; })), "no loadable segment"));
}

TEST(ElfImage, RefusesBadSegments) {
  std::vector<uint8_t> base = imageFile("base");
  auto load = [&](auto change) { return parse(withProgram(base, PT_LOAD, change)); };
  EXPECT_TRUE(refused(load([](auto &p) { p.p_filesz = p.p_memsz + 1; }), "not in the file"));
  EXPECT_TRUE(refused(load([](auto &p) { p.p_offset = UINT64_MAX; }), "not in the file"));
  EXPECT_TRUE(refused(load([](auto &p) { p.p_vaddr = UINT64_MAX; }), "expected all below"));
  EXPECT_TRUE(refused(load([](auto &p) { p.p_vaddr = 0; }), "overlap"));
  EXPECT_TRUE(refused(load([](auto &p) { p.p_flags = PF_R | PF_W | PF_X; }), "both writable and executable"));
  EXPECT_TRUE(refused(parse(withProgram(base, PT_GNU_RELRO, [](auto &p) { p.p_type = PT_NULL; })),
                      "mutable globals"));
  EXPECT_TRUE(refused(parse(withProgram(base, PT_DYNAMIC, [](auto &p) { p.p_offset = UINT64_MAX; })),
                      "dynamic section"));
}

TEST(ElfImage, RefusesBadRelocations) {
  std::vector<uint8_t> base = imageFile("base");
  auto tagged = [&](int64_t tag, auto change) {
    return parse(withDynamic(base, [&](Elf64_Dyn &entry) {
      if (entry.d_tag == tag)
        change(entry);
    }));
  };
  EXPECT_TRUE(refused(tagged(DT_RELA, [](auto &e) { e.d_un.d_ptr = UINT64_MAX - 4; }), "not in a segment"));
  EXPECT_TRUE(refused(tagged(DT_RELASZ, [](auto &e) { e.d_un.d_val = 7; }), "steps"));
  EXPECT_TRUE(refused(tagged(DT_RELASZ, [](auto &e) { e.d_un.d_val = 24ull << 40; }), "not in a segment"));
  EXPECT_TRUE(refused(tagged(DT_RELAENT, [](auto &e) { e.d_un.d_val = 16; }), "steps"));
  for (int64_t tag : {DT_NEEDED, DT_JMPREL, DT_REL, DT_TEXTREL, DT_INIT, DT_INIT_ARRAY})
    EXPECT_EQ(tagged(DT_RELAENT, [&](auto &e) { e.d_tag = tag; }).code(), Code::BadImage) << tag;
}

TEST(ElfImage, RefusesBadRelocationEntries) {
  std::vector<uint8_t> base = imageFile("base");
  uint64_t table = 0;
  withDynamic(base, [&](Elf64_Dyn &entry) { table = entry.d_tag == DT_RELA ? entry.d_un.d_ptr : table; });
  ASSERT_NE(table, 0u); // lld places the read-only segment at equal addresses and offsets
  auto changed = [&](auto change) {
    std::vector<uint8_t> file = base;
    Elf64_Rela entry;
    std::memcpy(&entry, file.data() + table, sizeof(entry));
    change(entry);
    std::memcpy(file.data() + table, &entry, sizeof(entry));
    return parse(file);
  };
  EXPECT_TRUE(refused(changed([](auto &r) { r.r_info = R_X86_64_64; }), "relocation 0 has type"));
  EXPECT_TRUE(
      refused(changed([](auto &r) { r.r_info = ELF64_R_INFO(1ull, R_X86_64_RELATIVE); }), "and symbol 1"));
  EXPECT_TRUE(refused(changed([](auto &r) { r.r_offset = 0; }), "not in a writable segment"));
  EXPECT_TRUE(refused(changed([](auto &r) { r.r_offset = UINT64_MAX - 3; }), "not in a writable segment"));
  EXPECT_TRUE(refused(changed([](auto &r) { r.r_addend = -1; }), "outside the image"));
}

TEST(ElfImage, SurvivesEveryTruncation) {
  std::vector<uint8_t> base = imageFile("base");
  for (size_t size = 0; size < base.size(); size += 13) {
    std::vector<uint8_t> cut(base.begin(), base.begin() + static_cast<std::ptrdiff_t>(size));
    ElfImage image;
    if (ElfImage::parse({cut.data(), cut.size()}, Machine::X86_64, image).ok()) {
      EXPECT_LT(base.size() - size, base.size() / 2); // only section headers and symbols may be missing
      uint64_t address = 0;
      (void)!image.findSymbol("test_add", address).ok();
    }
  }
}

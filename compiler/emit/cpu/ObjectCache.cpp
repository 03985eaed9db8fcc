//===- ObjectCache.cpp - compiled kernels kept on disk ------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/ObjectCache.h"
#include "package/digest.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon::cpu {
namespace {

constexpr llvm::StringLiteral kMagic = "TNOBJ001";
constexpr llvm::StringLiteral kSuffix = ".tno";
constexpr size_t kHeaderSize = kMagic.size() + sizeof(package::DigestBytes::bytes);

/// A program or library file that is mapped into this process: the one that holds `address`.
struct MappedFile {
  uintptr_t address;
  std::string buildId; // of the linker, empty if there is none
};

int visitMapped(dl_phdr_info *info, size_t, void *data) {
  auto &file = *static_cast<MappedFile *>(data);
  bool holds = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) &header = info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + header.p_vaddr;
    holds |= header.p_type == PT_LOAD && file.address >= start && file.address < start + header.p_memsz;
  }
  if (!holds)
    return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) &header = info->dlpi_phdr[i];
    if (header.p_type != PT_NOTE)
      continue;
    const char *at = reinterpret_cast<const char *>(info->dlpi_addr + header.p_vaddr),
               *end = at + header.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      const char *contents = at + sizeof note + ((note.n_namesz + 3) & ~3u);
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && contents + note.n_descsz <= end)
        file.buildId.assign(contents, note.n_descsz);
      at = contents + ((note.n_descsz + 3) & ~3u);
    }
  }
  return 1;
}

/// What tells the build of the mapped file that holds `address` from every other: the linker's build id, else
/// a digest of the file.
std::string identityOf(const void *address) {
  MappedFile file{reinterpret_cast<uintptr_t>(address), ""};
  dl_iterate_phdr(visitMapped, &file);
  Dl_info info;
  if (!file.buildId.empty() || !dladdr(address, &info) || !info.dli_fname)
    return file.buildId;
  auto contents =
      llvm::MemoryBuffer::getFile(info.dli_fname, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!contents)
    return "";
  package::DigestBytes digest = package::digest((*contents)->getBufferStart(), (*contents)->getBufferSize());
  return std::string(reinterpret_cast<const char *>(digest.bytes), sizeof digest.bytes);
}

/// The builds of this library and of LLVM. Empty when one is not known: then objects cannot be kept.
const std::string &compilerIdentity() {
  static const std::string identity = [] {
    static const char here = 0;
    std::string own = identityOf(&here);
    std::string llvm = identityOf(reinterpret_cast<const void *>(&LLVMInitializeX86Target));
    return own.empty() || llvm.empty() ? std::string() : own + '/' + llvm + '/' + LLVM_VERSION_STRING;
  }();
  return identity;
}

/// Appends a field and its length, so that no two lists of fields give the same bytes.
void append(package::Digester &digester, llvm::StringRef field) {
  uint64_t size = field.size();
  digester.append(&size, sizeof size);
  digester.append(field.data(), field.size());
}

struct Entry {
  std::string path;
  uint64_t size;
  llvm::sys::TimePoint<> used;
};

} // namespace

ObjectCache::ObjectCache(std::string directory, uint64_t maximumBytes)
    : directory(compilerIdentity().empty() ? std::string() : std::move(directory)),
      maximumBytes(maximumBytes) {}

ObjectCache::~ObjectCache() {
  if (due)
    evict();
}

bool ObjectCache::tidies(llvm::StringRef key, uint64_t bytes, uint64_t maximumBytes) {
  constexpr unsigned parts = 16, digits = 8;
  uint64_t number = 0;
  if (key.take_front(digits).getAsInteger(16, number))
    return true; // not a key of this cache
  double share =
      static_cast<double>(bytes) * parts / static_cast<double>(std::max<uint64_t>(1, maximumBytes));
  return static_cast<double>(number) < share * std::ldexp(1.0, 4 * digits);
}

std::string ObjectCache::defaultDirectory() {
  // XDG demands absolute paths.
  if (const char *cache = std::getenv("XDG_CACHE_HOME"); cache && cache[0] == '/')
    return std::string(cache) + "/tenon";
  if (const char *home = std::getenv("HOME"); home && home[0] == '/')
    return std::string(home) + "/.cache/tenon";
  return "";
}

std::string ObjectCache::key(llvm::StringRef ir, const CpuTarget &target) const {
  package::Digester digester;
  append(digester, compilerIdentity());
  append(digester, target.triple);
  append(digester, target.llvmCpu);
  append(digester, target.features);
  append(digester,
         std::to_string(target.vectorBits) + (target.emulate ? "e" : "") + (target.bf16 ? "b" : ""));
  append(digester, ir);
  package::DigestBytes digest = digester.finish();
  return llvm::toHex(digest.bytes, /*LowerCase=*/true);
}

std::string ObjectCache::pathOf(const std::string &key) const {
  return directory + "/" + key + kSuffix.str();
}

bool ObjectCache::folderIsPrivate() const {
  struct stat status;
  return !directory.empty() && stat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool ObjectCache::find(const std::string &key, std::vector<uint8_t> &object) const {
  if (!folderIsPrivate())
    return false;
  std::string path = pathOf(key);
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return false;
  llvm::StringRef bytes = (*buffer)->getBuffer();
  if (bytes.size() <= kHeaderSize || !bytes.starts_with(kMagic))
    return false;
  llvm::StringRef contents = bytes.drop_front(kHeaderSize);
  package::DigestBytes digest = package::digest(contents.data(), contents.size());
  if (std::memcmp(digest.bytes, bytes.data() + kMagic.size(), sizeof digest.bytes) != 0)
    return false;
  object.assign(contents.bytes_begin(), contents.bytes_end());
  utimensat(AT_FDCWD, path.c_str(), nullptr, 0); // used now
  return true;
}

void ObjectCache::put(const std::string &key, const std::vector<uint8_t> &object) {
  using namespace llvm::sys;
  if (directory.empty())
    return;
  if (!folderIsPrivate() && fs::create_directories(directory, /*IgnoreExisting=*/true, fs::owner_all))
    return;
  if (!folderIsPrivate())
    return;
  package::DigestBytes digest = package::digest(object.data(), object.size());
  // Written beside its place and renamed: another process sees the whole entry or none.
  llvm::Error failed = llvm::writeToOutput(pathOf(key), [&](llvm::raw_ostream &stream) {
    stream << kMagic;
    stream.write(reinterpret_cast<const char *>(digest.bytes), sizeof digest.bytes);
    stream.write(reinterpret_cast<const char *>(object.data()), object.size());
    return llvm::Error::success();
  });
  if (!failed && tidies(key, object.size(), maximumBytes))
    due = true;
  llvm::consumeError(std::move(failed)); // a full disk costs time in the next run, nothing else
}

void ObjectCache::evict() const {
  std::vector<Entry> entries;
  uint64_t total = 0;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator at(directory, error), end; at != end && !error;
       at.increment(error)) {
    llvm::ErrorOr<llvm::sys::fs::basic_file_status> status = at->status();
    if (!status || !llvm::StringRef(at->path()).ends_with(kSuffix))
      continue;
    entries.push_back({at->path(), status->getSize(), status->getLastModificationTime()});
    total += status->getSize();
  }
  std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) {
    return a.used != b.used ? a.used < b.used : a.path < b.path;
  });
  for (const Entry &entry : entries) {
    if (total <= maximumBytes)
      break;
    if (!llvm::sys::fs::remove(entry.path)) // no error: gone; what stays still counts
      total -= entry.size;
  }
}

} // namespace tenon::cpu

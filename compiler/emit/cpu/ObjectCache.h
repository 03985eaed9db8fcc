//===- ObjectCache.h - compiled kernels kept on disk --------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/CpuTarget.h"
#include "llvm/ADT/StringRef.h"
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::cpu {

/// Keeps relocatable objects in a folder, one file each, named by a digest of all that they were made from:
/// the kernel's IR, the target, and the build of the compiler and of LLVM. Entries carry a digest of their
/// contents; what does not match is as if it were not there. A folder that other users may write to is not
/// used, as its contents are code. Nothing here fails: without a usable folder nothing is found and nothing
/// is kept. Safe for use by several threads and processes at once.
class ObjectCache {
public:
  static constexpr uint64_t kDefaultBytes = uint64_t{1} << 30;

  /// An empty `directory` turns the cache off. It is created when the first object is kept.
  explicit ObjectCache(std::string directory, uint64_t maximumBytes = kDefaultBytes);
  /// Where an added object is due to tidy the folder, removes those that were not used for longest until the
  /// size is within the bound.
  ~ObjectCache();
  ObjectCache(const ObjectCache &) = delete;
  ObjectCache &operator=(const ObjectCache &) = delete;

  /// `$XDG_CACHE_HOME/tenon`, else `~/.cache/tenon`; empty where neither is known.
  static std::string defaultDirectory();

  /// The key of the object for a kernel's IR, printed without locations.
  std::string key(llvm::StringRef ir, const CpuTarget &target) const;
  /// Reads an entry into `object`, which is left alone when there is none.
  bool find(const std::string &key, std::vector<uint8_t> &object) const;
  void put(const std::string &key, const std::vector<uint8_t> &object);

  /// Whether adding an object of so many bytes is due to tidy the folder. To look at every file takes long
  /// where there are many, so it happens about once for each sixteenth of the bound that is added, by however
  /// many processes: the key, which is as good as random, decides.
  static bool tidies(llvm::StringRef key, uint64_t bytes, uint64_t maximumBytes);

private:
  std::string pathOf(const std::string &key) const;
  bool folderIsPrivate() const;
  void evict() const;

  const std::string directory;
  const uint64_t maximumBytes;
  std::atomic<bool> due = false;
};

} // namespace tenon::cpu

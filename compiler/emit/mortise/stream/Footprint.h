//===- Footprint.h - who touched which bytes last --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/stream/Stream.h"

#include <array>
#include <unordered_map>

namespace tenon::npu {

constexpr uint32_t kNobody = ~0U;

/// For every granule of the memories: its last writer, and the last reader of each engine since. A granule is
/// small enough for the rows that engines move; what shares one counts as touching.
class Footprint {
public:
  explicit Footprint(const std::vector<Command> &commands) : commands_(commands) {}

  /// Calls `visit(other)` for earlier commands that `command` must follow (each perhaps several times), then
  /// notes what it touches. Earlier accesses that these imply are not visited.
  template <typename Visit> void touch(uint32_t command, Visit &&visit) {
    const Command &c = commands_[command];
    for (const Access &access : c.accesses)
      forEachGranule(access, [&](Granule &granule) { follow(granule, access.write, command, visit); });
    for (const Access &access : c.accesses)
      forEachGranule(access, [&](Granule &granule) { note(granule, access.write, command); });
  }

private:
  struct Granule {
    uint32_t writer = kNobody;
    std::array<uint32_t, mortise::kEngines> readers;
    Granule() { readers.fill(kNobody); }
  };
  static constexpr int64_t kPage = 256; ///< granules

  template <typename Visit>
  void follow(const Granule &granule, bool write, uint32_t command, Visit &visit) const {
    if (granule.writer != kNobody && granule.writer != command)
      visit(granule.writer);
    if (write)
      for (uint32_t reader : granule.readers)
        if (reader != kNobody && reader != command)
          visit(reader);
  }
  void note(Granule &granule, bool write, uint32_t command) {
    if (write) {
      granule = Granule();
      granule.writer = command;
    } else {
      granule.readers[commands_[command].engine] = command;
    }
  }

  static int64_t granuleOf(Space space) {
    return space == Space::Scratchpad ? 16 : space == Space::Memory ? 32 : 1;
  }

  template <typename Visit> void forEachGranule(const Access &access, Visit &&visit) {
    int64_t size = granuleOf(access.space), last = -1;
    for (int64_t k = 0; k < access.count[2]; ++k)
      for (int64_t j = 0; j < access.count[1]; ++j)
        for (int64_t i = 0; i < access.count[0]; ++i) {
          int64_t at = access.base + i * access.stride[0] + j * access.stride[1] + k * access.stride[2];
          for (int64_t g = at / size; g <= (at + access.run - 1) / size; ++g)
            if (g != last)
              visit(granule(access.space, last = g));
        }
  }
  Granule &granule(Space space, int64_t number) {
    std::vector<Granule> &page = pages_[{space, number / kPage}];
    if (page.empty())
      page.resize(kPage);
    return page[size_t(number % kPage)];
  }

  struct Key {
    Space space;
    int64_t page;
    bool operator==(const Key &) const = default;
  };
  struct Hash {
    size_t operator()(const Key &key) const { return size_t(key.page) * 3 + size_t(key.space); }
  };
  const std::vector<Command> &commands_;
  std::unordered_map<Key, std::vector<Granule>, Hash> pages_;
};

} // namespace tenon::npu

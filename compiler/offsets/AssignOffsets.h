// Static memory planning: gives buffers of known size and lifetime their offsets in one memory, such as an
// NPU's scratchpad. Needs neither LLVM nor MLIR, so that the command can link it.
//
// Buffers that are alive at the same time must not share a byte. The peak, the end of the highest buffer, is
// at least the largest number of bytes alive at any time, the lower bound. Finding the lowest peak is NP-hard
// ("dynamic storage allocation", Garey & Johnson SR2).
//
// Algorithm. First fit in several orders gives a placement to start from (FirstFit.h). Then a depth-first
// search (PlacementSearch.h) looks for a placement below a given height: at the lower bound first, in between
// by bisection where that fails. It is restarted with other orders of choice, with limits that follow Luby,
// Sinclair & Zuckerman (Optimal Speedup of Las Vegas Algorithms, 1993). That only placements from the bottom
// up need to be looked at, that time falls apart into independent intervals, and that several static orders
// should take turns is from Moffitt, "MiniMalloc: A Lightweight Memory Allocator for Hardware-Accelerated
// Machine Learning", ASPLOS 2023.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tenon::offsets {

/// A buffer that wants a place. It is alive from `begin` on, and no more at `end`; times are any integers.
struct Buffer {
  int64_t begin = 0;
  int64_t end = 1;
  int64_t size = 0;                   // bytes
  int64_t alignment = 1;              // of the offset; any positive number, also where `offset` is fixed
  std::optional<int64_t> offset = {}; // fixed beforehand
};

struct Options {
  /// Stop as soon as a placement ends at or below it. Without it, the lowest peak is looked for.
  std::optional<int64_t> capacity = {};
  /// Upper bound of the wall-clock time. Results depend on it only by where the search ends: it counts steps,
  /// not time, so that a search that ends by itself gives the same offsets on every machine.
  double seconds = 20;
  /// Called now and then with the best peak so far and the height that is being tried.
  std::function<void(int64_t peak, int64_t target)> progress = {};
};

struct Assignment {
  std::vector<int64_t> offsets; // one for each buffer
  int64_t peak = 0;
  /// No placement ends below it: the largest number of bytes alive at a time, or the end of a buffer with a
  /// fixed offset, or more where the search proved more.
  int64_t lowerBound = 0;
  /// The buffers, ascending, that are alive when the most bytes are; or the one with the highest fixed end.
  std::vector<size_t> atBound;
  /// What first fit by size alone reaches, to compare with.
  int64_t firstFitPeak = 0;
  uint64_t steps = 0; // choices made by the search
  bool optimal() const { return peak == lowerBound; }
};

/// Why the buffers cannot be planned: "buffer 3: ...", with its index, in words for a user.
struct Fault {
  size_t buffer = 0;
  std::string message;
};

/// The first buffer that is malformed: a negative size, an end not after the begin, an alignment below 1,
/// sizes whose sum is beyond 2^60, a fixed offset that is negative, misaligned, beyond 2^60, or overlaps
/// another fixed one.
std::optional<Fault> findFault(std::span<const Buffer> buffers);

/// Places the buffers, of which findFault must have found none wrong. Always gives a valid placement; whether
/// it fits the capacity is for the caller to compare.
Assignment assignOffsets(std::span<const Buffer> buffers, const Options &options = {});

} // namespace tenon::offsets

// Placements by first fit: quick, and a start for the search.
#pragma once

#include "compiler/offsets/Instance.h"

namespace tenon::offsets {

struct Placement {
  std::vector<int64_t> offsets; // of items
  int64_t peak = 0;
};

/// Gives each item of `order` the lowest offset at which it meets no earlier one. Items with fixed offsets
/// come first, wherever they stand in the order.
Placement firstFit(const Instance &instance, const std::vector<uint32_t> &order);

/// Items by descending size; equal ones in their order.
std::vector<uint32_t> bySize(const Instance &instance);

/// By size times lifetime, by lifetime, by the most bytes alive around it, by begin.
std::vector<std::vector<uint32_t>> otherOrders(const Instance &instance);

} // namespace tenon::offsets

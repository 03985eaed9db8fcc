#include "compiler/offsets/FirstFit.h"

#include <algorithm>
#include <numeric>

namespace tenon::offsets {

Placement firstFit(const Instance &instance, const std::vector<uint32_t> &order) {
  const auto &items = instance.items;
  Placement placement;
  placement.offsets.assign(items.size(), 0);
  std::vector<uint32_t> placed; // by ascending offset
  auto put = [&](uint32_t i, int64_t offset) {
    placement.offsets[i] = offset;
    placement.peak = std::max(placement.peak, offset + items[i].size);
    auto position =
        std::upper_bound(placed.begin(), placed.end(), offset,
                         [&](int64_t value, uint32_t other) { return value < placement.offsets[other]; });
    placed.insert(position, i);
  };
  for (uint32_t i = 0; i < items.size(); ++i)
    if (items[i].fixed >= 0)
      put(i, items[i].fixed);
  for (uint32_t i : order) {
    if (items[i].fixed >= 0)
      continue;
    int64_t offset = 0;
    for (uint32_t other : placed) {
      if (!instance.together(items[i], items[other]))
        continue;
      if (offset + items[i].size <= placement.offsets[other])
        break;
      offset = std::max(offset, alignUp(placement.offsets[other] + items[other].size, items[i].alignment));
    }
    put(i, offset);
  }
  return placement;
}

template <class Key> static std::vector<uint32_t> descending(const Instance &instance, Key key) {
  std::vector<uint32_t> order(instance.items.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    auto first = key(instance.items[a]), second = key(instance.items[b]);
    return first > second || (first == second && a < b);
  });
  return order;
}

using Item = Instance::Item;

std::vector<uint32_t> bySize(const Instance &instance) {
  return descending(instance, [](const Item &item) { return item.size; });
}

std::vector<std::vector<uint32_t>> otherOrders(const Instance &instance) {
  return {descending(instance, [](const Item &item) { return double(item.size) * double(item.length); }),
          descending(instance, [](const Item &item) { return std::pair(item.length, item.size); }),
          descending(instance, [](const Item &item) { return std::pair(item.contention, item.size); }),
          descending(instance, [](const Item &item) { return std::pair(-int64_t(item.first), item.size); })};
}

} // namespace tenon::offsets

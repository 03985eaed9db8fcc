//===- ArenaPlan.cpp - which buffers share the arena's bytes -----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/memory/ArenaPlan.h"

#include "compiler/defects/PlantedDefect.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <functional>

using namespace llvm;

namespace tenon::memory {

static bool aliveTogether(const ArenaRequest &a, const ArenaRequest &b) {
  if (planted(Defect::ArenaEndsExclusive))
    return std::max(a.first, b.first) < std::min(a.last, b.last);
  return std::max(a.first, b.first) <= std::min(a.last, b.last);
}

static ArenaPlan planInOrder(ArrayRef<ArenaRequest> requests, ArrayRef<uint32_t> order) {
  ArenaPlan plan;
  plan.placements.resize(order.size());
  for (auto [position, request] : enumerate(order)) {
    ArenaPlan::Placement &placement = plan.placements[position];
    placement.request = request;
    for (uint32_t earlier = 0; earlier < position; ++earlier)
      if (aliveTogether(requests[request], requests[order[earlier]]))
        placement.conflicts.push_back(earlier);
  }
  return plan;
}

int64_t placeArena(const ArenaPlan &plan, ArrayRef<int64_t> bytesOfRequest,
                   SmallVectorImpl<int64_t> *offsets) {
  SmallVector<int64_t> ends;
  SmallVector<int64_t> starts;
  int64_t peak = 0;
  for (const ArenaPlan::Placement &placement : plan.placements) {
    int64_t start = 0;
    for (uint32_t earlier : placement.conflicts)
      start = std::max(start, ends[earlier]);
    int64_t end = 0;
    if (start > INT64_MAX - kArenaAlignment)
      return INT64_MAX;
    start = static_cast<int64_t>(alignTo(static_cast<uint64_t>(start), kArenaAlignment));
    if (AddOverflow(start, bytesOfRequest[placement.request], end))
      return INT64_MAX;
    starts.push_back(start);
    ends.push_back(end);
    peak = std::max(peak, end);
  }
  if (offsets)
    offsets->assign(starts.begin(), starts.end());
  return peak;
}

ArenaPlan planArena(ArrayRef<ArenaRequest> requests) {
  using Key = std::pair<double, uint32_t>; // placed in ascending order
  auto bytes = [&](uint32_t i) { return static_cast<double>(requests[i].likelyBytes); };
  auto span = [&](uint32_t i) { return static_cast<double>(requests[i].last - requests[i].first + 1); };
  const std::function<Key(uint32_t)> heuristics[] = {
      [&](uint32_t i) { return Key(-bytes(i), requests[i].first); },
      [&](uint32_t i) { return Key(-bytes(i) * span(i), requests[i].first); },
      [&](uint32_t i) { return Key(-span(i), requests[i].first); },
      [&](uint32_t i) { return Key(requests[i].first, requests[i].last); },
  };
  SmallVector<int64_t> likely;
  for (const ArenaRequest &request : requests)
    likely.push_back(request.likelyBytes);

  ArenaPlan best;
  int64_t bestPeak = 0;
  for (const auto &key : heuristics) {
    SmallVector<uint32_t> order = to_vector(seq<uint32_t>(0, requests.size()));
    llvm::sort(order, [&](uint32_t a, uint32_t b) { return std::pair(key(a), a) < std::pair(key(b), b); });
    ArenaPlan plan = planInOrder(requests, order);
    int64_t peak = placeArena(plan, likely);
    if (best.placements.empty() || peak < bestPeak) {
      best = std::move(plan);
      bestPeak = peak;
    }
  }
  return best;
}

} // namespace tenon::memory

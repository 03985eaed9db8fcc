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
#include <random>

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

namespace {

/// The orders of some requests, and how good they are.
class OrderSearch {
public:
  using Order = SmallVector<uint32_t>;
  explicit OrderSearch(ArrayRef<ArenaRequest> requests);
  /// The sum over all likely sizes of the peak over the bytes that are alive together; `least()` at best.
  double costOf(ArrayRef<uint32_t> order);
  double least() const { return static_cast<double>(alive.size()); }
  void improve(Order &order);

private:
  size_t samples;
  std::vector<double> bytes;                     // of the buffers, aligned, sample by sample
  std::vector<SmallVector<uint32_t>> neighbours; // alive at the same time
  SmallVector<double> alive;                     // bytes, for each of the likely sizes
  std::vector<double> ends;                      // likewise; less than 0: not placed
  size_t steps = 0;                              // of one `costOf`
};

OrderSearch::OrderSearch(ArrayRef<ArenaRequest> requests)
    : samples(requests.front().likelyBytes.size()), neighbours(requests.size()), alive(samples, 1.0),
      ends(requests.size() * samples) {
  for (const ArenaRequest &request : requests)
    for (int64_t size : request.likelyBytes)
      bytes.push_back(static_cast<double>(alignTo(static_cast<uint64_t>(size), kArenaAlignment)));
  for (uint32_t a = 0; a < requests.size(); ++a) {
    SmallVector<double> here(samples, 0.0); // alive when `a` begins
    for (uint32_t b = 0; b < requests.size(); ++b) {
      if (a != b && aliveTogether(requests[a], requests[b]))
        neighbours[a].push_back(b);
      if (requests[b].first <= requests[a].first && requests[a].first <= requests[b].last)
        for (size_t s = 0; s < samples; ++s)
          here[s] += bytes[b * samples + s];
    }
    for (size_t s = 0; s < samples; ++s)
      alive[s] = std::max(alive[s], here[s]);
    steps += (neighbours[a].size() + 1) * samples;
  }
}

double OrderSearch::costOf(ArrayRef<uint32_t> order) {
  std::fill(ends.begin(), ends.end(), -1.0);
  SmallVector<double> peaks(samples, 0.0);
  for (uint32_t request : order) {
    for (size_t s = 0; s < samples; ++s) {
      double start = 0;
      for (uint32_t other : neighbours[request])
        start = std::max(start, ends[other * samples + s]);
      double &end = ends[request * samples + s];
      end = start + bytes[request * samples + s];
      peaks[s] = std::max(peaks[s], end);
    }
  }
  double cost = 0;
  for (size_t s = 0; s < samples; ++s)
    cost += std::max(1.0, peaks[s] / alive[s]);
  return cost;
}

void OrderSearch::improve(Order &order) {
  constexpr size_t mostSteps = 12'000'000, mostTries = 4000; // some 15 ms
  size_t tries = std::min(mostTries, mostSteps / std::max<size_t>(1, steps));
  double best = costOf(order);
  std::minstd_rand random; // the same everywhere
  for (size_t t = 0; t < tries && order.size() > 2 && best > least(); ++t) {
    Order moved = order;
    uint32_t from = random() % order.size(), to = random() % order.size();
    if (from < to)
      std::rotate(moved.begin() + from, moved.begin() + from + 1, moved.begin() + to + 1);
    else
      std::rotate(moved.begin() + to, moved.begin() + from, moved.begin() + from + 1);
    double cost = costOf(moved);
    if (cost > best)
      continue;
    best = cost;
    order = std::move(moved);
  }
}

} // namespace

ArenaPlan planArena(ArrayRef<ArenaRequest> requests) {
  if (requests.empty())
    return {};
  using Key = std::pair<double, uint32_t>; // placed in ascending order
  auto bytes = [&](uint32_t i) { return static_cast<double>(requests[i].likelyBytes.front()); };
  auto span = [&](uint32_t i) { return static_cast<double>(requests[i].last - requests[i].first + 1); };
  const std::function<Key(uint32_t)> heuristics[] = {
      [&](uint32_t i) { return Key(-bytes(i), requests[i].first); },
      [&](uint32_t i) { return Key(-bytes(i) * span(i), requests[i].first); },
      [&](uint32_t i) { return Key(-span(i), requests[i].first); },
      [&](uint32_t i) { return Key(requests[i].first, requests[i].last); },
  };
  OrderSearch search(requests);
  OrderSearch::Order best;
  double bestCost = 0;
  for (const auto &key : heuristics) {
    OrderSearch::Order order = to_vector(seq<uint32_t>(0, requests.size()));
    llvm::sort(order, [&](uint32_t a, uint32_t b) { return std::pair(key(a), a) < std::pair(key(b), b); });
    double cost = search.costOf(order);
    if (best.empty() || cost < bestCost) {
      best = std::move(order);
      bestCost = cost;
    }
  }
  search.improve(best);
  return planInOrder(requests, best);
}

} // namespace tenon::memory

//===- Order.cpp - the order of issue, and what semaphores keep --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/stream/Footprint.h"

#include <algorithm>

namespace tenon::npu {

namespace {

using Clock = std::array<uint32_t, mortise::kEngines>; ///< for each engine, how many commands are complete

/// Transfers into the scratchpad are moved to behind the last command that they must follow. The control
/// processor then issues them as soon as their target is free, long before the tile that reads it; but of a
/// channel no more than `ahead` before their turn, since it waits where a queue is full, and all engines with
/// it.
std::vector<uint32_t> hoisted(const Stream &stream, size_t ahead) {
  const std::vector<Command> &commands = stream.commands;
  Footprint footprint(commands);
  constexpr int64_t kBeginning = -1;
  std::vector<int64_t> anchor(commands.size()); ///< the command that is issued before; hoisted ones share one
  std::vector<std::vector<uint32_t>> behind(commands.size() + 1);
  std::array<int64_t, mortise::kEngines> channel;
  channel.fill(kBeginning);
  std::array<std::vector<uint32_t>, mortise::kEngines> queues; ///< transfers of a channel
  for (uint32_t c = 0; c < commands.size(); ++c) {
    unsigned engine = commands[c].engine;
    int64_t latest = kBeginning;
    footprint.touch(c, [&](uint32_t other) { latest = std::max(latest, anchor[other]); });
    anchor[c] = c;
    if (!mortise::isInChannel(engine))
      continue;
    std::vector<uint32_t> &queue = queues[engine];
    queue.push_back(c);
    if (queue.size() > ahead)
      latest = std::max(latest, int64_t(queue[queue.size() - 1 - ahead]) - 1);
    anchor[c] = channel[engine] = std::max(latest, channel[engine]);
    behind[size_t(anchor[c] + 1)].push_back(c);
  }
  std::vector<uint32_t> order = behind[0];
  for (uint32_t c = 0; c < commands.size(); ++c) {
    if (!mortise::isInChannel(commands[c].engine))
      order.push_back(c);
    order.insert(order.end(), behind[c + 1].begin(), behind[c + 1].end());
  }
  return order;
}

/// Finds the pairs that must be ordered and are not yet: what an engine knows of the others grows with every
/// acquisition by all that the releasing engine knew.
class Pairing {
public:
  Pairing(const Stream &stream, Order &order)
      : commands_(stream.commands), order_(order), sequence_(commands_.size()), knowledge_(commands_.size()) {
    for (Clock &clock : known_)
      clock.fill(0);
  }

  void run() {
    Footprint footprint(commands_);
    for (uint32_t c : order_.commands) {
      unsigned engine = commands_[c].engine;
      sequence_[c] = uint32_t(queues_[engine].size());
      queues_[engine].push_back(c);
      Clock needed{};
      footprint.touch(c, [&](uint32_t other) {
        uint32_t &count = needed[commands_[other].engine];
        count = std::max(count, sequence_[other] + 1);
      });
      acquire(c, needed);
      knowledge_[c] = known_[engine];
    }
  }

private:
  void acquire(uint32_t c, const Clock &needed) {
    unsigned engine = commands_[c].engine;
    Clock &known = known_[engine];
    // What was issued last is likely to know of the others.
    std::vector<std::pair<uint32_t, unsigned>> open;
    for (unsigned e = 0; e < mortise::kEngines; ++e)
      if (e != engine && needed[e] > known[e])
        open.emplace_back(place(queues_[e][needed[e] - 1]), e);
    std::sort(open.rbegin(), open.rend());
    for (auto [at, e] : open) {
      if (needed[e] <= known[e])
        continue;
      uint32_t before = queues_[e][needed[e] - 1];
      order_.pairs.push_back({before, c});
      for (unsigned f = 0; f < mortise::kEngines; ++f)
        known[f] = std::max(known[f], knowledge_[before][f]);
      known[e] = needed[e];
    }
  }
  /// How much came before, as a measure of how much a command knows.
  uint32_t place(uint32_t c) const {
    uint32_t sum = 0;
    for (uint32_t count : knowledge_[c])
      sum += count;
    return sum;
  }

  const std::vector<Command> &commands_;
  Order &order_;
  std::vector<uint32_t> sequence_;
  std::vector<Clock> knowledge_; ///< of a command's engine when it begins
  std::array<Clock, mortise::kEngines> known_;
  std::array<std::vector<uint32_t>, mortise::kEngines> queues_;
};

} // namespace

Order orderStream(const Stream &stream, const StreamOptions &options) {
  Order order;
  if (options.hoist) {
    order.commands = hoisted(stream, options.ahead);
  } else {
    order.commands.resize(stream.commands.size());
    for (uint32_t c = 0; c < order.commands.size(); ++c)
      order.commands[c] = c;
  }
  Pairing(stream, order).run();
  return order;
}

namespace {

std::string describe(const Stream &stream, uint32_t c) {
  return "command " + std::to_string(c) + " of engine " + mortise::engineName(stream.commands[c].engine);
}

/// Runs the queues without time and knows afterwards what each command comes after.
class Proof {
public:
  Proof(const Stream &stream, const Order &order)
      : stream_(stream), order_(order), commands_(stream.commands), sequence_(commands_.size()),
        after_(commands_.size()), clocks_(commands_.size()) {}

  std::optional<std::string> run() {
    if (auto error = queue())
      return error;
    if (auto error = matchSemaphores())
      return error;
    if (auto error = complete())
      return error;
    return findRace();
  }

private:
  std::optional<std::string> queue() {
    std::vector<bool> seen(commands_.size());
    for (uint32_t c : order_.commands) {
      if (c >= commands_.size() || seen[c])
        return "the order names command " + std::to_string(c) + " twice, or it is none of the stream's";
      seen[c] = true;
      std::vector<uint32_t> &queue = queues_[commands_[c].engine];
      sequence_[c] = uint32_t(queue.size());
      queue.push_back(c);
    }
    if (order_.commands.size() != commands_.size())
      return "the order has " + std::to_string(order_.commands.size()) + " of " +
             std::to_string(commands_.size()) + " commands";
    return std::nullopt;
  }

  /// A semaphore counts: which release an acquisition takes is given by their numbers, so both sides must
  /// come in the same order.
  std::optional<std::string> matchSemaphores() {
    std::array<std::array<std::pair<int64_t, int64_t>, mortise::kEngines>, mortise::kEngines> last;
    for (auto &row : last)
      row.fill({-1, -1});
    for (const Order::Pair &pair : order_.pairs) {
      unsigned from = commands_[pair.before].engine, to = commands_[pair.after].engine;
      auto &[release, acquisition] = last[from][to];
      if (from == to || sequence_[pair.before] < release || sequence_[pair.after] < acquisition)
        return describe(stream_, pair.before) + " and " + describe(stream_, pair.after) +
               " are ordered by a semaphore out of turn";
      release = sequence_[pair.before];
      acquisition = sequence_[pair.after];
      after_[pair.after].push_back(pair.before);
    }
    return std::nullopt;
  }

  std::optional<std::string> complete() {
    std::array<size_t, mortise::kEngines> next{};
    std::vector<bool> done(commands_.size());
    size_t left = commands_.size();
    for (bool moved = true; moved && left;) {
      moved = false;
      for (unsigned e = 0; e < mortise::kEngines; ++e)
        while (next[e] < queues_[e].size() && ready(queues_[e][next[e]], done)) {
          uint32_t c = queues_[e][next[e]++];
          note(c);
          done[c] = true;
          moved = true;
          --left;
        }
    }
    if (!left)
      return std::nullopt;
    for (unsigned e = 0; e < mortise::kEngines; ++e)
      if (next[e] < queues_[e].size())
        return describe(stream_, queues_[e][next[e]]) + " can never begin: a deadlock";
    return std::nullopt;
  }
  bool ready(uint32_t c, const std::vector<bool> &done) const {
    return std::all_of(after_[c].begin(), after_[c].end(), [&](uint32_t before) { return done[before]; });
  }
  void note(uint32_t c) {
    unsigned engine = commands_[c].engine;
    Clock clock{};
    if (sequence_[c])
      clock = clocks_[queues_[engine][sequence_[c] - 1]];
    for (uint32_t before : after_[c])
      for (unsigned f = 0; f < mortise::kEngines; ++f)
        clock[f] = std::max(clock[f], clocks_[before][f]);
    clock[engine] = sequence_[c] + 1;
    clocks_[c] = clock;
  }

  std::optional<std::string> findRace() {
    Footprint footprint(commands_);
    std::optional<std::string> race;
    for (uint32_t c : order_.commands) {
      footprint.touch(c, [&](uint32_t other) {
        bool ordered = clocks_[c][commands_[other].engine] > sequence_[other];
        if (!race && (!ordered || other > c))
          race =
              describe(stream_, c) + (ordered ? " comes after " : " races with ") + describe(stream_, other);
      });
      if (race)
        break;
    }
    return race;
  }

  const Stream &stream_;
  const Order &order_;
  const std::vector<Command> &commands_;
  std::vector<uint32_t> sequence_;
  std::vector<std::vector<uint32_t>> after_;
  std::vector<Clock> clocks_;
  std::array<std::vector<uint32_t>, mortise::kEngines> queues_;
};

} // namespace

std::optional<std::string> verifyOrder(const Stream &stream, const Order &order) {
  return Proof(stream, order).run();
}

} // namespace tenon::npu

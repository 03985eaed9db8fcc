//===- OrderQueues.cpp - devices beside the CPU ----------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/plan/OrderQueues.h"

#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <set>

namespace tenon::plan {

using package::Access;
using package::BufferId;
using package::kNone;

void forEachBuffer(package::CommandBody &body, const std::vector<package::Kernel> &kernels,
                   llvm::function_ref<void(BufferId &, bool, bool)> f) {
  if (auto *dispatch = std::get_if<package::Dispatch>(&body)) {
    const package::Kernel &kernel = kernels[dispatch->variants.front().kernel];
    for (auto [buffer, access] : llvm::zip_equal(dispatch->buffers, kernel.access))
      f(buffer, access != Access::Write, access != Access::Read);
  } else if (auto *copy = std::get_if<package::Copy>(&body)) {
    f(copy->src, true, false);
    f(copy->dst, false, true);
  } else if (auto *fill = std::get_if<package::Fill>(&body)) {
    f(fill->dst, false, true);
  } else if (auto *read = std::get_if<package::ReadScalar>(&body)) {
    f(read->buffer, true, false);
  } else if (auto *write = std::get_if<package::WriteScalar>(&body)) {
    f(write->buffer, false, true);
  } else if (auto *call = std::get_if<package::HostCall>(&body)) {
    for (BufferId &buffer : call->reads)
      f(buffer, true, false);
    for (BufferId &buffer : call->writes)
      f(buffer, false, true);
  }
}

namespace {

/// A dispatch that may still run.
struct Pending {
  uint32_t queue;
  uint64_t value; // the queue's progress when it is done
  std::vector<BufferId> read, written;
};

class QueueOrder {
public:
  QueueOrder(package::Function &function, const package::Package &package)
      : function(function), package(package), progress(package.devices.size() + 1),
        restart(package.devices.size() + 1) {}
  void run();

private:
  uint32_t deviceOf(const package::Command &command) const {
    const auto *dispatch = std::get_if<package::Dispatch>(&command.body);
    uint32_t program = dispatch ? package.kernels[dispatch->variants.front().kernel].program : kNone;
    return program == kNone ? kNone : package.programs[program].device;
  }
  BufferId rootOf(BufferId buffer) const {
    while (function.buffers[buffer].region == package::Region::View)
      buffer = function.buffers[buffer].base;
    return buffer;
  }
  bool overlap(BufferId a, BufferId b) const;
  bool collide(const Pending &pending, const package::Command &command);
  void findLeaders();
  void handOver(package::Command command, uint32_t queue);
  void waitFor(const Pending &pending);
  void waitForAll();

  package::Function &function;
  const package::Package &package;
  std::vector<package::Command> commands;
  std::vector<Pending> pending;
  std::vector<uint64_t> progress; // by queue: values given so far
  std::vector<bool> restart;      // by queue: whether this stretch may run again, so that values repeat
  std::set<uint32_t> leaders;
};

/// Whether two buffers may share bytes. Arena buffers that do not conflict take turns in the same place.
bool QueueOrder::overlap(BufferId a, BufferId b) const {
  a = rootOf(a), b = rootOf(b);
  if (a > b)
    std::swap(a, b);
  const package::Buffer &first = function.buffers[a], &second = function.buffers[b];
  if (first.region != second.region)
    return false;
  if (first.region != package::Region::Arena)
    return first.index == second.index;
  return a == b || !llvm::is_contained(second.conflicts, a);
}

bool QueueOrder::collide(const Pending &other, const package::Command &command) {
  bool found = false;
  package::CommandBody body = command.body;
  forEachBuffer(body, package.kernels, [&](BufferId &buffer, bool, bool written) {
    auto meets = [&](BufferId b) { return overlap(b, buffer); };
    found |= llvm::any_of(other.written, meets) || (written && llvm::any_of(other.read, meets));
  });
  return found;
}

void QueueOrder::findLeaders() {
  for (const auto &[index, command] : llvm::enumerate(function.commands)) {
    const auto *branch = std::get_if<package::Branch>(&command.body);
    const auto *jump = std::get_if<package::Jump>(&command.body);
    if (branch || jump) {
      leaders.insert(branch ? branch->target : jump->target);
      leaders.insert(static_cast<uint32_t>(index) + 1);
    }
  }
}

void QueueOrder::waitFor(const Pending &other) {
  commands.push_back({package::Wait{other.queue, other.value}, false, 0, kNone});
  uint32_t queue = other.queue;
  uint64_t value = other.value;
  llvm::erase_if(pending, [&](const Pending &p) { return p.queue == queue && p.value <= value; });
}

void QueueOrder::waitForAll() {
  while (!pending.empty())
    waitFor(pending.back());
}

void QueueOrder::handOver(package::Command command, uint32_t queue) {
  if (restart[queue]) // nothing of the queue is under way
    commands.push_back({package::Signal{queue, progress[queue]}, false, 0, kNone});
  restart[queue] = false;
  Pending added{queue, ++progress[queue], {}, {}};
  forEachBuffer(command.body, package.kernels, [&](BufferId &buffer, bool read, bool written) {
    if (read)
      added.read.push_back(buffer);
    if (written)
      added.written.push_back(buffer);
  });
  command.queue = queue;
  commands.push_back(std::move(command));
  commands.push_back({package::Signal{queue, added.value}, false, queue, kNone});
  pending.push_back(std::move(added));
}

void QueueOrder::run() {
  findLeaders();
  std::vector<uint32_t> moved; // old index -> new one
  for (uint32_t index = 0; index < function.commands.size(); ++index) {
    package::Command &command = function.commands[index];
    // Who jumps here has waited before, so the wait of who falls through stands in front of the target.
    if (leaders.count(index)) {
      waitForAll();
      restart.assign(restart.size(), true);
    }
    moved.push_back(static_cast<uint32_t>(commands.size()));
    if (std::holds_alternative<package::Branch>(command.body) ||
        std::holds_alternative<package::Jump>(command.body))
      waitForAll();
    uint32_t device = deviceOf(command), queue = device == kNone ? 0 : device + 1;
    for (size_t i = pending.size(); i > 0; --i)
      if (i <= pending.size() && pending[i - 1].queue != queue && collide(pending[i - 1], command))
        waitFor(pending[i - 1]);
    if (queue)
      handOver(std::move(command), queue);
    else
      commands.push_back(std::move(command));
  }
  moved.push_back(static_cast<uint32_t>(commands.size()));
  for (package::Command &command : commands) {
    if (auto *branch = std::get_if<package::Branch>(&command.body))
      branch->target = moved[branch->target];
    if (auto *jump = std::get_if<package::Jump>(&command.body))
      jump->target = moved[jump->target];
  }
  function.commands = std::move(commands);
  function.queues = static_cast<uint32_t>(progress.size());
}

} // namespace

void orderQueues(package::Function &function, const package::Package &package) {
  bool used = llvm::any_of(function.commands, [&](const package::Command &command) {
    const auto *dispatch = std::get_if<package::Dispatch>(&command.body);
    return dispatch && package.kernels[dispatch->variants.front().kernel].program != kNone;
  });
  if (used)
    QueueOrder(function, package).run();
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// Removes buffers of weights that no command names, views of them included.
static void dropUnusedBuffers(package::Function &function, const std::vector<package::Kernel> &kernels) {
  std::vector<bool> keep(function.buffers.size());
  for (package::Command &command : function.commands)
    forEachBuffer(command.body, kernels, [&](BufferId &buffer, bool, bool) { keep[buffer] = true; });
  std::vector<BufferId> root(keep.size());
  for (BufferId i = 0; i < keep.size(); ++i) {
    bool view = function.buffers[i].region == package::Region::View;
    root[i] = view ? root[function.buffers[i].base] : i;
  }
  for (BufferId i = static_cast<BufferId>(keep.size()); i-- > 0;) {
    keep[i] = keep[i] || function.buffers[root[i]].region != package::Region::Weight;
    if (keep[i] && root[i] != i)
      keep[function.buffers[i].base] = true;
  }
  std::vector<BufferId> number(keep.size(), kNone);
  std::vector<package::Buffer> kept;
  for (BufferId i = 0; i < keep.size(); ++i)
    if (keep[i]) {
      number[i] = static_cast<BufferId>(kept.size());
      package::Buffer &buffer = kept.emplace_back(std::move(function.buffers[i]));
      if (buffer.base != kNone)
        buffer.base = number[buffer.base];
      for (BufferId &other : buffer.conflicts)
        other = number[other];
    }
  function.buffers = std::move(kept);
  for (package::Command &command : function.commands)
    forEachBuffer(command.body, kernels, [&](BufferId &buffer, bool, bool) { buffer = number[buffer]; });
}

void dropUnusedWeights(package::Package &package) {
  std::vector<bool> used(package.weights.size());
  for (package::Function &function : package.functions) {
    dropUnusedBuffers(function, package.kernels);
    for (const package::Buffer &buffer : function.buffers)
      if (buffer.region == package::Region::Weight)
        used[buffer.index] = true;
  }
  for (const package::State &state : package.states)
    if (state.initialWeight != kNone)
      used[state.initialWeight] = true;
  std::vector<uint32_t> number(used.size(), kNone);
  std::vector<package::Weight> kept;
  for (uint32_t i = 0; i < used.size(); ++i)
    if (used[i]) {
      number[i] = static_cast<uint32_t>(kept.size());
      kept.push_back(std::move(package.weights[i]));
    }
  package.weights = std::move(kept);
  for (package::Function &function : package.functions)
    for (package::Buffer &buffer : function.buffers)
      if (buffer.region == package::Region::Weight)
        buffer.index = number[buffer.index];
  for (package::State &state : package.states)
    if (state.initialWeight != kNone)
      state.initialWeight = number[state.initialWeight];
}

} // namespace tenon::plan

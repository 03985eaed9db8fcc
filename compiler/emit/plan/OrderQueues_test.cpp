//===- OrderQueues_test.cpp - devices beside the CPU ------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/plan/OrderQueues.h"

#include <gtest/gtest.h>

using namespace tenon;
using namespace tenon::package;

namespace {

constexpr uint32_t kHost = 0, kDevice = 1; // kernels

/// Two kernels that read one buffer and write another; buffers that never take turns, but for the last two.
class OrderQueues : public ::testing::Test {
protected:
  OrderQueues() {
    package.devices = {{"mortise", ""}};
    package.programs = {{0, {}}};
    for (const char *name : {"host", "device"}) {
      Kernel kernel;
      kernel.name = name;
      kernel.access = {Access::Read, Access::Write};
      package.kernels.push_back(kernel);
    }
    package.kernels[kDevice].program = 0;
    for (uint32_t i = 0; i < 6; ++i) {
      Buffer buffer;
      for (uint32_t other = 0; other < i; ++other)
        if (i != 5 || other != 4)
          buffer.conflicts.push_back(other);
      function.buffers.push_back(buffer);
    }
  }

  void add(uint32_t kernel, BufferId from, BufferId to) {
    Dispatch dispatch;
    dispatch.variants = {{kNone, kernel}};
    dispatch.buffers = {from, to};
    function.commands.push_back({dispatch, false, 0, kNone});
  }

  /// "d1" a dispatch on queue 1, "s1=2" its signal, "w1=2" a wait, "r1=2" a signal of the CPU, "b3" a branch.
  std::string order() {
    plan::orderQueues(function, package);
    std::string text;
    for (const Command &command : function.commands) {
      std::string queue = std::to_string(command.queue), one;
      if (std::holds_alternative<Dispatch>(command.body))
        one = "d" + queue;
      if (const auto *s = std::get_if<Signal>(&command.body))
        one = (command.queue ? "s" : "r") + std::to_string(s->queue) + "=" + std::to_string(s->value);
      if (const auto *w = std::get_if<Wait>(&command.body))
        one = "w" + std::to_string(w->queue) + "=" + std::to_string(w->value);
      if (const auto *b = std::get_if<Branch>(&command.body))
        one = "b" + std::to_string(b->target);
      if (const auto *j = std::get_if<Jump>(&command.body))
        one = "j" + std::to_string(j->target);
      text += (text.empty() ? "" : " ") + one;
    }
    return text;
  }

  Package package;
  Function function;
};

} // namespace

TEST_F(OrderQueues, NothingChangesWithoutADevice) {
  add(kHost, 0, 1);
  EXPECT_EQ(order(), "d0");
  EXPECT_EQ(function.queues, 1u);
}

TEST_F(OrderQueues, TheCpuGoesOnUntilItNeedsTheResult) {
  add(kDevice, 0, 1);
  add(kHost, 0, 2);
  add(kHost, 1, 3);
  add(kHost, 1, 2);
  EXPECT_EQ(order(), "d1 s1=1 d0 w1=1 d0 d0");
  EXPECT_EQ(function.queues, 2u);
}

TEST_F(OrderQueues, WhatTheDeviceReadsIsNotOverwritten) {
  add(kDevice, 0, 1);
  add(kHost, 2, 0);
  EXPECT_EQ(order(), "d1 s1=1 w1=1 d0");
}

TEST_F(OrderQueues, MemoryThatTakesTurnsIsShared) {
  add(kDevice, 0, 4);
  add(kHost, 2, 5); // in the place of 4
  EXPECT_EQ(order(), "d1 s1=1 w1=1 d0");
}

TEST_F(OrderQueues, ViewsAreTheirBase) {
  Buffer view;
  view.region = Region::View;
  view.base = 1;
  function.buffers.push_back(view);
  add(kDevice, 0, 1);
  add(kHost, 6, 3);
  EXPECT_EQ(order(), "d1 s1=1 w1=1 d0");
}

TEST_F(OrderQueues, DispatchesOfADeviceFollowEachOther) {
  add(kDevice, 0, 1);
  add(kDevice, 1, 2);
  add(kHost, 1, 3);
  add(kHost, 2, 0);
  EXPECT_EQ(order(), "d1 s1=1 d1 s1=2 w1=1 d0 w1=2 d0");
}

TEST_F(OrderQueues, LoopsWaitAndCountAnew) {
  add(kDevice, 0, 1);                                           // 0
  function.commands.push_back({Branch{0, 4}, false, 0, kNone}); // 1: the loop's head
  add(kDevice, 1, 2);                                           // 2
  function.commands.push_back({Jump{1}, false, 0, kNone});      // 3
  add(kHost, 2, 3);                                             // 4
  // The head is behind the wait of who comes from above.
  EXPECT_EQ(order(), "d1 s1=1 w1=1 b9 r1=1 d1 s1=2 w1=2 j3 d0");
}

TEST(DropUnusedWeights, KeepsWhatIsUsed) {
  Package package;
  for (const char *name : {"a", "b", "c"}) {
    Weight weight;
    weight.name = name;
    package.weights.push_back(weight);
  }
  Kernel kernel;
  kernel.access = {Access::Read, Access::Write};
  package.kernels = {kernel};
  State state;
  state.initialWeight = 2;
  package.states = {state};
  Function function;
  function.buffers.resize(5);
  for (uint32_t i = 0; i < 2; ++i)
    function.buffers[i].region = Region::Weight, function.buffers[i].index = i;
  function.buffers[2].region = Region::View; // of an unused weight
  function.buffers[2].base = 0;
  function.buffers[3].region = Region::View;
  function.buffers[3].base = 1;
  Dispatch dispatch;
  dispatch.variants = {{kNone, 0}};
  dispatch.buffers = {3, 4};
  function.commands = {{dispatch, false, 0, kNone}};
  package.functions = {function};
  tenon::plan::dropUnusedWeights(package);
  ASSERT_EQ(package.weights.size(), 2u);
  EXPECT_EQ(package.weights[0].name, "b");
  EXPECT_EQ(package.weights[1].name, "c");
  EXPECT_EQ(package.states[0].initialWeight, 1u);
  const Function &left = package.functions[0];
  ASSERT_EQ(left.buffers.size(), 3u);
  EXPECT_EQ(left.buffers[0].index, 0u);
  EXPECT_EQ(left.buffers[1].base, 0u);
  EXPECT_EQ(std::get<Dispatch>(left.commands[0].body).buffers, (std::vector<BufferId>{1, 2}));
}

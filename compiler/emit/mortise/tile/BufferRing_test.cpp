//===- BufferRing_test.cpp - where kernels have their buffers in the scratchpad --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/BufferRing.h"

#include "compiler/emit/mortise/tile/Product.h"
#include "gtest/gtest.h"

#include <algorithm>

namespace {

using namespace tenon;
using namespace tenon::npu;

TEST(BufferRing, followsWhereThereIsRoom) {
  mortise::Hardware h = mortise::loadHardware("edge-512k");
  BufferRing ring(h);
  EXPECT_EQ(ring.place(100000, 524288), 0);
  EXPECT_EQ(ring.place(1000, 524288), 100352); // whole rows of banks
  EXPECT_EQ(ring.place(400000, 524288), 101376);
  EXPECT_EQ(ring.place(30000, 520000), 0); // would fit but for what kernels keep at the end
  EXPECT_EQ(ring.place(524288, 524288), 0);
  EXPECT_EQ(ring.place(64, 524288), 0);
}

TEST(BufferRing, countsWhatCommandsTouch) {
  mortise::Hardware h = mortise::loadHardware("edge-512k");
  Command command;
  command.accesses.push_back({Space::Scratchpad, true, 1000, 24, {3, 2, 1}, {100, 1000, 0}});
  command.accesses.push_back({Space::Memory, false, 1 << 20, 24});
  command.accesses.push_back({Space::Scratchpad, true, 500000, 8192}); // vectors of a kernel at the end
  EXPECT_EQ(usedBytes({&command, 1}, 500000, h), 1000 + 2 * 100 + 1000 + 24 + 256);
  EXPECT_EQ(usedBytes({&command, 1}, 2300, h), 2300);
}

/// Two products of 64 x 64 and 64 x 256, the second from `start` on; how many commands of the array are
/// issued before the second's first weights.
size_t issuedBefore(const mortise::Hardware &h, const Product &layer, const ProductCut &cut, int64_t start) {
  Stream stream;
  stream.nodes = {"first", "second"};
  Product first = layer, second = layer;
  first.weights = 1 << 20;
  first.output = second.input = 1 << 21;
  second.weights = 1 << 22;
  second.output = 1 << 23;
  second.node = 1;
  emitProduct(first, cut, h, 0, stream);
  emitProduct(second, cut, h, start, stream);
  Order order = orderStream(stream, {});
  EXPECT_FALSE(verifyOrder(stream, order));
  size_t products = 0;
  for (uint32_t c : order.commands) {
    const Command &command = stream.commands[c];
    if (command.node == 1 && command.engine == unsigned(mortise::Engine::In0) + 1)
      return products;
    products += command.engine == unsigned(mortise::Engine::Matrix);
  }
  ADD_FAILURE() << "no weights are loaded";
  return 0;
}

TEST(BufferRing, letsTheNextWeightsComeEarly) {
  mortise::Hardware h = mortise::loadHardware("edge-512k");
  Product layer;
  layer.height = 64;
  layer.channels = 64;
  layer.outputs = 256;
  layer.drain.type = mortise::Type::U8;
  layer.drain.high = 255;
  std::optional<ProductCut> cut = cutProduct(layer, h, h.scratchpad.bytes / 4);
  ASSERT_TRUE(cut);
  Stream alone;
  alone.nodes = {"first"};
  emitProduct(layer, *cut, h, 0, alone);
  int64_t used = usedBytes(alone.commands, h.scratchpad.bytes, h);
  EXPECT_LE(used, cut->scratchpadBytes() + 256);
  BufferRing ring(h);
  EXPECT_EQ(ring.place(used, h.scratchpad.bytes), 0);
  size_t behind = issuedBefore(h, layer, *cut, ring.place(used, h.scratchpad.bytes)),
         above = issuedBefore(h, layer, *cut, 0);
  EXPECT_LT(behind, above);
}

} // namespace

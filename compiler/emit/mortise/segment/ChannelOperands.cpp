//===- ChannelOperands.cpp - numbers for each channel that a kernel reads --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/ChannelOperands.h"

using namespace mlir;

namespace tenon::npu {

static Type elementOf(mlir::Value value) { return getElementTypeOrSelf(value.getType()); }

bool ChannelOperands::addRows(mlir::Value value, int64_t rows, int64_t channels, std::string &why) {
  return add(value, ChannelTable{rows, channels, 1, true, Id::VldW, 0}, why);
}

bool ChannelOperands::add(mlir::Value value, int64_t channels, std::string &why) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t count = type.getNumElements();
  bool perChannel = count == channels && type.getRank() > 0 && type.getShape().back() == channels;
  if (!perChannel && count != 1) {
    why = "it reads an operand that is neither one number nor one for each channel";
    return false;
  }
  return add(value, ChannelTable{1, count, 1, perChannel, Id::VldW, 0}, why);
}

bool ChannelOperands::add(mlir::Value value, ChannelTable table, std::string &why) {
  std::optional<LaneCode::ElementAccess> access = LaneCode::accessOf(elementOf(value));
  constexpr size_t kMost = 8; // addresses beside registers for loops
  if (!access || all.size() == kMost) {
    why = access ? "it has too many operands" : "it reads a type that the vector core lacks";
    return false;
  }
  table.bytes = access->bytes;
  Id one = elementOf(value).isBF16() ? Id::VlbBf : access->bytes == 1 ? Id::VlbB : Id::VlbW;
  table.load = table.perChannel ? access->load : one;
  all.push_back(table);
  operands.push_back(value);
  return true;
}

LaneValue ChannelOperands::leaf(VectorBuilder &b, mlir::Value value, ArrayRef<Value> loaded,
                                size_t first) const {
  for (size_t i = first; i < operands.size(); ++i) {
    if (operands[i] != value)
      continue;
    Value number = loaded[i - first];
    // One byte for all lanes comes with its sign.
    if (!all[i].perChannel && elementOf(value).isUnsignedInteger(8))
      number = b.op(Id::Vand, number, b.splatInt(255));
    return {number, LaneCode::rangeOf(elementOf(value))};
  }
  return {};
}

} // namespace tenon::npu

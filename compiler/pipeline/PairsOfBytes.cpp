//===- PairsOfBytes.cpp - products of bytes that fit in 16 bits ----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/PairsOfBytes.h"

#include "compiler/dialect/tenon/ProductAttributes.h"
#include "compiler/dialect/tenon/TenonDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <algorithm>
#include <limits>

using namespace mlir;

namespace tenon::pipeline {

bool pairsFit(ArrayRef<int8_t> weights) {
  constexpr int most = 255;
  for (size_t i = 0; i + 1 < weights.size(); i += 2) {
    int positive = std::max<int>(weights[i], 0) + std::max<int>(weights[i + 1], 0);
    int negative = std::min<int>(weights[i], 0) + std::min<int>(weights[i + 1], 0);
    if (most * positive > std::numeric_limits<int16_t>::max() ||
        most * negative < std::numeric_limits<int16_t>::min())
      return false;
  }
  return true;
}

/// The bytes of a weight, seen through what does not change them; empty for other values.
static ArrayRef<int8_t> weightBytes(ModuleOp module, Value value, const importer::WeightStore &weights) {
  while (isa_and_nonnull<ReshapeOp, tensor::CastOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  auto read = value.getDefiningOp<GetWeightOp>();
  auto weight = read ? module.lookupSymbol<WeightOp>(read.getWeight()) : WeightOp();
  if (!weight)
    return {};
  std::optional<StringRef> bytes = weights.bytes(weight.getPath(), static_cast<uint64_t>(weight.getOffset()),
                                                 static_cast<uint64_t>(weight.getLength()));
  return bytes ? ArrayRef(reinterpret_cast<const int8_t *>(bytes->data()), bytes->size())
               : ArrayRef<int8_t>();
}

void markPairsThatFit(ModuleOp module, const Settings &settings, const importer::WeightStore &weights) {
  auto mark = [&](Operation *op, int64_t group) {
    if (group != 4)
      return;
    ArrayRef<int8_t> bytes = weightBytes(module, op->getOperand(1), weights);
    if (settings.int8Saturate || (!bytes.empty() && pairsFit(bytes)))
      op->setAttr(kPairsFitAttr, UnitAttr::get(op->getContext()));
  };
  module.walk([&](PackedContractOp op) { mark(op, op.getGroup()); });
  module.walk([&](PackedConvOp op) { mark(op, op.getGroup()); });
}

} // namespace tenon::pipeline

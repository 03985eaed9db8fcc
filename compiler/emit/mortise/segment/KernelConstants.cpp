//===- KernelConstants.cpp - numbers that a region's values are known to be --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/KernelConstants.h"

#include "compiler/dialect/tenon/BufferTable.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cstring>

using namespace mlir;

namespace tenon::npu {

/// Kernels may lie in the kernel of a segment: through all of them.
Value KernelConstants::outer(Value value) {
  while (auto argument = dyn_cast<BlockArgument>(value)) {
    auto kernel = dyn_cast<KernelOp>(argument.getOwner()->getParentOp());
    if (!kernel || argument.getArgNumber() >= kernel.getInputs().size())
      break;
    value = kernel.getInputs()[argument.getArgNumber()];
  }
  return value;
}

Value KernelConstants::within(Value value, KernelOp segment) {
  auto argument = dyn_cast<BlockArgument>(value);
  auto kernel = argument ? dyn_cast<KernelOp>(argument.getOwner()->getParentOp()) : KernelOp();
  return kernel && kernel != segment ? kernel.getInputs()[argument.getArgNumber()] : value;
}

std::optional<StringRef> KernelConstants::bytes(Value value, std::vector<uint8_t> &storage) const {
  value = outer(value);
  while (isa_and_nonnull<ReshapeOp, tensor::CastOp>(value.getDefiningOp()))
    value = outer(value.getDefiningOp()->getOperand(0));
  if (auto read = value.getDefiningOp<GetWeightOp>())
    return weights(read);
  auto constant = value.getDefiningOp<ConstantOp>();
  auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!elements || elements.getElementType().getIntOrFloatBitWidth() % 8 != 0)
    return std::nullopt;
  ArrayRef<char> raw = elements.getRawData();
  auto count = static_cast<size_t>(elements.isSplat() ? elements.getNumElements() : 1);
  storage.clear();
  for (size_t i = 0; i < count; ++i)
    storage.insert(storage.end(), raw.begin(), raw.end());
  return StringRef(reinterpret_cast<const char *>(storage.data()), storage.size());
}

template <typename T> std::optional<std::vector<T>> KernelConstants::perChannel(Value value) const {
  value = outer(value);
  // What repeats along other axes than the last keeps the numbers of the last.
  while (isa_and_nonnull<BroadcastOp, tensor::CastOp>(value.getDefiningOp()))
    value = outer(value.getDefiningOp()->getOperand(0));
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape() || storageBytes(type.getElementType()) != sizeof(T) ||
      isa<FloatType>(type.getElementType()) != std::is_floating_point_v<T>)
    return std::nullopt;
  int64_t count = type.getNumElements();
  if (count != 1 && count != type.getShape().back())
    return std::nullopt;
  std::vector<uint8_t> storage;
  std::optional<StringRef> raw = bytes(value, storage);
  if (!raw || raw->size() != static_cast<size_t>(count) * sizeof(T))
    return std::nullopt;
  std::vector<T> elements(static_cast<size_t>(count));
  std::memcpy(elements.data(), raw->data(), raw->size());
  return elements;
}

template std::optional<std::vector<float>> KernelConstants::perChannel(Value) const;
template std::optional<std::vector<int32_t>> KernelConstants::perChannel(Value) const;

} // namespace tenon::npu

//===- ResidentTensors.cpp - a segment's tensors that stay in the scratchpad --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/ResidentTensors.h"

#include "compiler/dialect/tenon/BufferTable.h"
#include "compiler/emit/mortise/segment/PlannedKernel.h"
#include "compiler/emit/mortise/segment/TensorShape.h"
#include "compiler/emit/mortise/tile/TileKernel.h"
#include "compiler/emit/mortise/tile/Transfers.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace tenon::npu {

mlir::Value rootOf(mlir::Value value) {
  while (isa_and_nonnull<ReshapeOp, tensor::CastOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

namespace {

class Reader {
public:
  Reader(KernelOp segment, ArrayRef<std::pair<KernelOp, PlannedKernel *>> kernels,
         const mortise::Hardware &hardware)
      : segment(segment), kernels(kernels), hardware(hardware) {}

  void collect() {
    llvm::DenseMap<mlir::Operation *, size_t> number;
    for (auto [i, kernel] : llvm::enumerate(kernels))
      number[kernel.first] = i;
    for (auto [i, kernel] : llvm::enumerate(kernels)) {
      mlir::Value value = kernel.first->getResult(0);
      CascadeTensor tensor;
      tensor.first = tensor.last = i;
      std::optional<ResidentFrame> frame;
      int64_t readers = 0;
      if (!readAll(value, number, tensor.last, readers, frame) || !frame || !kernel.second->writes(*frame))
        continue;
      int64_t bytes = elementsOf(value) * storageBytes(elementOf(value));
      tensor.traffic = bytes * (1 + readers);
      tensor.bytes = alignedBytes(frame->hasBorder() ? frame->bytes() : bytes) + residentSlack(hardware);
      index[value] = values.size();
      values.push_back(value);
      frames.push_back(*frame);
      tensors.push_back(tensor);
    }
  }

  Cascades choose() {
    return chooseCascades(tensors, kernels.size(), bytesBesideAny(hardware), hardware,
                          [this](size_t kernel, const CascadePlaces &places, int64_t room) {
                            return cycles(kernel, places, room);
                          });
  }

  std::vector<mlir::Value> values;
  std::vector<ResidentFrame> frames;

private:
  /// Follows a value to the kernels that read it. False where something else does, or where they want it to
  /// lie in different ways.
  bool readAll(mlir::Value value, llvm::DenseMap<mlir::Operation *, size_t> &number, size_t &last,
               int64_t &readers, std::optional<ResidentFrame> &frame) {
    for (OpOperand &use : value.getUses()) {
      mlir::Operation *user = use.getOwner();
      if (isa<ReshapeOp, tensor::CastOp>(user)) {
        if (!readAll(user->getResult(0), number, last, readers, frame))
          return false;
        continue;
      }
      auto found = number.find(user);
      if (found == number.end())
        return false;
      last = std::max(last, found->second);
      ++readers;
      bool read = false;
      for (const OperandUse &operand : kernels[found->second].second->uses()) {
        if (KernelConstants::within(operand.value, segment) != use.get())
          continue;
        if (!operand.frame || (frame && !(*operand.frame == *frame)))
          return false;
        frame = operand.frame;
        read = true;
      }
      if (!read)
        return false;
    }
    return true;
  }

  std::optional<double> cycles(size_t kernel, const CascadePlaces &places, int64_t room) const {
    auto placeOf = [&](mlir::Value value) -> std::optional<size_t> {
      auto found = index.find(rootOf(KernelConstants::within(value, segment)));
      return found != index.end() && places[found->second] ? std::optional(found->second) : std::nullopt;
    };
    // Where they do not stay, tensors between kernels lie in the second level where there is one.
    auto addressOf = [&](mlir::Value value) -> int64_t {
      std::optional<size_t> tensor = placeOf(value);
      if (tensor)
        return residentAddress(*places[*tensor]);
      bool inside = index.contains(rootOf(KernelConstants::within(value, segment)));
      return inside && hardware.l2.bytes ? static_cast<int64_t>(mortise::kL2Base) : 0;
    };
    KernelPlaces where{addressOf, {}, room};
    if (std::optional<size_t> tensor = placeOf(kernels[kernel].first->getResult(0)))
      where.frame = frames[*tensor];
    return kernels[kernel].second->cycles(where);
  }

  KernelOp segment;
  ArrayRef<std::pair<KernelOp, PlannedKernel *>> kernels;
  const mortise::Hardware &hardware;
  llvm::DenseMap<mlir::Value, size_t> index;
  std::vector<CascadeTensor> tensors;
};

} // namespace

ResidentTensors::ResidentTensors(KernelOp segment,
                                 llvm::ArrayRef<std::pair<KernelOp, PlannedKernel *>> kernels,
                                 const mortise::Hardware &hardware) {
  Reader reader(segment, kernels, hardware);
  reader.collect();
  Cascades chosen = reader.choose();
  rooms = std::move(chosen.room);
  for (auto [value, frame, place] : llvm::zip_equal(reader.values, reader.frames, chosen.places))
    if (place)
      tensors[value] = {residentAddress(*place), frame};
}

} // namespace tenon::npu

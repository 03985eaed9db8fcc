//===- SegmentMemory.cpp - where a segment's tensors lie in memory --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/SegmentMemory.h"

#include "compiler/dialect/tenon/BufferTable.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <algorithm>

using namespace mlir;

namespace tenon::npu {

namespace {

/// Whole bursts of every memory that there is.
constexpr int64_t kAlignment = 128;
int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

int64_t bytesOf(mlir::Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getNumElements() * storageBytes(type.getElementType());
}

/// A value that lives inside the segment: from the kernel that computes it to the last that reads it.
struct Lifetime {
  mlir::Value value;
  int64_t bytes = 0, first = 0, last = 0, offset = -1;
};

} // namespace

SegmentMemory::SegmentMemory(KernelOp segment, const mortise::Hardware &hardware,
                             const llvm::DenseMap<mlir::Value, int64_t> &replaced,
                             const ResidentTensors &residents)
    : hardware(hardware) {
  mlir::Block &body = segment.getBody().front();
  unsigned number = 0;
  for (BlockArgument argument : body.getArguments().take_front(segment.getInputs().size())) {
    auto other = replaced.find(argument);
    addresses[argument] = place("b" + std::to_string(number++), mortise::Role::Input,
                                other == replaced.end() ? bytesOf(argument) : other->second);
  }
  for (mlir::Value result : body.getTerminator()->getOperands())
    addresses[rootOf(result)] = place("b" + std::to_string(number++), mortise::Role::Output, bytesOf(result));
  placeInside(segment, residents);
}

int64_t SegmentMemory::place(const std::string &name, mortise::Role role, int64_t bytes) {
  all.push_back({name, role, mortise::Type::U8, {bytes}, next, {}});
  next += static_cast<uint64_t>(aligned(bytes));
  return static_cast<int64_t>(all.back().address);
}

int64_t SegmentMemory::addConstant(const std::string &name, std::vector<uint8_t> bytes) {
  int64_t address = place(name, mortise::Role::Constant, static_cast<int64_t>(bytes.size()));
  all.back().data = std::move(bytes);
  return address;
}

/// Into the second level by size, the largest first, each as low as those allow that live at the same time.
void SegmentMemory::placeInside(KernelOp segment, const ResidentTensors &residents) {
  std::vector<Lifetime> inside;
  llvm::DenseMap<Operation *, int64_t> position;
  for (auto [i, op] : llvm::enumerate(segment.getBody().front()))
    position[&op] = static_cast<int64_t>(i);
  for (Operation &op : segment.getBody().front()) {
    if (!isa<KernelOp>(op) || addresses.contains(op.getResult(0)))
      continue;
    if (const ResidentTensor *resident = residents.find(op.getResult(0))) {
      addresses[op.getResult(0)] = resident->address;
      continue;
    }
    Lifetime life{op.getResult(0), aligned(bytesOf(op.getResult(0))), position[&op], position[&op], -1};
    SmallVector<mlir::Value> open = {op.getResult(0)};
    while (!open.empty())
      for (Operation *user : open.pop_back_val().getUsers()) {
        life.last = std::max(life.last, position[user]);
        if (isa<ReshapeOp, tensor::CastOp>(user))
          open.push_back(user->getResult(0));
      }
    inside.push_back(life);
  }
  std::vector<Lifetime *> bySize;
  for (Lifetime &life : inside)
    bySize.push_back(&life);
  llvm::sort(bySize, [](Lifetime *a, Lifetime *b) {
    return std::pair(-a->bytes, a->first) < std::pair(-b->bytes, b->first);
  });
  int64_t used = 0;
  for (Lifetime *life : bySize) {
    std::vector<Lifetime *> others;
    for (Lifetime *other : bySize)
      if (other->offset >= 0 && other->first <= life->last && life->first <= other->last)
        others.push_back(other);
    llvm::sort(others, [](Lifetime *a, Lifetime *b) { return a->offset < b->offset; });
    int64_t at = 0;
    for (Lifetime *other : others)
      if (at + life->bytes > other->offset)
        at = std::max(at, other->offset + other->bytes);
    if (at + life->bytes <= hardware.l2.bytes) {
      life->offset = at;
      used = std::max(used, at + life->bytes);
    }
  }
  unsigned number = 0;
  for (Lifetime &life : inside)
    addresses[life.value] = life.offset >= 0
                                ? static_cast<int64_t>(mortise::kL2Base) + life.offset
                                : place("t" + std::to_string(number++), mortise::Role::Temporary, life.bytes);
  if (used)
    all.push_back({"l2", mortise::Role::Temporary, mortise::Type::U8, {used}, mortise::kL2Base, {}});
}

int64_t SegmentMemory::addressOf(mlir::Value value) const { return addresses.lookup(rootOf(value)); }

std::vector<mortise::Tensor> SegmentMemory::tensors() const {
  std::vector<mortise::Tensor> sorted = all;
  llvm::sort(sorted,
             [](const mortise::Tensor &a, const mortise::Tensor &b) { return a.address < b.address; });
  return sorted;
}

} // namespace tenon::npu

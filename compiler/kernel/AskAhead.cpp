//===- AskAhead.cpp - weights that come while others compute
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A product of one row takes as long as memory needs to deliver its weights, and memory idles while products
// of many rows compute. These therefore ask for the weights of the next products of few rows, a part each,
// nearest first. What is asked for in time is read from a cache.
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/ProductAttributes.h"
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/kernel/Passes.h"
#include "mlir/IR/Remarks.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::kernel {
#define GEN_PASS_DEF_ASKAHEAD
#include "compiler/kernel/Passes.h.inc"

namespace {

constexpr int64_t kLine = 64;
/// Up to so many rows, a product computes less than it waits for weights.
constexpr int64_t kFewRows = 4;
/// A tile of a product of many rows: each of its steps, of one element (or group) of the depth, has time for
/// one line.
constexpr int64_t kTileRows = 14, kTilePanels = 2;
/// Products of fewer rows read their own weights for too few tiles, shallower ones wait for rows and results.
constexpr int64_t kManyRows = 3 * kTileRows, kLeastSteps = 64;
/// Less is not worth asking for, and a model of few weights has them in the second cache.
constexpr int64_t kLeastBytes = 32 << 10, kSmallModel = 1 << 20;
/// Weights that pass between asking and reading: no cache holds more.
constexpr int64_t kFarthest = 32 << 20;

/// What a kernel multiplies with a weight.
struct Product {
  KernelOp kernel;
  GetWeightOp weight;
  int64_t bytes = 0; ///< of the weight
  int64_t rows = 0;
  int64_t capacity = 0; ///< bytes that it has time to ask for besides its own
};

std::optional<Product> productOf(KernelOp kernel, SizeAnalysis &sizes) {
  auto ops = kernel.getBody().front().getOps<PackedContractOp>();
  if (kernel.getFamily() != "contraction" || !llvm::hasSingleElement(ops))
    return std::nullopt;
  PackedContractOp op = *ops.begin();
  auto panels = dyn_cast<BlockArgument>(op.getRhs());
  auto type = cast<RankedTensorType>(op.getRhs().getType());
  if (!panels || !type.hasStaticShape() || type.getRank() != op.getPanelRank())
    return std::nullopt;
  Value weight = kernel.getInputs()[panels.getArgNumber()];
  while (auto reshape = weight.getDefiningOp<ReshapeOp>())
    weight = reshape.getInput();
  Product product{kernel, weight.getDefiningOp<GetWeightOp>()};
  if (!product.weight)
    return std::nullopt;
  product.rows = 1;
  for (Size d : sizes.dims(op.getLhs()).drop_back()) {
    if (!d.constant())
      return std::nullopt;
    product.rows *= *d.constant();
  }
  product.bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
  if (product.rows >= kManyRows && type.getDimSize(1) >= kLeastSteps) {
    auto tiles = static_cast<int64_t>(llvm::divideCeil(product.rows, kTileRows) *
                                      llvm::divideCeil(type.getDimSize(0), kTilePanels));
    product.capacity = std::max<int64_t>(0, tiles * type.getDimSize(1) * kLine - product.bytes / 2);
  }
  return product;
}

struct AskAhead : impl::AskAheadBase<AskAhead> {
  void runOnOperation() override;

private:
  void ask(const Product &carrier, const Product &reader, int64_t from, int64_t bytes, int64_t reach);
  void askFor(const Product &reader, ArrayRef<Product> before);
};

/// The carrier gets the weight as one more argument.
void AskAhead::ask(const Product &carrier, const Product &reader, int64_t from, int64_t bytes,
                   int64_t reach) {
  KernelOp kernel = carrier.kernel;
  Block &body = kernel.getBody().front();
  unsigned argument = kernel.getInputs().size();
  GetWeightOp weight = reader.weight;
  weight->moveBefore(&weight->getBlock()->front());
  body.insertArgument(argument, weight.getType(), weight.getLoc());
  kernel.getInputsMutable().append(weight.getResult());
  kernel->setAttr(kAsksAheadAttr, DenseI64ArrayAttr::get(&getContext(), {argument, from, bytes, reach}));
  if (getContext().getRemarkEngine())
    remark::passed(kernel.getLoc(), remark::RemarkOpts::name("AsksAhead").category("fuse"))
        << remark::metric("Bytes", bytes)
        << remark::metric("Reason", "a later product of few rows waits for its weights");
}

void AskAhead::askFor(const Product &reader, ArrayRef<Product> before) {
  int64_t from = 0, passed = reader.bytes, reach = 0;
  for (const Product &carrier : llvm::reverse(before)) {
    passed += carrier.bytes;
    int64_t bytes = std::min(carrier.capacity, reader.bytes - from) / kLine * kLine;
    if (from == reader.bytes || passed > kFarthest)
      break;
    if (carrier.kernel->hasAttr(kAsksAheadAttr) || bytes < kLeastBytes)
      continue;
    reach = static_cast<int64_t>(llvm::PowerOf2Ceil(passed));
    ask(carrier, reader, from, bytes, reach);
    from += bytes;
  }
  if (reader.bytes - from < kLeastBytes)
    KernelOp(reader.kernel)->setAttr(kAskedAheadAttr, Builder(&getContext()).getI64IntegerAttr(reach));
}

void AskAhead::runOnOperation() {
  Block &block = getOperation().getBody().front();
  SizeAnalysis sizes(getOperation());
  int64_t all = 0;
  for (auto weight : block.getOps<GetWeightOp>())
    if (RankedTensorType type = weight.getType(); type.hasStaticShape())
      all += type.getNumElements() * type.getElementTypeBitWidth() / 8;
  if (all <= kSmallModel)
    return;
  SmallVector<Product> before;
  for (KernelOp kernel : block.getOps<KernelOp>()) {
    std::optional<Product> product = productOf(kernel, sizes);
    if (!product)
      continue;
    if (product->rows <= kFewRows && product->bytes >= kLeastBytes && product->weight->getBlock() == &block)
      askFor(*product, before);
    before.push_back(*product);
  }
}

} // namespace
} // namespace tenon::kernel

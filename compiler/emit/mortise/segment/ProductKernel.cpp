//===- ProductKernel.cpp - a kernel of multiply-accumulates as the matrix unit sees it
//--------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/ProductKernel.h"

#include "compiler/emit/mortise/segment/DrainChain.h"
#include "compiler/emit/mortise/segment/KernelReader.h"
#include "compiler/emit/mortise/segment/TensorShape.h"

#include <cstring>

using namespace mlir;

namespace tenon::npu {

namespace {

class Reader : KernelReader {
public:
  Reader(KernelOp kernel, const mortise::Hardware &hardware, const WeightBytes &weights, std::string &why)
      : KernelReader(kernel, hardware, why), constants(weights) {}

  std::optional<ProductKernel> read() {
    mlir::Operation *product = nullptr;
    kernel.getBody().walk([&](mlir::Operation *op) {
      if (isa<PackedConvOp, PackedContractOp>(op))
        product = op;
    });
    if (!product)
      return refuse("it has no product for the matrix unit");
    for (mlir::Operation &op : kernel.getBody().front())
      if (!hasKnownSizes(op))
        return std::nullopt;
    auto conv = dyn_cast<PackedConvOp>(product);
    if (!(conv ? readPacked(conv) : readContract(cast<PackedContractOp>(product))))
      return std::nullopt;
    return finish(product);
  }

  std::optional<ProductKernel> readChannelwise() {
    auto convs = kernel.getBody().front().getOps<ConvOp>();
    if (!llvm::hasSingleElement(convs))
      return refuse("it has no convolution with a filter for each channel");
    ConvOp conv = *convs.begin();
    for (mlir::Operation &op : kernel.getBody().front())
      if (!hasKnownSizes(op))
        return std::nullopt;
    if (!elementOf(conv.getInput()).isInteger(8) || !isa<BlockArgument>(conv.getInput()))
      return refuse("only convolutions of 8-bit integers multiply zeros for nothing");
    if (!readChannels(conv))
      return std::nullopt;
    return finish(conv);
  }

private:
  std::optional<ProductKernel> finish(mlir::Operation *product) {
    if (!readFactors(elementOf(product->getOperand(0)), elementOf(product->getOperand(1)), found.layer))
      return std::nullopt;
    DrainChain chain = drainChain(product->getResult(0), constants);
    found.layer.drain = chain.form;
    found.drained = chain.result;
    found.product = product;
    found.image = product->getOperand(0);
    found.filter = product->getOperand(1);
    found.bias = std::move(chain.bias);
    found.scale = std::move(chain.scale);
    if (!isWeight(found.filter))
      return std::nullopt;
    return std::move(found);
  }

  /// The image and the window; `window`: its sizes.
  template <typename ConvLike> bool readWindow(ConvLike conv, ArrayRef<int64_t> window, int64_t groups) {
    ArrayRef<int64_t> input = shapeOf(conv.getInput());
    size_t rank = conv.getStrides().size();
    if (rank > 2)
      return decline("windows have at most two axes");
    if (llvm::any_of(conv.getInputDilations(), [](int64_t d) { return d != 1; }))
      return decline("the input is dilated");
    Product &p = found.layer;
    p.images = input.front();
    p.width = input[rank];
    p.height = rank == 2 ? input[1] : 1;
    p.groups = groups;
    p.channels = input.back() / groups;
    p.outputs = shapeOf(conv.getResult()).back() / groups;
    p.padValue = conv.getPadValue();
    auto axis = [&](size_t d) {
      return WindowAxis{window[d], conv.getStrides()[d], conv.getDilations()[d], conv.getLow()[d],
                        conv.getHigh()[d]};
    };
    p.x = axis(rank - 1);
    if (rank == 2)
      p.y = axis(0);
    for (const WindowAxis &a : {p.x, p.y})
      if (a.low < 0 || a.high < 0)
        return decline("the window crops its input");
    return true;
  }

  bool readChannels(ConvOp conv) {
    ArrayRef<int64_t> filter = shapeOf(conv.getFilter());
    int64_t channels = shapeOf(conv.getInput()).back(), together = hardware.matrix.columns;
    if (static_cast<int64_t>(conv.getGroups()) != channels || filter.back() != channels)
      return decline("it has several filters for a channel");
    while (channels % together != 0)
      --together;
    found.depthwise = true;
    return readWindow(conv, filter, channels / together);
  }

  bool readPacked(PackedConvOp conv) {
    ArrayRef<int64_t> filter = shapeOf(conv.getFilter());
    size_t rank = conv.getStrides().size();
    if (!readWindow(conv, filter.drop_front(2), filter[0]))
      return false;
    found.panels.group = conv.getGroup();
    found.panels.panels = filter[1];
    found.panels.channelGroups = filter[2 + rank];
    // A window of one pixel that moves by one sees one long line of pixels.
    auto isPoint = [](const WindowAxis &a) {
      return a.size == 1 && a.stride == 1 && a.low == 0 && a.high == 0;
    };
    if (isPoint(found.layer.x) && isPoint(found.layer.y))
      flatten();
    return true;
  }

  bool readContract(PackedContractOp contract) {
    ArrayRef<int64_t> left = cast<RankedTensorType>(contract.getLhs().getType()).getShape();
    ArrayRef<int64_t> right = cast<RankedTensorType>(contract.getRhs().getType()).getShape();
    if (right.size() != contract.getPanelRank())
      return decline("each matrix of the batch has a right operand of its own");
    Product &p = found.layer;
    p.channels = left.back();
    p.outputs = cast<RankedTensorType>(contract.getType()).getShape().back();
    for (int64_t extent : left.drop_back())
      p.height *= extent;
    found.panels.group = contract.getGroup();
    found.panels.panels = right[0];
    found.panels.channelGroups = right[1];
    return true;
  }

  void flatten() {
    Product &p = found.layer;
    p.height *= p.images * p.width;
    p.images = p.width = 1;
  }

  bool isWeight(mlir::Value filter) {
    std::vector<uint8_t> storage;
    std::optional<StringRef> bytes = constants.bytes(filter, storage);
    if (!bytes)
      return decline("the right operand is no weight");
    const Product &p = found.layer;
    int64_t taps = p.y.size * p.x.size;
    int64_t elements = found.depthwise ? p.groups * p.channels * taps : found.panels.elements(p.groups, taps);
    return elements * mortise::typeBits(p.right) / 8 <= static_cast<int64_t>(bytes->size()) ||
           decline("the weights have fewer elements than their type says");
  }

  KernelConstants constants;
  ProductKernel found;
};

} // namespace

std::vector<uint8_t> ProductKernel::pack(const mortise::Hardware &hardware,
                                         const WeightBytes &weights) const {
  std::vector<uint8_t> storage;
  StringRef from = *KernelConstants(weights).bytes(filter, storage);
  PackedWeights packed = packedWeights(layer, hardware);
  int64_t size = mortise::typeBits(layer.right) / 8, columns = hardware.matrix.columns,
          taps = layer.y.size * layer.x.size;
  std::vector<uint8_t> bytes(static_cast<size_t>(packed.bytes));
  for (int64_t g = 0; g < layer.groups; ++g)
    for (int64_t o = 0; o < layer.outputs; ++o) {
      uint8_t *panel = bytes.data() + (g * packed.panels + o / columns) * packed.panelBytes;
      for (int64_t tap = 0; tap < taps; ++tap)
        for (int64_t c = 0; c < layer.channels; ++c) {
          if (depthwise && c != o)
            continue;
          int64_t index =
              depthwise ? (tap * layer.groups + g) * layer.channels + c : panels.indexOf(g, tap, taps, c, o);
          std::memcpy(panel + (tap * layer.channels + c) * packed.rowBytes + o % columns * size,
                      from.data() + index * size, static_cast<size_t>(size));
        }
      uint8_t *tables = panel + packed.rows * packed.rowBytes + o % columns * 4;
      for (const std::vector<uint32_t> *table : {&bias, &scale}) {
        if (table->empty())
          continue;
        uint32_t word = (*table)[table->size() == 1 ? 0 : static_cast<size_t>(g * layer.outputs + o)];
        std::memcpy(tables, &word, 4);
        tables += columns * 4;
      }
    }
  return bytes;
}

std::optional<ProductKernel> readDepthwise(KernelOp kernel, const mortise::Hardware &hardware,
                                           const WeightBytes &weights, std::string &why) {
  return Reader(kernel, hardware, weights, why).readChannelwise();
}

std::optional<ProductKernel> readProduct(KernelOp kernel, const mortise::Hardware &hardware,
                                         const WeightBytes &weights, std::string &why) {
  return Reader(kernel, hardware, weights, why).read();
}

} // namespace tenon::npu

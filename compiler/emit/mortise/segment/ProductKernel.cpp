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

#include <cstring>

using namespace mlir;

namespace tenon::npu {

namespace {

/// The layout of panels that Kernel makes: [groups, panels, window.., channels / group, 16, group].
struct KernelPanels {
  int64_t panels = 1, group = 1, channelGroups = 1;
  static constexpr int64_t kColumns = 16;

  /// Where an element lies, counted in elements.
  int64_t indexOf(int64_t g, int64_t tap, int64_t taps, int64_t channel, int64_t output) const {
    int64_t index = g * panels + output / kColumns;
    index = (index * taps + tap) * channelGroups + channel / group;
    return (index * kColumns + output % kColumns) * group + channel % group;
  }
};

class Reader : KernelReader {
public:
  Reader(KernelOp kernel, const mortise::Hardware &hardware, const WeightBytes &weights, std::string &why)
      : KernelReader(kernel, hardware, why), constants(weights) {}

  std::optional<ProductKernel> read() {
    Operation *product = nullptr;
    kernel.getBody().walk([&](Operation *op) {
      if (isa<PackedConvOp, PackedContractOp>(op))
        product = op;
    });
    if (!product)
      return refuse("it has no product for the matrix unit");
    for (Operation &op : kernel.getBody().front())
      if (!hasKnownSizes(op))
        return std::nullopt;
    auto conv = dyn_cast<PackedConvOp>(product);
    if (!(conv ? readConv(conv) : readContract(cast<PackedContractOp>(product))) || !readTypes(product))
      return std::nullopt;
    DrainChain chain = drainChain(product->getResult(0), constants);
    found.layer.drain = chain.form;
    found.drained = chain.result;
    found.product = product;
    found.image = product->getOperand(0);
    found.filter = product->getOperand(1);
    if (!pack(product->getOperand(1), chain))
      return std::nullopt;
    return std::move(found);
  }

private:
  bool readConv(PackedConvOp conv) {
    ArrayRef<int64_t> input = cast<RankedTensorType>(conv.getInput().getType()).getShape();
    ArrayRef<int64_t> filter = cast<RankedTensorType>(conv.getFilter().getType()).getShape();
    size_t rank = conv.getStrides().size();
    if (rank > 2)
      return decline("windows have at most two axes");
    if (llvm::any_of(conv.getInputDilations(), [](int64_t d) { return d != 1; }))
      return decline("the input is dilated");
    Product &p = found.layer;
    p.images = input.front();
    p.width = input[rank];
    p.height = rank == 2 ? input[1] : 1;
    p.groups = filter[0];
    p.channels = input.back() / p.groups;
    p.outputs = cast<RankedTensorType>(conv.getType()).getShape().back() / p.groups;
    p.padValue = conv.getPadValue();
    auto axis = [&](size_t d) {
      return WindowAxis{filter[2 + d], conv.getStrides()[d], conv.getDilations()[d], conv.getLow()[d],
                        conv.getHigh()[d]};
    };
    p.x = axis(rank - 1);
    if (rank == 2)
      p.y = axis(0);
    for (const WindowAxis &a : {p.x, p.y})
      if (a.low < 0 || a.high < 0)
        return decline("the window crops its input");
    panels.group = conv.getGroup();
    panels.panels = filter[1];
    panels.channelGroups = filter[2 + rank];
    // A window of one pixel that moves by one sees one long line of pixels.
    auto isPoint = [](const WindowAxis &a) {
      return a.size == 1 && a.stride == 1 && a.low == 0 && a.high == 0;
    };
    if (isPoint(p.x) && isPoint(p.y))
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
    panels.group = contract.getGroup();
    panels.panels = right[0];
    panels.channelGroups = right[1];
    return true;
  }

  void flatten() {
    Product &p = found.layer;
    p.height *= p.images * p.width;
    p.images = p.width = 1;
  }

  std::optional<mortise::Type> typeOf(Type element) {
    if (element.isUnsignedInteger(8))
      return mortise::Type::U8;
    if (element.isInteger(8))
      return mortise::Type::I8;
    if (element.isBF16())
      return mortise::Type::Bf16;
    return std::nullopt;
  }

  bool readTypes(Operation *product) {
    Type left = getElementTypeOrSelf(product->getOperand(0)),
         right = getElementTypeOrSelf(product->getOperand(1));
    std::optional<mortise::Type> l = typeOf(left), r = typeOf(right);
    if (!l || !r)
      return decline(
          "the array multiplies 8-bit integers and bf16; quantize the model, or use --precision bf16");
    found.layer.left = *l;
    found.layer.right = *r;
    bool has = hardware.rate(*l) != 0 && hardware.rate(*r) != 0;
    return has || decline("the machine's array does not multiply this type");
  }

  /// From the panels of Kernel to those of the machine, with the drain's tables.
  bool pack(Value filter, const DrainChain &chain) {
    std::vector<uint8_t> storage;
    std::optional<StringRef> bytes = constants.bytes(filter, storage);
    if (!bytes)
      return decline("the right operand is no weight");
    const Product &p = found.layer;
    PackedWeights packed = packedWeights(p, hardware);
    int64_t size = mortise::typeBits(p.right) / 8, columns = hardware.matrix.columns,
            taps = p.y.size * p.x.size;
    found.weights.assign(static_cast<size_t>(packed.bytes), 0);
    for (int64_t g = 0; g < p.groups; ++g)
      for (int64_t o = 0; o < p.outputs; ++o) {
        uint8_t *panel = found.weights.data() + (g * packed.panels + o / columns) * packed.panelBytes;
        for (int64_t tap = 0; tap < taps; ++tap)
          for (int64_t c = 0; c < p.channels; ++c) {
            int64_t from = panels.indexOf(g, tap, taps, c, o) * size;
            if (from + size > static_cast<int64_t>(bytes->size()))
              return decline("the weights have fewer elements than their type says");
            std::memcpy(panel + (tap * p.channels + c) * packed.rowBytes + o % columns * size,
                        bytes->data() + from, static_cast<size_t>(size));
          }
        uint8_t *tables = panel + packed.rows * packed.rowBytes + o % columns * 4;
        for (const std::vector<uint32_t> *table : {&chain.bias, &chain.scale}) {
          if (table->empty())
            continue;
          uint32_t word = (*table)[table->size() == 1 ? 0 : static_cast<size_t>(g * p.outputs + o)];
          std::memcpy(tables, &word, 4);
          tables += columns * 4;
        }
      }
    return true;
  }

  KernelConstants constants;
  ProductKernel found;
  KernelPanels panels;
};

} // namespace

std::optional<ProductKernel> readProduct(KernelOp kernel, const mortise::Hardware &hardware,
                                         const WeightBytes &weights, std::string &why) {
  return Reader(kernel, hardware, weights, why).read();
}

} // namespace tenon::npu

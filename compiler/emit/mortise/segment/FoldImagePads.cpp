//===- FoldImagePads.cpp - convolutions that read images as they are --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/FoldImagePads.h"

#include "compiler/emit/mortise/segment/PlannedKernel.h"
#include "compiler/emit/mortise/segment/ProductKernel.h"
#include "compiler/emit/mortise/segment/TensorShape.h"

using namespace mlir;

namespace tenon::npu {

namespace {

/// What a kernel adds around its only operand, an image [batch, axes.., channels].
struct ImagePad {
  KernelOp kernel;
  PadOp pad;
  int64_t bits = 0; ///< of an element of the padding
};

class PadFolder {
public:
  PadFolder(const mortise::Hardware &hardware, const WeightBytes &weights)
      : hardware(hardware), weights(weights), constants(weights) {}

  void run(KernelOp kernel) {
    auto convs = kernel.getBody().front().getOps<PackedConvOp>();
    if (!llvm::hasSingleElement(convs))
      return;
    PackedConvOp conv = *convs.begin();
    auto argument = dyn_cast<BlockArgument>(conv.getInput());
    if (!argument || !argument.hasOneUse())
      return;
    std::optional<ImagePad> found = padOf(kernel.getInputs()[argument.getArgNumber()]);
    if (!found || !takes(conv, *found))
      return;
    KernelOp changed = rewritten(kernel, argument.getArgNumber(), *found);
    std::string why;
    if (!planOf(changed, hardware, weights, why)) {
      changed->erase();
      return;
    }
    kernel->getResult(0).replaceAllUsesWith(changed->getResult(0));
    kernel->erase();
    if (found->kernel->use_empty())
      found->kernel->erase();
  }

private:
  std::optional<ImagePad> padOf(mlir::Value image) const {
    auto kernel = image.getDefiningOp<KernelOp>();
    if (!kernel || kernel->getNumResults() != 1 || kernel.getInputs().size() != 1 ||
        !kernel.getSizes().empty())
      return std::nullopt;
    auto pad = yieldedBy(kernel).getDefiningOp<PadOp>();
    if (!pad || !isa<BlockArgument>(pad.getInput()) || !pad.getLow().empty() || !pad.getHigh().empty() ||
        shapeOf(pad.getInput()).size() < 3)
      return std::nullopt;
    auto value = pad.getValue().getDefiningOp<ConstantOp>();
    auto elements = value ? dyn_cast<DenseElementsAttr>(value.getValue()) : DenseElementsAttr();
    if (!elements || !elements.isSplat())
      return std::nullopt;
    // Convolutions of floats pad with zero.
    if (isa<FloatType>(elements.getElementType()))
      return elements.getSplatValue<llvm::APFloat>().isPosZero() ? std::optional(ImagePad{kernel, pad, 0})
                                                                 : std::nullopt;
    if (isa<IntegerType>(elements.getElementType()))
      return ImagePad{kernel, pad, elements.getSplatValue<llvm::APInt>().getSExtValue()};
    return std::nullopt;
  }

  /// Whether the window may do the padding: around the image, with what it pads with itself, and channels
  /// behind the image's that all filters are zero for.
  bool takes(PackedConvOp conv, ImagePad found) const {
    ArrayRef<int64_t> low = found.pad.getStaticLow(), high = found.pad.getStaticHigh();
    if (low.front() != 0 || high.front() != 0 || low.back() != 0)
      return false;
    auto isZero = [](int64_t n) { return n == 0; };
    bool pads = !llvm::all_of(conv.getLow(), isZero) || !llvm::all_of(conv.getHigh(), isZero);
    if (pads && static_cast<int64_t>(conv.getPadValue()) != value(found))
      return false;
    return high.back() == 0 || isBlind(conv, shapeOf(found.pad.getInput()).back());
  }

  /// The padding as convolutions have it: unsigned elements are not negative.
  static int64_t value(ImagePad found) {
    Type element = elementOf(found.pad.getInput());
    return element.isUnsignedInteger(8) ? found.bits & 0xff : found.bits;
  }

  /// Whether no filter sees channels from `channels` on.
  bool isBlind(PackedConvOp conv, int64_t channels) const {
    std::vector<uint8_t> storage;
    std::optional<StringRef> bytes = constants.bytes(conv.getFilter(), storage);
    ArrayRef<int64_t> filter = shapeOf(conv.getFilter());
    if (!bytes || filter.front() != 1)
      return false;
    auto group = static_cast<int64_t>(conv.getGroup());
    size_t rank = conv.getStrides().size();
    int64_t size = static_cast<int64_t>(bytes->size()) / elementsOf(conv.getFilter()), taps = 1,
            outputs = filter[1] * KernelPanels::kColumns;
    for (int64_t extent : filter.slice(2, rank))
      taps *= extent;
    KernelPanels panels{filter[1], group, filter[2 + rank]};
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t c = channels; c < panels.channelGroups * group; ++c)
        for (int64_t o = 0; o < outputs; ++o)
          for (int64_t b = 0, at = panels.indexOf(0, tap, taps, c, o) * size; b < size; ++b)
            if ((*bytes)[static_cast<size_t>(at + b)] != 0)
              return false;
    return true;
  }

  static KernelOp rewritten(KernelOp kernel, unsigned number, ImagePad found) {
    OpBuilder b(kernel);
    auto changed = cast<KernelOp>(b.clone(*kernel));
    mlir::Value image = found.kernel.getInputs().front();
    changed->setOperand(number, image);
    changed.getBody().front().getArgument(number).setType(image.getType());
    PackedConvOp conv = *changed.getBody().front().getOps<PackedConvOp>().begin();
    ArrayRef<int64_t> low = found.pad.getStaticLow(), high = found.pad.getStaticHigh();
    auto sum = [](ArrayRef<int64_t> window, ArrayRef<int64_t> image) {
      llvm::SmallVector<int64_t> all;
      for (auto [a, b] : llvm::zip_equal(window, image.drop_front().drop_back()))
        all.push_back(a + b);
      return all;
    };
    conv.setLow(sum(conv.getLow(), low));
    conv.setHigh(sum(conv.getHigh(), high));
    conv.setPadValue(value(found));
    return changed;
  }

  const mortise::Hardware &hardware;
  const WeightBytes &weights;
  KernelConstants constants;
};

} // namespace

void foldImagePads(KernelOp segment, const mortise::Hardware &hardware, const WeightBytes &weights) {
  PadFolder folder(hardware, weights);
  for (KernelOp kernel : llvm::to_vector(segment.getBody().front().getOps<KernelOp>()))
    if (kernel.getFamily() == "conv")
      folder.run(kernel);
}

} // namespace tenon::npu

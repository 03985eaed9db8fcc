//===- FuseWindows.cpp - products that the windows behind them compute
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A 1x1 convolution that widens an image, and the depthwise convolution that reads it (inverted residuals):
// the wide image is larger than either end, and is never stored where the window's kernel computes the lines
// that it needs by itself.
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/kernel/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tenon::kernel {
#define GEN_PASS_DEF_FUSEWINDOWS
#include "compiler/kernel/Passes.h.inc"

namespace {

/// A smaller image between the two stays in the second cache, and little is gained.
constexpr int64_t kLeastBytes = 768 << 10;
/// Every 32 channels read the product's left operand once more.
constexpr int64_t kMostChannels = 128, kMostDepth = 64;
/// Of an image of few lines, many are computed twice where ranges meet.
constexpr int64_t kLeastHeight = 48;
/// Lines that are kept, and taps of a line that are unrolled.
constexpr int64_t kMostLines = 8, kMostTaps = 16;

bool allAre(ArrayRef<int64_t> a, int64_t v) {
  return llvm::all_of(a, [v](int64_t x) { return x == v; });
}

template <typename OpTy> OpTy onlyOp(KernelOp kernel) {
  auto ops = kernel.getBody().front().getOps<OpTy>();
  return llvm::hasSingleElement(ops) ? *ops.begin() : OpTy();
}

/// The depthwise convolution of a kernel that can read lines as they are made, or null.
ConvOp windowOver(KernelOp kernel) {
  ConvOp conv = kernel.getFamily() == "window" ? onlyOp<ConvOp>(kernel) : ConvOp();
  if (!conv || conv.getStrides().size() != 2 || conv.getPadValue() != 0 ||
      !allAre(conv.getInputDilations(), 1))
    return {};
  auto filter = cast<RankedTensorType>(conv.getFilter().getType());
  auto f32 = [](Value v) { return getElementTypeOrSelf(v).isF32(); };
  bool fits = f32(conv.getInput()) && f32(conv.getFilter()) && f32(conv.getResult()) &&
              (filter.getDimSize(0) - 1) * conv.getDilations()[0] + 1 <= kMostLines &&
              filter.getDimSize(1) <= kMostTaps;
  return fits && isa<BlockArgument>(conv.getInput()) && conv.getInput().hasOneUse() ? conv : ConvOp();
}

/// The product of a kernel whose result is an image, or null.
PackedContractOp productOf(KernelOp kernel) {
  PackedContractOp product =
      kernel.getFamily() == "contraction" ? onlyOp<PackedContractOp>(kernel) : PackedContractOp();
  if (!product || kernel.getNumResults() != 1 || product.getGroup() != 1)
    return {};
  auto type = cast<RankedTensorType>(product.getType());
  auto f32 = [](Value v) { return getElementTypeOrSelf(v).isF32(); };
  bool fits = type.getRank() == 4 && kernel.getResult(0).getType() == type && f32(product.getLhs()) &&
              f32(product.getRhs()) && f32(product.getResult()) &&
              cast<RankedTensorType>(product.getRhs().getType()).getRank() == 3;
  return fits ? product : PackedContractOp();
}

class Fuser {
public:
  explicit Fuser(func::FuncOp function) : sizes(function) {}
  void fuse(KernelOp window);

private:
  bool pays(PackedContractOp product, Value image);
  void merge(KernelOp product, KernelOp window, unsigned input);
  SizeAnalysis sizes;
};

void Fuser::fuse(KernelOp window) {
  ConvOp conv = windowOver(window);
  if (!conv)
    return;
  unsigned input = cast<BlockArgument>(conv.getInput()).getArgNumber();
  Value image = window.getInputs()[input];
  auto kernel = image.getDefiningOp<KernelOp>();
  if (!kernel || kernel->getBlock() != window->getBlock() || !image.hasOneUse())
    return;
  PackedContractOp product = productOf(kernel);
  if (product && pays(product, image))
    merge(kernel, window, input);
}

bool Fuser::pays(PackedContractOp product, Value image) {
  auto channels = sizes.dims(image).back().constant(), depth = sizes.dims(product.getLhs()).back().constant();
  if (!channels || !depth || *channels > kMostChannels || *depth > kMostDepth)
    return false;
  // Nothing known, it may be large, and little is lost where it is not; an unknown side is taken to be as
  // long as the other one.
  auto images = sizes.dims(image)[0].constant(), height = sizes.dims(image)[1].constant(),
       width = sizes.dims(image)[2].constant();
  if (!height && !width)
    return true;
  int64_t lines = height ? *height : *width, pixels = lines * (width ? *width : lines);
  return lines >= kLeastHeight && images.value_or(1) * pixels * *channels * 4 >= kLeastBytes;
}

void Fuser::merge(KernelOp product, KernelOp window, unsigned input) {
  OpBuilder b(window);
  llvm::SetVector<Value> tensors, indices;
  tensors.insert(product.getInputs().begin(), product.getInputs().end());
  for (auto [i, v] : llvm::enumerate(window.getInputs()))
    if (i != input)
      tensors.insert(v);
  indices.insert(product.getSizes().begin(), product.getSizes().end());
  indices.insert(window.getSizes().begin(), window.getSizes().end());
  Location loc = b.getFusedLoc({product.getLoc(), window.getLoc()});
  auto merged =
      KernelOp::create(b, loc, window.getResultTypes(), tensors.getArrayRef(), indices.getArrayRef(),
                       window.getResultSizes(), window.getFamily(), DictionaryAttr());
  Block *block = b.createBlock(&merged.getBody());
  IRMapping outside, map;
  for (Value v : llvm::concat<const Value>(tensors, indices))
    outside.map(v, block->addArgument(v.getType(), v.getLoc()));
  auto clone = [&](KernelOp kernel) {
    Block &body = kernel.getBody().front();
    for (auto [given, argument] :
         llvm::zip_equal(llvm::concat<Value>(kernel.getInputs(), kernel.getSizes()), body.getArguments()))
      if (Value inner = outside.lookupOrNull(given))
        map.map(argument, inner);
    for (Operation &op : body.without_terminator())
      b.clone(op, map);
    return map.lookup(body.getTerminator()->getOperand(0));
  };
  outside.map(window.getInputs()[input], clone(product));
  YieldOp::create(b, loc, clone(window));
  if (window.getContext()->getRemarkEngine())
    remark::passed(loc, remark::RemarkOpts::name("FusedWindow").category("fuse"))
        << remark::metric("Reason", "the window computes the lines of the product that it reads");
  window.getResult(0).replaceAllUsesWith(merged.getResult(0));
  for (KernelOp old : {window, product}) {
    sizes.forget(old);
    old.erase();
  }
}

struct FuseWindows : impl::FuseWindowsBase<FuseWindows> {
  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation().walk([&](KernelOp op) { kernels.push_back(op); });
    Fuser fuser(getOperation());
    // Windows stand behind their products, and are not products themselves.
    for (KernelOp kernel : llvm::reverse(kernels))
      fuser.fuse(kernel);
  }
};

} // namespace
} // namespace tenon::kernel

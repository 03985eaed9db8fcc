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
// Whether an image is large enough is asked at run time where its size is open.
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
  Fuser(func::FuncOp function, bool openIsLarge) : sizes(function), openIsLarge(openIsLarge) {}
  void fuse(KernelOp window);

private:
  bool fits(PackedContractOp product, Value image);
  Size bytesOf(Value image) { return tenon::productOf(sizes.context(), sizes.dims(image)) * 4; }
  std::optional<bool> isLarge(Value image);
  Value asksIfLarge(OpBuilder &b, Location loc, Value image);
  KernelOp merged(OpBuilder &b, KernelOp product, KernelOp window, unsigned input);
  void erase(KernelOp kernel) {
    sizes.forget(kernel);
    kernel.erase();
  }
  SizeAnalysis sizes;
  bool openIsLarge;
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
  std::optional<bool> large = product && fits(product, image) ? isLarge(image) : false;
  if (large && !*large)
    return;
  OpBuilder b(window);
  if (window.getContext()->getRemarkEngine())
    remark::passed(b.getFusedLoc({kernel.getLoc(), window.getLoc()}),
                   remark::RemarkOpts::name("FusedWindow").category("fuse"))
        << remark::metric("Reason", large ? "the window computes the lines of the product that it reads"
                                          : "the window computes the lines of the product that it reads, "
                                            "where the image turns out to be large");
  if (large) {
    window->replaceAllUsesWith(merged(b, kernel, window, input));
    erase(window);
    erase(kernel);
    return;
  }
  Value condition = asksIfLarge(b, window.getLoc(), image);
  auto branch = scf::IfOp::create(b, window.getLoc(), window.getResultTypes(), condition,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, window.getLoc(), merged(b, kernel, window, input).getResults());
  window->replaceAllUsesWith(branch);
  b.setInsertionPointToStart(branch.elseBlock());
  auto end = scf::YieldOp::create(b, window.getLoc(), window.getResults());
  kernel->moveBefore(end);
  window->moveBefore(end);
}

bool Fuser::fits(PackedContractOp product, Value image) {
  auto channels = sizes.dims(image).back().constant(), depth = sizes.dims(product.getLhs()).back().constant();
  return channels && depth && *channels <= kMostChannels && *depth <= kMostDepth;
}

/// Whether an image is too large for the second cache, and of many lines; nothing where that is not known.
std::optional<bool> Fuser::isLarge(Value image) {
  ArrayRef<Size> dims = sizes.dims(image);
  Size bytes = bytesOf(image);
  if (dims[1].constant() && *dims[1].constant() < kLeastHeight)
    return false;
  if (!dims[1].constant() || !bytes.constant())
    return openIsLarge ? std::optional<bool>(true) : std::nullopt;
  return *bytes.constant() >= kLeastBytes;
}

Value Fuser::asksIfLarge(OpBuilder &b, Location loc, Value image) {
  ArrayRef<Size> dims = sizes.dims(image);
  auto atLeast = [&](Size size, int64_t least) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, sizes.materialize(b, loc, size),
                                 arith::ConstantIndexOp::create(b, loc, least))
        .getResult();
  };
  Value large = atLeast(bytesOf(image), kLeastBytes);
  return dims[1].constant()
             ? large
             : arith::AndIOp::create(b, loc, atLeast(dims[1], kLeastHeight), large).getResult();
}

/// The kernel of both, at the insertion point.
KernelOp Fuser::merged(OpBuilder &b, KernelOp product, KernelOp window, unsigned input) {
  OpBuilder::InsertionGuard guard(b);
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
  return merged;
}

struct FuseWindows : impl::FuseWindowsBase<FuseWindows> {
  using FuseWindowsBase::FuseWindowsBase;
  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation().walk([&](KernelOp op) { kernels.push_back(op); });
    Fuser fuser(getOperation(), openIsLarge);
    // Windows stand behind their products, and are not products themselves.
    for (KernelOp kernel : llvm::reverse(kernels))
      fuser.fuse(kernel);
  }
};

} // namespace
} // namespace tenon::kernel

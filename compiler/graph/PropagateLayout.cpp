//===- PropagateLayout.cpp - images stay channels-last ----------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Import puts a transpose before and after every convolution and pool. Transposes are moved down through
// operations that do not care for the order of dimensions, and through reshapes that leave it, until they
// meet their inverse and cancel, or an edge of the graph. What is left and moves only dimensions of size 1
// becomes a reshape.
//
// Sinking is one sweep in program order: an operation is visited after those it reads, once. A transpose
// moves down past the visited operation and waits there for the ones that follow; transposes that other
// operands get for it are never visited. So nothing moves twice, whatever the graph looks like: a fixpoint of
// local rules would pass a transpose between two operands that are both cheap to transpose for ever.
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "compiler/graph/Passes.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tenon;

namespace tenon {
#define GEN_PASS_DEF_PROPAGATELAYOUT
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

using Permutation = SmallVector<int64_t>;

Permutation inverse(ArrayRef<int64_t> p) {
  Permutation inv(p.size());
  for (auto [i, v] : llvm::enumerate(p))
    inv[v] = i;
  return inv;
}

/// An array in result order, in the order of the input of the transpose.
template <typename T> SmallVector<T> unpermuted(ArrayRef<T> values, ArrayRef<int64_t> p) {
  SmallVector<T> result(values.size());
  for (auto [i, v] : llvm::enumerate(values))
    result[p[i]] = v;
  return result;
}

RankedTensorType unpermuted(RankedTensorType type, ArrayRef<int64_t> p) {
  return type.clone(unpermuted(type.getShape(), p));
}

/// Values that belong to the dynamic entries of `constants`, in the new order of the entries.
SmallVector<Value> unpermutedValues(ArrayRef<int64_t> constants, ValueRange values, ArrayRef<int64_t> p) {
  SmallVector<Value> all(constants.size()), result;
  auto next = values.begin();
  for (auto [d, c] : llvm::enumerate(constants))
    if (c == kDynamic)
      all[d] = *next++;
  for (Value v : unpermuted(ArrayRef<Value>(all), p))
    if (v)
      result.push_back(v);
  return result;
}

/// Operands whose transpose costs nothing that matters: constants, and what is repeated from something
/// smaller.
bool isCheapToTranspose(Value v) {
  Operation *op = v.getDefiningOp();
  return op && (isa<BroadcastOp, ConstantOp, GetWeightOp, IotaOp>(op) ||
                (isa<CastOp, ReshapeOp, tensor::CastOp>(op) && isCheapToTranspose(op->getOperand(0))));
}

/// `v` in the order of permutation `p`. Merges with the transpose that `v` is, and goes above broadcasts: the
/// smaller tensor is moved.
Value transposed(CoreBuilder &b, OpBuilder &builder, Location loc, Value v, ArrayRef<int64_t> p) {
  if (llvm::equal(p, llvm::seq<int64_t>(0, p.size())))
    return v;
  if (auto inner = v.getDefiningOp<TransposeOp>()) {
    Permutation merged = llvm::map_to_vector(p, [&](int64_t d) { return inner.getPermutation()[d]; });
    return transposed(b, builder, loc, inner.getInput(), merged);
  }
  if (auto broadcast = v.getDefiningOp<BroadcastOp>()) {
    Value small = transposed(b, builder, loc, broadcast.getInput(), p);
    Permutation inv = inverse(p);
    SmallVector<Value> sizes = unpermutedValues(broadcast.getType().getShape(), broadcast.getSizes(), inv);
    return BroadcastOp::create(builder, loc, unpermuted(broadcast.getType(), inv), small, sizes);
  }
  return b.transpose(v, p);
}

/// Moves transposes down, one operation at a time.
class TransposeSinker {
public:
  TransposeSinker(IRRewriter &rewriter, SizeAnalysis &sizes) : rewriter(rewriter), sizes(sizes) {}

  /// Visits one operation, behind those it reads.
  void visit(Operation *op) {
    rewriter.setInsertionPoint(op);
    if (auto transpose = dyn_cast<TransposeOp>(op))
      return settle(transpose);
    if (auto reshape = dyn_cast<ReshapeOp>(op))
      return sinkThroughReshape(reshape);
    sinkThroughLayoutFree(op);
  }

private:
  /// transpose(transpose(x)) -> transpose(x), or x; transpose(broadcast(x)) -> broadcast(transpose(x))
  void settle(TransposeOp op) {
    if (!op.getInput().getDefiningOp<TransposeOp>() && !op.getInput().getDefiningOp<BroadcastOp>())
      return;
    CoreBuilder b(rewriter, op.getLoc());
    Value result = transposed(b, rewriter, op.getLoc(), op.getInput(), op.getPermutation());
    rewriter.replaceOp(op, b.refine(result, op.getType()));
  }

  /// The operands that carry the layout, or nothing for operations that mind the order.
  static std::optional<OperandRange> layoutOperands(Operation *op) {
    if (op->getNumResults() != 1)
      return std::nullopt;
    if (op->hasTrait<ElementwiseTrait>() || op->hasTrait<OpTrait::SameOperandsAndResultType>() ||
        isa<ConcatOp, QuantizeOp, DequantizeOp>(op))
      return op->getOperands();
    bool activation = isa<CompositeOpInterface>(op) && op->getNumOperands() == 1 &&
                      !isa<MaxPoolOp, AvgPoolOp, ResizeOp>(op);
    if (activation || isa<ReduceOp, ArgReduceOp, BatchNormOp, PadOp, SliceOp, ResizeOp, tensor::CastOp>(op))
      return op->getOperands().take_front(1);
    return std::nullopt;
  }

  /// The one transpose that all of these operands are results of, but for those that are cheap to transpose.
  static TransposeOp sharedTranspose(OperandRange operands) {
    TransposeOp shared;
    for (Value v : operands) {
      auto transpose = v.getDefiningOp<TransposeOp>();
      if (!transpose ? !isCheapToTranspose(v)
                     : shared && shared.getPermutation() != transpose.getPermutation())
        return {};
      if (!shared)
        shared = transpose;
    }
    return shared;
  }

  /// op(transpose(x)) -> transpose(op(x)), for operations that can run in any order of dimensions.
  void sinkThroughLayoutFree(Operation *op) {
    std::optional<OperandRange> operands = layoutOperands(op);
    TransposeOp shared = operands ? sharedTranspose(*operands) : TransposeOp();
    // A cast may forget the rank.
    if (!shared || !isa<RankedTensorType>(op->getResult(0).getType()))
      return;
    Permutation p = llvm::to_vector(shared.getPermutation());
    CoreBuilder b(rewriter, op->getLoc());
    SmallVector<Value> sources;
    for (Value v : *operands)
      sources.push_back(transposed(b, rewriter, op->getLoc(), v, inverse(p)));
    Operation *moved = rebuild(op, sources, p);
    castElementwiseOperands(rewriter, moved);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op->getResult(0).getType(), moved->getResult(0), p);
  }

  /// The operation on operands without the transpose.
  Operation *rebuild(Operation *op, ArrayRef<Value> sources, ArrayRef<int64_t> p) {
    Operation *moved = rewriter.clone(*op);
    for (auto [i, v] : llvm::enumerate(sources))
      moved->setOperand(i, v);
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    moved->getResult(0).setType(unpermuted(type, p));
    llvm::TypeSwitch<Operation *>(moved)
        .Case<SoftmaxOp, LogSoftmaxOp, ScanOp, ArgReduceOp, BatchNormOp, ConcatOp>([&](auto axisOp) {
          if (!planted(Defect::LayoutAxisKept))
            axisOp.setAxis(p[axisOp.getAxis()]);
        })
        .Case([&](ReduceOp reduce) {
          Permutation axes = llvm::map_to_vector(reduce.getAxes(), [&](int64_t a) { return p[a]; });
          llvm::sort(axes);
          reduce.setAxes(axes);
        })
        .Case([&](PadOp pad) {
          pad.getLowMutable().assign(unpermutedValues(pad.getStaticLow(), pad.getLow(), p));
          pad.getHighMutable().assign(unpermutedValues(pad.getStaticHigh(), pad.getHigh(), p));
          pad.setStaticLow(unpermuted(pad.getStaticLow(), p));
          pad.setStaticHigh(unpermuted(pad.getStaticHigh(), p));
        })
        .Case([&](SliceOp slice) {
          slice.getOffsetsMutable().assign(unpermutedValues(slice.getStaticOffsets(), slice.getOffsets(), p));
          slice.getSizesMutable().assign(unpermutedValues(type.getShape(), slice.getSizes(), p));
          slice.setStaticOffsets(unpermuted(slice.getStaticOffsets(), p));
          slice.setStrides(unpermuted(slice.getStrides(), p));
        })
        .Case([&](ResizeOp resize) {
          resize.getSizesMutable().assign(unpermutedValues(type.getShape(), resize.getSizes(), p));
          resize.setAxes(llvm::map_to_vector(resize.getAxes(), [&](int64_t a) { return p[a]; }));
        });
    return moved;
  }

  /// reshape(transpose(x)) that drops or adds dimensions of size 1, or joins dimensions that are neighbours
  /// in x as well (the rows and columns of an image), becomes transpose(reshape(x)).
  void sinkThroughReshape(ReshapeOp op) {
    auto transpose = op.getInput().getDefiningOp<TransposeOp>();
    if (!transpose)
      return;
    ArrayRef<Size> to = sizes.dims(op.getResult());
    std::optional<SmallVector<int64_t>> first = placesBefore(transpose, to);
    if (!first)
      return;
    // The dimensions of the result in the order of the transpose's input; units come first.
    SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, to.size()));
    auto key = [&](int64_t d) { return std::pair((*first)[d], d); };
    llvm::sort(order, [&](int64_t a, int64_t b) { return key(a) < key(b); });
    // A transpose that moves only dimensions of size 1 has nothing to sink.
    if (llvm::is_sorted(order))
      return;
    Dims dims;
    for (int64_t d : order)
      dims.push_back(to[d]);
    Value squeezed = createReshape(rewriter, op.getLoc(), sizes, transpose.getInput(), dims);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), squeezed, inverse(order));
  }

  /// For each dimension of a reshape's result, where it begins in the input of the transpose that is
  /// reshaped, or -1 for one of size 1; nothing if a dimension is not made of neighbours there, or is split.
  std::optional<SmallVector<int64_t>> placesBefore(TransposeOp transpose, ArrayRef<Size> to) {
    ArrayRef<Size> from = sizes.dims(transpose.getResult()), in = sizes.dims(transpose.getInput());
    ArrayRef<int64_t> p = transpose.getPermutation();
    auto neighbours = [&](int64_t low, int64_t high) {
      return low < high &&
             llvm::all_of(in.slice(low + 1, high - low - 1), [](Size d) { return d.isConstant(1); });
    };
    SmallVector<int64_t> first(to.size(), -1);
    size_t f = 0;
    auto skipUnits = [&] {
      while (f < from.size() && from[f].isConstant(1))
        ++f;
    };
    for (auto [d, size] : llvm::enumerate(to)) {
      if (size.isConstant(1))
        continue;
      skipUnits();
      if (f == from.size())
        return std::nullopt;
      int64_t last = first[d] = p[f];
      for (Size joined = from[f++]; joined != size; joined = joined * from[f++]) {
        skipUnits();
        if (f == from.size() || !neighbours(last, p[f]))
          return std::nullopt;
        last = p[f];
      }
    }
    skipUnits();
    return f == from.size() ? std::optional(first) : std::nullopt;
  }

  IRRewriter &rewriter;
  SizeAnalysis &sizes;
};

/// A transpose that keeps the order of the dimensions other than 1 moves no element.
struct UnitTransposeToReshape : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    if (movesElements(tensorType(op.getInput()), op.getPermutation()))
      return rewriter.notifyMatchFailure(op, "the transpose moves elements");
    CoreBuilder b(rewriter, op.getLoc());
    CoreBuilder::Values sizes;
    for (int64_t d : op.getPermutation())
      sizes.push_back(b.dim(op.getInput(), d));
    rewriter.replaceOp(op, b.refine(b.reshape(op.getInput(), sizes), op.getType()));
    return success();
  }
};

/// Erases what the sweep left without users, users before what they read.
void eraseDead(func::FuncOp function, RewriterBase &rewriter) {
  SmallVector<Operation *> all;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) { all.push_back(op); });
  for (Operation *op : llvm::reverse(all))
    if (isOpTriviallyDead(op))
      rewriter.eraseOp(op);
}

struct PropagateLayoutPass : tenon::impl::PropagateLayoutBase<PropagateLayoutPass> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    SizeAnalysis sizes(getOperation());
    SizeAnalysisListener listener(sizes);
    sink(sizes, listener);
    GreedyRewriteConfig config;
    config.setListener(&listener);
    // Each rule removes a transpose or one of two reshapes.
    RewritePatternSet units(&getContext());
    units.add<UnitTransposeToReshape>(&getContext());
    ReshapeOp::getCanonicalizationPatterns(units, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(units), config)))
      signalPassFailure();
  }

  void sink(SizeAnalysis &sizes, SizeAnalysisListener &listener) {
    IRRewriter rewriter(&getContext(), &listener);
    TransposeSinker sinker(rewriter, sizes);
    SmallVector<Operation *> inOrder;
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) { inOrder.push_back(op); });
    for (Operation *op : inOrder)
      sinker.visit(op);
    eraseDead(getOperation(), rewriter);
  }
};

} // namespace

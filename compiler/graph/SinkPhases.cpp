//===- SinkPhases.cpp - phases are interleaved as late as possible
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A transposed convolution that was split leaves its phases as channels, [N, Q.., phases.. * O], which
// interleaving makes an image of, [N, Q * phases.., O]. What works on every pixel alone may as well come
// before: elementwise operations with constants per channel, which the convolution's kernel then computes as
// it stores, and 1x1 convolutions, which may leave fewer channels to move.
//
// One sweep in program order: what sinks below one operation stands before the next. An image that is
// interleaved twice is made in one step.
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/ChannelConstants.h"
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "compiler/graph/Passes.h"

using namespace mlir;
using namespace tenon;

namespace tenon {
#define GEN_PASS_DEF_SINKPHASES
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

/// An image that is made by interleaving.
struct Interleaved {
  Value phases;                 ///< [N, Q.., phases.. * O]
  SmallVector<int64_t> factors; ///< phases along each spatial axis; several times, the coarsest first
  int64_t count = 1;            ///< their product
};

bool isElementwise(Operation *op) {
  return op->hasTrait<ElementwiseTrait>() ||
         isa<ReluOp, LeakyReluOp, ClipOp, SigmoidOp, HardSigmoidOp, HardSwishOp, SiluOp, GeluOp, EluOp>(op);
}

/// A 1x1 convolution: each pixel by itself.
bool isPoint(ConvOp op) {
  RankedTensorType filter = tensorType(op.getFilter());
  auto all = [](ArrayRef<int64_t> a, int64_t v) {
    return llvm::all_of(a, [v](int64_t x) { return x == v; });
  };
  return op.getGroups() == 1 && all(filter.getShape().drop_back(2), 1) && all(op.getStrides(), 1) &&
         all(op.getLow(), 0) && all(op.getHigh(), 0) && all(op.getInputDilations(), 1);
}

class PhaseSinker {
public:
  PhaseSinker(IRRewriter &rewriter, SizeAnalysis &sizes) : rewriter(rewriter), sizes(sizes) {}
  void visit(Operation *op) {
    rewriter.setInsertionPoint(op);
    if (auto conv = dyn_cast<ConvOp>(op))
      sinkBelowPoint(conv);
    else if (auto reshape = dyn_cast<ReshapeOp>(op))
      joinWithOuter(reshape);
    else if (isElementwise(op))
      sinkBelowElementwise(op);
  }

private:
  std::optional<Interleaved> match(Value v);
  /// The same for a value that nothing else reads.
  std::optional<Interleaved> matchOnly(Value v) { return isReadOnce(v) ? match(v) : std::nullopt; }
  static SmallVector<int64_t> permutationOf(size_t axes, size_t levels);
  void joinWithOuter(ReshapeOp op);
  Value interleaved(Location loc, const Interleaved &image, Value phases);
  void sinkBelowElementwise(Operation *op);
  void sinkBelowPoint(ConvOp op);
  Value forPhases(CoreBuilder &b, Value constant, const Interleaved &image);

  IRRewriter &rewriter;
  SizeAnalysis &sizes;
};

std::optional<Interleaved> PhaseSinker::match(Value v) {
  if (auto cast = v.getDefiningOp<tensor::CastOp>())
    v = cast.getSource();
  auto merge = v.getDefiningOp<ReshapeOp>();
  auto move = merge ? merge.getInput().getDefiningOp<TransposeOp>() : TransposeOp();
  auto split = move ? move.getInput().getDefiningOp<ReshapeOp>() : ReshapeOp();
  if (!split)
    return std::nullopt;
  Interleaved image{split.getInput(), {}, 1};
  Dims out(sizes.dims(merge.getResult())), parts(sizes.dims(split.getResult())), in(sizes.dims(image.phases));
  if (in.size() < 3 || out.size() != in.size())
    return std::nullopt;
  size_t axes = in.size() - 2;
  if (parts.size() < 2 + 2 * axes || (parts.size() - 2) % axes != 0 || parts[0] != in[0] || out[0] != in[0] ||
      parts.back() != out.back() || !parts.back().constant())
    return std::nullopt;
  size_t levels = (parts.size() - 2) / axes - 1;
  for (size_t i = 1 + axes; i + 1 < parts.size(); ++i) {
    if (!parts[i].constant())
      return std::nullopt;
    image.factors.push_back(*parts[i].constant());
    image.count *= image.factors.back();
  }
  for (size_t d = 0; d < axes; ++d) {
    Size length = in[1 + d];
    for (size_t level = 0; level < levels; ++level)
      length = length * image.factors[level * axes + d];
    if (parts[1 + d] != in[1 + d] || out[1 + d] != length)
      return std::nullopt;
  }
  bool inOrder = llvm::equal(move.getPermutation(), permutationOf(axes, levels));
  return inOrder && in.back() == out.back() * image.count ? std::optional(image) : std::nullopt;
}

/// Parts [N, Q.., phases.., O] in the order of the image: each axis before its phases.
SmallVector<int64_t> PhaseSinker::permutationOf(size_t axes, size_t levels) {
  SmallVector<int64_t> permutation{0};
  for (size_t d = 0; d < axes; ++d)
    for (size_t level = 0; level <= levels; ++level)
      permutation.push_back(static_cast<int64_t>(1 + level * axes + d));
  permutation.push_back(static_cast<int64_t>(1 + axes * (1 + levels)));
  return permutation;
}

/// The image that `phases` make, interleaved as the phases of `image` are.
Value PhaseSinker::interleaved(Location loc, const Interleaved &image, Value phases) {
  Dims in(sizes.dims(phases)), split(in), merged(in), moved;
  size_t axes = in.size() - 2, levels = image.factors.size() / axes;
  merged.back() = *in.back().exactDiv(sizes.context().constant(image.count));
  split.pop_back();
  for (auto [i, factor] : llvm::enumerate(image.factors)) {
    split.push_back(sizes.context().constant(factor));
    merged[1 + i % axes] = merged[1 + i % axes] * factor;
  }
  split.push_back(merged.back());
  SmallVector<int64_t> permutation = permutationOf(axes, levels);
  for (int64_t d : permutation)
    moved.push_back(split[d]);
  Value parts = createReshape(rewriter, loc, sizes, phases, split);
  Value turned =
      TransposeOp::create(rewriter, loc, typeFor(moved, getElementTypeOrSelf(phases)), parts, permutation);
  return createReshape(rewriter, loc, sizes, turned, merged);
}

/// Where the phases of an image are an interleaved image themselves.
void PhaseSinker::joinWithOuter(ReshapeOp op) {
  std::optional<Interleaved> inner = match(op.getResult());
  std::optional<Interleaved> outer = inner ? matchOnly(inner->phases) : std::nullopt;
  if (!outer)
    return;
  outer->factors.append(inner->factors);
  outer->count *= inner->count;
  CoreBuilder b(rewriter, op.getLoc());
  rewriter.replaceOp(op, b.refine(interleaved(op.getLoc(), *outer, outer->phases), op.getType()));
}

/// The constant of an image's channels for the channels of all phases.
Value PhaseSinker::forPhases(CoreBuilder &b, Value constant, const Interleaved &image) {
  int64_t rank = tensorType(constant).getRank();
  if (tensorType(constant).getShape().back() != 1)
    constant = b.concat(SmallVector<Value>(image.count, constant), rank - 1);
  return b.broadcastLike(constant, image.phases);
}

void PhaseSinker::sinkBelowElementwise(Operation *op) {
  if (op->getNumResults() != 1)
    return;
  std::optional<Interleaved> image;
  SmallVector<unsigned> constants;
  unsigned place = 0;
  for (auto [i, v] : llvm::enumerate(op->getOperands())) {
    if (perChannel(v))
      constants.push_back(i);
    else if (image)
      return;
    else if (image = matchOnly(v); image)
      place = i;
    else
      return;
  }
  // Only a convolution, and what is elementwise behind it, takes the operation into its kernel.
  Operation *source = image ? image->phases.getDefiningOp() : nullptr;
  if (!source || !(isa<ConvOp>(source) || isElementwise(source)))
    return;
  CoreBuilder b(rewriter, op->getLoc());
  SmallVector<Value> operands(op->getOperands());
  operands[place] = image->phases;
  for (unsigned i : constants)
    operands[i] = forPhases(b, perChannel(operands[i]), *image);
  Operation *moved = rewriter.clone(*op);
  moved->setOperands(operands);
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  moved->getResult(0).setType(tensorType(image->phases).clone(type.getElementType()));
  castElementwiseOperands(rewriter, moved);
  rewriter.replaceOp(op, b.refine(interleaved(op->getLoc(), *image, moved->getResult(0)), type));
}

/// Phases become pixels of a longer line, [N, Q.., Q * phases, O], which the convolution takes as they are.
void PhaseSinker::sinkBelowPoint(ConvOp op) {
  std::optional<Interleaved> image = isPoint(op) ? matchOnly(op.getInput()) : std::nullopt;
  auto outputs = image ? sizes.dims(op.getFilter()).back().constant() : std::nullopt;
  if (!outputs)
    return;
  Location loc = op.getLoc();
  Dims line(sizes.dims(image->phases)), result(line);
  line.back() = *line.back().exactDiv(sizes.context().constant(image->count));
  line[line.size() - 2] = line[line.size() - 2] * image->count;
  Value pixels = createReshape(rewriter, loc, sizes, image->phases, line);
  auto moved = cast<ConvOp>(rewriter.clone(*op));
  moved.getInputMutable().assign(pixels);
  line.back() = sizes.context().constant(*outputs);
  moved.getResult().setType(typeFor(line, op.getType().getElementType()));
  result.back() = sizes.context().constant(*outputs * image->count);
  Value phases = createReshape(rewriter, loc, sizes, moved.getResult(), result);
  CoreBuilder b(rewriter, loc);
  rewriter.replaceOp(op, b.refine(interleaved(loc, *image, phases), op.getType()));
}

struct SinkPhasesPass : tenon::impl::SinkPhasesBase<SinkPhasesPass> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    SizeAnalysis sizes(getOperation());
    SizeAnalysisListener listener(sizes);
    IRRewriter rewriter(&getContext(), &listener);
    PhaseSinker sinker(rewriter, sizes);
    SmallVector<Operation *> inOrder;
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) { inOrder.push_back(op); });
    for (Operation *op : inOrder)
      sinker.visit(op);
  }
};

} // namespace

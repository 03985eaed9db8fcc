//===- RecognizeAttention.cpp - attention from exporters' expansions --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "compiler/graph/Recognition.h"

using namespace mlir;
using namespace tenon;

namespace {

/// `v` without multiplications by numbers, which gather in `scale`.
Value withoutFactors(Value v, double &scale) {
  double c;
  while (true) {
    if (Value x = matchWithScalar<MulOp>(v, c)) {
      scale *= c;
      v = x;
    } else if (Value y = matchWithScalar<DivOp>(v, c)) {
      scale /= c;
      v = y;
    } else {
      return v;
    }
  }
}

/// The same; numbers are found under a transpose too.
Value unscaled(Value v, double &scale, PatternRewriter &rewriter) {
  v = withoutFactors(v, scale);
  auto transpose = v.getDefiningOp<TransposeOp>();
  if (!transpose)
    return v;
  Value inner = unscaled(transpose.getInput(), scale, rewriter);
  if (inner == transpose.getInput())
    return v;
  return CoreBuilder(rewriter, v.getLoc()).transpose(inner, transpose.getPermutation());
}

/// Heads repeated for grouped queries: [B, G, N, D] -> [B, G, 1, N, D] -> [B, G, R, N, D] -> [B, G * R, N, D]
Value unrepeated(Value v) {
  auto merge = v.getDefiningOp<ReshapeOp>();
  auto repeat = merge ? merge.getInput().getDefiningOp<BroadcastOp>() : BroadcastOp();
  auto split = repeat ? repeat.getInput().getDefiningOp<ReshapeOp>() : ReshapeOp();
  if (!split || tensorType(v).getRank() != 4 || split.getType().getRank() != 5 ||
      tensorType(split.getInput()).getRank() != 4)
    return v;
  ArrayRef<int64_t> from = tensorType(split.getInput()).getShape(), middle = split.getType().getShape();
  ArrayRef<int64_t> wide = repeat.getType().getShape(), to = merge.getType().getShape();
  SmallVector<int64_t> expected = {from[0], from[1], 1, from[2], from[3]};
  bool known = from[1] != kDynamic && wide[2] != kDynamic && to[1] == from[1] * wide[2];
  if (middle != ArrayRef(expected) || !known || wide.take_front(2) != middle.take_front(2) ||
      wide.drop_front(3) != middle.drop_front(3) || to.drop_front(2) != from.drop_front(2) ||
      to[0] != from[0])
    return v;
  return split.getInput();
}

/// One head that is repeated for all: [B, 1, N, D] -> [B, H, N, D], perhaps transposed behind that.
Value ofOneHead(Value v, CoreBuilder &b) {
  auto transpose = v.getDefiningOp<TransposeOp>();
  auto repeat = (transpose ? transpose.getInput() : v).getDefiningOp<BroadcastOp>();
  if (!repeat || tensorType(v).getRank() != 4)
    return v;
  if (transpose && (transpose.getPermutation()[0] != 0 || transpose.getPermutation()[1] != 1))
    return v;
  ArrayRef<int64_t> from = tensorType(repeat.getInput()).getShape(), to = repeat.getType().getShape();
  if (from[1] != 1 || to[1] == kDynamic || from[0] != to[0] || from.drop_front(2) != to.drop_front(2))
    return v;
  return transpose ? b.transpose(repeat.getInput(), transpose.getPermutation()) : repeat.getInput();
}

/// The probabilities under a guard against rows that see no key: select(p != p, 0, p).
Value unguarded(Value v) {
  auto select = v.getDefiningOp<SelectOp>();
  if (!select)
    return v;
  auto cmp = select.getCondition().getDefiningOp<CmpOp>();
  Value p = select.getOnFalse();
  bool guard = cmp && cmp.getPredicate() == CmpPredicate::ne && cmp.getLhs() == p && cmp.getRhs() == p &&
               scalarOf(select.getOnTrue()) == 0.0;
  return guard ? p : v;
}

/// The chain from the second product back to the first.
struct Chain {
  ContractOp first;
  Value mask;
  double scale = 1;
};

/// A mask may be repeated over batch, heads and queries, but not over the keys.
Value smallestMask(Value mask) {
  Value small = withoutBroadcast(mask);
  ArrayRef<int64_t> shape = tensorType(small).getShape(), wide = tensorType(mask).getShape();
  return shape.size() == wide.size() && shape.back() == wide.back() ? small : mask;
}

/// Follows logits = first * scale + mask, or select(mask, first * scale, -infinity).
std::optional<Chain> matchLogits(Value logits, PatternRewriter &rewriter) {
  Chain chain;
  auto finish = [&](Value v) {
    chain.scale = 1;
    chain.first = withoutFactors(v, chain.scale).getDefiningOp<ContractOp>();
    return chain.first && chain.scale != 0;
  };
  if (finish(logits))
    return chain;
  if (auto add = logits.getDefiningOp<AddOp>())
    for (auto [v, mask] : {std::pair{add.getLhs(), add.getRhs()}, {add.getRhs(), add.getLhs()}})
      if (finish(v)) {
        chain.mask = smallestMask(mask);
        return chain;
      }
  if (auto select = logits.getDefiningOp<SelectOp>()) {
    // Numbers this low leave no weight to a hidden key; a row of hidden keys alone is all that tells them
    // apart.
    constexpr double hidden = -1e30;
    CoreBuilder b(rewriter, logits.getLoc());
    auto fill = scalarOf(select.getOnFalse());
    if (fill && *fill <= hidden && finish(select.getOnTrue())) {
      chain.mask = smallestMask(select.getCondition());
      return chain;
    }
    fill = scalarOf(select.getOnTrue());
    if (fill && *fill <= hidden && finish(select.getOnFalse())) {
      chain.mask = b.unary<NotOp>(smallestMask(select.getCondition()));
      return chain;
    }
  }
  return std::nullopt;
}

/// [B, M, N] -> [B, 1, M, N]
Value withHead(CoreBuilder &b, Value v) {
  if (!v || tensorType(v).getRank() == 4)
    return v;
  CoreBuilder::Values sizes = b.dims(v);
  sizes.insert(sizes.begin() + 1, b.index(1));
  return b.reshape(v, sizes);
}

struct RecognizeAttention : OpRewritePattern<ContractOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ContractOp op, PatternRewriter &rewriter) const override {
    int64_t rank = op.getType().getRank();
    auto softmax = unguarded(withoutCast(op.getLhs())).getDefiningOp<SoftmaxOp>();
    if (!softmax || op.getTransposeRhs() || (rank != 3 && rank != 4) ||
        tensorType(op.getRhs()).getRank() != rank || static_cast<int64_t>(softmax.getAxis()) != rank - 1)
      return rewriter.notifyMatchFailure(op, "the left side is not a softmax over the keys");
    if (!isa<FloatType>(op.getType().getElementType()))
      return rewriter.notifyMatchFailure(op, "the product is not floating");
    std::optional<Chain> chain = matchLogits(withoutCast(softmax.getInput()), rewriter);
    if (!chain || tensorType(chain->first.getRhs()).getRank() != rank)
      return rewriter.notifyMatchFailure(op, "the softmax is not of a scaled product and a mask");
    if (chain->mask && !fits(chain->mask, op))
      return rewriter.notifyMatchFailure(op, "the mask has another shape or type than attention takes");
    return replace(op, *chain, rewriter);
  }

private:
  static Value withoutCast(Value v) {
    auto cast = v.getDefiningOp<tensor::CastOp>();
    return cast ? Value(cast.getSource()) : v;
  }

  static bool fits(Value mask, ContractOp op) {
    RankedTensorType type = tensorType(mask), logits = tensorType(op.getLhs());
    Type element = type.getElementType();
    return type.getRank() == logits.getRank() && type.getShape().back() == logits.getShape().back() &&
           (element.isInteger(1) || element == logits.getElementType());
  }

  static LogicalResult replace(ContractOp op, Chain chain, PatternRewriter &rewriter) {
    CoreBuilder b(rewriter, op.getLoc());
    double scale = chain.scale;
    Value query = unscaled(chain.first.getLhs(), scale, rewriter), key = chain.first.getRhs();
    if (!chain.first.getTransposeRhs()) {
      // [B, H, D, N] as exported; the key is its transpose.
      key = unscaled(key, scale, rewriter);
      int64_t rank = tensorType(key).getRank();
      SmallVector<int64_t> swap = llvm::to_vector(llvm::seq<int64_t>(0, rank));
      std::swap(swap[rank - 1], swap[rank - 2]);
      auto transpose = key.getDefiningOp<TransposeOp>();
      if (transpose && transpose.getPermutation() == ArrayRef(swap))
        key = transpose.getInput();
      else
        key = b.transpose(key, swap);
    }
    key = unscaled(key, scale, rewriter);
    if (scale == 0)
      return rewriter.notifyMatchFailure(op, "the logits are scaled by zero");
    query = withHead(b, query), key = unrepeated(withHead(b, key));
    Value value = unrepeated(withHead(b, op.getRhs())), mask = withHead(b, chain.mask);
    Value oneKey = ofOneHead(key, b), oneValue = ofOneHead(value, b);
    if (tensorType(oneKey).getDimSize(1) == tensorType(oneValue).getDimSize(1))
      key = oneKey, value = oneValue;
    if (tensorType(key).getDimSize(1) != tensorType(value).getDimSize(1))
      return rewriter.notifyMatchFailure(op, "keys and values have different numbers of heads");
    RankedTensorType type = tensorType(query);
    SmallVector<int64_t> shape(type.getShape());
    shape.back() = tensorType(value).getShape().back();
    Value result =
        AttentionOp::create(rewriter, op.getLoc(), type.clone(shape), query, key, value, mask, Value(),
                            Value(), Value(), Value(), Value(), rewriter.getF64FloatAttr(scale), UnitAttr(),
                            rewriter.getI64IntegerAttr(0), rewriter.getF64FloatAttr(0));
    if (op.getType().getRank() == 3) {
      CoreBuilder::Values sizes = b.dims(result);
      sizes.erase(sizes.begin() + 1);
      result = b.reshape(result, sizes);
    }
    rewriter.replaceOp(op, b.refine(result, op.getType()));
    return success();
  }
};

/// A query of one position, of heads that share keys: [B, G * R, 1, D] -> [B, G, R, D]. As positions of one
/// head they read keys and values once. The mask must not tell heads apart; a causal one lets the last
/// position see everything.
struct HeadsBecomeQueries : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    ArrayRef<int64_t> query = tensorType(op.getQuery()).getShape();
    int64_t heads = query[1], keyHeads = tensorType(op.getKey()).getDimSize(1);
    if (query[2] != 1 || heads == kDynamic || keyHeads == kDynamic || heads == keyHeads)
      return rewriter.notifyMatchFailure(op, "not one position of heads that share keys");
    if (op.getSinks() || op.getPageTable() || op.getWindow() != 0)
      return rewriter.notifyMatchFailure(op, "heads or positions have something of their own");
    if (op.getMask() && tensorType(op.getMask()).getDimSize(1) != 1)
      return rewriter.notifyMatchFailure(op, "the mask tells heads apart");
    CoreBuilder b(rewriter, op.getLoc());
    auto regrouped = [&](Value v, int64_t first, int64_t second) {
      CoreBuilder::Values sizes = b.dims(v);
      sizes[1] = b.index(first);
      sizes[2] = b.index(second);
      return b.reshape(v, sizes);
    };
    Operation *grouped = rewriter.clone(*op);
    auto attention = cast<AttentionOp>(grouped);
    rewriter.setInsertionPoint(grouped);
    attention.getQueryMutable().assign(regrouped(op.getQuery(), keyHeads, heads / keyHeads));
    attention.setCausal(false);
    SmallVector<int64_t> shape(op.getType().getShape());
    shape[1] = keyHeads;
    shape[2] = heads / keyHeads;
    attention.getResult().setType(op.getType().clone(shape));
    rewriter.setInsertionPointAfter(grouped);
    rewriter.replaceOp(op, b.refine(regrouped(attention.getResult(), heads, 1), op.getType()));
    return success();
  }
};

} // namespace

void tenon::populateAttentionRecognition(RewritePatternSet &patterns) {
  patterns.add<RecognizeAttention, HeadsBecomeQueries>(patterns.getContext());
}

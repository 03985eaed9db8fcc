//===- PackProducts.cpp - right operands in panels
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/dialect/tenon/ChannelConstants.h"
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/kernel/ExpandNonZero.h"
#include "compiler/kernel/Passes.h"
#include "compiler/kernel/Winograd.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::kernel {
#define GEN_PASS_DEF_PACKPRODUCTS
#include "compiler/kernel/Passes.h.inc"

namespace {

constexpr int64_t kPanel = 16;
/// Below this many channels a padded copy of the input costs less than testing every tap.
constexpr int64_t kFewChannels = 8;
/// Weights are multiplied in place of the rows from so many rows for each column on.
constexpr int64_t kManyRows = 2;

class Packer {
public:
  Packer(func::FuncOp function, bool winograd, bool scaleWeights)
      : sizes(function), context(sizes.context()), winograd(winograd), scaleWeights(scaleWeights) {}
  void contract(ContractOp op);
  void conv(ConvOp op);
  SizeAnalysis sizes;

private:
  Value transpose(OpBuilder &b, Location loc, Value v, ArrayRef<int64_t> permutation) {
    Dims dims;
    for (int64_t p : permutation)
      dims.push_back(sizes.dims(v)[p]);
    return TransposeOp::create(b, loc, typeFor(dims, getElementTypeOrSelf(v)), v, permutation);
  }
  Value padded(OpBuilder &b, Location loc, Value v, unsigned axis, Size to);
  Value takeFactor(ContractOp op);
  /// The sizes of `v` behind as many of 1 as make up `rank`.
  Dims ones(Value v, size_t rank) {
    Dims dims(sizes.dims(v));
    dims.insert(dims.begin(), rank - dims.size(), context.constant(1));
    return dims;
  }
  Value scalar(OpBuilder &b, Location loc, Type element, int64_t value) {
    auto type = RankedTensorType::get({}, element);
    Attribute a = isa<FloatType>(element) ? Attribute(b.getFloatAttr(element, static_cast<double>(value)))
                                          : Attribute(b.getIntegerAttr(element, value));
    return ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, a));
  }
  void replace(Operation *op, Value with) {
    sizes.forget(op);
    op->getResult(0).replaceAllUsesWith(with);
    op->erase();
  }
  SizeContext &context;
  bool winograd, scaleWeights;
};

/// Where the rows of an image of the left operand, [N, .., K], are all multiplied by the same factors
/// (squeeze and excite), and are many more than the columns: takes the multiplication away and returns the
/// factors, [1 or N, 1, .., 1, K], for the weights. Null where the product stays as it is.
Value Packer::takeFactor(ContractOp op) {
  auto multiplied = op.getLhs().getDefiningOp<MulOp>();
  auto f32 = [](Value v) { return getElementTypeOrSelf(v).isF32(); };
  if (!scaleWeights || !multiplied || !isReadOnce(multiplied) || !f32(op.getLhs()) || !f32(op.getRhs()) ||
      !f32(op.getResult()) || tensorType(op.getRhs()).getRank() != 2 || !isConstantMath(op.getRhs()))
    return {};
  constexpr int64_t large = 160; // unknown sides of images
  Dims dims(sizes.dims(op.getLhs()));
  int64_t columns = tensorType(op.getResult()).getShape().back();
  for (auto [v, factor] :
       {std::pair{multiplied.getLhs(), multiplied.getRhs()}, {multiplied.getRhs(), multiplied.getLhs()}}) {
    auto repeated = factor.getDefiningOp<BroadcastOp>();
    Value factors = repeated ? repeated.getInput() : Value();
    if (!factors || isConstantMath(factors) || sizes.dims(factors).size() != dims.size())
      continue;
    ArrayRef<Size> own = sizes.dims(factors);
    bool alike = own.back() == dims.back() && (own.front().isConstant(1) || own.front() == dims.front()) &&
                 llvm::all_of(own.drop_front().drop_back(), [](Size d) { return d.isConstant(1); });
    int64_t rows = 1;
    for (Size d : ArrayRef<Size>(dims).drop_back().drop_front(own.front().isConstant(1) ? 0 : 1))
      rows *= d.constant().value_or(large);
    if (!alike || ShapedType::isDynamic(columns) || rows < kManyRows * columns)
      continue;
    op.getLhsMutable().assign(v);
    return factors;
  }
  return {};
}

Value Packer::padded(OpBuilder &b, Location loc, Value v, unsigned axis, Size to) {
  Dims dims(sizes.dims(v));
  if (dims[axis] == to)
    return v;
  SmallVector<Size> low(dims.size(), context.constant(0)), high = low;
  high[axis] = to - dims[axis];
  return createPad(b, loc, sizes, v, scalar(b, loc, getElementTypeOrSelf(v), 0), low, high);
}

void Packer::contract(ContractOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  Value factors = takeFactor(op), rhs = op.getRhs();
  Dims dims(sizes.dims(rhs));
  unsigned lead = dims.size() - 2;
  bool transposed = op.getTransposeRhs();
  unsigned columnAxis = transposed ? lead : lead + 1;
  Size columns = dims[columnAxis], panels = columns.ceilDiv(kPanel);
  int64_t group = productGroup(getElementTypeOrSelf(op.getLhs()), getElementTypeOrSelf(rhs),
                               getElementTypeOrSelf(op.getType()));
  Size groups = dims[columnAxis == lead ? lead + 1 : lead].ceilDiv(group);
  rhs = padded(b, loc, rhs, columnAxis, panels * kPanel);
  rhs = padded(b, loc, rhs, columnAxis == lead ? lead + 1 : lead, groups * group);
  Dims split(sizes.dims(rhs).take_front(lead));
  SmallVector<int64_t> permutation;
  for (unsigned i = 0; i < lead; ++i)
    permutation.push_back(i);
  Size sixteen = context.constant(kPanel), inGroup = context.constant(group);
  // A group of one element has no axis of its own.
  if (transposed && planted(Defect::PanelsUntransposed)) {
    split.append({panels, groups * group, sixteen});
    permutation.append({lead, lead + 1, lead + 2});
  } else if (transposed && group == 1) { // [.., N, K] -> [.., panels, 16, K] -> [.., panels, K, 16]
    split.append({panels, sixteen, groups});
    permutation.append({lead, lead + 2, lead + 1});
  } else if (transposed) { // [.., N, K] -> [.., panels, 16, K/g, g] -> [.., panels, K/g, 16, g]
    split.append({panels, sixteen, groups, inGroup});
    permutation.append({lead, lead + 2, lead + 1, lead + 3});
  } else if (group == 1) { // [.., K, N] -> [.., K, panels, 16] -> [.., panels, K, 16]
    split.append({groups, panels, sixteen});
    permutation.append({lead + 1, lead, lead + 2});
  } else { // [.., K, N] -> [.., K/g, g, panels, 16] -> [.., panels, K/g, 16, g]
    split.append({groups, inGroup, panels, sixteen});
    permutation.append({lead + 2, lead, lead + 3, lead + 1});
  }
  rhs = createReshape(b, loc, sizes, rhs, split);
  rhs = transpose(b, loc, rhs, permutation);
  if (factors) { // one for each row of the panels, in each image
    Dims each{sizes.dims(factors).front(), context.constant(1), groups, context.constant(1)},
        all(sizes.dims(rhs));
    if (each.front().isConstant(1))
      each.erase(each.begin());
    else
      all.insert(all.begin(), each.front());
    factors = createBroadcast(b, loc, sizes, createReshape(b, loc, sizes, factors, each), all);
    rhs = createBroadcast(b, loc, sizes, createReshape(b, loc, sizes, rhs, ones(rhs, each.size())), all);
    rhs = MulOp::create(b, loc, rhs.getType(), rhs, factors);
  }
  SmallVector<Value> named;
  if (!columns.constant())
    named.push_back(sizes.materialize(b, loc, columns));
  auto packed = PackedContractOp::create(b, loc, op.getType(), op.getLhs(), rhs, named);
  packed->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  replace(op, packed);
}

void Packer::conv(ConvOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  auto filterType = cast<RankedTensorType>(op.getFilter().getType());
  if (!filterType.hasStaticShape())
    return;
  ArrayRef<int64_t> shape = filterType.getShape();
  unsigned rank = op.getStrides().size();
  int64_t channels = shape[rank], outputs = shape[rank + 1], groups = op.getGroups();
  if (groups > 1 && channels == 1 && outputs == groups)
    return; // depthwise
  auto all = [](ArrayRef<int64_t> a, int64_t v) {
    return llvm::all_of(a, [v](int64_t x) { return x == v; });
  };
  bool unpadded = all(op.getLow(), 0) && all(op.getHigh(), 0);
  bool point =
      all(shape.take_front(rank), 1) && all(op.getStrides(), 1) && unpadded && all(op.getInputDilations(), 1);
  Value input = op.getInput();
  if (point && groups == 1) {
    Value matrix =
        createReshape(b, loc, sizes, op.getFilter(), {context.constant(channels), context.constant(outputs)});
    auto product = ContractOp::create(b, loc, op.getType(), input, matrix, false);
    replace(op, product);
    contract(product);
    return;
  }
  if (winograd && winogradWins(op, sizes)) {
    ContractOp product;
    replace(op, createWinograd(b, op, sizes, product));
    contract(product);
    return;
  }
  int64_t group = productGroup(getElementTypeOrSelf(input), filterType.getElementType(),
                               getElementTypeOrSelf(op.getType()));
  if (!sizes.dims(input).back().constant())
    group = 1;
  int64_t channelGroups = llvm::divideCeil(channels, group);
  SmallVector<int64_t> low(op.getLow()), high(op.getHigh());
  bool crops = llvm::any_of(low, [](int64_t v) { return v < 0; }) ||
               llvm::any_of(high, [](int64_t v) { return v < 0; });
  bool incomplete = !unpadded || channels % group != 0;
  if (incomplete && !crops && groups == 1 && channels <= kFewChannels && all(op.getInputDilations(), 1)) {
    Dims dims(sizes.dims(input));
    SmallVector<Size> before(dims.size(), context.constant(0)), after = before;
    for (unsigned d = 0; d < rank; ++d) {
      before[d + 1] = context.constant(low[d]);
      after[d + 1] = context.constant(high[d]);
    }
    // Whatever the channels are filled up with meets zeros in the filter.
    after.back() = context.constant(channelGroups * group - channels);
    input = createPad(b, loc, sizes, input, scalar(b, loc, getElementTypeOrSelf(input), op.getPadValue()),
                      before, after);
    low.assign(rank, 0);
    high.assign(rank, 0);
  }
  // [window.., C, G * O] -> [window.., C, G, O] -> pad O and C -> [window.., C/g, g, G, panels, 16]
  // -> [G, panels, window.., C/g, 16, g], where g is left out if it is 1.
  int64_t perGroup = outputs / groups, panels = (perGroup + kPanel - 1) / kPanel;
  Dims split;
  for (int64_t d : shape.take_front(rank))
    split.push_back(context.constant(d));
  Dims grouped = split;
  grouped.append({context.constant(channels), context.constant(groups), context.constant(perGroup)});
  Value filter = createReshape(b, loc, sizes, op.getFilter(), grouped);
  filter = padded(b, loc, filter, rank + 2, context.constant(panels * kPanel));
  filter = padded(b, loc, filter, rank, context.constant(channelGroups * group));
  split.push_back(context.constant(channelGroups));
  if (group > 1)
    split.push_back(context.constant(group));
  unsigned behind = split.size();
  split.append({context.constant(groups), context.constant(panels), context.constant(kPanel)});
  filter = createReshape(b, loc, sizes, filter, split);
  SmallVector<int64_t> permutation{behind, behind + 1};
  for (unsigned i = 0; i <= rank; ++i)
    permutation.push_back(i);
  permutation.push_back(behind + 2);
  if (group > 1)
    permutation.push_back(rank + 1);
  filter = transpose(b, loc, filter, permutation);
  replace(op, PackedConvOp::create(b, loc, op.getType(), input, filter, op.getStrides(), op.getDilations(),
                                   low, high, op.getInputDilations(), op.getPadValue()));
}

/// Whether the attention kernel has this form; the others are core operations.
bool hasKernel(AttentionOp op) {
  bool plain = !op.getLengths() && !op.getSinks() && !op.getPageTable() && !op.getKeyScale() &&
               !op.getValueScale() && op.getWindow() == 0 && op.getSoftcap().isZero();
  auto narrow = [](Value v) {
    Type t = getElementTypeOrSelf(v.getType());
    return isa<FloatType>(t) && !t.isF64();
  };
  return plain && narrow(op.getQuery()) && narrow(op.getKey()) && narrow(op.getValue());
}

/// Replaces composites that no kernel family takes until none is left.
LogicalResult decomposeRest(func::FuncOp function) {
  for (bool changed = true; changed;) {
    changed = false;
    SmallVector<CompositeOpInterface> work;
    function.walk([&](CompositeOpInterface op) {
      auto attention = dyn_cast<AttentionOp>(op.getOperation());
      if (!attention || !hasKernel(attention))
        work.push_back(op);
    });
    for (CompositeOpInterface op : work) {
      OpBuilder b(op);
      FailureOr<SmallVector<Value>> values = op.decompose(b);
      if (failed(values))
        return op.emitError() << "TN0405: '" << op->getName() << "' has no decomposition for these operands";
      op->replaceAllUsesWith(*values);
      op->erase();
      changed = true;
    }
  }
  return success();
}

struct PackProducts : impl::PackProductsBase<PackProducts> {
  using PackProductsBase::PackProductsBase;
  void runOnOperation() override {
    if (failed(decomposeRest(getOperation())))
      return signalPassFailure();
    SmallVector<NonZeroOp> positions;
    getOperation().walk([&](NonZeroOp op) { positions.push_back(op); });
    llvm::for_each(positions, expandNonZero);
    Packer packer(getOperation(), winograd, scaleWeights);
    SmallVector<Operation *> work;
    getOperation().walk([&](Operation *op) {
      if (isa<ContractOp, ConvOp>(op) && !op->getParentOfType<KernelOp>())
        work.push_back(op);
    });
    for (Operation *op : work) {
      if (auto c = dyn_cast<ContractOp>(op))
        packer.contract(c);
      else
        packer.conv(cast<ConvOp>(op));
    }
  }
};

} // namespace
} // namespace tenon::kernel

//===- FormIntegerProducts.cpp - products of quantized tensors in integers
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With a = sa * (x - zx) and b = sb[n] * (w - zw[n]) the sum over k of a * b is
//
//   sa * sb[n] * (sum x * w  -  zx * sum w  -  zw[n] * sum x  +  K * zx * zw[n])
//
// with integers in the brackets. x becomes ui8 and w i8, which is what CPUs multiply; a padded tap of a
// convolution reads zx, so that it adds nothing.
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/graph/Passes.h"
#include "compiler/graph/QuantizedValues.h"

using namespace mlir;
using namespace tenon;

namespace tenon {
#define GEN_PASS_DEF_FORMINTEGERPRODUCTS
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

/// Integers less a zero point, times a scale where the product is a floating one.
struct Operand {
  Value q, scale;
  Value zero;                         ///< an i32 tensor of q's rank, where `uniform` is unknown
  std::optional<int64_t> uniform = 0; ///< the zero point when it is known and everywhere the same
  bool isCentered() const { return uniform == 0; }
};

bool isByte(Value v) {
  auto type = dyn_cast<IntegerType>(getElementTypeOrSelf(v));
  return type && type.getWidth() == 8;
}

std::optional<Operand> dequantized(CoreBuilder &b, Value v) {
  auto from = v.getDefiningOp<DequantizeOp>();
  if (!from || !isByte(from.getInput()) || !getElementTypeOrSelf(from.getScale()).isF32())
    return std::nullopt;
  Operand o{from.getInput(), from.getScale(), {}, uniformInteger(from.getZero())};
  if (!o.uniform)
    o.zero = b.cast(from.getZero(), b.builder.getI32Type());
  return o;
}

/// The operand that i32 numbers are: cast(q), or cast(q) - z with one number z.
std::optional<Operand> centered(CoreBuilder &b, Value v) {
  if (auto transpose = v.getDefiningOp<TransposeOp>()) {
    std::optional<Operand> inner = centered(b, transpose.getInput());
    if (inner)
      inner->q = b.transpose(inner->q, transpose.getPermutation());
    return inner;
  }
  auto widened = [](Value x) {
    auto cast = x.getDefiningOp<CastOp>();
    return cast && isByte(cast.getInput()) ? cast.getInput() : Value();
  };
  if (Value q = widened(v))
    return Operand{q, {}, {}, 0};
  auto difference = v.getDefiningOp<SubOp>();
  Value q = difference ? widened(difference.getLhs()) : Value();
  if (!q)
    return std::nullopt;
  Value zero = difference.getRhs();
  if (std::optional<int64_t> known = uniformInteger(zero))
    return Operand{q, {}, {}, known};
  auto broadcast = zero.getDefiningOp<BroadcastOp>();
  if (!broadcast || !isPerTensor(broadcast.getInput()))
    return std::nullopt;
  return Operand{q, {}, broadcast.getInput(), uniformInteger(broadcast.getInput())};
}

/// `f(v)` for a function of elements, in front of a transpose that `v` is: what moves is ready, and others
/// read it as it lies.
Value inFrontOfTranspose(CoreBuilder &b, Value v, llvm::function_ref<Value(Value)> f) {
  auto transpose = v.getDefiningOp<TransposeOp>();
  return transpose ? b.transpose(inFrontOfTranspose(b, transpose.getInput(), f), transpose.getPermutation())
                   : f(v);
}

/// The operand with the other sign: the highest bit flips, and the zero point moves by 128.
Operand flipped(CoreBuilder &b, Operand o, bool toUnsigned) {
  Type other = toUnsigned ? b.builder.getIntegerType(8, false) : b.builder.getI8Type();
  o.q = inFrontOfTranspose(b, o.q, [&](Value q) -> Value {
    Value high = b.splat(toUnsigned ? -128 : 128, q);
    return BitcastOp::create(b.builder, b.loc, tensorType(q).clone(other), b.binary<XorOp>(q, high));
  });
  int64_t by = toUnsigned ? 128 : -128;
  if (o.uniform)
    *o.uniform += by;
  else
    o.zero = b.add(o.zero, static_cast<double>(by));
  return o;
}
Operand withSign(CoreBuilder &b, const Operand &o, bool isUnsigned) {
  return getElementTypeOrSelf(o.q).isUnsignedInteger() == isUnsigned ? o : flipped(b, o, isUnsigned);
}

/// Rewrites one product.
class Product {
public:
  Product(Operation *op, OpBuilder &builder)
      : op(op), conv(dyn_cast<ConvOp>(op)), b(builder, op->getLoc()), i32(builder.getI32Type()),
        rank(tensorType(op->getResult(0)).getRank()) {
    int64_t right = tensorType(op->getOperand(1)).getRank();
    auto contract = dyn_cast<ContractOp>(op);
    columnAxis = contract && contract.getTransposeRhs() ? right - 2 : right - 1;
    for (int64_t d = conv ? 0 : right - 2; d < right; ++d)
      if (d != columnAxis)
        summedAxes.push_back(d);
  }
  LogicalResult rewrite();

private:
  LogicalResult rewriteFloat();
  LogicalResult rewriteInteger();
  void product(Operand left, Operand right);
  Value plainProduct(const Operand &left, const Operand &right);
  void subtractRowSums(const Operand &left, const Operand &right);
  Value rowSums(Value x);
  Value columnSums(Value w);
  Value sumsOver(Value q, ArrayRef<int64_t> axes);
  Value turned(Value v, ArrayRef<int64_t> order);
  Value onColumns(Value parameter);
  Value zeroOf(const Operand &o, bool columns);
  Value summedCount();
  bool variesAlong(Value parameter, int64_t axis) const;
  AddOp biased();
  Value integerBias(AddOp add, const Operand &left, const Operand &right);
  Value times(Value x, Value y) {
    return b.mul(b.broadcastLike(x, isPerTensor(x) ? y : x), b.broadcastLike(y, isPerTensor(x) ? y : x));
  }
  void addColumns(Value v) {
    if (!columns)
      columns = v;
    else if (isPerTensor(columns))
      columns = b.add(b.broadcastLike(columns, v), v);
    else
      columns = b.add(columns, b.broadcastLike(v, columns));
  }
  Value total() { return columns ? b.add(sum, b.broadcastLike(columns, sum)) : sum; }

  Operation *op;
  ConvOp conv; // null for a contraction
  CoreBuilder b;
  Type i32;
  int64_t rank, columnAxis;
  SmallVector<int64_t> summedAxes;
  int64_t padValue = 0;
  Value sum, columns; // i32: the product so far, and what is to be added in every row
};

/// True for a parameter of more than one number that all lie along `axis`, or of one number.
bool Product::variesAlong(Value parameter, int64_t axis) const {
  for (auto [d, size] : llvm::enumerate(tensorType(parameter).getShape()))
    if (size != 1 && static_cast<int64_t>(d) != axis)
      return false;
  return true;
}

/// A parameter of the right operand, along the last axis of the result.
Value Product::onColumns(Value parameter) {
  CoreBuilder::Values sizes(rank, b.index(1));
  sizes.back() = b.dim(parameter, columnAxis);
  return b.reshape(parameter, sizes);
}

Value Product::zeroOf(const Operand &o, bool columns) {
  if (o.uniform)
    return b.constant(static_cast<double>(*o.uniform), i32, rank);
  if (columns)
    return onColumns(o.zero);
  return b.reshape(o.zero, CoreBuilder::Values(rank, b.index(1)));
}

/// The sums of integers over some axes, which stay with size 1; a transpose moves the sums alone.
Value Product::sumsOver(Value q, ArrayRef<int64_t> axes) {
  auto transpose = q.getDefiningOp<TransposeOp>();
  if (!transpose)
    return b.reduce(ReduceKind::sum, b.cast(q, i32), axes);
  ArrayRef<int64_t> order = transpose.getPermutation();
  SmallVector<int64_t> before = llvm::map_to_vector(axes, [&](int64_t a) { return order[a]; });
  llvm::sort(before);
  return turned(sumsOver(transpose.getInput(), before), order);
}

/// A transpose, or a reshape where no element moves.
Value Product::turned(Value v, ArrayRef<int64_t> order) {
  if (movesElements(tensorType(v), order))
    return b.transpose(v, order);
  return b.reshape(v, llvm::map_to_vector(order, [&](int64_t d) { return b.dim(v, d); }));
}

/// The sums over the right operand's summed axes: [1.., N], or [batch.., 1, N].
Value Product::columnSums(Value w) {
  Value sums = sumsOver(w, summedAxes);
  if (conv)
    return sums;
  int64_t right = tensorType(w).getRank();
  if (right == 2)
    return onColumns(sums);
  if (columnAxis == right - 1)
    return sums;
  SmallVector<int64_t> permutation = llvm::to_vector(llvm::seq<int64_t>(0, right));
  std::swap(permutation[right - 1], permutation[right - 2]);
  return turned(sums, permutation);
}

/// The sums over the left operand's summed elements, one for each row; of a convolution, those under each
/// window.
Value Product::rowSums(Value x) {
  if (!conv)
    return b.reduce(ReduceKind::sum, b.cast(x, i32), {rank - 1});
  RankedTensorType filter = tensorType(conv.getFilter());
  int64_t groups = conv.getGroups();
  SmallVector<int64_t> shape(filter.getShape());
  shape.back() = groups;
  auto type = RankedTensorType::get(shape, b.builder.getI8Type());
  Value ones =
      ConstantOp::create(b.builder, b.loc, type, DenseElementsAttr::get(type, b.builder.getI8IntegerAttr(1)));
  auto window = cast<ConvOp>(b.builder.clone(*conv));
  window->setOperands({x, ones});
  window.setPadValue(padValue); // what the product reads there
  SmallVector<int64_t> resultShape(conv.getType().getShape());
  resultShape.back() = groups;
  window.getResult().setType(RankedTensorType::get(resultShape, i32));
  CoreBuilder::Values sizes = b.dims(window.getResult()), spread = sizes;
  if (groups == 1)
    return window.getResult();
  int64_t perGroup = filter.getShape().back() / groups;
  sizes.push_back(b.index(1));
  spread.push_back(b.index(perGroup));
  Value each = b.broadcast(b.reshape(window.getResult(), sizes), spread);
  spread.pop_back();
  spread.back() = b.index(filter.getShape().back());
  return b.reshape(each, spread);
}

/// How many products an element of the result sums up, as i32.
Value Product::summedCount() {
  Value w = op->getOperand(1);
  Value count = b.index(1);
  for (int64_t axis : summedAxes)
    count = b.mulIndex(count, b.dim(w, axis));
  return b.fromIndex(count, i32, rank);
}

void Product::subtractRowSums(const Operand &left, const Operand &right) {
  Value zero = zeroOf(right, true), rows = rowSums(left.q);
  sum = b.sub(sum, b.mul(b.broadcastLike(rows, sum), b.broadcastLike(zero, sum)));
  if (left.isCentered())
    return;
  Value both = times(b.mul(summedCount(), zeroOf(left, false)), zero);
  addColumns(both);
}

/// The product on tensors less their zero points, in i32.
Value Product::plainProduct(const Operand &left, const Operand &right) {
  auto numbers = [&](const Operand &o) {
    Value wide = b.cast(o.q, i32);
    if (o.isCentered())
      return wide;
    Value zero =
        o.uniform ? b.constant(static_cast<double>(*o.uniform), i32, tensorType(wide).getRank()) : o.zero;
    return b.sub(wide, b.broadcastLike(zero, wide));
  };
  Value x = numbers(left), w = numbers(right);
  Operation *product = b.builder.clone(*op);
  product->setOperands({x, w});
  product->getResult(0).setType(tensorType(op->getResult(0)).clone(i32));
  return product->getResult(0);
}

void Product::product(Operand left, Operand right) {
  auto all = [](ArrayRef<int64_t> a, int64_t v) {
    return llvm::all_of(a, [v](int64_t x) { return x == v; });
  };
  left = withSign(b, left, true);
  right = withSign(b, right, false);
  bool padded = conv && !(all(conv.getLow(), 0) && all(conv.getHigh(), 0));
  bool holes = conv && !all(conv.getInputDilations(), 1);
  if (!left.isCentered() && (holes || (padded && !left.uniform))) {
    sum = plainProduct(left, right);
    return;
  }
  Operation *integers = b.builder.clone(*op);
  integers->setOperands({left.q, right.q});
  integers->getResult(0).setType(tensorType(op->getResult(0)).clone(i32));
  if (padded)
    cast<ConvOp>(integers).setPadValue(padValue = *left.uniform);
  sum = integers->getResult(0);
  if (!right.isCentered())
    subtractRowSums(left, right);
  if (left.isCentered())
    return;
  Value perColumn = columnSums(right.q);
  addColumns(b.neg(b.mul(b.broadcastLike(zeroOf(left, false), perColumn), perColumn)));
}

/// The addition of a bias, if it is all that happens to the result.
AddOp Product::biased() { return op->hasOneUse() ? dyn_cast<AddOp>(*op->getUsers().begin()) : AddOp(); }

/// The bias as integers in units of both scales' product, if that is what it is.
Value Product::integerBias(AddOp add, const Operand &left, const Operand &right) {
  Value other = add.getLhs() == op->getResult(0) ? add.getRhs() : add.getLhs();
  if (auto broadcast = other.getDefiningOp<BroadcastOp>())
    other = broadcast.getInput();
  ArrayRef<int64_t> shape = tensorType(other).getShape();
  if (!llvm::all_of(shape.drop_back(), [](int64_t d) { return d == 1; }) ||
      ShapedType::isDynamic(shape.back()))
    return {};
  CoreBuilder::Values sizes = b.dims(other);
  while (isa_and_nonnull<ReshapeOp, TransposeOp, tensor::CastOp>(other.getDefiningOp()))
    other = other.getDefiningOp()->getOperand(0);
  auto from = other.getDefiningOp<DequantizeOp>();
  if (!from || from.getZero() || !getElementTypeOrSelf(from.getInput()).isInteger(32))
    return {};
  DenseElementsAttr unit = constantElements(from.getScale()), sa = constantElements(left.scale),
                    sb = constantElements(right.scale);
  if (!unit || !sa || !sb)
    return {};
  auto at = [](DenseElementsAttr e, int64_t i) {
    return e.getValues<float>()[e.getNumElements() == 1 ? 0 : i];
  };
  for (int64_t i = 0, n = std::max(unit.getNumElements(), sb.getNumElements()); i < n; ++i) {
    double found = at(unit, i), expected = static_cast<double>(at(sa, 0)) * at(sb, i);
    if (std::abs(found - expected) > std::ldexp(expected, -22)) // a rounding or two
      return {};
  }
  return b.reshape(from.getInput(), sizes);
}

LogicalResult Product::rewriteFloat() {
  std::optional<Operand> left = dequantized(b, op->getOperand(0)), right = dequantized(b, op->getOperand(1));
  bool fits = left && right && isPerTensor(left->scale) && variesAlong(right->scale, columnAxis) &&
              (!left->zero || isPerTensor(left->zero)) && getElementTypeOrSelf(op->getResult(0)).isF32();
  if (!fits)
    return failure();
  AddOp add = biased();
  if (add)
    b.builder.setInsertionPoint(add);
  Value bias = add ? integerBias(add, *left, *right) : Value();
  if (!bias)
    b.builder.setInsertionPoint(op);
  product(*left, *right);
  if (bias)
    addColumns(bias);
  Value factor =
      times(b.reshape(left->scale, CoreBuilder::Values(rank, b.index(1))), onColumns(right->scale));
  Value integers = total();
  Value y = b.mul(b.cast(integers, b.builder.getF32Type()), b.broadcastLike(factor, integers));
  Value replaced = bias ? Value(add.getResult()) : Value(op->getResult(0));
  replaced.replaceAllUsesWith(b.refine(y, replaced.getType()));
  return success();
}

LogicalResult Product::rewriteInteger() {
  std::optional<Operand> left = centered(b, op->getOperand(0)), right = centered(b, op->getOperand(1));
  bool needsZero = conv && left && !left->uniform;
  if (!left || !right || needsZero)
    return failure();
  product(*left, *right);
  op->getResult(0).replaceAllUsesWith(b.refine(total(), op->getResult(0).getType()));
  return success();
}

LogicalResult Product::rewrite() {
  b.builder.setInsertionPoint(op);
  return getElementTypeOrSelf(op->getResult(0)).isInteger(32) ? rewriteInteger() : rewriteFloat();
}

struct FormIntegerProductsPass : tenon::impl::FormIntegerProductsBase<FormIntegerProductsPass> {
  void runOnOperation() override {
    SmallVector<Operation *> work;
    getOperation().walk([&](Operation *op) {
      if (isa<ContractOp, ConvOp>(op))
        work.push_back(op);
    });
    OpBuilder builder(&getContext());
    for (Operation *op : work)
      if (succeeded(Product(op, builder).rewrite()))
        ++formed;
  }
};

} // namespace

//===- ContentHandlers.cpp - operations on elements that are known ----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arithmetic on shapes: small tensors of size expressions are computed when the model is imported. A handler
// that cannot follow returns failure without a message, and the ordinary operation is built.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/ModelFile.h"
#include "compiler/import/onnx/NodeContext.h"
#include "compiler/import/onnx/SizeLogic.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

using Fraction = std::optional<SizeFraction>;

/// Integers up to here are exact in f32.
constexpr int64_t kExactFloat = 1 << 24;
/// Constants up to here can be multiplied once more without overflow.
constexpr int64_t kLargest = int64_t(1) << 31;

bool fits(const SizeFraction &f, bool isFloat) {
  for (Size s : {f.num, f.den})
    if (auto c = s.constant(); c && std::abs(*c) > (isFloat ? kExactFloat : kLargest))
      return false;
  return true;
}

/// The constant shape of a tensor with content.
SmallVector<int64_t> shapeOf(const Tensor &t) {
  SmallVector<int64_t> shape;
  for (Size s : t.dims)
    shape.push_back(*s.constant());
  return shape;
}

/// Elements of `t` in the order of the broadcast shape.
std::optional<Content> spread(const Tensor &t, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> own = shapeOf(t);
  int64_t lead = static_cast<int64_t>(shape.size()) - static_cast<int64_t>(own.size()), count = 1;
  if (lead < 0)
    return std::nullopt;
  for (int64_t d : shape)
    if (llvm::MulOverflow(count, d, count) || count > kMaxContent)
      return std::nullopt;
  for (size_t i = 0; i < own.size(); ++i)
    if (own[i] != 1 && own[i] != shape[i + lead])
      return std::nullopt;
  Content result;
  for (int64_t flat = 0; flat < count; ++flat) {
    int64_t rest = flat, source = 0, stride = 1;
    for (int64_t i = static_cast<int64_t>(shape.size()) - 1; i >= 0; --i) {
      int64_t position = rest % shape[i];
      rest /= shape[i];
      if (i < lead)
        continue;
      source += own[i - lead] == 1 ? 0 : position * stride;
      stride *= own[i - lead];
    }
    result.push_back((*t.content)[source]);
  }
  return result;
}

/// The broadcast shape of all inputs, when they agree.
std::optional<SmallVector<int64_t>> commonShape(NodeContext &n) {
  SmallVector<int64_t> shape;
  for (const Tensor &t : n.inputs) {
    SmallVector<int64_t> own = shapeOf(t);
    if (own.size() > shape.size())
      shape.insert(shape.begin(), own.size() - shape.size(), 1);
    for (size_t i = 0; i < own.size(); ++i) {
      int64_t &to = shape[shape.size() - own.size() + i];
      if (to != 1 && own[i] != 1 && own[i] != to)
        return std::nullopt;
      to = to == 1 ? own[i] : to;
    }
  }
  return shape;
}

/// Applies `f` to the elements at each place of the broadcast inputs.
LogicalResult apply(NodeContext &n, Type element, llvm::function_ref<Fraction(ArrayRef<SizeFraction>)> f) {
  for (const Tensor &t : n.inputs)
    if (!t)
      return failure();
  auto shape = commonShape(n);
  if (!shape)
    return failure();
  SmallVector<Content> operands;
  for (const Tensor &t : n.inputs) {
    auto content = spread(t, *shape);
    if (!content)
      return failure();
    operands.push_back(*content);
  }
  Content result;
  for (size_t i = 0; i < operands[0].size(); ++i) {
    SmallVector<SizeFraction> row;
    for (const Content &c : operands) {
      if (!fits(c[i], isa<FloatType>(element)))
        return failure();
      row.push_back(c[i]);
    }
    Fraction value = f(row);
    if (!value || !fits(*value, isa<FloatType>(element)))
      return failure();
    result.push_back(*value);
  }
  return n.out(n.g.fromContent(std::move(result), element, n.g.dimsOf(*shape)));
}

bool isFloat(NodeContext &n) { return isa<FloatType>(n.in(0).element); }

SizeFraction reduced(NodeContext &n, Size num, Size den) {
  if (auto a = num.constant(), b = den.constant(); a && b && *b) {
    int64_t divisor = std::gcd(*a, *b) * (*b < 0 ? -1 : 1);
    return divisor ? SizeFraction{n.g.size(*a / divisor), n.g.size(*b / divisor)} : SizeFraction{num, den};
  }
  if (auto exact = num.exactDiv(den))
    return {*exact, n.g.size(1)};
  return {num, den};
}

template <typename F> LogicalResult fold(NodeContext &n, F f) {
  return apply(n, n.in(0).element, [&](ArrayRef<SizeFraction> row) -> Fraction {
    SizeFraction result = row[0];
    for (const SizeFraction &x : row.drop_front())
      result = f(result, x);
    return result;
  });
}

LogicalResult add(NodeContext &n) {
  return fold(n, [&](const SizeFraction &a, const SizeFraction &b) {
    return a.den == b.den ? reduced(n, a.num + b.num, a.den)
                          : reduced(n, a.num * b.den + b.num * a.den, a.den * b.den);
  });
}

LogicalResult sub(NodeContext &n) {
  return fold(n, [&](const SizeFraction &a, const SizeFraction &b) {
    return a.den == b.den ? reduced(n, a.num - b.num, a.den)
                          : reduced(n, a.num * b.den - b.num * a.den, a.den * b.den);
  });
}

LogicalResult mul(NodeContext &n) {
  return fold(n, [&](const SizeFraction &a, const SizeFraction &b) {
    return reduced(n, a.num * b.num, a.den * b.den);
  });
}

bool isPositive(Size s) {
  auto least = s.range().min;
  return least && *least > 0;
}

bool isNotNegative(Size s) {
  auto least = s.range().min;
  return least && *least >= 0;
}

LogicalResult div(NodeContext &n) {
  bool floats = isFloat(n);
  return apply(n, n.in(0).element, [&](ArrayRef<SizeFraction> row) -> Fraction {
    SizeFraction a = row[0], b = row[1];
    if (b.num.constant() && *b.num.constant() < 0)
      a.num = a.num * -1, b.num = b.num * -1;
    if (!isPositive(b.num))
      return std::nullopt;
    if (floats)
      return reduced(n, a.num * b.den, a.den * b.num);
    // Integers truncate towards zero; sizes know the division towards minus infinity.
    Size q = isNotNegative(a.num)
                 ? a.num.floorDiv(b.num)
                 : a.num.max(n.g.size(0)).floorDiv(b.num) - (a.num * -1).max(n.g.size(0)).floorDiv(b.num);
    return SizeFraction{q, n.g.size(1)};
  });
}

LogicalResult mod(NodeContext &n) {
  bool truncates = n.intAttr("fmod", 0);
  return apply(n, n.in(0).element, [&](ArrayRef<SizeFraction> row) -> Fraction {
    if (!row[0].isInteger() || !row[1].isInteger() || !isPositive(row[1].num) ||
        (truncates && !isNotNegative(row[0].num)))
      return std::nullopt;
    return SizeFraction{row[0].num.mod(row[1].num), n.g.size(1)};
  });
}

LogicalResult negate(NodeContext &n) {
  return apply(n, n.in(0).element, [&](ArrayRef<SizeFraction> row) -> Fraction {
    return SizeFraction{row[0].num * -1, row[0].den};
  });
}

LogicalResult absolute(NodeContext &n) {
  return apply(n, n.in(0).element, [&](ArrayRef<SizeFraction> row) -> Fraction {
    return isNotNegative(row[0].num) ? row[0] : SizeFraction{row[0].num.max(row[0].num * -1), row[0].den};
  });
}

template <bool up> LogicalResult roundTo(NodeContext &n) {
  return apply(n, n.in(0).element, [&](ArrayRef<SizeFraction> row) -> Fraction {
    const SizeFraction &x = row[0];
    return SizeFraction{x.isInteger() ? x.num
                        : up          ? x.num.ceilDiv(x.den)
                                      : x.num.floorDiv(x.den),
                        n.g.size(1)};
  });
}

template <bool larger> LogicalResult extreme(NodeContext &n) {
  return apply(n, n.in(0).element, [&](ArrayRef<SizeFraction> row) -> Fraction {
    Size result = row[0].num;
    for (const SizeFraction &x : row) {
      if (x.den != row[0].den)
        return std::nullopt;
      result = larger ? result.max(x.num) : result.min(x.num);
    }
    return SizeFraction{result, row[0].den};
  });
}

Fraction castTo(NodeContext &n, const SizeFraction &x, Type element) {
  if (element.isInteger(1)) {
    Size nonzero = n.g.size(1) - isEqual(n.g, x.num, n.g.size(0));
    return SizeFraction{nonzero, n.g.size(1)};
  }
  if (isa<FloatType>(element) || x.isInteger())
    return x;
  if (!isNotNegative(x.num))
    return std::nullopt;
  return SizeFraction{x.num.floorDiv(x.den), n.g.size(1)};
}

LogicalResult castElements(NodeContext &n, Type element) {
  bool tracked = element && (element.isF32() || element.isF64() || element.isSignlessInteger(64) ||
                             element.isSignlessInteger(32) || element.isInteger(1));
  if (!tracked)
    return failure();
  n.inputs.resize(1);
  return apply(n, element, [&](ArrayRef<SizeFraction> row) { return castTo(n, row[0], element); });
}

LogicalResult cast(NodeContext &n) {
  return castElements(n, elementTypeOf(*n.g.builder.getContext(), static_cast<int32_t>(n.intAttr("to", 0))));
}

template <typename F> LogicalResult predicate(NodeContext &n, F f) {
  if (n.inputCount() != 2)
    return failure();
  return apply(n, n.i1(), [&](ArrayRef<SizeFraction> row) -> Fraction {
    return SizeFraction{f(n.g, row[0].num * row[1].den, row[1].num * row[0].den), n.g.size(1)};
  });
}

LogicalResult equal(NodeContext &n) { return predicate(n, isEqual); }
LogicalResult less(NodeContext &n) { return predicate(n, isLess); }
LogicalResult greater(NodeContext &n) {
  return predicate(n, [](GraphBuilder &g, Size a, Size b) { return isLess(g, b, a); });
}
LogicalResult lessOrEqual(NodeContext &n) {
  return predicate(n, [](GraphBuilder &g, Size a, Size b) { return isLess(g, a, b + 1); });
}
LogicalResult greaterOrEqual(NodeContext &n) {
  return predicate(n, [](GraphBuilder &g, Size a, Size b) { return isLess(g, b, a + 1); });
}

LogicalResult logicalNot(NodeContext &n) {
  return apply(n, n.i1(), [&](ArrayRef<SizeFraction> row) -> Fraction {
    return SizeFraction{n.g.size(1) - row[0].num, n.g.size(1)};
  });
}

LogicalResult where(NodeContext &n) {
  if (n.inputCount() != 3)
    return failure();
  return apply(n, n.in(1).element, [&](ArrayRef<SizeFraction> row) -> Fraction {
    if (row[1].den != row[2].den)
      return std::nullopt;
    return SizeFraction{choose(row[0].num, row[1].num, row[2].num), row[1].den};
  });
}

LogicalResult expand(NodeContext &n) {
  if (n.inputCount() != 2)
    return failure();
  ONNX_TRY(wanted, n.constantInts(1, "the shape"));
  SmallVector<int64_t> shape = shapeOf(n.in(0));
  while (shape.size() < wanted.size())
    shape.insert(shape.begin(), 1);
  for (size_t i = 0; i < wanted.size(); ++i) {
    int64_t &to = shape[shape.size() - wanted.size() + i];
    to = to == 1 ? wanted[i] : to;
    if (wanted[i] < 0)
      return failure();
  }
  auto content = spread(n.in(0), shape);
  if (!content)
    return failure();
  return n.out(n.g.fromContent(std::move(*content), n.in(0).element, n.g.dimsOf(shape)));
}

/// Reductions of a list to one element.
template <typename F> LogicalResult reduceList(NodeContext &n, F f) {
  const Tensor &x = n.in(0);
  bool given;
  if (x.rank() != 1 || x.content->empty() || failed(n.axes("axes", 1, 1, given)))
    return failure();
  if (!given && n.intAttr("noop_with_empty_axes", 0))
    return failure();
  Size result = (*x.content)[0].num;
  for (const SizeFraction &e : *x.content)
    if (!e.isInteger() || !fits(e, false))
      return failure();
  for (const SizeFraction &e : ArrayRef<SizeFraction>(*x.content).drop_front())
    result = f(result, e.num);
  if (!fits({result, n.g.size(1)}, isFloat(n)))
    return failure();
  Dims dims(n.intAttr("keepdims", 1) ? 1 : 0, n.g.size(1));
  return n.out(n.g.fromContent({SizeFraction{result, n.g.size(1)}}, x.element, dims));
}

LogicalResult reduceProd(NodeContext &n) {
  return reduceList(n, [](Size a, Size b) { return a * b; });
}
LogicalResult reduceSum(NodeContext &n) {
  return reduceList(n, [](Size a, Size b) { return a + b; });
}
LogicalResult reduceMax(NodeContext &n) {
  return reduceList(n, [](Size a, Size b) { return a.max(b); });
}
LogicalResult reduceMin(NodeContext &n) {
  return reduceList(n, [](Size a, Size b) { return a.min(b); });
}

/// A short list of constants counted up.
LogicalResult range(NodeContext &n) {
  if (n.inputCount() != 3 || !isa<IntegerType>(n.in(0).element))
    return failure();
  int64_t values[3];
  for (int i = 0; i < 3; ++i) {
    ONNX_TRY(list, n.constantInts(i, "a bound"));
    if (list.size() != 1 || std::abs(list[0]) > kLargest)
      return failure();
    values[i] = list[0];
  }
  auto [start, limit, delta] = values;
  Content content;
  for (int64_t v = start; delta && (delta > 0 ? v < limit : v > limit); v += delta) {
    if (static_cast<int64_t>(content.size()) == kMaxContent)
      return failure();
    content.push_back({n.g.size(v), n.g.size(1)});
  }
  int64_t count = content.size();
  return delta ? n.out(n.g.fromContent(std::move(content), n.in(0).element, {n.g.size(count)})) : failure();
}

/// Positions of the elements that are not zero, when all are constants.
LogicalResult nonZero(NodeContext &n) {
  ONNX_TRY(values, n.constantInts(0, "the input"));
  SmallVector<int64_t> shape = shapeOf(n.in(0)), hits;
  for (auto [i, v] : llvm::enumerate(values))
    if (v)
      hits.push_back(i);
  int64_t rank = shape.size(), count = hits.size();
  if (rank * count > kMaxContent)
    return failure();
  Content content(rank * count, {n.g.size(0), n.g.size(1)});
  for (auto [column, hit] : llvm::enumerate(hits)) {
    for (int64_t i = rank - 1, rest = hit; i >= 0; --i) {
      content[i * count + column].num = n.g.size(rest % shape[i]);
      rest /= shape[i];
    }
  }
  return n.out(n.g.fromContent(std::move(content), n.i64(), {n.g.size(rank), n.g.size(count)}));
}

} // namespace

void tenon::importer::registerContent(OpTable &t) {
  t.addContent("Add", add);
  t.addContent("Sub", sub);
  t.addContent("Mul", mul);
  t.addContent("Div", div);
  t.addContent("Mod", mod);
  t.addContent("Neg", negate);
  t.addContent("Abs", absolute);
  t.addContent("Floor", roundTo<false>);
  t.addContent("Ceil", roundTo<true>);
  t.addContent("Max", extreme<true>);
  t.addContent("Min", extreme<false>);
  t.addContent("Cast", cast);
  t.addContent("Equal", equal);
  t.addContent("Less", less);
  t.addContent("LessOrEqual", lessOrEqual);
  t.addContent("Greater", greater);
  t.addContent("GreaterOrEqual", greaterOrEqual);
  t.addContent("Not", logicalNot);
  t.addContent("And", extreme<false>);
  t.addContent("Or", extreme<true>);
  t.addContent("Where", where);
  t.addContent("Expand", expand);
  t.addContent("ReduceProd", reduceProd);
  t.addContent("ReduceSum", reduceSum);
  t.addContent("ReduceMax", reduceMax);
  t.addContent("ReduceMin", reduceMin);
  t.addContent("Range", range);
  t.addContent("NonZero", nonZero);
}

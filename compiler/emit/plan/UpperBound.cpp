//===- UpperBound.cpp - sizes that do not depend on data ------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/plan/UpperBound.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <deque>

using namespace mlir;

namespace tenon::plan {

namespace {

/// A size between two expressions over input symbols; an absent end is unbounded.
struct Interval {
  std::optional<Size> low, high;
};

class Bounder : public SizeVisitor {
public:
  Bounder(SizeAnalysis &sizes, unsigned depth) : sizes(sizes), depth(depth) {}

  Interval bound(Size size) { return of(visitSize(size, *this)); }

  Handle constant(int64_t v) override { return make({number(v), number(v)}); }
  Handle symbol(StringRef name) override;
  Handle add(Handle a, Handle b) override;
  Handle mul(Handle a, Handle b) override;
  Handle floorDiv(Handle a, Handle b) override;
  Handle mod(Handle a, Handle b) override;
  Handle min(Handle a, Handle b) override;
  Handle max(Handle a, Handle b) override;

private:
  Handle make(Interval interval) { return &storage.emplace_back(interval); }
  static Interval &of(Handle h) { return *static_cast<Interval *>(h); }
  Size number(int64_t v) { return sizes.context().constant(v); }
  static bool atLeast(const std::optional<Size> &size, int64_t v) {
    return size && size->range().min.value_or(v - 1) >= v;
  }
  template <typename F>
  static std::optional<Size> both(const std::optional<Size> &a, const std::optional<Size> &b, F f) {
    if (a && b)
      return f(*a, *b);
    return std::nullopt;
  }
  std::optional<Size> largest(std::initializer_list<Size> candidates);
  std::optional<Size> highOf(SizeAnalysis::Definition definition);
  Size sizeOf(Value value, int64_t dim) { return dim < 0 ? sizes.index(value) : sizes.dims(value)[dim]; }

  SizeAnalysis &sizes;
  unsigned depth;
  std::deque<Interval> storage;
};

} // namespace

SizeVisitor::Handle Bounder::add(Handle a, Handle b) {
  auto plus = [](Size x, Size y) { return x + y; };
  return make({both(of(a).low, of(b).low, plus), both(of(a).high, of(b).high, plus)});
}

SizeVisitor::Handle Bounder::mul(Handle a, Handle b) {
  Interval x = of(a), y = of(b);
  auto times = [](Size p, Size q) { return p * q; };
  if (atLeast(x.low, 0) && atLeast(y.low, 0))
    return make({both(x.low, y.low, times), both(x.high, y.high, times)});
  // A constant negative factor turns the other one's interval around.
  for (auto [factor, other] : {std::pair(x, y), std::pair(y, x)})
    if (factor.low && factor.low == factor.high && factor.low->constant().value_or(0) < 0)
      return make({both(factor.low, other.high, times), both(factor.low, other.low, times)});
  return make({});
}

SizeVisitor::Handle Bounder::floorDiv(Handle a, Handle b) {
  // The divisor is positive: the quotient of a natural number is largest for the smallest divisor.
  Interval x = of(a), y = of(b);
  Size divisor = atLeast(y.low, 1) ? *y.low : number(1);
  if (x.low && x.low == x.high && y.low && y.low == y.high)
    return make({x.low->floorDiv(*y.low), x.low->floorDiv(*y.low)});
  Interval result;
  result.low = atLeast(x.low, 0) ? std::optional(number(0)) : x.low;
  if (x.high)
    result.high = x.high->max(number(0)).floorDiv(divisor);
  return make(result);
}

SizeVisitor::Handle Bounder::mod(Handle a, Handle b) {
  Interval x = of(a), y = of(b);
  if (x.low && x.low == x.high && y.low && y.low == y.high)
    return make({x.low->mod(*y.low), x.low->mod(*y.low)});
  Interval result;
  result.low = number(0);
  if (y.high)
    result.high = *y.high - 1;
  return make(result);
}

SizeVisitor::Handle Bounder::min(Handle a, Handle b) {
  auto smaller = [](Size x, Size y) { return x.min(y); };
  Interval result{both(of(a).low, of(b).low, smaller), both(of(a).high, of(b).high, smaller)};
  if (!result.high)
    result.high = of(a).high ? of(a).high : of(b).high;
  return make(result);
}

SizeVisitor::Handle Bounder::max(Handle a, Handle b) {
  auto larger = [](Size x, Size y) { return x.max(y); };
  Interval result{both(of(a).low, of(b).low, larger), both(of(a).high, of(b).high, larger)};
  if (!result.low)
    result.low = of(a).low ? of(a).low : of(b).low;
  return make(result);
}

std::optional<Size> Bounder::largest(std::initializer_list<Size> candidates) {
  std::optional<Size> result;
  for (Size candidate : candidates) {
    std::optional<Size> high = Bounder(sizes, depth + 1).bound(candidate).high;
    if (!high)
      return std::nullopt;
    result = result ? result->max(*high) : *high;
  }
  return result;
}

/// What the operation behind a data-dependent size says of its largest value.
std::optional<Size> Bounder::highOf(SizeAnalysis::Definition definition) {
  constexpr unsigned maxDepth = 16; // of conditionals within conditionals
  if (depth > maxDepth)
    return std::nullopt;
  Value value = definition.value;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    if (!loop || argument != loop.getInductionVar())
      return std::nullopt;
    std::optional<Size> end = largest({sizes.index(loop.getUpperBound())});
    return end ? std::optional(*end - 1) : std::nullopt;
  }
  unsigned number = cast<OpResult>(value).getResultNumber();
  Operation *op = value.getDefiningOp();
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return largest({sizeOf(branch.thenYield().getOperand(number), definition.dim),
                    sizeOf(branch.elseYield().getOperand(number), definition.dim)});
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return largest({sizes.index(select.getTrueValue()), sizes.index(select.getFalseValue())});
  if (auto positions = dyn_cast<NonZeroOp>(op))
    return largest({productOf(sizes.context(), sizes.dims(positions.getInput()))});
  return std::nullopt;
}

SizeVisitor::Handle Bounder::symbol(StringRef name) {
  SizeAnalysis::Definition definition = sizes.definitionOf(name);
  if (!definition.value) {
    Size s = sizes.context().symbol(name);
    return make({s, s});
  }
  const SymbolInfo *info = sizes.context().info(name);
  Interval interval;
  if (info->min > INT64_MIN)
    interval.low = number(info->min);
  interval.high = highOf(definition);
  if (!interval.high && info->max)
    interval.high = number(*info->max);
  return make(interval);
}

std::optional<Size> upperBound(SizeAnalysis &sizes, Size size) { return Bounder(sizes, 0).bound(size).high; }

} // namespace tenon::plan

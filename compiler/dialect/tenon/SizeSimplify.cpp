//===- SizeSimplify.cpp - division, remainder, bounds of symbolic sizes ----===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/dialect/tenon/SizeExpr.h"
#include "compiler/dialect/tenon/SizePoly.h"
#include "llvm/ADT/STLExtras.h"
#include <limits>
#include <numeric>

using namespace tenon;
using namespace tenon::detail;

//===----------------------------------------------------------------------===//
// Intervals
//===----------------------------------------------------------------------===//

namespace {
using Wide = __int128;
constexpr Wide kInfinity = Wide(1) << 126;
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

/// Ends are int64 values or an infinity. A finite end too large for int64 is widened, never narrowed.
struct Interval {
  Wide lo, hi;

  static Interval of(const SizeRange &r) {
    return {r.min ? Wide(*r.min) : -kInfinity, r.max ? Wide(*r.max) : kInfinity};
  }
  static Interval normalized(Wide lo, Wide hi) {
    if (lo < kMin)
      lo = -kInfinity;
    if (lo > kMax)
      lo = kMax;
    if (hi > kMax)
      hi = kInfinity;
    if (hi < kMin)
      hi = kMin;
    return {lo, hi};
  }
  SizeRange range() const {
    SizeRange r;
    if (lo != -kInfinity)
      r.min = static_cast<int64_t>(lo);
    if (hi != kInfinity)
      r.max = static_cast<int64_t>(hi);
    return r;
  }
};

Wide multiplyEnds(Wide a, Wide b) {
  if (a == 0 || b == 0)
    return 0;
  bool infinite = a == kInfinity || a == -kInfinity || b == kInfinity || b == -kInfinity;
  if (infinite)
    return (a < 0) == (b < 0) ? kInfinity : -kInfinity;
  return a * b;
}

Interval operator*(Interval a, Interval b) {
  Wide corners[] = {multiplyEnds(a.lo, b.lo), multiplyEnds(a.lo, b.hi), multiplyEnds(a.hi, b.lo),
                    multiplyEnds(a.hi, b.hi)};
  return Interval::normalized(*llvm::min_element(corners), *llvm::max_element(corners));
}

Interval operator+(Interval a, Interval b) {
  Wide lo = a.lo == -kInfinity || b.lo == -kInfinity ? -kInfinity : a.lo + b.lo;
  Wide hi = a.hi == kInfinity || b.hi == kInfinity ? kInfinity : a.hi + b.hi;
  return Interval::normalized(lo, hi);
}

/// One end divided by one end of a positive divisor, rounding down.
Wide divideEnds(Wide a, Wide b) {
  if (a == kInfinity || a == -kInfinity)
    return a;
  if (b == kInfinity)
    return a < 0 ? -1 : 0;
  return floorDivInt(a, b);
}

template <typename RangeOf> Interval intervalOf(llvm::ArrayRef<SizeTerm> terms, RangeOf rangeOf) {
  Interval sum{0, 0};
  for (const SizeTerm &term : terms) {
    Interval product{term.coefficient, term.coefficient};
    for (auto &[atom, power] : term.monomial)
      for (unsigned i = 0; i < power; ++i)
        product = product * rangeOf(atom);
    sum = sum + product;
  }
  return sum;
}
} // namespace

/// The polynomial with every atom a replaced by a + min(a): then all atoms start at 0 and B*S - B, with B and
/// S at least 1, shows that it is not negative. Nothing when an atom has no lower bound or the polynomial
/// would grow large.
static std::optional<Size> shiftToZero(const SizePoly &poly) {
  constexpr unsigned maxTerms = 32, maxDegree = 6;
  if (poly.terms.size() > maxTerms)
    return std::nullopt;
  SizeContext &context = *poly.context;
  PolyBuilder sum(context);
  for (const SizeTerm &term : poly.terms) {
    if (degree(term.monomial) > maxDegree)
      return std::nullopt;
    Size product = context.constant(term.coefficient);
    for (auto &[atom, power] : term.monomial) {
      if (!atom->range.min)
        return std::nullopt;
      PolyBuilder shifted(context);
      shifted.add(1, Monomial{{atom, 1u}});
      shifted.add(*atom->range.min, {});
      Size base = shifted.finish();
      for (unsigned i = 0; i < power; ++i)
        product = product * base;
    }
    if (product.isUndefined())
      return std::nullopt;
    sum.add(product);
  }
  Size result = sum.finish();
  return result.isUndefined() ? std::nullopt : std::optional(result);
}

/// c * p with one term k * floordiv(x, c) replaced by what c * k * floordiv(x, c) is at least: k * x, less k
/// * (c - 1) where k is positive. So 2 * floordiv(S + 1, 2) - S shows that it is not negative. Nothing when
/// there is no such term.
static std::optional<std::pair<Size, int64_t>> relaxFloorDiv(const SizePoly &poly) {
  for (const SizeTerm &term : poly.terms) {
    const SizeAtom *atom = degree(term.monomial) == 1 ? term.monomial[0].first : nullptr;
    std::optional<int64_t> c = atom && atom->kind == AtomKind::FloorDiv ? atom->rhs.constant() : std::nullopt;
    if (!c)
      continue;
    PolyBuilder rest(*poly.context);
    rest.add(Size(&poly));
    rest.add(-term.coefficient, term.monomial);
    Size relaxed = rest.finish() * *c + atom->lhs * term.coefficient;
    if (term.coefficient > 0)
      relaxed = relaxed - poly.context->constant(term.coefficient) * (*c - 1);
    if (relaxed.isUndefined())
      return std::nullopt;
    return std::make_pair(relaxed, *c);
  }
  return std::nullopt;
}

static Interval directInterval(const SizePoly &poly) {
  return intervalOf(poly.terms, [](const SizeAtom *a) { return Interval::of(a->range); });
}

/// The greatest lower bound that interval arithmetic, the shift to zero and the relaxed divisions show.
static Wide lowerBound(const SizePoly &poly) {
  Wide best = directInterval(poly).lo;
  if (poly.terms.size() < 2)
    return best;
  if (std::optional<Size> shifted = shiftToZero(poly)) {
    Interval interval = intervalOf(shifted->impl()->terms, [](const SizeAtom *a) {
      Interval r = Interval::of(a->range);
      return Interval::normalized(0, r.hi == kInfinity ? kInfinity : r.hi - r.lo);
    });
    best = std::max(best, interval.lo);
  }
  if (auto relaxed = relaxFloorDiv(poly)) {
    Wide low = lowerBound(*relaxed->first.impl());
    if (low != -kInfinity)
      best = std::max(best, -floorDivInt<Wide>(-low, relaxed->second));
  }
  return best;
}

SizeRange detail::rangeOfPoly(const SizePoly &poly) {
  Interval direct = directInterval(poly);
  Size negated = Size(&poly) * -1;
  if (poly.terms.size() < 2 || negated.isUndefined())
    return direct.range();
  Wide hi = lowerBound(*negated.impl());
  return Interval::normalized(lowerBound(poly), hi == -kInfinity ? kInfinity : -hi).range();
}

SizeRange detail::rangeOfBinary(AtomKind kind, Size lhs, Size rhs) {
  Interval a = Interval::of(lhs.range()), b = Interval::of(rhs.range());
  if (kind == AtomKind::Min)
    return Interval{std::min(a.lo, b.lo), std::min(a.hi, b.hi)}.range();
  if (kind == AtomKind::Max)
    return Interval{std::max(a.lo, b.lo), std::max(a.hi, b.hi)}.range();
  b.lo = std::max<Wide>(b.lo, 1); // divisors are taken to be positive
  if (kind == AtomKind::Mod) {
    Wide hi = b.hi == kInfinity ? kInfinity : b.hi - 1;
    return Interval{0, a.lo >= 0 ? std::min(hi, a.hi) : hi}.range();
  }
  Wide corners[] = {divideEnds(a.lo, b.lo), divideEnds(a.lo, b.hi), divideEnds(a.hi, b.lo),
                    divideEnds(a.hi, b.hi)};
  return Interval::normalized(*llvm::min_element(corners), *llvm::max_element(corners)).range();
}

//===----------------------------------------------------------------------===//
// Polynomial division
//===----------------------------------------------------------------------===//

namespace {
struct Division {
  Size quotient, remainder;
};
} // namespace

/// The magnitude of such a coefficient is not an int64; expressions that hold one are left as they are.
static bool hasMinCoefficient(Size e) {
  return llvm::any_of(e.impl()->terms, [](const SizeTerm &t) { return t.coefficient == kMin; });
}

/// a = b * quotient + remainder, by long division in the graded order: the leading term that b's leading term
/// does not divide goes to the remainder. Nothing when a coefficient overflows.
static std::optional<Division> dividePoly(Size a, Size b) {
  SizeContext &context = *a.context();
  PolyBuilder rest(context), quotient(context), remainder(context);
  rest.add(a);
  const SizeTerm &lead = b.impl()->terms.front();
  while (!rest.empty() && !rest.overflowed()) {
    SizeTerm term = rest.popLeading();
    std::optional<Monomial> monomial = divide(term.monomial, lead.monomial);
    bool divides = monomial && !(term.coefficient == kMin && lead.coefficient == -1) &&
                   term.coefficient % lead.coefficient == 0;
    if (!divides) {
      remainder.add(term.coefficient, term.monomial);
      continue;
    }
    int64_t factor = term.coefficient / lead.coefficient;
    if (factor == kMin)
      return std::nullopt;
    quotient.add(factor, *monomial);
    rest.add(term.coefficient, term.monomial);
    rest.addProduct(b, -factor, *monomial);
  }
  if (rest.overflowed())
    return std::nullopt;
  Division result{quotient.finish(), remainder.finish()};
  return hasMinCoefficient(result.remainder) ? std::nullopt : std::optional(result);
}

std::optional<Size> Size::exactDiv(Size o) const {
  if (isUndefined() || o.isUndefined() || o.isConstant(0))
    return std::nullopt;
  std::optional<Division> division = dividePoly(*this, o);
  if (!division || !division->remainder.isConstant(0))
    return std::nullopt;
  return division->quotient;
}

/// The greatest monomial, with the greatest coefficient, that divides every term of both.
static SizeTerm commonFactor(Size a, Size b) {
  SizeTerm common = b.impl()->terms.front();
  auto visit = [&](const SizeTerm &term) {
    common.coefficient = std::gcd(common.coefficient, term.coefficient);
    Monomial kept;
    for (auto &[atom, power] : common.monomial)
      for (auto &[other, otherPower] : term.monomial)
        if (atom == other)
          kept.push_back({atom, std::min(power, otherPower)});
    common.monomial = kept;
  };
  llvm::for_each(a.impl()->terms, visit);
  llvm::for_each(b.impl()->terms, visit);
  return common;
}

static Size termAsSize(SizeContext &context, const SizeTerm &term) {
  PolyBuilder builder(context);
  builder.add(term.coefficient, term.monomial);
  return builder.finish();
}

/// Whether 0 <= r < b follows from the ranges.
static bool isReduced(Size r, Size b) {
  SizeRange low = r.range();
  SizeRange gap = (b - r).range();
  return low.min && *low.min >= 0 && gap.min && *gap.min >= 1;
}

//===----------------------------------------------------------------------===//
// floordiv
//===----------------------------------------------------------------------===//

/// When exactly one term of the numerator is floordiv(x, k) by a constant k, floor((floor(x/k) + r) / c) is
/// floor((x + k*r) / (k*c)). Nothing otherwise.
static std::optional<Size> mergeNestedFloorDiv(Size numerator, int64_t c) {
  const SizeTerm *nested = nullptr;
  for (const SizeTerm &term : numerator.impl()->terms) {
    if (degree(term.monomial) != 1)
      continue;
    const SizeAtom *atom = term.monomial[0].first;
    if (atom->kind != AtomKind::FloorDiv || !atom->rhs.constant())
      continue;
    if (nested || term.coefficient != 1)
      return std::nullopt;
    nested = &term;
  }
  if (!nested)
    return std::nullopt;
  const SizeAtom *atom = nested->monomial[0].first;
  int64_t inner = *atom->rhs.constant(), product;
  if (__builtin_mul_overflow(inner, c, &product))
    return std::nullopt;
  PolyBuilder rest(*numerator.context());
  rest.add(numerator);
  rest.add(-1, nested->monomial);
  Size merged = atom->lhs + rest.finish() * inner;
  if (merged.isUndefined())
    return std::nullopt;
  return merged.floorDiv(product);
}

/// Divides every term but the constant by `divisor`, which divides them; the constant is rounded down.
static Size scaleDown(Size e, int64_t divisor) {
  PolyBuilder builder(*e.context());
  for (const SizeTerm &term : e.impl()->terms)
    builder.add(floorDivInt(term.coefficient, divisor), term.monomial);
  return builder.finish();
}

static int64_t gcdOfVariableTerms(Size e, int64_t start) {
  for (const SizeTerm &term : e.impl()->terms)
    if (!term.monomial.empty())
      start = std::gcd(start, term.coefficient);
  return start;
}

static Size floorDivByConstant(Size a, int64_t c) {
  SizeContext &context = *a.context();
  // Coefficients are brought into [0, c); what is taken out is the quotient.
  PolyBuilder quotient(context), remainder(context);
  for (const SizeTerm &term : a.impl()->terms) {
    quotient.add(floorDivInt(term.coefficient, c), term.monomial);
    remainder.add(floorModInt(term.coefficient, c), term.monomial);
  }
  Size q = quotient.finish(), r = remainder.finish();
  // floor((g*x + k) / (g*c)) = floor((x + floor(k/g)) / c)
  int64_t g = gcdOfVariableTerms(r, c);
  if (g > 1) {
    r = scaleDown(r, g);
    c /= g;
  }
  SizeRange range = r.range();
  if (range.min && range.max && floorDivInt(*range.min, c) == floorDivInt(*range.max, c))
    return q + floorDivInt(*range.min, c);
  if (std::optional<Size> merged = mergeNestedFloorDiv(r, c))
    return q + *merged;
  return q + makeBinaryAtom(context, AtomKind::FloorDiv, r, context.constant(c));
}

Size Size::floorDiv(Size o) const {
  SizeContext &ctx = *context();
  if (isUndefined() || o.isUndefined() || o.isConstant(0))
    return makeUndefined(ctx);
  if (isConstant(0))
    return *this;
  if (hasMinCoefficient(*this) || hasMinCoefficient(o))
    return makeBinaryAtom(ctx, AtomKind::FloorDiv, *this, o);
  if (std::optional<int64_t> c = o.constant())
    return *c < 0 ? floorDivByConstant(*this * int64_t(-1), -*c) : floorDivByConstant(*this, *c);
  std::optional<Division> division = dividePoly(*this, o);
  if (!division)
    return makeBinaryAtom(ctx, AtomKind::FloorDiv, *this, o);
  Size r = division->remainder;
  if (r.isConstant(0) || isReduced(r, o))
    return division->quotient;
  SizeTerm common = commonFactor(r, o);
  Size factor = termAsSize(ctx, common);
  Size divisor = *o.exactDiv(factor);
  r = *r.exactDiv(factor);
  if (divisor.constant())
    return division->quotient + r.floorDiv(divisor);
  return division->quotient + makeBinaryAtom(ctx, AtomKind::FloorDiv, r, divisor);
}

//===----------------------------------------------------------------------===//
// mod
//===----------------------------------------------------------------------===//

/// Brings the coefficients into [0, c) and replaces k * mod(x, m) by k * x where c divides k * m.
static Size reduceModulo(Size a, int64_t c) {
  PolyBuilder builder(*a.context());
  for (const SizeTerm &term : a.impl()->terms) {
    int64_t k = floorModInt(term.coefficient, c);
    const SizeAtom *atom = degree(term.monomial) == 1 ? term.monomial[0].first : nullptr;
    std::optional<int64_t> inner = atom && atom->kind == AtomKind::Mod ? atom->rhs.constant() : std::nullopt;
    if (inner && (Wide(k) * *inner) % c == 0)
      builder.add(reduceModulo(atom->lhs * k, c));
    else
      builder.add(k, term.monomial);
  }
  return builder.finish();
}

static Size modByConstant(Size a, int64_t c) {
  SizeContext &context = *a.context();
  Size r = reduceModulo(a, c);
  // The inlined operands may add up to coefficients of c and more.
  while (!r.isUndefined()) {
    Size again = reduceModulo(r, c);
    if (again == r)
      break;
    r = again;
  }
  if (r.isUndefined())
    return makeBinaryAtom(context, AtomKind::Mod, a, context.constant(c));
  // mod(g*x + k, g*c) = g * mod(x + floor(k/g), c) + mod(k, g)
  int64_t g = gcdOfVariableTerms(r, c);
  int64_t tail = floorModInt(r.impl()->constantTerm(), g);
  if (g > 1) {
    r = scaleDown(r, g);
    c /= g;
  }
  SizeRange range = r.range();
  bool oneMultiple = range.min && range.max && floorDivInt(*range.min, c) == floorDivInt(*range.max, c);
  Size reduced = oneMultiple ? r - floorDivInt(*range.min, c) * c
                             : makeBinaryAtom(context, AtomKind::Mod, r, context.constant(c));
  return reduced * g + tail;
}

Size Size::mod(Size o) const {
  SizeContext &ctx = *context();
  if (isUndefined() || o.isUndefined() || o.isConstant(0))
    return makeUndefined(ctx);
  if (isConstant(0))
    return *this;
  if (hasMinCoefficient(*this) || hasMinCoefficient(o))
    return makeBinaryAtom(ctx, AtomKind::Mod, *this, o);
  if (std::optional<int64_t> c = o.constant())
    return *c < 0 ? modByConstant(*this * int64_t(-1), -*c) * int64_t(-1) : modByConstant(*this, *c);
  std::optional<Division> division = dividePoly(*this, o);
  if (!division)
    return makeBinaryAtom(ctx, AtomKind::Mod, *this, o);
  Size r = division->remainder;
  if (r.isConstant(0) || isReduced(r, o))
    return r;
  Size factor = termAsSize(ctx, commonFactor(r, o));
  Size divisor = *o.exactDiv(factor);
  r = *r.exactDiv(factor);
  Size reduced = divisor.constant() ? r.mod(divisor) : makeBinaryAtom(ctx, AtomKind::Mod, r, divisor);
  return reduced * factor;
}

//===----------------------------------------------------------------------===//
// min and max
//===----------------------------------------------------------------------===//

/// The operands of nested atoms of this kind, flat.
static void flatten(Size e, AtomKind kind, llvm::SmallVectorImpl<Size> &operands) {
  const SizeAtom *atom = asAtom(e);
  if (!atom || atom->kind != kind) {
    operands.push_back(e);
    return;
  }
  flatten(atom->lhs, kind, operands);
  flatten(atom->rhs, kind, operands);
}

/// Whether a <= b follows from the range of the difference.
static bool knownAtMost(Size a, Size b) {
  SizeRange difference = (b - a).range();
  return difference.min && *difference.min >= 0;
}

static Size extremum(Size a, Size b, AtomKind kind) {
  SizeContext &context = *a.context();
  if (a.isUndefined() || b.isUndefined())
    return makeUndefined(context);
  llvm::SmallVector<Size> operands, kept;
  flatten(a, kind, operands);
  flatten(b, kind, operands);
  auto wins = [&](Size x, Size y) { return kind == AtomKind::Min ? knownAtMost(x, y) : knownAtMost(y, x); };
  for (Size candidate : operands) {
    if (llvm::any_of(kept, [&](Size k) { return wins(k, candidate); }))
      continue;
    llvm::erase_if(kept, [&](Size k) { return wins(candidate, k); });
    kept.push_back(candidate);
  }
  llvm::sort(kept, [](Size x, Size y) {
    return std::make_pair(x.str(), x.impl()->id) < std::make_pair(y.str(), y.impl()->id);
  });
  Size result = kept.front();
  for (Size operand : llvm::drop_begin(kept))
    result = makeBinaryAtom(context, kind, result, operand);
  return result;
}

Size Size::min(Size o) const { return extremum(*this, o, AtomKind::Min); }
Size Size::max(Size o) const { return extremum(*this, o, AtomKind::Max); }

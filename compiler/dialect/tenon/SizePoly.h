//===- SizePoly.h - representation of symbolic sizes -----------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to SizeExpr.cpp and SizeSimplify.cpp: polynomials over atoms, the builder that normalizes them, and
// the tables that unique both. A symbol S that is a multiple of m is represented as m * s with an atom s = S
// / m, so that what follows from divisibility follows from polynomial arithmetic alone.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeExpr.h"
#include "llvm/ADT/StringMap.h"
#include <utility>

namespace tenon::detail {

enum class AtomKind { Symbol, FloorDiv, Mod, Min, Max, Undefined };

/// Something a polynomial treats as a variable. For Symbol: `name` divided by `divisor`, exactly. `Undefined`
/// absorbs every operation; it stands for a division by the constant zero and for coefficients beyond int64.
struct SizeAtom {
  AtomKind kind;
  unsigned id;
  std::string name;
  int64_t divisor = 1;
  Size lhs, rhs;
  std::string text;
  SizeRange range;
};

/// Atoms with their exponents, ordered by text.
using Monomial = llvm::SmallVector<std::pair<const SizeAtom *, unsigned>, 2>;

bool atomBefore(const SizeAtom *a, const SizeAtom *b);
unsigned degree(const Monomial &m);
Monomial multiply(const Monomial &a, const Monomial &b);
/// a / b when b divides a.
std::optional<Monomial> divide(const Monomial &a, const Monomial &b);

/// Graded lexicographic order, greatest first: compatible with multiplication, so polynomial division
/// terminates.
struct MonomialGreater {
  bool operator()(const Monomial &a, const Monomial &b) const;
};

struct SizeTerm {
  int64_t coefficient;
  Monomial monomial;
};

struct SizePoly {
  SizeContext *context;
  unsigned id;
  /// Greatest monomial first, so a constant comes last; coefficients are never zero.
  llvm::SmallVector<SizeTerm, 2> terms;

  int64_t constantTerm() const;
};

/// Sums terms; `finish` uniques the sum.
class PolyBuilder {
public:
  explicit PolyBuilder(SizeContext &context) : context(context) {}
  void add(int64_t coefficient, const Monomial &monomial);
  void add(Size e, int64_t factor = 1);
  /// Adds factor * monomial * e.
  void addProduct(Size e, int64_t factor, const Monomial &monomial);
  bool empty() const { return sum.empty(); }
  bool overflowed() const { return undefined; }
  SizeTerm popLeading();
  Size finish();

private:
  SizeContext &context;
  std::map<Monomial, int64_t, MonomialGreater> sum;
  bool undefined = false;
};

/// The expression that is just this atom, made when it is new.
Size makeSymbolAtom(SizeContext &context, const SymbolInfo &info);
Size makeBinaryAtom(SizeContext &context, AtomKind kind, Size lhs, Size rhs);
Size makeUndefined(SizeContext &context);
/// The atom when the expression is one atom with coefficient 1, else null.
const SizeAtom *asAtom(Size e);

/// Bounds of an atom from the bounds of its operands.
SizeRange rangeOfBinary(AtomKind kind, Size lhs, Size rhs);
SizeRange rangeOfPoly(const SizePoly &poly);

/// Division towards minus infinity; the divisor is not zero.
template <typename Int> Int floorDivInt(Int a, Int b) {
  Int q = a / b;
  return (a % b != 0 && ((a < 0) != (b < 0))) ? q - 1 : q;
}
template <typename Int> Int floorModInt(Int a, Int b) { return a - floorDivInt(a, b) * b; }

} // namespace tenon::detail

namespace tenon {
struct SizeContext::Impl {
  std::map<std::string, SymbolInfo> symbols;
  llvm::StringMap<std::unique_ptr<detail::SizeAtom>> atoms;
  llvm::StringMap<std::unique_ptr<detail::SizePoly>> polys;
};
} // namespace tenon

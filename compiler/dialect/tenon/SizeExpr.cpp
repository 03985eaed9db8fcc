//===- SizeExpr.cpp - symbolic sizes in canonical form ---------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Polynomial arithmetic, uniquing, text, evaluation and lowering. The rules for division, remainder, minimum
// and maximum are in SizeSimplify.cpp.
//
//===----------------------------------------------------------------------===//

#include "compiler/dialect/tenon/SizeExpr.h"
#include "compiler/dialect/tenon/SizePoly.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <cassert>
#include <limits>
#include <numeric>
#include <set>

using namespace tenon;
using namespace tenon::detail;

//===----------------------------------------------------------------------===//
// Monomials
//===----------------------------------------------------------------------===//

bool detail::atomBefore(const SizeAtom *a, const SizeAtom *b) {
  if (a->text != b->text)
    return a->text < b->text;
  return a->id < b->id;
}

unsigned detail::degree(const Monomial &m) {
  unsigned sum = 0;
  for (auto &[atom, power] : m)
    sum += power;
  return sum;
}

Monomial detail::multiply(const Monomial &a, const Monomial &b) {
  Monomial result;
  const auto *i = a.begin(), *j = b.begin();
  while (i != a.end() && j != b.end()) {
    if (i->first == j->first) {
      result.push_back({i->first, i->second + j->second});
      ++i, ++j;
    } else {
      result.push_back(atomBefore(i->first, j->first) ? *i++ : *j++);
    }
  }
  result.append(i, a.end());
  result.append(j, b.end());
  return result;
}

std::optional<Monomial> detail::divide(const Monomial &a, const Monomial &b) {
  Monomial result;
  const auto *j = b.begin();
  for (auto &[atom, power] : a) {
    unsigned remaining = power;
    if (j != b.end() && j->first == atom) {
      if (j->second > power)
        return std::nullopt;
      remaining -= (j++)->second;
    }
    if (remaining)
      result.push_back({atom, remaining});
  }
  if (j != b.end())
    return std::nullopt;
  return result;
}

bool MonomialGreater::operator()(const Monomial &a, const Monomial &b) const {
  unsigned da = degree(a), db = degree(b);
  if (da != db)
    return da > db;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i].first != b[i].first)
      return atomBefore(a[i].first, b[i].first);
    if (a[i].second != b[i].second)
      return a[i].second > b[i].second;
  }
  return a.size() > b.size();
}

int64_t SizePoly::constantTerm() const {
  return !terms.empty() && terms.back().monomial.empty() ? terms.back().coefficient : 0;
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

void PolyBuilder::add(int64_t coefficient, const Monomial &monomial) {
  if (coefficient == 0)
    return;
  auto [it, isNew] = sum.try_emplace(monomial, coefficient);
  if (isNew)
    return;
  if (__builtin_add_overflow(it->second, coefficient, &it->second)) {
    undefined = true;
    return;
  }
  if (it->second == 0)
    sum.erase(it);
}

void PolyBuilder::add(Size e, int64_t factor) { addProduct(e, factor, {}); }

void PolyBuilder::addProduct(Size e, int64_t factor, const Monomial &monomial) {
  undefined |= e.isUndefined();
  for (const SizeTerm &term : e.impl()->terms) {
    int64_t product;
    if (__builtin_mul_overflow(term.coefficient, factor, &product)) {
      undefined = true;
      return;
    }
    add(product, multiply(term.monomial, monomial));
  }
}

SizeTerm PolyBuilder::popLeading() {
  SizeTerm term{sum.begin()->second, sum.begin()->first};
  sum.erase(sum.begin());
  return term;
}

Size PolyBuilder::finish() {
  if (undefined)
    return makeUndefined(context);
  std::string key;
  for (auto &[monomial, coefficient] : sum) {
    key += std::to_string(coefficient);
    for (auto &[atom, power] : monomial)
      key += '*' + std::to_string(atom->id) + '^' + std::to_string(power);
    key += ';';
  }
  auto [it, isNew] = context.impl().polys.try_emplace(key);
  if (isNew) {
    it->second = std::make_unique<SizePoly>();
    it->second->context = &context;
    it->second->id = context.impl().polys.size();
    for (auto &[monomial, coefficient] : sum)
      it->second->terms.push_back({coefficient, monomial});
  }
  return Size(it->second.get());
}

static Size wrapAtom(SizeContext &context, const SizeAtom *atom) {
  PolyBuilder builder(context);
  builder.add(1, Monomial{{atom, 1u}});
  return builder.finish();
}

static SizeAtom *newAtom(SizeContext &context, llvm::StringRef key, AtomKind kind, bool &isNew) {
  auto inserted = context.impl().atoms.try_emplace(key);
  isNew = inserted.second;
  if (isNew) {
    inserted.first->second = std::make_unique<SizeAtom>();
    inserted.first->second->kind = kind;
    inserted.first->second->id = context.impl().atoms.size();
  }
  return inserted.first->second.get();
}

Size detail::makeSymbolAtom(SizeContext &context, const SymbolInfo &info) {
  bool isNew;
  std::string key = "s" + std::to_string(info.multipleOf) + ":" + info.name;
  SizeAtom *atom = newAtom(context, key, AtomKind::Symbol, isNew);
  atom->name = atom->text = info.name;
  atom->divisor = info.multipleOf;
  atom->range.min = static_cast<int64_t>(-floorDivInt<__int128>(-__int128(info.min), info.multipleOf));
  atom->range.max = info.max ? std::optional(floorDivInt(*info.max, info.multipleOf)) : std::nullopt;
  return wrapAtom(context, atom);
}

static const char *nameOf(AtomKind kind) {
  switch (kind) {
  case AtomKind::FloorDiv:
    return "floordiv";
  case AtomKind::Mod:
    return "mod";
  case AtomKind::Min:
    return "min";
  case AtomKind::Max:
    return "max";
  case AtomKind::Symbol:
  case AtomKind::Undefined:
    break;
  }
  return "undefined";
}

Size detail::makeBinaryAtom(SizeContext &context, AtomKind kind, Size lhs, Size rhs) {
  bool isNew;
  std::string key =
      std::string(nameOf(kind)) + std::to_string(lhs.impl()->id) + "," + std::to_string(rhs.impl()->id);
  SizeAtom *atom = newAtom(context, key, kind, isNew);
  if (isNew) {
    atom->lhs = lhs;
    atom->rhs = rhs;
    atom->text = std::string(nameOf(kind)) + "(" + lhs.str() + ", " + rhs.str() + ")";
    atom->range = rangeOfBinary(kind, lhs, rhs);
  }
  return wrapAtom(context, atom);
}

Size detail::makeUndefined(SizeContext &context) {
  bool isNew;
  SizeAtom *atom = newAtom(context, "undefined", AtomKind::Undefined, isNew);
  atom->text = nameOf(AtomKind::Undefined);
  return wrapAtom(context, atom);
}

const SizeAtom *detail::asAtom(Size e) {
  const auto &terms = e.impl()->terms;
  if (terms.size() != 1 || terms[0].coefficient != 1 || degree(terms[0].monomial) != 1)
    return nullptr;
  return terms[0].monomial[0].first;
}

//===----------------------------------------------------------------------===//
// Size: queries and arithmetic
//===----------------------------------------------------------------------===//

SizeContext *Size::context() const { return poly->context; }

std::optional<int64_t> Size::constant() const {
  if (poly->terms.empty())
    return 0;
  if (poly->terms.size() == 1 && poly->terms[0].monomial.empty())
    return poly->terms[0].coefficient;
  return std::nullopt;
}

llvm::StringRef Size::symbol() const {
  if (poly->terms.size() != 1 || degree(poly->terms[0].monomial) != 1)
    return "";
  const SizeAtom *atom = poly->terms[0].monomial[0].first;
  if (atom->kind != AtomKind::Symbol || atom->divisor != poly->terms[0].coefficient)
    return "";
  return atom->name;
}

bool Size::isUndefined() const {
  const SizeAtom *atom = asAtom(*this);
  return atom && atom->kind == AtomKind::Undefined;
}

Size Size::operator+(Size o) const {
  PolyBuilder builder(*context());
  builder.add(*this);
  builder.add(o);
  return builder.finish();
}

Size Size::operator-(Size o) const { return *this + o * int64_t(-1); }

Size Size::operator*(Size o) const {
  if (isUndefined() || o.isUndefined())
    return makeUndefined(*context());
  PolyBuilder builder(*context());
  for (const SizeTerm &term : o.poly->terms)
    builder.addProduct(*this, term.coefficient, term.monomial);
  return builder.finish();
}

Size Size::operator+(int64_t v) const { return *this + context()->constant(v); }
Size Size::operator-(int64_t v) const { return *this - context()->constant(v); }
Size Size::operator*(int64_t v) const { return *this * context()->constant(v); }
Size Size::floorDiv(int64_t v) const { return floorDiv(context()->constant(v)); }
Size Size::ceilDiv(int64_t v) const { return ceilDiv(context()->constant(v)); }
Size Size::mod(int64_t v) const { return mod(context()->constant(v)); }
Size Size::ceilDiv(Size o) const { return (*this + o - int64_t(1)).floorDiv(o); }
SizeRange Size::range() const { return rangeOfPoly(*poly); }

static int64_t saturatingProduct(int64_t a, int64_t b) {
  int64_t product;
  // A divisor of a product too large for int64 is lost; keeping one factor is still true.
  return __builtin_mul_overflow(a, b, &product) ? std::max(a, b) : product;
}

static int64_t knownDivisorOf(const SizeAtom &atom) {
  switch (atom.kind) {
  case AtomKind::Mod:
  case AtomKind::Min:
  case AtomKind::Max:
    return std::gcd(atom.lhs.knownDivisor(), atom.rhs.knownDivisor());
  case AtomKind::Symbol:
  case AtomKind::FloorDiv:
  case AtomKind::Undefined:
    return 1;
  }
  return 1;
}

int64_t Size::knownDivisor() const {
  int64_t divisor = 0;
  for (const SizeTerm &term : poly->terms) {
    // The magnitude of INT64_MIN is not an int64; 2^62 divides it.
    int64_t known = term.coefficient == std::numeric_limits<int64_t>::min() ? int64_t(1) << 62
                                                                            : std::abs(term.coefficient);
    for (auto &[atom, power] : term.monomial)
      for (unsigned i = 0; i < power; ++i)
        known = saturatingProduct(known, knownDivisorOf(*atom));
    divisor = std::gcd(divisor, known);
  }
  return divisor;
}

static void collectSymbols(const SizePoly &poly, std::set<llvm::StringRef> &names,
                           std::set<unsigned> &visited) {
  for (const SizeTerm &term : poly.terms)
    for (auto &[atom, power] : term.monomial) {
      if (!visited.insert(atom->id).second)
        continue;
      if (atom->kind == AtomKind::Symbol)
        names.insert(atom->name);
      if (atom->lhs) {
        collectSymbols(*atom->lhs.impl(), names, visited);
        collectSymbols(*atom->rhs.impl(), names, visited);
      }
    }
}

llvm::SmallVector<llvm::StringRef> Size::symbols() const {
  std::set<llvm::StringRef> names;
  std::set<unsigned> visited;
  collectSymbols(*poly, names, visited);
  return {names.begin(), names.end()};
}

//===----------------------------------------------------------------------===//
// Terms as their factors, for text and lowering
//===----------------------------------------------------------------------===//

namespace {
/// One factor of a term as people write it: an atom, or a symbol divided exactly by a constant.
struct Factor {
  const SizeAtom *atom;
  int64_t divisor;
};

struct FactoredTerm {
  int64_t coefficient;
  llvm::SmallVector<Factor, 2> factors;
};
} // namespace

/// Moves what it can of the coefficient into the symbols that are stored divided by their multiple_of: with S
/// a multiple of 8 and s = S / 8, the term 8*s is S, 2*s is S floordiv 4.
static FactoredTerm factor(const SizeTerm &term) {
  FactoredTerm result{term.coefficient, {}};
  for (auto &[atom, power] : term.monomial)
    for (unsigned i = 0; i < power; ++i) {
      int64_t shared = std::gcd(result.coefficient, atom->divisor);
      result.coefficient /= shared;
      result.factors.push_back({atom, atom->divisor / shared});
    }
  return result;
}

static std::string textOf(const SizePoly &poly) {
  if (poly.terms.empty())
    return "0";
  std::string text;
  for (const SizeTerm &term : poly.terms) {
    FactoredTerm factored = factor(term);
    bool negative = factored.coefficient < 0;
    text += text.empty() ? (negative ? "-" : "") : (negative ? " - " : " + ");
    std::string magnitude = std::to_string(factored.coefficient).substr(negative);
    llvm::SmallVector<std::string, 4> parts;
    if (magnitude != "1" || factored.factors.empty())
      parts.push_back(magnitude);
    for (const Factor &f : factored.factors)
      parts.push_back(f.divisor == 1 ? f.atom->text
                                     : "floordiv(" + f.atom->text + ", " + std::to_string(f.divisor) + ")");
    text += llvm::join(parts, "*");
  }
  return text;
}

std::string Size::str() const { return textOf(*poly); }

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

namespace {
/// Evaluates in 128 bits, so that terms which cancel do not overflow on the way.
class Evaluator {
public:
  using Wide = __int128;
  explicit Evaluator(const std::map<std::string, int64_t> &values) : values(values) {}

  std::optional<Wide> poly(const SizePoly &p) {
    Wide sum = 0;
    for (const SizeTerm &term : p.terms) {
      Wide product = term.coefficient;
      for (auto &[a, power] : term.monomial) {
        std::optional<Wide> value = atom(*a);
        if (!value)
          return std::nullopt;
        for (unsigned i = 0; i < power; ++i)
          if (__builtin_mul_overflow(product, *value, &product))
            return std::nullopt;
      }
      if (__builtin_add_overflow(sum, product, &sum))
        return std::nullopt;
    }
    return sum;
  }

private:
  std::optional<Wide> atom(const SizeAtom &a) {
    auto known = memo.find(a.id);
    if (known != memo.end())
      return known->second;
    std::optional<Wide> value = compute(a);
    memo[a.id] = value;
    return value;
  }

  std::optional<Wide> compute(const SizeAtom &a) {
    if (a.kind == AtomKind::Undefined)
      return std::nullopt;
    if (a.kind == AtomKind::Symbol) {
      auto it = values.find(a.name);
      if (it == values.end())
        return std::nullopt;
      return floorDivInt<Wide>(it->second, a.divisor);
    }
    std::optional<Wide> lhs = poly(*a.lhs.impl()), rhs = poly(*a.rhs.impl());
    if (!lhs || !rhs)
      return std::nullopt;
    if (a.kind == AtomKind::Min)
      return std::min(*lhs, *rhs);
    if (a.kind == AtomKind::Max)
      return std::max(*lhs, *rhs);
    if (*rhs == 0)
      return std::nullopt;
    return a.kind == AtomKind::Mod ? floorModInt(*lhs, *rhs) : floorDivInt(*lhs, *rhs);
  }

  const std::map<std::string, int64_t> &values;
  llvm::DenseMap<unsigned, std::optional<Wide>> memo;
};
} // namespace

std::optional<int64_t> Size::evaluate(const std::map<std::string, int64_t> &values) const {
  std::optional<__int128> value = Evaluator(values).poly(*poly);
  if (!value || *value > std::numeric_limits<int64_t>::max() || *value < std::numeric_limits<int64_t>::min())
    return std::nullopt;
  return static_cast<int64_t>(*value);
}

//===----------------------------------------------------------------------===//
// Lowering
//===----------------------------------------------------------------------===//

namespace {
class Lowering {
public:
  using Handle = SizeVisitor::Handle;
  explicit Lowering(SizeVisitor &visitor) : visitor(visitor) {}

  Handle poly(const SizePoly &p) {
    Handle sum = nullptr;
    bool first = true;
    for (const SizeTerm &t : p.terms) {
      Handle value = term(t);
      sum = first ? value : visitor.add(sum, value);
      first = false;
    }
    return first ? visitor.constant(0) : sum;
  }

private:
  Handle term(const SizeTerm &t) {
    FactoredTerm factored = factor(t);
    Handle product = nullptr;
    bool first = true;
    for (const Factor &f : factored.factors) {
      Handle value = this->value(f);
      product = first ? value : visitor.mul(product, value);
      first = false;
    }
    if (first)
      return visitor.constant(factored.coefficient);
    return factored.coefficient == 1 ? product : visitor.mul(product, visitor.constant(factored.coefficient));
  }

  Handle value(const Factor &f) {
    auto key = std::make_pair(f.atom->id, f.divisor);
    auto known = memo.find(key);
    if (known != memo.end())
      return known->second;
    Handle handle =
        f.divisor == 1 ? atom(*f.atom) : visitor.floorDiv(value({f.atom, 1}), visitor.constant(f.divisor));
    memo[key] = handle;
    return handle;
  }

  Handle atom(const SizeAtom &a) {
    if (a.kind == AtomKind::Symbol)
      return visitor.symbol(a.name);
    if (a.kind == AtomKind::Undefined)
      return visitor.constant(std::numeric_limits<int64_t>::max());
    Handle lhs = poly(*a.lhs.impl());
    Handle rhs = poly(*a.rhs.impl());
    switch (a.kind) {
    case AtomKind::FloorDiv:
      return visitor.floorDiv(lhs, rhs);
    case AtomKind::Mod:
      return visitor.mod(lhs, rhs);
    case AtomKind::Min:
      return visitor.min(lhs, rhs);
    default:
      return visitor.max(lhs, rhs);
    }
  }

  SizeVisitor &visitor;
  std::map<std::pair<unsigned, int64_t>, Handle> memo;
};
} // namespace

SizeVisitor::Handle tenon::visitSize(Size e, SizeVisitor &v) { return Lowering(v).poly(*e.impl()); }

//===----------------------------------------------------------------------===//
// SizeContext
//===----------------------------------------------------------------------===//

SizeContext::SizeContext() : state(std::make_unique<Impl>()) {}
SizeContext::~SizeContext() = default;

Size SizeContext::constant(int64_t v) {
  PolyBuilder builder(*this);
  builder.add(v, {});
  return builder.finish();
}

Size SizeContext::symbol(llvm::StringRef name) {
  auto it = state->symbols.find(name.str());
  if (it != state->symbols.end())
    return declare(it->second);
  SymbolInfo info;
  info.name = name.str();
  return declare(info);
}

Size SizeContext::declare(const SymbolInfo &info) {
  assert(info.multipleOf >= 1 && "multiple_of of a symbol is at least 1");
  SymbolInfo known = info;
  state->symbols[info.name] = known;
  return makeSymbolAtom(*this, known) * known.multipleOf;
}

Size SizeContext::fresh(llvm::StringRef prefix, int64_t min, std::optional<int64_t> max) {
  SymbolInfo info;
  info.name = prefix.str();
  for (unsigned i = 1; state->symbols.count(info.name); ++i)
    info.name = prefix.str() + "_" + std::to_string(i);
  info.min = min;
  info.max = max;
  return declare(info);
}

const SymbolInfo *SizeContext::info(llvm::StringRef name) const {
  auto it = state->symbols.find(name.str());
  return it == state->symbols.end() ? nullptr : &it->second;
}

Size tenon::productOf(SizeContext &context, llvm::ArrayRef<Size> dims) {
  Size product = context.constant(1);
  for (Size dim : dims)
    product = product * dim;
  return product;
}

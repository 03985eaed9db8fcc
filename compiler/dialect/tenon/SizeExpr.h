//===- SizeExpr.h - symbolic sizes in canonical form -----------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An integer expression over the symbols of a function: constants, +, -, *, floordiv, ceildiv, mod, min, max.
// Expressions are kept as polynomials over atoms (symbols and the operators that are not polynomial), uniqued
// in a SizeContext, so that two expressions that are equal as polynomials are the same pointer. A tensor's
// dimensions are a vector of them (Dims).
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace tenon {

class SizeContext;

namespace detail {
struct SizePoly;
struct SizeAtom;
} // namespace detail

/// The range of values that an expression can take, both ends included. An absent end is unbounded.
struct SizeRange {
  std::optional<int64_t> min, max;
};

/// What is known about a symbol; the meaning of the fields is that of `tenon.symbol`.
struct SymbolInfo {
  std::string name;
  int64_t min = 1;
  std::optional<int64_t> max;
  int64_t multipleOf = 1;
  llvm::SmallVector<int64_t> likely;
};

/// A canonical integer expression. A value type of one pointer; the SizeContext that made it must outlive it.
/// Equality is pointer equality and is sound (equal pointers, equal values); it is complete for polynomials.
class Size {
public:
  Size() = default;
  explicit Size(const detail::SizePoly *p) : poly(p) {}
  bool operator==(const Size &o) const { return poly == o.poly; }
  bool operator!=(const Size &o) const { return poly != o.poly; }
  explicit operator bool() const { return poly != nullptr; }

  /// The value when the expression is a constant.
  std::optional<int64_t> constant() const;
  bool isConstant(int64_t v) const { return constant() == v; }
  /// Whether the expression has no value: it divides by the constant 0, or a coefficient is beyond int64.
  /// Such an expression absorbs every operation and never evaluates.
  bool isUndefined() const;
  /// The name when the expression is exactly one symbol, else "".
  llvm::StringRef symbol() const;

  Size operator+(Size o) const;
  Size operator-(Size o) const;
  Size operator*(Size o) const;
  Size operator+(int64_t v) const;
  Size operator-(int64_t v) const;
  Size operator*(int64_t v) const;
  /// Division rounding towards minus infinity. The divisor is taken to be positive (sizes and strides are).
  Size floorDiv(Size o) const;
  Size floorDiv(int64_t v) const;
  Size ceilDiv(Size o) const;
  Size ceilDiv(int64_t v) const;
  Size mod(Size o) const;
  Size mod(int64_t v) const;
  Size min(Size o) const;
  Size max(Size o) const;
  /// The quotient when this expression is a polynomial multiple of `o`, else nothing.
  std::optional<Size> exactDiv(Size o) const;

  /// Bounds that follow from the bounds of the symbols (interval arithmetic; may be wider than the truth).
  SizeRange range() const;
  /// The largest integer known to divide the value whatever the symbols are (from coefficients and
  /// multiple_of); 0 for the constant 0, which everything divides.
  int64_t knownDivisor() const;

  /// The names of the symbols that occur, sorted, without repetition.
  llvm::SmallVector<llvm::StringRef> symbols() const;
  /// The value under an assignment; nothing when a symbol is missing, a divisor is zero, or int64 overflows.
  std::optional<int64_t> evaluate(const std::map<std::string, int64_t> &values) const;
  /// Text such as "4*batch*seq + 2", stable between runs: terms are ordered by name, never by address.
  std::string str() const;

  SizeContext *context() const;
  const detail::SizePoly *impl() const { return poly; }

private:
  const detail::SizePoly *poly = nullptr;
};

using Dims = llvm::SmallVector<Size, 4>;

/// Lowers an expression to code of some kind, bottom-up. A Handle is the visitor's own name for a value: an
/// SSA value's opaque pointer, a slot number cast to a pointer. Handles are never looked into.
class SizeVisitor {
public:
  using Handle = void *;
  virtual ~SizeVisitor() = default;
  virtual Handle constant(int64_t v) = 0;
  virtual Handle symbol(llvm::StringRef name) = 0;
  virtual Handle add(Handle a, Handle b) = 0;
  virtual Handle mul(Handle a, Handle b) = 0;
  virtual Handle floorDiv(Handle a, Handle b) = 0;
  virtual Handle mod(Handle a, Handle b) = 0;
  virtual Handle min(Handle a, Handle b) = 0;
  virtual Handle max(Handle a, Handle b) = 0;
};

/// Owns and uniques expressions and knows the symbols. Not thread-safe; one per analysis.
class SizeContext {
public:
  SizeContext();
  ~SizeContext();
  SizeContext(const SizeContext &) = delete;
  SizeContext &operator=(const SizeContext &) = delete;

  Size constant(int64_t v);
  /// The symbol of that name; declares it with the default range when it is new.
  Size symbol(llvm::StringRef name);
  /// Declares a symbol, or replaces what is known of it. Do so before using it in expressions.
  Size declare(const SymbolInfo &info);
  /// A symbol with a name of its own (`prefix`, or `prefix_1`, ...): a data-dependent extent.
  Size fresh(llvm::StringRef prefix, int64_t min, std::optional<int64_t> max);
  const SymbolInfo *info(llvm::StringRef name) const;

  struct Impl;
  Impl &impl() { return *state; }

private:
  std::unique_ptr<Impl> state;
};

/// The product of the dimensions; 1 for a scalar.
Size productOf(SizeContext &context, llvm::ArrayRef<Size> dims);

/// Lowers `e` bottom-up through `v`, in an order that depends on names only. Equal atoms are visited once per
/// call. An undefined expression lowers to the largest int64, which no allocation can satisfy.
SizeVisitor::Handle visitSize(Size e, SizeVisitor &v);

} // namespace tenon

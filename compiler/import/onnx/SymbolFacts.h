//===- SymbolFacts.h - what an import learns about the symbols of a model ---===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ONNX leaves sizes of inputs nameless that the graph then requires to be equal (the batch of two inputs), to
// be multiples (the height of an image that is halved five times and added to itself), or to be large enough
// for a window. An import notes such requirements; the next one starts with symbols that fulfil them, so that
// they are checked once, when inputs are bound. A model may also squeeze an axis if, and only if, its size is
// 1, and the rest of it then takes one rank only: the branch stays with which the rest can be imported.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/GraphBuilder.h"
#include "compiler/import/onnx/ImportOptions.h"

namespace tenon::importer {

/// Symbol -> a number that its value is a multiple of.
using Multiples = std::map<std::string, int64_t>;

/// Which branch of an If stays, of two whose results differ in rank.
struct BranchChoice {
  std::string node;
  bool keepThen;
  bool flipped = false; // the other one was tried before
};

struct SymbolFacts {
  /// Symbol -> what it is replaced by: a number or another symbol.
  std::map<std::string, DimSpec> replaced;
  Multiples multiples;
  /// Symbol -> the smallest value with which every window fits its image.
  std::map<std::string, int64_t> minima;
  /// In the order of their import.
  std::vector<BranchChoice> choices;
  /// Requirements that cannot be met by symbols exist: reads are clamped.
  bool mayClamp = false;

  /// The end of the chain of replacements.
  DimSpec resolve(llvm::StringRef symbol) const;
  /// Learns from unproven equalities; false when nothing new was learned. `inputs` are the symbols of the
  /// inputs, in order: of two equal ones the earlier stays.
  bool learn(llvm::ArrayRef<Equality> unproven, SizeContext &sizes, llvm::ArrayRef<std::string> inputs);
  /// Learns the smallest values of the symbols of inputs; false when nothing new was learned.
  bool learnMinima(llvm::ArrayRef<LowerBound> bounds, SizeContext &sizes, llvm::ArrayRef<std::string> inputs);
  /// Whether the then branch of a node stays; `preferred` when the node was not met before.
  bool keepThen(llvm::StringRef node, bool preferred);
  /// Turns the last choice, not before number `first`, that was not turned yet, and forgets those after it;
  /// false when there is none.
  bool flipChoice(size_t first);
};

/// The smallest value in the symbol's range with which `value`, an expression over that symbol alone that
/// grows with it, is at least `least`; nothing when no value in the range is large enough.
std::optional<int64_t> smallestFor(SizeContext &sizes, Size value, llvm::StringRef symbol, int64_t least);

/// True when the two expressions agree at many values of their symbols, each a multiple of what the symbol's
/// range and `multiples` ask for.
bool equalAtSamples(SizeContext &sizes, Size a, Size b, const Multiples &multiples);

} // namespace tenon::importer

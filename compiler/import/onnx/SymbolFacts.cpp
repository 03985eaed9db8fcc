//===- SymbolFacts.cpp - what an import learns about the symbols of a model -===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/SymbolFacts.h"

using namespace tenon;
using namespace tenon::importer;
using llvm::StringRef;

/// Largest multiple that is tried: images halved seven times.
static constexpr int64_t kMaxMultiple = 128;

bool tenon::importer::equalAtSamples(SizeContext &sizes, Size a, Size b, const Multiples &multiples) {
  llvm::SmallVector<StringRef> names = a.symbols();
  for (StringRef name : b.symbols())
    if (!llvm::is_contained(names, name))
      names.push_back(name);
  // Dense at the low end, where rounding differs, then mixed larger values.
  constexpr int64_t dense = 192, mixed = 64;
  for (int64_t sample = 0; sample < dense + mixed; ++sample) {
    std::map<std::string, int64_t> values;
    uint64_t seed = sample + 1;
    for (auto [i, name] : llvm::enumerate(names)) {
      const SymbolInfo *info = sizes.info(name);
      auto wanted = multiples.find(name.str());
      int64_t step = std::max(info ? info->multipleOf : 1, wanted == multiples.end() ? 1 : wanted->second);
      int64_t least = std::max<int64_t>(info ? info->min : 0, 1);
      int64_t first = least / step + (least % step != 0);
      int64_t last = info && info->max ? *info->max / step : first + 4096;
      seed = seed * 6364136223846793005ull + 1442695040888963407ull + i;
      int64_t span = std::max<int64_t>(last - first + 1, 1);
      int64_t pick = sample < dense ? sample * static_cast<int64_t>(i + 1) : static_cast<int64_t>(seed >> 33);
      int64_t value;
      if (llvm::MulOverflow(first + pick % span, step, value))
        return false;
      values[name.str()] = value;
    }
    auto x = a.evaluate(values), y = b.evaluate(values);
    if (!x || !y || *x != *y)
      return false;
  }
  return true;
}

/// Multiples of the symbols that make two expressions equal; empty when there are none. Symbols that need
/// none get 1.
static Multiples smallestMultiples(SizeContext &sizes, Size a, Size b, llvm::ArrayRef<StringRef> names) {
  for (int64_t multiple = 2; multiple <= kMaxMultiple; multiple *= 2) {
    Multiples multiples;
    for (StringRef name : names)
      multiples[name.str()] = multiple;
    if (!equalAtSamples(sizes, a, b, multiples))
      continue;
    for (auto &[name, own] : multiples) {
      own = 1;
      if (!equalAtSamples(sizes, a, b, multiples))
        own = multiple;
    }
    return multiples;
  }
  return {};
}

DimSpec SymbolFacts::resolve(StringRef symbol) const {
  DimSpec result;
  result.symbol = symbol.str();
  for (auto it = replaced.find(result.symbol); it != replaced.end(); it = replaced.find(result.symbol)) {
    result = it->second;
    if (result.value)
      break;
  }
  return result;
}

bool SymbolFacts::learn(llvm::ArrayRef<Equality> unproven, SizeContext &sizes,
                        llvm::ArrayRef<std::string> inputs) {
  auto position = [&](StringRef name) { return llvm::find(inputs, name) - inputs.begin(); };
  auto own = [&](StringRef name) { return llvm::is_contained(inputs, name); };
  bool learned = false;
  for (const Equality &e : unproven) {
    auto isOwn = [&](Size s) { return !s.symbol().empty() && own(s.symbol()); };
    Size a = e.a, b = e.b;
    if (!isOwn(a))
      std::swap(a, b);
    if (isOwn(a) && (isOwn(b) || b.constant())) {
      DimSpec from = resolve(a.symbol());
      DimSpec to;
      if (b.constant())
        to.value = b.constant();
      else
        to = resolve(b.symbol());
      if (from.value)
        std::swap(from, to);
      if (from.value || (from.symbol == to.symbol && !to.value))
        continue; // follows from what was learned already, or contradicts it: the next import tells
      if (!to.value && position(from.symbol) < position(to.symbol))
        std::swap(from, to);
      replaced[from.symbol] = to;
      learned = true;
      continue;
    }
    llvm::SmallVector<StringRef> names = a.symbols();
    llvm::append_range(names, b.symbols());
    if (names.empty() || !llvm::all_of(names, own))
      continue;
    Multiples found = smallestMultiples(sizes, a, b, names);
    for (auto &[name, multiple] : found) {
      int64_t &known = multiples[name];
      learned |= multiple > 1 && known < multiple;
      known = std::max(known, multiple);
    }
  }
  return learned;
}

std::optional<int64_t> tenon::importer::smallestFor(SizeContext &sizes, Size value, StringRef symbol,
                                                    int64_t least) {
  const SymbolInfo *info = sizes.info(symbol);
  int64_t step = info ? std::max<int64_t>(info->multipleOf, 1) : 1;
  int64_t first = llvm::divideCeil(info ? std::max<int64_t>(info->min, 0) : 1, step);
  // Beyond this no tensor could hold the size.
  constexpr int64_t beyond = int64_t(1) << 40;
  int64_t last = (info && info->max ? std::min(*info->max, beyond) : beyond) / step;
  auto fits = [&](int64_t multiple) {
    auto found = value.evaluate({{symbol.str(), multiple * step}});
    return found && *found >= least;
  };
  if (first > last || !fits(last))
    return std::nullopt;
  while (first < last) {
    int64_t middle = first + (last - first) / 2;
    if (fits(middle))
      last = middle;
    else
      first = middle + 1;
  }
  return last * step;
}

bool SymbolFacts::learnMinima(llvm::ArrayRef<LowerBound> bounds, SizeContext &sizes,
                              llvm::ArrayRef<std::string> inputs) {
  bool learned = false;
  for (const LowerBound &bound : bounds) {
    llvm::SmallVector<StringRef> names = bound.value.symbols();
    if (names.size() != 1 || !llvm::is_contained(inputs, names.front()))
      continue;
    auto found = smallestFor(sizes, bound.value, names.front(), bound.least);
    const SymbolInfo *info = sizes.info(names.front());
    if (!found || !info || *found <= info->min)
      continue;
    int64_t &known = minima[names.front().str()];
    learned |= known < *found;
    known = std::max(known, *found);
  }
  return learned;
}

bool SymbolFacts::keepThen(StringRef node, bool preferred) {
  auto known = llvm::find_if(choices, [&](const BranchChoice &c) { return c.node == node; });
  if (known != choices.end())
    return known->keepThen;
  choices.push_back({node.str(), preferred});
  return preferred;
}

bool SymbolFacts::flipChoice(size_t first) {
  while (choices.size() > first && choices.back().flipped)
    choices.pop_back();
  if (choices.size() <= first)
    return false;
  choices.back().keepThen = !choices.back().keepThen;
  choices.back().flipped = true;
  return true;
}

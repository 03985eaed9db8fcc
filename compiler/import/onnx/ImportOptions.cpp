//===- ImportOptions.cpp - parsing of the options of an import --------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/ImportOptions.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace tenon::importer;
using llvm::StringRef;

namespace {

bool fail(std::string &error, StringRef option, StringRef text, StringRef expected) {
  error = ("--" + option + ": expected " + expected + ", found '" + text + "'").str();
  return false;
}

bool parsePositive(StringRef text, int64_t &value) { return !text.getAsInteger(10, value) && value >= 0; }

/// Splits NAME=REST at the last '=' (names of models may hold '=', the rest of an option never does).
bool splitName(StringRef text, StringRef &name, StringRef &rest) {
  std::tie(name, rest) = text.rsplit('=');
  return text.contains('=') && !name.empty() && !rest.empty();
}

} // namespace

bool tenon::importer::parseShapeOption(StringRef text, ImportOptions &options, std::string &error) {
  StringRef name, rest;
  if (!splitName(text, name, rest))
    return fail(error, "shape", text, "NAME=1x3x?x?");
  std::vector<DimSpec> dims;
  while (true) {
    // Symbol names may hold an 'x': a name runs up to an 'x' that a number, '?' or the end follows.
    size_t end = rest.find('x');
    if (!rest.empty() && !llvm::isDigit(rest[0]) && rest[0] != '?')
      while (end != StringRef::npos && end + 1 < rest.size() && !llvm::isDigit(rest[end + 1]) &&
             rest[end + 1] != '?')
        end = rest.find('x', end + 1);
    StringRef part = rest.substr(0, end);
    DimSpec dim;
    int64_t value;
    if (parsePositive(part, value))
      dim.value = value;
    else if (part.empty() || (part != "?" && !llvm::isAlpha(part[0]) && part[0] != '_'))
      return fail(error, "shape", text, "NAME=1x3x?x?, each dimension a number, '?' or a name");
    else if (part != "?")
      dim.symbol = part.str();
    dims.push_back(dim);
    if (end == StringRef::npos)
      break;
    rest = rest.substr(end + 1);
  }
  options.shapes[name.str()] = std::move(dims);
  return true;
}

bool tenon::importer::parseSymbolOption(StringRef text, ImportOptions &options, std::string &error) {
  static constexpr StringRef expected =
      "NAME=MIN:MAX[:MULTIPLE[:LIKELY,..]] with 0 <= MIN <= MAX and MULTIPLE >= 1";
  StringRef name, rest;
  if (!splitName(text, name, rest))
    return fail(error, "symbol", text, expected);
  llvm::SmallVector<StringRef> parts;
  rest.split(parts, ':');
  SymbolRange range;
  if (parts.size() > 4 || !parsePositive(parts[0], range.min))
    return fail(error, "symbol", text, expected);
  int64_t value;
  if (parts.size() > 1 && !parts[1].empty()) {
    if (!parsePositive(parts[1], value) || value < range.min)
      return fail(error, "symbol", text, expected);
    range.max = value;
  }
  if (parts.size() > 2 && (!parsePositive(parts[2], range.multipleOf) || range.multipleOf < 1))
    return fail(error, "symbol", text, expected);
  if (parts.size() > 3) {
    llvm::SmallVector<StringRef> likely;
    parts[3].split(likely, ',');
    for (StringRef item : likely) {
      if (!parsePositive(item, value) || value < range.min || (range.max && value > *range.max))
        return fail(error, "symbol", text, "likely sizes inside the symbol's range");
      range.likely.push_back(value);
    }
  }
  options.symbols[name.str()] = std::move(range);
  return true;
}

bool tenon::importer::parseStateOption(StringRef text, ImportOptions &options, std::string &error) {
  llvm::SmallVector<StringRef> pairs;
  text.split(pairs, ',');
  for (StringRef pair : pairs) {
    StringRef input, output;
    if (!splitName(pair, input, output))
      return fail(error, "state", text, "INPUT=OUTPUT[,INPUT=OUTPUT..]");
    options.states[input.str()] = output.str();
  }
  return true;
}

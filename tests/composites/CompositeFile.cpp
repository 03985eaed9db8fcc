//===- CompositeFile.cpp - a composite and what to run it on
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tests/composites/CompositeFile.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tenon::test {
namespace {

/// "2x3, 3" -> {{2, 3}, {3}}
std::vector<std::vector<int64_t>> parseSizes(const std::string &text) {
  std::vector<std::vector<int64_t>> result;
  std::istringstream arguments(text);
  for (std::string argument; std::getline(arguments, argument, ',');) {
    std::vector<int64_t> &dims = result.emplace_back();
    std::istringstream sizes(argument);
    for (std::string size; std::getline(sizes, size, 'x');)
      dims.push_back(std::strtoll(size.c_str(), nullptr, 10));
  }
  return result;
}

void readLine(const std::string &line, CompositeFile &file) {
  auto after = [&](const char *key) {
    std::string start = std::string("// ") + key + ": ";
    return line.starts_with(start) ? line.substr(start.size()) : std::string();
  };
  if (std::string v = after("SIZES"); !v.empty())
    file.runs.push_back(parseSizes(v));
  if (std::string v = after("FLOATS"); !v.empty()) {
    std::istringstream(v) >> file.values.least >> file.values.most;
    file.values.deviation = (file.values.most - file.values.least) / 4;
  }
  if (std::string v = after("INTEGERS"); !v.empty())
    std::istringstream(v) >> file.values.leastInteger >> file.values.mostInteger;
  if (std::string v = after("TOLERANCE"); !v.empty())
    std::istringstream(v) >> file.tolerance;
}

} // namespace

std::vector<CompositeFile> readComposites(const std::string &folder, std::string &error) {
  std::vector<CompositeFile> files;
  for (const auto &entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".mlir")
      continue;
    CompositeFile file;
    file.composite = entry.path().stem().string();
    std::ifstream stream(entry.path());
    for (std::string line; std::getline(stream, line); file.text += line + "\n")
      readLine(line, file);
    if (file.runs.empty())
      error += "no SIZES in " + entry.path().string() + "\n";
    else
      files.push_back(std::move(file));
  }
  std::ranges::sort(files, {}, &CompositeFile::composite);
  return files;
}

} // namespace tenon::test

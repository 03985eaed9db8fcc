// PKG|MODEL of the command line: a package as it is, or a model compiled in memory.
#pragma once

#include "tools/tenon/CompileFlags.h"

#include "tenon/tenon.hpp"

#include <string>
#include <vector>

namespace tenon::command {

/// True if the file starts as a package does; TN0503 where it cannot be read.
bool isPackage(const std::string &path);

/// `FILE`, or `NAME=FILE` where no file has that whole name.
ModelArgument parseModel(const std::string &text);
/// The file's name without folders and extension.
std::string stem(const std::string &path);

/// Monotonic nanoseconds.
uint64_t now();

struct LoadedModel {
  CompilerResult compiled; // holds the bytes of a package in memory; outlives `package`
  Package package;
  std::string name;
  uint64_t compileNs = 0; // 0: it was a package
  uint64_t loadNs = 0;

  uint64_t bytes() const { return tenon_package_bytes(package.get()); }
  /// TN0509 where there is none; "" takes "main", or the only function.
  uint32_t function(const std::string &name) const;
  /// Names of the model's nodes behind an origin; none for TENON_NO_INDEX.
  std::vector<std::string> nodeNames(uint32_t origin) const;
  bool hasDevice(const std::string &device) const;
};

enum class LoadMode { Run, Inspect };

/// Loads, or compiles with `flags` and `shapes` and loads. For a package, compile flags are TN0002.
LoadedModel loadModel(const std::string &path, const CompileFlags &flags,
                      const std::vector<std::string> &shapes, LoadMode mode = LoadMode::Run);

/// A session; `loadNs` grows by the time that it takes.
Session openSession(LoadedModel &model, const tenon_session_options &options);

} // namespace tenon::command

// The flags that go to the compiler as they are: the compiler checks names and values.
#pragma once

#include "tools/tenon/CompilerLibrary.h"

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tenon::command {

class CompileFlags {
public:
  /// Flags of every command that takes a model. `--shape` belongs to InputFlags where there are inputs.
  void add(CLI::App &command);
  /// Flags of `compile` alone.
  void addOutputFlags(CLI::App &command);
  /// In the order of their names; `shapes` are added as --shape.
  std::vector<CompilerOption> options(const std::vector<std::string> &shapes) const;
  /// True if `--target` is exactly `reference`.
  bool isReference() const;
  /// True where a flag was given that a package, which is compiled already, cannot obey.
  bool any() const;

  std::string compileTo;

private:
  void addText(CLI::App &command, const char *name, const char *help, const char *type);
  void addSwitch(CLI::App &command, const char *name, const char *help);

  std::vector<std::pair<std::string, std::vector<std::string>>> values_;
};

} // namespace tenon::command

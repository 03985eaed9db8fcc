#include "tools/tenon/Failure.h"

#include <cstdio>

namespace tenon::command {

void failInput(const char *code, std::string message) {
  throw Failure(ExitStatus::BadInput, code, std::move(message));
}

void failUsage(const char *code, std::string message) {
  throw Failure(ExitStatus::BadUsage, code, std::move(message));
}

void failRuntime(const char *message) {
  std::string text = message;
  size_t colon = text.find(": ");
  if (text.rfind("TN", 0) == 0 && colon != std::string::npos)
    throw Failure(ExitStatus::BadInput, text.substr(0, colon), text.substr(colon + 2));
  throw Failure(ExitStatus::BadInput, "TN0599", text.empty() ? "the runtime failed without a message" : text);
}

void print(const char *severity, const Diagnostic &diagnostic) {
  bool named = diagnostic.node.empty() || diagnostic.message.find(diagnostic.node) != std::string::npos;
  std::string node = named ? "" : " (node '" + diagnostic.node + "')";
  std::fprintf(stderr, "%s: %s: %s%s\n", severity, diagnostic.code.c_str(), diagnostic.message.c_str(),
               node.c_str());
}

} // namespace tenon::command

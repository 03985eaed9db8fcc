// What the assembler, the loaders and the simulator throw. `code` is stable (docs/errors.md).
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace tenon::mortise {

class Error : public std::exception {
public:
  Error(std::string code, std::string message) : code_(std::move(code)), message_(std::move(message)) {}
  const std::string &code() const { return code_; }
  const std::string &message() const { return message_; }
  const char *what() const noexcept override { return message_.c_str(); }

private:
  std::string code_, message_;
};

} // namespace tenon::mortise

// How a command ends when it cannot do what was asked: diagnostics with stable codes, and an exit status.
//
// Codes of the command itself (the compiler and the runtime have their own):
//   TN0001 unknown flag or missing argument       TN0506 the .npy file is malformed
//   TN0002 malformed value of a flag              TN0507 the .npy file holds what cannot be read
//   TN0501 the compiler library is missing        TN0508 a size is not known: give --shape
//   TN0502 the compiler library does not fit      TN0509 a name is not in the package
//   TN0503 a file cannot be read                  TN0510 the benchmark's peers cannot be run
//   TN0504 a file cannot be written               TN0511 what was asked needs a model or a debug section
//   TN0505 a device that there is not             TN0512 nodes of the model cannot be compiled
//   TN1301 a list of buffers is malformed         TN1302 buffers do not fit the capacity
//                                                 TN0599 a defect of the command
#pragma once

#include "tenon/tenon.h"

#include <exception>
#include <string>
#include <vector>

namespace tenon::command {

enum class ExitStatus { Success = 0, BadInput = 1, BadUsage = 2, Defect = 3, Hazard = 4 };

/// One message for the user. `node` names a node of the model, or is empty.
struct Diagnostic {
  std::string code;
  std::string message;
  std::string node;
};

/// Thrown by a subcommand, caught by main, which prints the diagnostics and returns the status.
class Failure : public std::exception {
public:
  Failure(ExitStatus status, std::vector<Diagnostic> diagnostics)
      : status_(status), diagnostics_(std::move(diagnostics)) {}
  Failure(ExitStatus status, std::string code, std::string message)
      : Failure(status, {Diagnostic{std::move(code), std::move(message), ""}}) {}

  ExitStatus status() const { return status_; }
  const std::vector<Diagnostic> &diagnostics() const { return diagnostics_; }
  const char *what() const noexcept override {
    return diagnostics_.empty() ? "failure" : diagnostics_.front().message.c_str();
  }

private:
  ExitStatus status_;
  std::vector<Diagnostic> diagnostics_;
};

/// Ends the command with status 1.
[[noreturn]] void failInput(const char *code, std::string message);
/// Ends the command with status 2.
[[noreturn]] void failUsage(const char *code, std::string message);

/// Throws the runtime's error, whose text starts with its code ("TN0803: ...").
[[noreturn]] void failRuntime(const char *message);
inline void require(tenon_status status, const tenon_error &error) {
  if (status != TENON_OK)
    failRuntime(error.message);
}

/// Prints `severity: code: message` to standard error; the node is appended unless the message names it.
void print(const char *severity, const Diagnostic &diagnostic);

} // namespace tenon::command

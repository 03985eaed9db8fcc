// tenon: compiles, runs, measures and explains models.

#include "tools/tenon/Commands.h"
#include "tools/tenon/Failure.h"

#include <CLI/CLI.hpp>
#include <cctype>
#include <csignal>
#include <cstdio>
#include <new>

using namespace tenon::command;

namespace {

/// The words of the command-line parser, in the form of our diagnostics.
int reportUsage(const CLI::App &app, const CLI::ParseError &error) {
  std::string message = error.what();
  while (!message.empty() &&
         (message.back() == '.' || std::isspace(static_cast<unsigned char>(message.back()))))
    message.pop_back();
  if (message.size() > 1 && std::islower(static_cast<unsigned char>(message[1])))
    message[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(message[0])));
  std::string command = app.get_subcommands().empty() ? "" : " " + app.get_subcommands().front()->get_name();
  bool malformed = dynamic_cast<const CLI::ConversionError *>(&error) ||
                   dynamic_cast<const CLI::ValidationError *>(&error);
  print("error", {malformed ? "TN0002" : "TN0001", message + "; see tenon" + command + " --help", ""});
  return static_cast<int>(ExitStatus::BadUsage);
}

int report(const Failure &failure) {
  for (const Diagnostic &diagnostic : failure.diagnostics())
    print("error", diagnostic);
  if (failure.status() == ExitStatus::Defect)
    std::fputs("this is a defect of Tenon; please report it with the command line, the model and `tenon "
               "--version`\n",
               stderr);
  return static_cast<int>(failure.status());
}

int run(int argc, char **argv) {
  CLI::App app("Compiles, runs, measures and explains machine-learning models.", "tenon");
  app.set_version_flag("--version", std::string("tenon ") + tenon_version());
  app.require_subcommand(1);
  app.footer(
      "Exit status: 0 success; 1 the input is bad or unsupported; 2 wrong usage; 3 a defect of Tenon;\n"
      "4 a simulated program has a hazard or deadlock.\n"
      "`tenon COMMAND --help` has examples.");
  addCompile(app);
  addRun(app);
  addBench(app);
  addProfile(app);
  addInspect(app);
  addCheck(app);
  addAssembler(app);
  addDisassembler(app);
  addSim(app);
  addEstimate(app);
  addPlan(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) {
    return app.exit(success); // --help, --version
  } catch (const CLI::ParseError &error) {
    return reportUsage(app, error);
  }
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  // A file that grows beyond the limit of the process is then an error like a full disk: nothing half-written
  // stays.
  (void)std::signal(SIGXFSZ, SIG_IGN);
  try {
    int status = run(argc, argv);
    if (std::fflush(stdout) != 0)
      failInput("TN0504", "cannot write to standard output");
    return status;
  } catch (const Failure &failure) {
    return report(failure);
  } catch (const std::bad_alloc &) {
    return report(Failure(ExitStatus::BadInput, "TN0901", "not enough memory"));
  } catch (const std::exception &error) {
    return report(Failure(ExitStatus::Defect, "TN0599", error.what()));
  }
}

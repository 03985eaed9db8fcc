// The subcommands: each adds itself to the application, with the work as its callback.
#pragma once

namespace CLI {
class App;
}

namespace tenon::command {

void addCompile(CLI::App &app);
void addRun(CLI::App &app);
void addBench(CLI::App &app);
void addProfile(CLI::App &app);
void addInspect(CLI::App &app);
void addCheck(CLI::App &app);
void addAssembler(CLI::App &app);
void addDisassembler(CLI::App &app);
void addSim(CLI::App &app);
void addEstimate(CLI::App &app);
void addPlan(CLI::App &app);

} // namespace tenon::command

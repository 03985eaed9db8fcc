#include "tools/tenon/Peers.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"
#include "tools/tenon/LoadedModel.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

namespace tenon::command {

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

/// Installed as share/tenon/bench, or in the source tree around the build folder.
fs::path findScript() {
  std::error_code error;
  for (fs::path folder = executableFolder(); folder.has_relative_path(); folder = folder.parent_path())
    for (const char *relative : {"share/tenon/bench/peers.py", "bench/peers.py"})
      if (fs::exists(folder / relative, error))
        return folder / relative;
  failInput("TN0510",
            "--vs needs bench/peers.py, which is neither installed beside this command nor in a source tree "
            "above it");
}

const char *numpyName(tenon_dtype dtype) {
  switch (dtype) {
  case TENON_F32:
    return "float32";
  case TENON_F64:
    return "float64";
  case TENON_F16:
    return "float16";
  case TENON_I8:
    return "int8";
  case TENON_I16:
    return "int16";
  case TENON_I32:
    return "int32";
  case TENON_I64:
    return "int64";
  case TENON_U8:
    return "uint8";
  case TENON_U16:
    return "uint16";
  case TENON_U32:
    return "uint32";
  case TENON_U64:
    return "uint64";
  case TENON_BOOL:
    return "bool";
  default:
    failInput("TN0510", std::string("--vs cannot make inputs of type ") + tenon_dtype_name(dtype));
  }
}

/// The model's entry as the collector of the test models writes it.
Json manifestOf(const std::string &model, const std::vector<Signature> &signatures, const InputFlags &flags) {
  if (!flags.inputs.empty())
    failUsage("TN0002", "--vs makes its own inputs; give --shape instead of --input");
  std::vector<HostTensor> tensors = makeInputs(signatures, flags);
  Json inputs = Json::array();
  for (size_t i = 0; i < signatures.size(); ++i)
    inputs.push_back({{"name", signatures[i].name},
                      {"shape", tensors[i].shape},
                      {"dims", tensors[i].shape},
                      {"dtype", numpyName(tensors[i].dtype)},
                      {"fill", isFloat(tensors[i].dtype) ? "randn" : "randint"},
                      {"high", tensors[i].dtype == TENON_BOOL ? 2 : 10},
                      {"value", 0}});
  Json entry = {{"file", fs::absolute(model).string()},
                {"origin", "user"},
                {"inputs", inputs},
                {"symbols", Json::object()},
                {"states", Json::object()}};
  return {{"models", {{stem(model), entry}}}};
}

/// The engines of bench/engines.py.
constexpr const char *kEngines[] = {"onnxruntime", "openvino", "openvino_dynamic", "litert", "mnn"};

/// $PYTHON, or the interpreter that the source tree was set up with for this, or the one on PATH.
std::string python(const fs::path &script) {
  if (const char *chosen = std::getenv("PYTHON"); chosen && *chosen)
    return chosen;
  std::error_code error;
  for (const char *environment : {".venv-bench", ".venv"})
    if (fs::path own = script.parent_path().parent_path() / environment / "bin/python";
        fs::exists(own, error))
      return own.string();
  return "python3";
}

int spawn(std::vector<std::string> words) {
  std::vector<char *> arguments;
  for (std::string &word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (int error = ::posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ))
    failInput("TN0510", "--vs needs Python: '" + words[0] + "': " + std::strerror(error) +
                            "; install it or set PYTHON to one that has the engines");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

void checkEngines(const std::vector<std::string> &peers) {
  for (const std::string &peer : peers) {
    bool known = false;
    std::string names;
    for (const char *engine : kEngines) {
      known |= peer == engine;
      names += names.empty() ? "" : ", ";
      names += engine;
    }
    std::string message = "--vs: this version cannot run '";
    message.append(peer).append("' beside Tenon; expected one of ").append(names);
    if (!known)
      failUsage("TN0002", message);
  }
}

void runPeers(const std::string &model, const std::vector<Signature> &signatures, const InputFlags &flags,
              const std::vector<uint32_t> &threads, const std::vector<std::string> &peers,
              const std::string &json, const std::string &html) {
  fs::path script = findScript();
  TemporaryFolder folder;
  writeFile(folder.path() + "/manifest.json", {manifestOf(model, signatures, flags).dump(1)});
  std::string threadList, peerList = "tenon";
  for (uint32_t count : threads)
    threadList += (threadList.empty() ? "" : ",") + std::to_string(count);
  for (const std::string &peer : peers)
    peerList += "," + peer;
  std::vector<std::string> words = {python(script), script.string(), stem(model), "--models", folder.path(),
                                    "--threads",    threadList,      "--peers",   peerList};
  for (const auto &[flag, file] : {std::pair{"--json", json}, std::pair{"--html", html}})
    if (!file.empty())
      words.insert(words.end(), {flag, file});
  if (int status = spawn(words))
    failInput("TN0510",
              "'" + script.string() + "' ended with status " + std::to_string(status) +
                  "; its output says why (PYTHON chooses the interpreter; it needs numpy, tenon and the "
                  "engines)");
}

} // namespace tenon::command

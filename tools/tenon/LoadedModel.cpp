#include "tools/tenon/LoadedModel.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"

#include "package/header.h"
#include "runtime/devices/library/DeviceLibrary.h"

#include <chrono>
#include <filesystem>

namespace tenon::command {

bool isPackage(const std::string &path) {
  return readStart(path, sizeof(package::kMagic)) == std::string(package::kMagic, sizeof(package::kMagic));
}

ModelArgument parseModel(const std::string &text) {
  size_t equals = text.find('=');
  std::error_code error;
  if (equals == std::string::npos || equals == 0 || std::filesystem::exists(text, error))
    return {"main", text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::string stem(const std::string &path) { return std::filesystem::path(path).stem().string(); }

uint64_t now() {
  auto time = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
}

uint32_t LoadedModel::function(const std::string &wanted) const {
  if (wanted.empty() && package.functionCount() == 1)
    return 0;
  uint32_t found = package.findFunction(wanted.empty() ? "main" : wanted.c_str());
  if (found != TENON_NO_INDEX)
    return found;
  std::string known;
  for (uint32_t i = 0; i < package.functionCount(); ++i)
    known += (i ? ", '" : "'") + std::string(package.functionName(i)) + "'";
  failInput("TN0509", "there is no function '" + (wanted.empty() ? "main" : wanted) + "' in '" + name +
                          "'; give --function one of " + known);
}

std::vector<std::string> LoadedModel::nodeNames(uint32_t origin) const {
  std::vector<std::string> names;
  uint32_t count = origin == TENON_NO_INDEX ? 0 : tenon_package_origin_node_count(package.get(), origin);
  for (uint32_t i = 0; i < count; ++i) {
    const char *node = nullptr, *op = nullptr;
    if (tenon_package_origin_node(package.get(), origin, i, &node, &op) == TENON_OK)
      names.emplace_back(node);
  }
  return names;
}

bool LoadedModel::hasDevice(const std::string &device) const {
  for (uint32_t i = 0; i < tenon_package_device_count(package.get()); ++i)
    if (device == tenon_package_device_name(package.get(), i))
      return true;
  return false;
}

LoadedModel loadModel(const std::string &path, const CompileFlags &flags,
                      const std::vector<std::string> &shapes, LoadMode mode) {
  LoadedModel model;
  tenon_error error = {};
  tenon_load_options options = {};
  options.inspect_only = mode == LoadMode::Inspect;
  options.find_device = [](void *, const char *name) { return runtime::loadDevice(name, libraryFolders()); };
  if (isPackage(path)) {
    if (flags.any())
      failUsage("TN0002", "'" + path + "' is a package, which is compiled already; leave out --" +
                              flags.options({}).front().first + " or give the model");
    model.name = stem(path);
    uint64_t start = now();
    model.package = Package::loadFile(path.c_str(), error, options);
    model.loadNs = now() - start;
    require(error.code, error);
    return model;
  }
  ModelArgument argument = parseModel(path);
  model.name = stem(argument.path);
  uint64_t start = now();
  model.compiled = CompilerLibrary::get().compile({argument}, flags.options(shapes), "");
  model.compileNs = now() - start;
  auto [bytes, size] = model.compiled.package();
  // The writer lays weights out for a page boundary; elsewhere the runtime takes an aligned copy.
  options.copy = reinterpret_cast<uintptr_t>(bytes) % package::kPageSize != 0;
  start = now();
  model.package = Package::loadMemory(bytes, size, error, options);
  model.loadNs = now() - start;
  require(error.code, error);
  if (options.copy)
    model.compiled = {};
  return model;
}

Session openSession(LoadedModel &model, const tenon_session_options &options) {
  tenon_error error = {};
  uint64_t start = now();
  Session session = Session::create(model.package, error, options);
  model.loadNs += now() - start;
  require(error.code, error);
  return session;
}

} // namespace tenon::command

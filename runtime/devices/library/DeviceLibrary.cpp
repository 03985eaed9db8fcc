#include "runtime/devices/library/DeviceLibrary.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

namespace tenon::runtime {

namespace {

bool isName(const std::string &name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::islower(c) || std::isdigit(c);
  });
}

std::string fileOf(const std::string &name, const std::vector<std::string> &folders) {
  std::string variable = "TENON_";
  for (unsigned char c : name)
    variable += static_cast<char>(std::toupper(c));
  if (const char *chosen = std::getenv((variable + "_LIBRARY").c_str()); chosen && *chosen)
    return chosen;
  for (std::string file : folders) {
    file.append("/libtenon-").append(name).append(".so");
    if (access(file.c_str(), R_OK) == 0)
      return file;
  }
  return {};
}

} // namespace

const tenon_device *loadDevice(const std::string &name, const std::vector<std::string> &folders) {
  // The name comes from a package: it must not lead out of the folders.
  std::string file = isName(name) ? fileOf(name, folders) : std::string();
  void *library = file.empty() ? nullptr : dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return nullptr;
  void *entry = dlsym(library, ("tenon_" + name + "_device").c_str());
  return entry ? reinterpret_cast<const tenon_device *(*)()>(entry)() : nullptr;
}

} // namespace tenon::runtime

// write_seeds DIR: makes the checked-in seeds of the fuzz targets anew, DIR/tenon_package_fuzz/* and
// DIR/tenon_elf_fuzz/*.

#include "package/testing/sample_package.h"
#include "package/writer.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

using namespace tenon::package;
using namespace tenon::package::testing;

/// Keeps one image and few weights, so that mutations hit the manifest more often.
static Package small(Package package) {
  package.images.erase(package.images.begin() + 1, package.images.end());
  for (Kernel &kernel : package.kernels)
    kernel.entrySymbols.resize(kernel.program == kNone ? 1 : 0);
  for (Weight &weight : package.weights)
    weight = floatWeight(weight.name, 16);
  return package;
}

static bool save(const Package &package, const std::string &path, bool debug) {
  WriteOptions options;
  options.debugSection = debug;
  Status status = writeFile(package, path, options);
  if (!status.ok())
    std::fprintf(stderr, "%s\n", status.message());
  return status.ok();
}

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_seeds DIR\n");
    return 2;
  }
  std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder / "tenon_package_fuzz");
  std::filesystem::create_directories(folder / "tenon_elf_fuzz");
  for (const char *name : {"base", "v3", "mutable", "undefined", "tls", "initializer", "aarch64"}) {
    std::vector<uint8_t> image = imageFile(name);
    std::ofstream(folder / "tenon_elf_fuzz" / name, std::ios::binary)
        .write(reinterpret_cast<const char *>(image.data()), static_cast<std::streamsize>(image.size()));
  }
  bool ok = save(small(addPackage()), folder / "tenon_package_fuzz" / "add", true);
  ok &= save(small(richPackage()), folder / "tenon_package_fuzz" / "rich", true);
  ok &= save(small(richPackage()), folder / "tenon_package_fuzz" / "stripped", false);
  ok &= save(small(devicePackage()), folder / "tenon_package_fuzz" / "device", true);
  ok &= save(small(kernelsOnly()), folder / "tenon_package_fuzz" / "kernels", false);
  return ok ? 0 : 1;
}

// Writes the sample packages of package/testing and one for Mortise for the tests of the command and of the
// Python package.

#include "package/testing/sample_package.h"
#include "package/writer.h"
#include "runtime/devices/mortise/testing/example_packages.h"

#include <cstdio>
#include <string>

using namespace tenon::package;

static bool write(const Package &package, const std::string &path) {
  Status status = writeFile(package, path);
  if (!status.ok())
    std::fprintf(stderr, "%s: %s\n", path.c_str(), status.message());
  return status.ok();
}

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fputs("usage: tenon_write_samples FOLDER\n", stderr);
    return 2;
  }
  std::string folder = argv[1];
  Package states = testing::richPackage();
  states.functions.resize(1); // the other one needs a host function
  bool written = write(testing::addPackage(), folder + "/add.tenon") &&
                 write(testing::richPackage(), folder + "/rich.tenon") &&
                 write(states, folder + "/states.tenon") &&
                 write(tenon::runtime::testing::Gemm().package, folder + "/mortise.tenon");
  return written ? 0 : 1;
}

// A loaded package: the file's bytes, the checked manifest and the mapped code.
#pragma once

#include "package/model.h"
#include "package/reader.h"
#include "runtime/base/memory.h"
#include "runtime/devices/cpu/code_mapper.h"
#include "tenon/kernel_abi.h"
#include "tenon/tenon.h"

namespace tenon::runtime {

/// A device as a package uses it. `device` is the application's.
struct DeviceInstance {
  DeviceInstance() = default;
  ~DeviceInstance();
  DeviceInstance(const DeviceInstance &) = delete;
  DeviceInstance &operator=(const DeviceInstance &) = delete;
  package::Status open(const package::fb::Device &record, const tenon_load_options &options);

  const tenon_device *device = nullptr;
  void *instance = nullptr;
  bool opened = false;
};

/// A failure that a device reports, with its own code. `where` begins the text.
package::Status deviceError(tenon_status code, const tenon_error &error, const char *where);

} // namespace tenon::runtime

struct tenon_package {
  ~tenon_package();

  /// Takes the bytes (which `release` frees when the package goes; nullptr: they are the caller's), verifies
  /// them and maps the code.
  tenon::package::Status open(tenon::package::Bytes bytes, void (*release)(tenon_package &),
                              const tenon_load_options &options);

  const tenon::package::fb::Manifest &manifest() const { return reader.manifest(); }
  const tenon::package::fb::Function *function(uint32_t index) const;

  std::atomic<uint32_t> references = 1;
  tenon::package::Allocator allocator;
  tenon::package::Bytes bytes;
  void (*releaseBytes)(tenon_package &) = nullptr;
  tenon::package::Reader reader;
  const tenon::package::fb::Debug *debug = nullptr;
  tenon::runtime::Objects<tenon::runtime::CodeMapping> images;
  tenon::package::Array<tenon_kernel_fn>
      kernels; // empty when loaded for inspection only; null for devices' ones
  tenon::runtime::Objects<tenon::runtime::DeviceInstance> devices; // of the manifest; opened where used
  tenon::package::Array<void *> programs;                          // prepared ones, of the manifest
  const char *isa = "";

private:
  tenon::package::Status prepareDevices(const tenon_load_options &options);
  tenon::package::Status prepareProgram(const tenon::package::fb::Kernel &kernel,
                                        const tenon_load_options &options);
  void releasePrograms();
  tenon::package::Status mapCode(const char *isa);
  tenon::package::Status chooseImages(const char *isa, tenon::package::Array<uint8_t> &usable) const;
  tenon::package::Status mapImage(uint32_t index);
};

namespace tenon::runtime {

/// The C structure as the allocator of the C++ code; the system's for nullptr.
Allocator toAllocator(const tenon_allocator *allocator);

/// Fills the caller's error, which may be nullptr, and returns the code.
tenon_status report(const package::Status &status, tenon_error *error);

} // namespace tenon::runtime

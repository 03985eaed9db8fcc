// A loaded package: the file's bytes, the checked manifest and the mapped code.
#pragma once

#include "package/model.h"
#include "package/reader.h"
#include "runtime/base/memory.h"
#include "runtime/devices/cpu/code_mapper.h"
#include "tenon/kernel_abi.h"
#include "tenon/tenon.h"

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
  tenon::package::Array<tenon_kernel_fn> kernels; // empty when loaded for inspection only
  const char *isa = "";

private:
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

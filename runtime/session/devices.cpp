// The devices of a package: found, opened, and given their programs while it is loaded.

#include "runtime/session/package.h"
#include "tenon/device.h"

using tenon::package::Bytes;
using tenon::package::Code;
using tenon::package::kNone;
using tenon::package::Status;
using tenon::runtime::DeviceInstance;
namespace fb = tenon::package::fb;

namespace tenon::runtime {

static_assert(static_cast<int>(package::Access::Read) == TENON_ACCESS_READ &&
              static_cast<int>(package::Access::Write) == TENON_ACCESS_WRITE &&
              static_cast<int>(package::Access::ReadWrite) == TENON_ACCESS_READ_WRITE);

Status deviceError(tenon_status code, const tenon_error &error, const char *where) {
  constexpr tenon_status last = 9999;
  bool own = code > 0 && code <= last;
  return Status::error(own ? static_cast<Code>(code) : Code::DeviceRefused, "%s: %.200s", where,
                       error.message[0] ? error.message : "it does not say why");
}

} // namespace tenon::runtime

DeviceInstance::~DeviceInstance() {
  if (opened)
    device->close(instance);
}

static const tenon_device *findDevice(const char *name, const tenon_load_options &options) {
  for (uint32_t i = 0; options.devices && i < options.device_count; ++i)
    if (options.devices[i] && options.devices[i]->name && std::strcmp(options.devices[i]->name, name) == 0)
      return options.devices[i];
  return options.find_device ? options.find_device(options.device_context, name) : nullptr;
}

Status DeviceInstance::open(const fb::Device &record, const tenon_load_options &options) {
  const char *name = record.name()->c_str();
  const tenon_device *found = findDevice(name, options);
  if (!found)
    return Status::error(
        Code::DeviceMissing,
        "the package has kernels for the device %.64s, which is not there; supply it in tenon_load_options",
        name);
  if (found->abi_version != TENON_DEVICE_ABI_VERSION)
    return Status::error(Code::DeviceRefused, "device %.64s has interface version %u, expected %d", name,
                         found->abi_version, TENON_DEVICE_ABI_VERSION);
  tenon_error error = {};
  if (tenon_status code = found->open(found->context, record.description()->c_str(), &instance, &error);
      code != TENON_OK)
    return tenon::runtime::deviceError(code, error, name);
  device = found;
  opened = true;
  return {};
}

Status tenon_package::prepareProgram(const fb::Kernel &kernel, const tenon_load_options &options) {
  uint32_t index = kernel.program();
  DeviceInstance &device = devices[manifest().programs()->Get(index)->device()];
  if (!device.opened)
    TENON_TRY(device.open(*manifest().devices()->Get(manifest().programs()->Get(index)->device()), options));
  if (programs[index])
    return Status::error(Code::BadKernel, "kernel %.100s shares its program with another one",
                         kernel.name()->c_str());
  Bytes bytes = reader.program(index);
  tenon_device_signature signature = {kernel.name()->c_str(), kernel.access()->data(),
                                      kernel.access()->size(), kernel.symbol_count()};
  tenon_error error = {};
  tenon_status code =
      device.device->prepare(device.instance, bytes.data, bytes.size, &signature, &programs[index], &error);
  if (code == TENON_OK)
    return {};
  programs[index] = nullptr;
  return tenon::runtime::deviceError(code, error, kernel.name()->c_str());
}

Status tenon_package::prepareDevices(const tenon_load_options &options) {
  const auto *records = manifest().programs();
  if (!records || records->size() == 0)
    return {};
  if (!devices.create(allocator, manifest().devices()->size()) ||
      !programs.allocate(allocator, records->size()))
    return Status::error(Code::OutOfMemory, "no memory for %u programs", records->size());
  for (const fb::Kernel *kernel : *manifest().kernels())
    if (kernel->program() != kNone)
      TENON_TRY(prepareProgram(*kernel, options));
  return {};
}

void tenon_package::releasePrograms() {
  for (uint32_t i = 0; i < programs.size(); ++i)
    if (programs[i]) {
      DeviceInstance &device = devices[manifest().programs()->Get(i)->device()];
      device.device->release(device.instance, programs[i]);
    }
}

uint32_t tenon_package_device_count(const tenon_package *package) {
  const auto *devices = package->manifest().devices();
  return devices ? devices->size() : 0;
}

const char *tenon_package_device_name(const tenon_package *package, uint32_t device) {
  return device < tenon_package_device_count(package)
             ? package->manifest().devices()->Get(device)->name()->c_str()
             : "";
}

const char *tenon_package_device_description(const tenon_package *package, uint32_t device) {
  return device < tenon_package_device_count(package)
             ? package->manifest().devices()->Get(device)->description()->c_str()
             : "";
}

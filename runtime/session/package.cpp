#include "runtime/session/package.h"

#include "package/header.h"
#include "runtime/devices/cpu/features.h"

using tenon::package::Array;
using tenon::package::Bytes;
using tenon::package::Code;
using tenon::package::Status;
namespace fb = tenon::package::fb;

static_assert(tenon::package::kKernelAbiVersion == TENON_KERNEL_ABI_VERSION);
static_assert(tenon::package::kNone == TENON_NO_INDEX);
static_assert(static_cast<int>(tenon::package::DType::U4) == TENON_U4 &&
              static_cast<int>(tenon::package::DType::Bool) == TENON_BOOL &&
              static_cast<int>(tenon::package::DType::F8E5M2FNUZ) == TENON_F8E5M2FNUZ);

tenon_package::~tenon_package() {
  releasePrograms();
  if (releaseBytes)
    releaseBytes(*this);
}

const fb::Function *tenon_package::function(uint32_t index) const {
  return index < manifest().functions()->size() ? manifest().functions()->Get(index) : nullptr;
}

Status tenon_package::open(Bytes file, void (*release)(tenon_package &), const tenon_load_options &options) {
  bytes = file;
  releaseBytes = release;
  TENON_TRY(tenon::package::Reader::open(file, allocator, reader));
  TENON_TRY(reader.debug(debug));
  if (options.inspect_only)
    return {};
  TENON_TRY(mapCode(options.isa));
  return prepareDevices(options);
}

/// Marks the images that this CPU runs, up to the forced level.
Status tenon_package::chooseImages(const char *isa, Array<uint8_t> &usable) const {
  uint64_t features = tenon::runtime::cpuFeatures();
  uint32_t limit = manifest().images()->size();
  for (uint32_t i = 0; isa && i < manifest().images()->size(); ++i)
    if (std::strcmp(manifest().images()->Get(i)->isa()->c_str(), isa) == 0) {
      limit = i + 1;
      isa = nullptr;
    }
  if (isa)
    return Status::error(Code::UnknownName, "the package has no code image %.64s", isa);
  for (uint32_t i = 0; i < limit; ++i) {
    const fb::CodeImage *image = manifest().images()->Get(i);
    usable[i] = image->machine() == static_cast<uint8_t>(tenon::runtime::kMachine) &&
                !(image->features() & ~features);
  }
  return {};
}

Status tenon_package::mapImage(uint32_t index) {
  if (images[index].mapped())
    return {};
  tenon::package::ElfImage elf;
  TENON_TRY(tenon::package::ElfImage::parse(reader.image(index), tenon::runtime::kMachine, elf));
  return images[index].map(elf);
}

static Status noImage(const fb::Manifest &manifest, const char *kernel) {
  uint64_t features = tenon::runtime::cpuFeatures(), fewest = ~uint64_t{0};
  for (const fb::CodeImage *image : *manifest.images())
    if (image->machine() == static_cast<uint8_t>(tenon::runtime::kMachine) &&
        __builtin_popcountll(image->features() & ~features) < __builtin_popcountll(fewest))
      fewest = image->features() & ~features;
  const char *missing = nullptr;
  for (uint8_t i = 0; i < 64 && fewest != ~uint64_t{0} && !missing; ++i)
    missing = fewest >> i & 1 ? tenon::package::featureName(i) : nullptr;
  return Status::error(Code::NoImage,
                       "no code image with kernel %.100s runs on this CPU (%s%s); compile the model with "
                       "--target native or a lower level",
                       kernel, missing ? "the closest needs " : "none is for this machine",
                       missing ? missing : "");
}

Status tenon_package::mapCode(const char *isa) {
  uint32_t imageCount = manifest().images()->size(), kernelCount = manifest().kernels()->size();
  Array<uint8_t> usable;
  if (!usable.allocate(allocator, imageCount) || !images.create(allocator, imageCount) ||
      !kernels.allocate(allocator, kernelCount))
    return Status::error(Code::OutOfMemory, "no memory for %u kernels", kernelCount);
  TENON_TRY(chooseImages(isa, usable));
  uint32_t best = 0;
  for (uint32_t k = 0; k < kernelCount; ++k) {
    const fb::Kernel *kernel = manifest().kernels()->Get(k);
    if (kernel->program() != tenon::package::kNone)
      continue;
    uint32_t image = imageCount;
    while (image > 0 && !(usable[image - 1] && kernel->entries()->Get(image - 1) != UINT64_MAX))
      --image;
    if (image == 0)
      return noImage(manifest(), kernel->name()->c_str());
    TENON_TRY(mapImage(image - 1));
    kernels[k] = reinterpret_cast<tenon_kernel_fn>(
        const_cast<void *>(images[image - 1].at(kernel->entries()->Get(image - 1))));
    if (image > best) {
      best = image;
      this->isa = manifest().images()->Get(image - 1)->isa()->c_str();
    }
  }
  return {};
}

// Images, kernels, weights, states and the debug section.

#include "package/verify.h"

#include "package/elf_image.h"
#include "package/expr.h"
#include "package/header.h"

#include <algorithm>
#include <string_view>

namespace tenon::package {

using Number = unsigned long long;

static std::string_view view(const flatbuffers::String *string) { return {string->c_str(), string->size()}; }

Status verifyDistinct(Array<const flatbuffers::String *> &names, const char *what) {
  for (const flatbuffers::String *name : names)
    if (name->size() == 0 || std::strlen(name->c_str()) != name->size())
      return Status::error(Code::BadName, "a %s has an empty name or one with a zero byte", what);
  std::sort(names.begin(), names.end(), [](const auto *a, const auto *b) { return view(a) < view(b); });
  for (size_t i = 1; i < names.size(); ++i)
    if (view(names[i - 1]) == view(names[i]))
      return Status::error(Code::BadName, "two %ss are named %s", what, names[i]->c_str());
  return {};
}

/// Bytes that `dims` need; a dimension of -1 counts as 1 and sets `dynamic`.
static Status dimsBytes(const flatbuffers::Vector<int64_t> &dims, uint8_t dtype, const char *what,
                        const char *name, bool &dynamic, uint64_t &bytes) {
  if (!isDType(dtype))
    return Status::error(Code::BadEnum, "%s %s has the unknown element type %u", what, name, (unsigned)dtype);
  int64_t elements = 1, size = 0;
  dynamic = false;
  for (int64_t dim : dims) {
    dynamic |= dim == -1;
    if (dim < -1 || __builtin_mul_overflow(elements, dim == -1 ? 1 : dim, &elements))
      return Status::error(Code::BadRange, "%s %s has an impossible shape", what, name);
  }
  if (!tensorBytes(static_cast<DType>(dtype), elements, size))
    return Status::error(Code::BadRange, "%s %s has an impossible shape", what, name);
  bytes = static_cast<uint64_t>(size);
  return {};
}

static Status verifyImages(const fb::Manifest &manifest, Bytes section) {
  for (const fb::CodeImage *image : *manifest.images()) {
    const char *name = image->isa()->c_str();
    if (image->machine() != static_cast<uint8_t>(Machine::X86_64) &&
        image->machine() != static_cast<uint8_t>(Machine::AArch64))
      return Status::error(Code::BadEnum, "code image %s is for the unknown machine %u", name,
                           image->machine());
    Machine machine = static_cast<Machine>(image->machine());
    uint64_t known = machine == Machine::X86_64 ? kAllX86Features : kAllAArch64Features;
    if (image->features() & ~known)
      return Status::error(Code::BadEnum,
                           "code image %s needs unknown CPU features (bits %llx); update the runtime", name,
                           (Number)(image->features() & ~known));
    if (image->offset() % kPageSize != 0)
      return Status::error(Code::BadAlignment,
                           "code image %s starts at byte %llu, expected a multiple of %llu", name,
                           (Number)image->offset(), (Number)kPageSize);
    if (image->offset() > section.size || image->size() > section.size - image->offset())
      return Status::error(Code::BadRange, "code image %s is not inside its section", name);
    ElfImage elf;
    TENON_TRY(ElfImage::parse({section.data + image->offset(), image->size()}, machine, elf));
  }
  return {};
}

static Status verifyPrograms(const fb::Manifest &manifest, Bytes section) {
  uint32_t devices = manifest.devices() ? manifest.devices()->size() : 0;
  for (uint32_t i = 0; manifest.programs() && i < manifest.programs()->size(); ++i) {
    const fb::Program *program = manifest.programs()->Get(i);
    if (program->device() >= devices)
      return Status::error(Code::BadIndex, "program %u is for device %u of %u", i, program->device(),
                           devices);
    if (program->offset() % kTensorAlignment != 0)
      return Status::error(Code::BadAlignment, "program %u starts at byte %llu, expected a multiple of %llu",
                           i, (Number)program->offset(), (Number)kTensorAlignment);
    if (program->offset() > section.size || program->size() > section.size - program->offset())
      return Status::error(Code::BadRange, "program %u is not inside its section", i);
  }
  return {};
}

static Status verifyEntries(const fb::Kernel &kernel, const fb::Manifest &manifest, Bytes section) {
  const char *name = kernel.name()->c_str();
  if (kernel.entries()->size() != manifest.images()->size())
    return Status::error(Code::BadKernel, "kernel %s has %u entries, expected one per image (%u)", name,
                         kernel.entries()->size(), manifest.images()->size());
  bool present = false;
  for (uint32_t i = 0; i < kernel.entries()->size(); ++i) {
    uint64_t entry = kernel.entries()->Get(i);
    if (entry == UINT64_MAX)
      continue;
    present = true;
    const fb::CodeImage *image = manifest.images()->Get(i);
    ElfImage elf;
    TENON_TRY(ElfImage::parse({section.data + image->offset(), image->size()},
                              static_cast<Machine>(image->machine()), elf));
    if (!elf.isCode(entry))
      return Status::error(Code::BadKernel, "kernel %s enters image %s at address %llu, which is not code",
                           name, image->isa()->c_str(), (Number)entry);
  }
  uint32_t programs = manifest.programs() ? manifest.programs()->size() : 0;
  if (kernel.program() != kNone && kernel.program() >= programs)
    return Status::error(Code::BadIndex, "kernel %s is program %u of %u", name, kernel.program(), programs);
  if (present == (kernel.program() != kNone))
    return Status::error(Code::BadKernel, "kernel %s is in %s", name,
                         present ? "a code image, but belongs to a device" : "no code image");
  return {};
}

static Status verifyKernels(const fb::Manifest &manifest, Bytes section) {
  for (const fb::Kernel *kernel : *manifest.kernels()) {
    const char *name = kernel->name()->c_str();
    for (uint8_t access : *kernel->access())
      if (access < static_cast<uint8_t>(Access::Read) || access > static_cast<uint8_t>(Access::ReadWrite))
        return Status::error(Code::BadEnum, "kernel %s has the unknown access mode %u", name,
                             (unsigned)access);
    if (kernel->ties())
      for (const fb::Tie *tie : *kernel->ties())
        if (tie->first() >= kernel->access()->size() || tie->second() >= kernel->access()->size() ||
            tie->first() == tie->second())
          return Status::error(Code::BadKernel, "kernel %s ties buffers %u and %u of %u", name, tie->first(),
                               tie->second(), kernel->access()->size());
    TENON_TRY(verifyEntries(*kernel, manifest, section));
  }
  return {};
}

static Status verifyWeights(const fb::Manifest &manifest, Bytes section) {
  for (const fb::Weight *weight : *manifest.weights()) {
    const char *name = weight->name()->c_str();
    bool dynamic = false;
    uint64_t bytes = 0;
    TENON_TRY(dimsBytes(*weight->dims(), weight->dtype(), "weight", name, dynamic, bytes));
    if (dynamic || weight->size() < bytes)
      return Status::error(Code::BadRange, "weight %s has %llu bytes, but its shape needs %llu", name,
                           (Number)weight->size(), (Number)bytes);
    if (weight->offset() % kTensorAlignment != 0)
      return Status::error(Code::BadAlignment, "weight %s starts at byte %llu, expected a multiple of %llu",
                           name, (Number)weight->offset(), (Number)kTensorAlignment);
    if (weight->offset() > section.size || weight->size() > section.size - weight->offset())
      return Status::error(Code::BadRange, "weight %s is not inside its section", name);
  }
  return {};
}

static bool isInteger(uint8_t dtype) {
  return dtype >= static_cast<uint8_t>(DType::I8) && dtype <= static_cast<uint8_t>(DType::U64);
}

static Status verifyState(const fb::State &state, const fb::Manifest &manifest) {
  const char *name = state.name()->c_str();
  bool dynamic = false;
  uint64_t bytes = 0;
  TENON_TRY(dimsBytes(*state.dims(), state.dtype(), "state", name, dynamic, bytes));
  if (!dynamic && state.size_bound() < bytes)
    return Status::error(Code::BadState, "state %s is bounded by %llu bytes, but its shape needs %llu", name,
                         (Number)state.size_bound(), (Number)bytes);
  if (state.size_bound() > INT64_MAX)
    return Status::error(Code::BadState, "state %s is bounded by %llu bytes", name,
                         (Number)state.size_bound());
  if (state.kind() > static_cast<uint8_t>(StateKind::Length))
    return Status::error(Code::BadEnum, "state %s has the unknown kind %u", name, state.kind());
  StateKind kind = static_cast<StateKind>(state.kind());
  if (kind != StateKind::Plain && dynamic)
    return Status::error(Code::BadState, "state %s can be truncated only with a constant shape", name);
  if (kind == StateKind::Length && !isInteger(state.dtype()))
    return Status::error(Code::BadState, "state %s counts a length, expected an integer type", name);
  if (kind == StateKind::Sequence &&
      (state.length_axis() >= state.dims()->size() || bitWidth(static_cast<DType>(state.dtype())) < 8))
    return Status::error(Code::BadState, "state %s has no axis %u of whole bytes to truncate", name,
                         state.length_axis());
  if (state.initial_weight() == kNone)
    return {};
  if (state.initial_weight() >= manifest.weights()->size())
    return Status::error(Code::BadIndex, "state %s starts as weight %u of %u", name, state.initial_weight(),
                         manifest.weights()->size());
  if (manifest.weights()->Get(state.initial_weight())->size() > state.size_bound())
    return Status::error(Code::BadState, "state %s is smaller than the weight that it starts as", name);
  return {};
}

/// What an element of a vector needs: structures are stored in place, tables and strings as 32-bit offsets.
template <typename T> static constexpr size_t kElementAlignment = alignof(T);
template <typename T> static constexpr size_t kElementAlignment<const T *> = alignof(T);

/// Counts elements of vectors, and notices one whose elements are misaligned: FlatBuffers 2.0 checks the
/// alignment of a vector's length only.
class VectorCount {
public:
  template <typename T> void operator()(const flatbuffers::Vector<T> *vector) {
    if (!vector)
      return;
    elements += vector->size();
    misaligned |=
        vector->size() != 0 && reinterpret_cast<uintptr_t>(vector->Data()) % kElementAlignment<T> != 0;
  }
  uint64_t elements = 0;
  bool misaligned = false;
};

/// Refuses a manifest whose tables share vectors: unshared ones have no more elements than the manifest has
/// bytes, so all later checks are linear in its size. Also refuses misaligned vectors.
static Status verifyVectors(const fb::Manifest &manifest, uint64_t manifestSize) {
  VectorCount count;
  for (const fb::Kernel *kernel : *manifest.kernels())
    count(kernel->access()), count(kernel->ties()), count(kernel->entries());
  for (const fb::Weight *weight : *manifest.weights())
    count(weight->dims());
  for (const fb::State *state : *manifest.states())
    count(state->dims());
  count(manifest.devices()), count(manifest.programs());
  for (const fb::Function *function : *manifest.functions()) {
    count(function->symbols()), count(function->exprs()), count(function->inputs()),
        count(function->outputs());
    count(function->buffers()), count(function->commands()), count(function->state_ties());
    for (const fb::TensorArg *arg : *function->inputs())
      count(arg->dims());
    for (const fb::TensorArg *arg : *function->outputs())
      count(arg->dims());
    for (const fb::Symbol *symbol : *function->symbols())
      count(symbol->likely());
    for (const fb::Buffer *buffer : *function->buffers())
      count(buffer->conflicts());
    for (const fb::Command *command : *function->commands()) {
      count(command->reads()), count(command->writes());
      if (const fb::Dispatch *dispatch = command->body_as_Dispatch())
        count(dispatch->variants()), count(dispatch->buffers()), count(dispatch->symbols());
      if (const fb::HostCall *call = command->body_as_HostCall())
        count(call->symbols()), count(call->results());
    }
    if (count.elements > manifestSize)
      break;
  }
  if (count.misaligned)
    return Status::error(Code::ManifestCorrupt,
                         "a vector of the manifest is misaligned; copy or compile the package again");
  if (count.elements > manifestSize)
    return Status::error(Code::TooLarge,
                         "the manifest has more elements than bytes; its tables share vectors");
  return {};
}

Status verifyManifest(const fb::Manifest &manifest, uint64_t manifestSize, Bytes images, Bytes weights,
                      const Allocator &allocator) {
  if (manifest.kernel_abi() != kKernelAbiVersion)
    return Status::error(Code::KernelAbi,
                         "kernels for ABI version %u, expected %u; compile the model again with this version",
                         manifest.kernel_abi(), kKernelAbiVersion);
  constexpr uint32_t maxImages = 64;
  if (manifest.images()->size() > maxImages)
    return Status::error(Code::TooLarge, "%u code images, expected at most %u", manifest.images()->size(),
                         maxImages);
  TENON_TRY(verifyVectors(manifest, manifestSize));
  TENON_TRY(verifyNames(*manifest.kernels(), "kernel", allocator));
  TENON_TRY(verifyNames(*manifest.weights(), "weight", allocator));
  TENON_TRY(verifyNames(*manifest.states(), "state", allocator));
  TENON_TRY(verifyNames(*manifest.functions(), "function", allocator));
  if (manifest.devices())
    TENON_TRY(verifyNames(*manifest.devices(), "device", allocator));
  TENON_TRY(verifyImages(manifest, images));
  TENON_TRY(verifyPrograms(manifest, images));
  TENON_TRY(verifyKernels(manifest, images));
  TENON_TRY(verifyWeights(manifest, weights));
  for (const fb::State *state : *manifest.states())
    TENON_TRY(verifyState(*state, manifest));
  for (const fb::Function *function : *manifest.functions()) {
    TENON_TRY(verifyFunction(*function, manifest, allocator));
    TENON_TRY(verifyPlan(*function, manifest, allocator));
  }
  return {};
}

static Status verifyListing(const fb::Listing &listing, const fb::Debug &debug,
                            const fb::Manifest &manifest) {
  if (listing.kernel() >= manifest.kernels()->size() || listing.image() >= manifest.images()->size())
    return Status::error(Code::BadIndex, "a listing names kernel %u and image %u", listing.kernel(),
                         listing.image());
  uint32_t last = 0;
  if (listing.code())
    for (const fb::CodeOrigin *row : *listing.code()) {
      if (row->origin() != kNone && row->origin() >= debug.origins()->size())
        return Status::error(Code::BadIndex, "the code of kernel %u names origin %u of %u", listing.kernel(),
                             row->origin(), debug.origins()->size());
      if (row->offset() < last)
        return Status::error(Code::BadRange, "the code origins of kernel %u do not ascend", listing.kernel());
      last = row->offset();
    }
  if (!listing.lines())
    return {};
  last = 0;
  for (const fb::LineOrigin *line : *listing.lines()) {
    if (line->origin() >= debug.origins()->size())
      return Status::error(Code::BadIndex, "line %u of a listing names origin %u of %u", line->line(),
                           line->origin(), debug.origins()->size());
    if (line->line() < last)
      return Status::error(Code::BadRange, "the lines of a listing do not ascend at line %u", line->line());
    last = line->line();
  }
  return {};
}

Status verifyDebug(const fb::Debug &debug, const fb::Manifest &manifest) {
  for (const fb::Origin *origin : *debug.origins())
    for (uint32_t node : *origin->nodes())
      if (node >= debug.nodes()->size())
        return Status::error(Code::BadIndex, "an origin names source node %u of %u", node,
                             debug.nodes()->size());
  for (const fb::Listing *listing : *debug.listings())
    TENON_TRY(verifyListing(*listing, debug, manifest));
  for (const fb::KernelSchedule *schedule : *debug.schedules())
    if (schedule->kernel() >= manifest.kernels()->size())
      return Status::error(Code::BadIndex, "a schedule names kernel %u of %u", schedule->kernel(),
                           manifest.kernels()->size());
  return {};
}

} // namespace tenon::package

// The part of tenon.h about packages.

#include "runtime/platform/system.h"
#include "runtime/session/package.h"

using tenon::package::Bytes;
using tenon::package::Code;
using tenon::package::DType;
using tenon::package::Status;
using tenon::runtime::report;
using tenon::runtime::toAllocator;
namespace fb = tenon::package::fb;

namespace tenon::runtime {

Allocator toAllocator(const tenon_allocator *allocator) {
  if (!allocator)
    return package::systemAllocator();
  return {allocator->allocate, allocator->release, allocator->context};
}

tenon_status report(const Status &status, tenon_error *error) {
  if (error) {
    error->code = static_cast<tenon_status>(status.code());
    std::strncpy(error->message, status.message(), sizeof(error->message) - 1);
    error->message[sizeof(error->message) - 1] = 0;
  }
  return static_cast<tenon_status>(status.code());
}

} // namespace tenon::runtime

static void unmap(tenon_package &package) { tenon::runtime::unmapFile(package.bytes); }

static constexpr size_t kCopyAlignment = 4096;

static void releaseCopy(tenon_package &package) {
  package.allocator.release(package.allocator.context, const_cast<uint8_t *>(package.bytes.data),
                            package.bytes.size, kCopyAlignment);
}

/// Opens `bytes` into a new handle, which owns them also when this fails.
static Status finish(Bytes bytes, void (*release)(tenon_package &), const tenon_load_options &options,
                     tenon_package **result) {
  tenon::package::Allocator allocator = toAllocator(options.allocator);
  tenon_package *package = tenon::runtime::create<tenon_package>(allocator);
  if (!package) {
    tenon_package owner; // frees the bytes
    owner.allocator = allocator;
    owner.bytes = bytes;
    owner.releaseBytes = release;
    return Status::error(Code::OutOfMemory, "no memory for a package");
  }
  package->allocator = allocator;
  Status status = package->open(bytes, release, options);
  if (status.ok())
    *result = package;
  else
    tenon_package_release(package);
  return status;
}

static Status noArgument(const char *name) { return Status::error(Code::BadArgument, "%s is NULL", name); }

static Status allocateCopy(const tenon_load_options &options, uint64_t size, Bytes &copy) {
  tenon::package::Allocator allocator = toAllocator(options.allocator);
  void *memory = size ? allocator.allocate(allocator.context, size, kCopyAlignment) : nullptr;
  if (!memory)
    return Status::error(size ? Code::OutOfMemory : Code::Truncated, "%s for a package of %llu bytes",
                         size ? "no memory" : "nothing", (unsigned long long)size);
  copy = {static_cast<const uint8_t *>(memory), size};
  return {};
}

static Status loadFile(const char *path, const tenon_load_options &options, tenon_package **package) {
  Bytes bytes;
  TENON_TRY(tenon::runtime::mapFile(path, bytes));
  return finish(bytes, unmap, options, package);
}

static Status loadMemory(const void *data, uint64_t size, const tenon_load_options &options,
                         tenon_package **package) {
  Bytes bytes = {static_cast<const uint8_t *>(data), size};
  if (!options.copy)
    return finish(bytes, nullptr, options, package);
  TENON_TRY(allocateCopy(options, size, bytes));
  std::memcpy(const_cast<uint8_t *>(bytes.data), data, size);
  return finish(bytes, releaseCopy, options, package);
}

static Status loadCallback(tenon_read_fn read, void *context, uint64_t size,
                           const tenon_load_options &options, tenon_package **package) {
  Bytes bytes;
  TENON_TRY(allocateCopy(options, size, bytes));
  if (int code = read(context, 0, const_cast<uint8_t *>(bytes.data), size); code != 0) {
    tenon::package::Allocator allocator = toAllocator(options.allocator);
    allocator.release(allocator.context, const_cast<uint8_t *>(bytes.data), size, kCopyAlignment);
    return Status::error(Code::FileFailed, "the read callback failed with code %d", code);
  }
  return finish(bytes, releaseCopy, options, package);
}

static const tenon_load_options kDefaults = {};

tenon_status tenon_package_load_file(const char *path, const tenon_load_options *options,
                                     tenon_package **package, tenon_error *error) {
  if (!path || !package)
    return report(noArgument(path ? "package" : "path"), error);
  *package = nullptr;
  return report(loadFile(path, options ? *options : kDefaults, package), error);
}

tenon_status tenon_package_load_memory(const void *data, uint64_t size, const tenon_load_options *options,
                                       tenon_package **package, tenon_error *error) {
  if (!data || !package)
    return report(noArgument(data ? "package" : "data"), error);
  *package = nullptr;
  return report(loadMemory(data, size, options ? *options : kDefaults, package), error);
}

tenon_status tenon_package_load_callback(tenon_read_fn read, void *context, uint64_t size,
                                         const tenon_load_options *options, tenon_package **package,
                                         tenon_error *error) {
  if (!read || !package)
    return report(noArgument(read ? "package" : "read"), error);
  *package = nullptr;
  return report(loadCallback(read, context, size, options ? *options : kDefaults, package), error);
}

void tenon_package_release(tenon_package *package) {
  if (!package || package->references.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  tenon::package::Allocator allocator = package->allocator;
  tenon::runtime::destroy(allocator, package);
}

tenon_status tenon_package_verify(const void *data, uint64_t size, tenon_error *error) {
  if (!data)
    return report(noArgument("data"), error);
  tenon::package::Reader reader;
  const fb::Debug *debug = nullptr;
  Status status = tenon::package::Reader::open({static_cast<const uint8_t *>(data), size},
                                               tenon::package::systemAllocator(), reader);
  if (status.ok())
    status = reader.debug(debug);
  return report(status, error);
}

uint32_t tenon_dtype_bits(tenon_dtype dtype) {
  int number = static_cast<int>(dtype);
  return number > 0 && number < tenon::package::kDTypeCount
             ? tenon::package::bitWidth(static_cast<DType>(number))
             : 0;
}

const char *tenon_dtype_name(tenon_dtype dtype) {
  int number = static_cast<int>(dtype);
  return tenon::package::name(
      static_cast<DType>(number > 0 && number < tenon::package::kDTypeCount ? number : 0));
}

const char *tenon_version(void) { return TENON_VERSION; }

const char *tenon_package_producer(const tenon_package *package) {
  return tenon::package::text(package->manifest().producer());
}

const char *tenon_package_target(const tenon_package *package) {
  return tenon::package::text(package->manifest().target_text());
}

const char *tenon_package_isa(const tenon_package *package) { return package->isa; }

uint64_t tenon_package_weight_bytes(const tenon_package *package) {
  return package->reader.weightsSection().size;
}

uint64_t tenon_package_bytes(const tenon_package *package) { return package->bytes.size; }

// --- Names and shapes
// -------------------------------------------------------------------------------------------------

template <typename T>
static uint32_t find(const flatbuffers::Vector<flatbuffers::Offset<T>> *items, const char *name) {
  for (uint32_t i = 0; items && name && i < items->size(); ++i)
    if (std::strcmp(items->Get(i)->name()->c_str(), name) == 0)
      return i;
  return TENON_NO_INDEX;
}

uint32_t tenon_package_function_count(const tenon_package *package) {
  return package->manifest().functions()->size();
}

const char *tenon_package_function_name(const tenon_package *package, uint32_t function) {
  const fb::Function *record = package->function(function);
  return record ? record->name()->c_str() : "";
}

uint32_t tenon_package_find_function(const tenon_package *package, const char *name) {
  return find(package->manifest().functions(), name);
}

uint32_t tenon_package_input_count(const tenon_package *package, uint32_t function) {
  const fb::Function *record = package->function(function);
  return record ? record->inputs()->size() : 0;
}

uint32_t tenon_package_output_count(const tenon_package *package, uint32_t function) {
  const fb::Function *record = package->function(function);
  return record ? record->outputs()->size() : 0;
}

uint32_t tenon_package_symbol_count(const tenon_package *package, uint32_t function) {
  const fb::Function *record = package->function(function);
  return record ? record->symbols()->size() : 0;
}

uint32_t tenon_package_find_input(const tenon_package *package, uint32_t function, const char *name) {
  const fb::Function *record = package->function(function);
  return record ? find(record->inputs(), name) : TENON_NO_INDEX;
}

uint32_t tenon_package_find_output(const tenon_package *package, uint32_t function, const char *name) {
  const fb::Function *record = package->function(function);
  return record ? find(record->outputs(), name) : TENON_NO_INDEX;
}

static tenon_status describe(const fb::Function *function,
                             const flatbuffers::Vector<flatbuffers::Offset<fb::TensorArg>> *args,
                             uint32_t index, tenon_tensor_info *info) {
  if (!function || !info || index >= args->size())
    return static_cast<tenon_status>(Code::BadArgument);
  const fb::TensorArg *arg = args->Get(index);
  uint32_t symbols = function->symbols()->size();
  *info = {};
  info->name = arg->name()->c_str();
  info->dtype = static_cast<tenon_dtype>(arg->dtype());
  info->rank = arg->dims()->size();
  for (uint32_t d = 0; d < info->rank; ++d) {
    uint32_t slot = arg->dims()->Get(d);
    info->dims[d] = {-1, slot < symbols ? slot : TENON_NO_INDEX};
    if (slot < symbols)
      continue;
    const fb::Expr *expr = function->exprs()->Get(slot - symbols);
    if (expr->op() == static_cast<uint8_t>(tenon::package::ExprOp::Const))
      info->dims[d].value = expr->imm();
  }
  return TENON_OK;
}

tenon_status tenon_package_input(const tenon_package *package, uint32_t function, uint32_t input,
                                 tenon_tensor_info *info) {
  const fb::Function *record = package->function(function);
  return describe(record, record ? record->inputs() : nullptr, input, info);
}

tenon_status tenon_package_output(const tenon_package *package, uint32_t function, uint32_t output,
                                  tenon_tensor_info *info) {
  const fb::Function *record = package->function(function);
  return describe(record, record ? record->outputs() : nullptr, output, info);
}

tenon_status tenon_package_symbol(const tenon_package *package, uint32_t function, uint32_t symbol,
                                  tenon_symbol_info *info) {
  const fb::Function *record = package->function(function);
  if (!record || !info || symbol >= record->symbols()->size())
    return static_cast<tenon_status>(Code::BadArgument);
  const fb::Symbol *item = record->symbols()->Get(symbol);
  *info = {item->name()->c_str(), item->min(), item->max(), item->multiple_of()};
  return TENON_OK;
}

tenon_status tenon_package_certificate(const tenon_package *package, uint32_t function, int64_t *arena_bytes,
                                       int64_t *scratch_bytes) {
  const fb::Function *record = package->function(function);
  if (!record)
    return static_cast<tenon_status>(Code::BadArgument);
  if (arena_bytes)
    *arena_bytes = record->arena_bytes();
  if (scratch_bytes)
    *scratch_bytes = record->scratch_bytes_per_worker();
  return TENON_OK;
}

uint32_t tenon_package_state_count(const tenon_package *package) {
  return package->manifest().states()->size();
}

uint32_t tenon_package_find_state(const tenon_package *package, const char *name) {
  return find(package->manifest().states(), name);
}

const char *tenon_package_state_name(const tenon_package *package, uint32_t state) {
  return state < tenon_package_state_count(package)
             ? package->manifest().states()->Get(state)->name()->c_str()
             : "";
}

static const flatbuffers::Vector<uint32_t> *originNodes(const tenon_package *package, uint32_t origin) {
  if (!package->debug || origin >= package->debug->origins()->size())
    return nullptr;
  return package->debug->origins()->Get(origin)->nodes();
}

uint32_t tenon_package_origin_node_count(const tenon_package *package, uint32_t origin) {
  const auto *nodes = originNodes(package, origin);
  return nodes ? nodes->size() : 0;
}

tenon_status tenon_package_origin_node(const tenon_package *package, uint32_t origin, uint32_t node,
                                       const char **name, const char **op_type) {
  const auto *nodes = originNodes(package, origin);
  if (!nodes || node >= nodes->size())
    return static_cast<tenon_status>(Code::BadArgument);
  const fb::SourceNode *source = package->debug->nodes()->Get(nodes->Get(node));
  if (name)
    *name = source->name()->c_str();
  if (op_type)
    *op_type = source->op_type()->c_str();
  return TENON_OK;
}

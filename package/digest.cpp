#include "package/digest.h"

#include <sodium.h>

namespace tenon::package {

static crypto_generichash_state *stateOf(unsigned char *bytes) {
  return reinterpret_cast<crypto_generichash_state *>(bytes);
}

Digester::Digester() {
  static_assert(sizeof(state_) >= sizeof(crypto_generichash_state) &&
                alignof(crypto_generichash_state) <= 64);
  crypto_generichash_init(stateOf(state_), nullptr, 0, sizeof(DigestBytes));
}

void Digester::append(const void *data, size_t size) {
  crypto_generichash_update(stateOf(state_), static_cast<const unsigned char *>(data), size);
}

DigestBytes Digester::finish() {
  DigestBytes result;
  crypto_generichash_final(stateOf(state_), result.bytes, sizeof(result.bytes));
  return result;
}

DigestBytes digest(const void *data, size_t size) {
  Digester digester;
  digester.append(data, size);
  return digester.finish();
}

static Status check(const char *what, const char *name, Bytes bytes, const fb::Digest &expected) {
  DigestBytes found = digest(bytes.data, bytes.size);
  if (std::memcmp(found.bytes, expected.bytes()->data(), sizeof(found.bytes)) != 0)
    return Status::error(Code::DigestMismatch,
                         "%s %s differs from its digest; copy or compile the package again", what, name);
  return {};
}

Status verifyDigests(const Reader &package) {
  const fb::Manifest &manifest = package.manifest();
  for (uint32_t i = 0; i < manifest.images()->size(); ++i)
    TENON_TRY(check("code image", manifest.images()->Get(i)->isa()->c_str(), package.image(i),
                    *manifest.images()->Get(i)->digest()));
  for (uint32_t i = 0; manifest.programs() && i < manifest.programs()->size(); ++i)
    TENON_TRY(check("program", "of a device", package.program(i), *manifest.programs()->Get(i)->digest()));
  for (uint32_t i = 0; i < manifest.weights()->size(); ++i)
    TENON_TRY(check("weight", manifest.weights()->Get(i)->name()->c_str(), package.weight(i),
                    *manifest.weights()->Get(i)->digest()));
  return {};
}

} // namespace tenon::package

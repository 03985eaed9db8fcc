// BLAKE2b-256 digests of the parts of a package (libsodium). Not linked by the runtime.
#pragma once

#include "package/error.h"
#include "package/reader.h"

#include <cstddef>
#include <cstdint>

namespace tenon::package {

struct DigestBytes {
  uint8_t bytes[32] = {};
  bool operator==(const DigestBytes &) const = default;
};

/// Hashes a stream of bytes.
class Digester {
public:
  Digester();
  void append(const void *data, size_t size);
  /// Once, at the end.
  DigestBytes finish();

private:
  alignas(64) unsigned char state_[384];
};

DigestBytes digest(const void *data, size_t size);

/// Compares every code image and weight with its recorded digest. Reads the whole file; loading alone does
/// not.
Status verifyDigests(const Reader &package);

} // namespace tenon::package

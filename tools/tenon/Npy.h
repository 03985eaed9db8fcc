// NumPy's .npy files, format versions 1 to 3 (numpy.lib.format describes them).
#pragma once

#include "tools/tenon/HostTensor.h"

#include <string>

namespace tenon::command {

/// Reads an array for an input of type `expected`. Files have no names for bf16 (2 bytes), f8 (1 byte), i4
/// and u4 (1 byte an element): for such an input a raw or unsigned array of that width is taken. Otherwise
/// the result has the file's own type. TN0503 cannot be read, TN0506 malformed, TN0507 not supported.
HostTensor readNpy(const std::string &path, tenon_dtype expected);

/// As readNpy, from bytes; `name` is for messages.
HostTensor parseNpy(const uint8_t *bytes, size_t size, const std::string &name, tenon_dtype expected);

/// Writes version 1.0, whole or not at all; TN0504.
void writeNpy(const std::string &path, tenon_dtype dtype, const int64_t *shape, size_t rank, const void *data,
              uint64_t bytes);

} // namespace tenon::command

// A dense, row-major tensor in memory of the command, and the conversion of its elements.
#pragma once

#include "tenon/tenon.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace tenon::command {

struct HostTensor {
  tenon_dtype dtype = TENON_F32;
  std::vector<int64_t> shape;

  /// Zeroed memory for the shape, at a multiple of 64 bytes. `elements` has been checked with elementCount.
  void allocate(int64_t elements);
  void *data() const { return memory_.get(); }
  uint64_t bytes() const { return bytes_; }

private:
  struct Release {
    void operator()(void *memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Release> memory_;
  uint64_t bytes_ = 0;
};

/// Product of the extents; false when one is negative or the product, in bytes, overflows.
[[nodiscard]] bool elementCount(tenon_dtype dtype, const std::vector<int64_t> &shape, int64_t &elements);

bool isFloat(tenon_dtype dtype);

/// Element `index` as a number.
double elementAt(tenon_dtype dtype, const void *data, int64_t index);
/// Writes the nearest representable value; integers wrap.
void setElement(tenon_dtype dtype, void *data, int64_t index, double value);

/// "f32[1x3x224x224]"
std::string describe(tenon_dtype dtype, const int64_t *shape, size_t rank);

} // namespace tenon::command

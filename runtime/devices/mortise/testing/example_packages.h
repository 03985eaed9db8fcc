// Packages whose kernels are the example programs of Mortise, for tests.
#pragma once

#include "isa/mortise/Program.h"
#include "package/model.h"

#include <string>
#include <vector>

namespace tenon::runtime::testing {

/// Rows and columns of the examples' matrices.
inline constexpr int64_t kMatrixSize = 256;

/// An example with tensors and parameters renamed to what kernels expect: b0, b1, ... and s0, s1, ...
mortise::Program exampleProgram(const std::string &file, const std::vector<std::string> &buffers,
                                const std::vector<std::string> &scalars = {});

/// gemm.s, of the node gemm_1.
mortise::Program gemmProgram();

/// Appends a kernel of the device "mortise" (edge-512k).
void addMortiseKernel(package::Package &package, const std::vector<uint8_t> &program,
                      std::vector<package::Access> access, uint32_t symbols);

template <typename T>
package::Weight weightOf(const std::string &name, package::DType dtype, const std::vector<T> &values);

/// c = requantize(a x b + bias), int8 matrices of 256 x 256: a and c are the caller's, the rest weights:
/// b[k][n] = (7 k + 3 n) % 255 - 127, bias[n] = 40 n - 5000, scale[n] = (1 + n % 100) * 1e-5.
struct Gemm {
  explicit Gemm(const std::vector<uint8_t> &program = mortise::writeBinary(gemmProgram()));
  std::vector<int8_t> expected() const;

  std::vector<int8_t> a, b; // a: made up
  std::vector<int32_t> bias;
  std::vector<float> scale;
  package::Package package;
};

} // namespace tenon::runtime::testing

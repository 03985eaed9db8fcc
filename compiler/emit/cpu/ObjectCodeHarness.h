//===- ObjectCodeHarness.h - compiling and calling kernels in tests --------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/CpuTarget.h"
#include "tenon/kernel_abi.h"
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tenon::cpu::test {

/// A code image loaded into this process.
class LoadedImage {
public:
  LoadedImage() = default;
  LoadedImage(LoadedImage &&other) noexcept : handle(other.handle) { other.handle = nullptr; }
  LoadedImage &operator=(LoadedImage &&other) noexcept {
    std::swap(handle, other.handle);
    return *this;
  }
  ~LoadedImage();
  /// Null when the image has no such symbol, or is not loaded.
  tenon_kernel_fn find(const std::string &name) const;

  static LoadedImage load(const std::vector<uint8_t> &image, std::string &error);

private:
  void *handle = nullptr;
};

/// The levels under test: x86-64-v3, x86-64-v4 on CPUs that have it, and x86-64-v4 emulated; with
/// `dotProducts` also those that have them, as far as this CPU runs them, and one of these emulated.
std::vector<CpuTarget> testTargets(bool dotProducts = false);

/// A module with the kernel @kernel. For each of the grid's items it loads a vector of `lanes` x `from` from
/// each of `inputs` buffers as %a, %b, ..., runs `body`, and stores %r of `lanes` x `to` in the next buffer.
/// Single lanes are scalars.
std::string elementwiseKernel(unsigned inputs, unsigned lanes, const std::string &from, const std::string &to,
                              const std::string &body);

/// Parses, compiles and links `source`; exports @kernel. On failure `error` tells why and the result is
/// empty.
std::vector<uint8_t> buildImage(const std::string &source, const CpuTarget &target, std::string &error);

/// Compiles `source` to an object; empty on failure.
std::vector<uint8_t> buildObject(const std::string &source, const CpuTarget &target, std::string &error,
                                 std::string *assembly = nullptr);
/// linkImage; empty on failure.
std::vector<uint8_t> linkObjects(const std::vector<std::vector<uint8_t>> &objects,
                                 const std::vector<std::string> &exports, const CpuTarget &target,
                                 std::string &error);

/// Calls the kernel `source` on `buffers` for [0, items). Returns an error text, empty for success.
std::string runKernel(const std::string &source, const CpuTarget &target, std::vector<void *> buffers,
                      uint32_t items);

} // namespace tenon::cpu::test

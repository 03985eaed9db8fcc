// Packages for tests, built with the writer from kernels.c.
#pragma once

#include "package/memory.h"
#include "package/model.h"

#include <string>
#include <vector>

namespace tenon::package::testing {

/// The file of a test image: "base", "v3", "v4" (x86-64), "aarch64", or one of bad_images.c.
std::vector<uint8_t> imageFile(const std::string &name);

/// Bytes at a page boundary, as a loader gets them.
class AlignedBytes {
public:
  explicit AlignedBytes(const std::vector<uint8_t> &bytes);
  ~AlignedBytes();
  AlignedBytes(const AlignedBytes &) = delete;
  AlignedBytes &operator=(const AlignedBytes &) = delete;
  uint8_t *data() const { return data_; }
  size_t size() const { return size_; }
  Bytes bytes() const { return {data_, size_}; }

private:
  uint8_t *data_;
  size_t size_;
};

/// Indices of kernels in sample packages.
enum KernelIndex : uint32_t {
  Add,
  Scale,
  Increment,
  IncrementI64,
  Positive,
  RowSum,
  Table,
  Level,
  Fail,
  KernelTotal
};

/// A package with the test images and kernels and no function. All levels of this machine, least demanding
/// first.
Package kernelsOnly();

/// Fills in a function slot by slot.
class FunctionBuilder {
public:
  explicit FunctionBuilder(std::string name) { function.name = std::move(name); }
  /// Before any expression.
  Slot symbol(const std::string &name, int64_t min = 0, int64_t max = kUnbounded, int64_t multipleOf = 1);
  Slot expr(ExprOp op, Slot a = 0, Slot b = 0, Slot c = 0, int64_t imm = 0);
  Slot constant(int64_t value) { return expr(ExprOp::Const, 0, 0, 0, value); }
  Slot bytes(Slot elements, int64_t elementBytes) {
    return expr(ExprOp::Mul, elements, constant(elementBytes));
  }
  /// Expressions from here on are late.
  void endStatic() { function.staticExprs = static_cast<uint32_t>(function.exprs.size()); }
  Slot external() { return expr(ExprOp::External); }
  uint32_t input(const std::string &name, DType dtype, std::vector<Slot> dims);
  uint32_t output(const std::string &name, DType dtype, std::vector<Slot> dims);
  BufferId buffer(Region region, uint32_t index, Slot size);
  BufferId arena(Slot size, std::vector<BufferId> conflicts = {});
  BufferId view(BufferId base, Slot offset, Slot size);
  /// Returns the command's index.
  uint32_t add(CommandBody body, bool late = false);
  uint32_t dispatch(uint32_t kernel, std::vector<BufferId> buffers, Slot grid, std::vector<Slot> symbols = {},
                    bool late = false);
  Dispatch &lastDispatch() { return std::get<Dispatch>(function.commands.back().body); }
  /// All expressions are static when endStatic was not called.
  Function finish();

  Function function;

private:
  bool ended() const { return function.staticExprs != 0; }
};

/// y[N] = (x[N] + w[N]) * 2 with N in 1..4096, through the arena; weight w holds 0, 1, 2, ...
Package addPackage();

/// A package that uses every kind of command, several functions, state, views, a debug section: the seed of
/// fuzzing.
Package richPackage();

/// y[N] = x[N] * 5 + (x[N] + x[N]). The device "test" makes the product on queue 1, by the program "multiply"
/// with the symbols N and 5, beside the sum on the CPU.
Package devicePackage();

/// A weight of `count` floats start, start + 1, ...
Weight floatWeight(const std::string &name, size_t count, float start = 0);

} // namespace tenon::package::testing

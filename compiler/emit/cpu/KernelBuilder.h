//===- KernelBuilder.h - the code of one kernel under construction
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/ByteTables.h"
#include "compiler/emit/cpu/CpuTarget.h"
#include "compiler/emit/cpu/KernelSpec.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace tenon::cpu {

/// The code of one kernel under construction: an inner function whose arguments are the buffers (noalias),
/// the scalars, the item range and the worker's scratch; and the outer one with the kernel ABI that calls it.
/// Index arithmetic is on `index` values and folds as it is built.
class KernelBuilder {
public:
  KernelBuilder(mlir::ModuleOp module, KernelSpec &spec, const CpuTarget &target, llvm::StringRef name);

  mlir::OpBuilder &builder() { return b; }
  mlir::Location loc() const { return where; }
  /// What is built from now on comes from `op`, an operation of the region: its line is the operation's place
  /// in the region, from 1, so that equal regions have equal text. The line behind the last is the whole
  /// kernel.
  void setOrigin(mlir::Operation *op) { where = originOf(op); }
  /// Sets the origin while it lives.
  class OriginScope {
  public:
    OriginScope(KernelBuilder &k, mlir::Operation *op) : k(k), before(k.where) { k.setOrigin(op); }
    ~OriginScope() { k.where = before; }
    OriginScope(const OriginScope &) = delete;
    OriginScope &operator=(const OriginScope &) = delete;

  private:
    KernelBuilder &k;
    mlir::Location before;
  };
  KernelSpec &spec() { return kernelSpec; }
  const CpuTarget &target() const { return cpu; }

  // Index arithmetic.
  mlir::Value constant(int64_t v);
  mlir::Value size(Size e); ///< a constant, or the scalar that carries the expression
  mlir::Value add(mlir::Value a, mlir::Value c);
  mlir::Value sub(mlir::Value a, mlir::Value c);
  mlir::Value mul(mlir::Value a, mlir::Value c);
  mlir::Value div(mlir::Value a, mlir::Value c); ///< operands are not negative
  mlir::Value rem(mlir::Value a, mlir::Value c); ///< operands are not negative
  mlir::Value min(mlir::Value a, mlir::Value c);
  mlir::Value max(mlir::Value a, mlir::Value c);
  mlir::Value less(mlir::Value a, mlir::Value c); ///< signed; i1

  // Memory. Addresses are a pointer and an element offset.
  mlir::Value bufferOf(mlir::Value tensor) const; ///< null when the tensor has no buffer
  mlir::Value outputBuffer(unsigned result) const;
  mlir::Value scratch() const { return scratchPointer; }
  mlir::Type storageType(mlir::Type element) const;              ///< i1 is stored as i8, ui8 as i8
  mlir::Type valueType(mlir::Type element) const;                ///< the signless type that code computes in
  mlir::Type vectorOf(mlir::Type element, unsigned lanes) const; ///< the scalar type when lanes is 1
  mlir::Value address(mlir::Value pointer, mlir::Value offset, mlir::Type element);
  /// Consecutive elements from `pointer[offset]`; lanes where `mask` (may be null) is false are not touched.
  mlir::Value load(mlir::Value pointer, mlir::Value offset, mlir::Type element, unsigned lanes,
                   mlir::Value mask = {});
  void store(mlir::Value value, mlir::Value pointer, mlir::Value offset, mlir::Type element, unsigned lanes,
             mlir::Value mask = {});
  enum class Cache { First, Second };
  /// Asks for the line of `pointer[offset]`, to be read (or written) soon; never a fault, wherever it points.
  void prefetch(mlir::Value pointer, mlir::Value offset, mlir::Type element, Cache cache, bool write = false);
  /// Elements at a vector of offsets (vector<lanes x i64>).
  mlir::Value gather(mlir::Value pointer, mlir::Value offsets, mlir::Type element, unsigned lanes,
                     mlir::Value mask = {});
  mlir::Value splat(mlir::Value scalar, unsigned lanes); ///< the scalar itself when lanes is 1
  /// The value, an integer or a vector of a whole register, as something that LLVM knows nothing of: where it
  /// would make worse code, or wrong one, of what it knows.
  mlir::Value opaque(mlir::Value value);
  /// Lane l is set when first + l < end.
  mlir::Value tailMask(mlir::Value first, mlir::Value end, unsigned lanes);
  /// first + l * stride in lane l, vector<lanes x i64>.
  mlir::Value laneOffsets(mlir::Value first, int64_t stride, unsigned lanes);
  /// A read-only array in the image filled with `value`'s bits (zero or another neutral element).
  mlir::Value constantRow(mlir::Type element, int64_t count, mlir::TypedAttr value);

  const ByteTables &byteTables() const { return tables; }
  /// Memory of `bytes` bytes on the stack, 64-byte aligned, that `fill` writes before all else that the
  /// kernel does; made once for each `key`.
  mlir::Value prepared(mlir::Value key, int64_t bytes, llvm::function_ref<void(mlir::Value)> fill);
  /// The entries of a table of 256 bytes at a vector (or scalar) of i8 without sign.
  mlir::Value lookUp(mlir::Value table, mlir::Value bytes, unsigned lanes);

  // Control.
  using Body = llvm::function_ref<void(mlir::Value)>;
  void loop(mlir::Value from, mlir::Value to, int64_t step, Body body);
  using CarriedBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)>;
  llvm::SmallVector<mlir::Value> loop(mlir::Value from, mlir::Value to, int64_t step, mlir::ValueRange init,
                                      CarriedBody body);
  /// Runs `body` for the items of the kernel's range, at their positions in axes of these extents. Items that
  /// follow each other along the last axis follow without a division.
  void forItems(llvm::ArrayRef<mlir::Value> extents,
                llvm::function_ref<void(llvm::ArrayRef<mlir::Value>)> body);
  /// Runs `body` with i from `from` while i < to; it returns the next i.
  void loopWhileLess(mlir::Value from, mlir::Value to, llvm::function_ref<mlir::Value(mlir::Value)> body);
  mlir::Value ifValue(mlir::Value condition, llvm::function_ref<mlir::Value()> then,
                      llvm::function_ref<mlir::Value()> otherwise);
  void ifThen(mlir::Value condition, llvm::function_ref<void()> then,
              llvm::function_ref<void()> otherwise = nullptr);
  /// Runs `body` over [0, extent) in vectors: `lanes` wide as long as they fit, then `narrow` wide, then one
  /// masked vector. `body` receives the first position, the lane count and the mask (null for full vectors).
  void vectorLoop(mlir::Value from, mlir::Value to, unsigned lanes, unsigned narrow,
                  llvm::function_ref<void(mlir::Value, unsigned, mlir::Value)> body);
  /// Position `linear` split over `extents`, outermost first.
  llvm::SmallVector<mlir::Value> delinearize(mlir::Value linear, llvm::ArrayRef<mlir::Value> extents);

  mlir::Value begin() const { return beginItem; } ///< index
  mlir::Value end() const { return endItem; }
  /// Ends both functions. Nothing may be built afterwards.
  void finish();

private:
  mlir::Value lookUpInLines(mlir::Value table, mlir::Value bytes, unsigned lanes);
  mlir::Location originOf(mlir::Operation *op) const;

  mlir::ModuleOp module;
  KernelSpec &kernelSpec;
  CpuTarget cpu;
  std::string name;
  mlir::OpBuilder b;
  mlir::Location where;
  mlir::func::FuncOp inner;
  llvm::DenseMap<mlir::Operation *, unsigned> lines; // of the region's operations
  llvm::DenseMap<mlir::Value, mlir::Value> buffers;
  llvm::SmallVector<mlir::Value> outputs;
  mlir::Value scalarsPointer, scratchPointer, beginItem, endItem;
  llvm::DenseMap<int64_t, mlir::Value> constants;
  llvm::DenseMap<unsigned, mlir::Value> loadedScalars;
  ByteTables tables;
  llvm::DenseMap<mlir::Value, mlir::Value> preparedMemory;
  mlir::Operation *preparedEnd = nullptr; // what is prepared comes before it
  unsigned rows = 0;
};

} // namespace tenon::cpu

//===- CpuCompiler.h - from kernel regions to machine code ------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The CPU side of Emit. Kernel regions are added one by one; equal ones (same body, same types, same pattern
// of equal sizes) share one kernel. Then everything is compiled for each ISA level and linked into one image
// per level.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/cpu/CodeLines.h"
#include "compiler/emit/cpu/CpuTarget.h"
#include "package/model.h"
#include <memory>
#include <string>
#include <vector>

namespace tenon::cpu {

/// What the plan needs to know to dispatch one kernel region. Sizes are over the symbols of the region's
/// function.
struct DispatchInfo {
  uint32_t kernel = 0;       // index of the unique kernel
  std::vector<Size> scalars; // values of tenon_kernel_io::sym, in order
  Size grid;                 // items; the kernel is called on [begin, end) within [0, grid)
  Size grain;                // items that belong together (at least 1)
  Size scratch;              // bytes for each worker, 64-byte aligned; 0 for none
  Size cost;                 // estimated nanoseconds on one worker
  Size flops, bytes;         // work and compulsory memory traffic, for reports
  Size compute, traffic;     // nanoseconds that either takes at least (CostModel.h), for reports
};

/// One unique kernel. The buffers of a dispatch are the region's inputs, then its outputs.
struct KernelInfo {
  std::string name; // symbol in the image, [a-zA-Z0-9_]
  std::string family;
  std::string schedule; // text of the schedule, for reports
  std::vector<package::Access> access;
  uint32_t scalarCount = 0;
};

/// What the debug section holds about a kernel for one level.
struct KernelListing {
  std::string ir, assembly; // empty unless asked for
  CodeLines code;           // line n: the n-th operation of the region; the line behind the last: all of it
};

struct CompileOptions {
  unsigned jobs = 0;          // threads; 0: as many as the machine has
  std::string cacheDirectory; // object cache; empty: none
  bool listings = false;      // also produce the texts of KernelListing
};

class CpuCompiler {
public:
  /// `modelWeights`: bytes of all weights that a run goes through, for the cost model.
  explicit CpuCompiler(std::vector<CpuTarget> levels, int64_t modelWeights = 0);
  ~CpuCompiler();

  /// Registers a kernel region whose schedule is set. Emits a diagnostic on the operation and fails when the
  /// region holds something that the CPU cannot do (code TN0401).
  mlir::FailureOr<DispatchInfo> add(KernelOp op, SizeAnalysis &sizes);

  /// The unique kernels so far, in the order of first use.
  const std::vector<KernelInfo> &kernels() const;

  /// Compiles all kernels for all levels: one image per level, ordered as the levels are. Fails with a
  /// message.
  mlir::LogicalResult compile(const CompileOptions &options, std::vector<package::CodeImage> &images,
                              std::string &error);

  /// The locations of a kernel's operations, in the order of the region: those of all regions that share it.
  llvm::ArrayRef<std::vector<mlir::Location>> origins(uint32_t kernel) const;

  /// After compile: the listing of a kernel for a level.
  const KernelListing &listing(uint32_t kernel, uint32_t level) const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace tenon::cpu

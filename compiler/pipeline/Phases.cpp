//===- Phases.cpp - the only place that knows the order of passes --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Phases.h"

#include "compiler/emit/cpu/CostModel.h"
#include "compiler/emit/cpu/CpuCompiler.h"
#include "compiler/emit/cpu/ObjectCache.h"
#include "compiler/emit/plan/BuildPlan.h"
#include "compiler/graph/Passes.h"
#include "compiler/kernel/Passes.h"
#include "compiler/memory/AssignBuffers.h"
#include "compiler/pipeline/Segments.h"
#include "compiler/place/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "package/writer.h"

using namespace mlir;

namespace tenon::pipeline {

//===----------------------------------------------------------------------===//
// Graph
//===----------------------------------------------------------------------===//

static void addSimplification(OpPassManager &passes) {
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
}

/// Shape subgraphs become symbol expressions, what is constant becomes a constant.
static void addFolding(PassManager &passes) {
  addSimplification(passes.nest<func::FuncOp>());
  passes.addPass(createFoldConstants());
  passes.nest<func::FuncOp>().addPass(createRefineTypes());
  passes.nest<func::FuncOp>().addPass(createResolveSizes());
  addSimplification(passes.nest<func::FuncOp>());
}

/// Quantized tensors move and multiply as integers.
static void addIntegerProducts(OpPassManager &functions) {
  functions.addPass(createMoveQuantization());
  addSimplification(functions);
  functions.addPass(createFormIntegerProducts());
}

LogicalResult runCoreForm(ModuleOp module) {
  PassManager passes(module.getContext());
  addFolding(passes);
  // What a product of quantized tensors is, is said by integers: the oracle computes the same formula.
  addIntegerProducts(passes.nest<func::FuncOp>());
  passes.nest<func::FuncOp>().addPass(createDecomposeComposites());
  return passes.run(module);
}

LogicalResult runGraph(ModuleOp module) {
  PassManager passes(module.getContext());
  auto functions = [&]() -> OpPassManager & { return passes.nest<func::FuncOp>(); };
  addFolding(passes);
  // Exporters' expansions become composites again, which move and fuse as one.
  functions().addPass(createSimplifyGraph());
  functions().addPass(createRecognizeComposites());
  addSimplification(functions());
  functions().addPass(createPropagateLayout());
  addSimplification(functions());
  addIntegerProducts(functions());
  addSimplification(functions());
  // Channels are the last axis now: factors per channel move into the weights of convolutions and products.
  functions().addPass(createFoldBatchNorm());
  functions().addPass(createSplitTransposedConv());
  functions().addPass(createSinkPhases());
  // Composites that kernels do not know become core operations.
  DecomposeCompositesOptions kept;
  kept.keep = {"tenon.attention"};
  functions().addPass(createDecomposeComposites(kept));
  addSimplification(functions());
  passes.addPass(createFoldConstants());
  functions().addPass(createRefineTypes());
  // Sizes in terms of the function's symbols: a size that is read off an intermediate result would keep it
  // alive.
  functions().addPass(createResolveSizes());
  addSimplification(functions());
  return passes.run(module);
}

LogicalResult runBf16(ModuleOp module) {
  PassManager passes(module.getContext());
  passes.nest<func::FuncOp>().addPass(createUseBf16());
  addSimplification(passes.nest<func::FuncOp>());
  return passes.run(module);
}

//===----------------------------------------------------------------------===//
// Kernel
//===----------------------------------------------------------------------===//

LogicalResult runPack(ModuleOp module, const Settings &settings) {
  PassManager passes(module.getContext());
  OpPassManager &functions = passes.nest<func::FuncOp>();
  functions.addPass(kernel::createPackProducts(
      {.winograd = settings.winograd && !settings.mortise, .scaleWeights = !settings.mortise}));
  addSimplification(functions);
  return passes.run(module);
}

LogicalResult runKernel(ModuleOp module, const Settings &settings) {
  PassManager passes(module.getContext());
  passes.nest<func::FuncOp>().addPass(kernel::createFormKernels());
  if (!settings.mortise) { // devices choose among kernels of one product each, and have no caches
    passes.nest<func::FuncOp>().addPass(kernel::createFuseWindows());
    passes.nest<func::FuncOp>().addPass(kernel::createAskAhead());
  }
  return passes.run(module);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

LogicalResult runMemory(ModuleOp module) {
  for (func::FuncOp function : module.getOps<func::FuncOp>()) {
    SizeAnalysis sizes(function);
    if (failed(memory::assignBuffers(function, sizes)) || failed(memory::verifyBuffers(function)))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Emit
//===----------------------------------------------------------------------===//

/// The bytes of a weight, in the store that keeps them mapped.
static FailureOr<package::WeightSource> findWeight(const std::shared_ptr<importer::WeightStore> &store,
                                                   WeightOp op) {
  std::optional<StringRef> bytes = store->bytes(op.getPath(), static_cast<uint64_t>(op.getOffset()),
                                                static_cast<uint64_t>(op.getLength()));
  if (!bytes)
    return op.emitError() << "TN0613: the bytes of weight @" << op.getSymName() << " are not in '"
                          << op.getPath() << "'";
  return package::fromMemory(bytes->data(), bytes->size());
}

/// Lines of the code become the source nodes of the region's operations.
static package::Listing listingOf(const cpu::KernelListing &from, uint32_t kernel, uint32_t level,
                                  ArrayRef<std::vector<Location>> origins, plan::PackageBuilder &builder) {
  MLIRContext *context = builder.context();
  SmallVector<uint32_t> ofLine(1, package::kNone); // line 0
  SmallVector<Location> all;
  for (const std::vector<Location> &locations : origins) {
    ofLine.push_back(builder.origin(FusedLoc::get(context, locations)));
    all.append(locations.begin(), locations.end());
  }
  ofLine.push_back(builder.origin(FusedLoc::get(context, all)));
  package::Listing listing;
  listing.kernel = kernel;
  listing.image = level;
  listing.text = from.ir;
  listing.assembly = from.assembly;
  listing.entry = from.code.entry;
  listing.size = from.code.size;
  for (const cpu::CodeLines::Row &row : from.code.rows) {
    uint32_t origin = row.line < ofLine.size() ? ofLine[row.line] : package::kNone;
    if (listing.code.empty() || listing.code.back().origin != origin)
      listing.code.push_back({row.offset, origin});
  }
  return listing;
}

static void describeKernels(const cpu::CpuCompiler &compiler, plan::PackageBuilder &builder,
                            const Settings &settings, package::Package &package) {
  for (auto [index, info] : llvm::enumerate(compiler.kernels())) {
    package::Kernel kernel;
    kernel.name = info.name;
    kernel.family = info.family;
    kernel.access = info.access;
    kernel.symbolCount = info.scalarCount;
    kernel.entrySymbols.assign(package.images.size(), info.name);
    if (auto ties = builder.ties().find(static_cast<uint32_t>(index)); ties != builder.ties().end())
      kernel.ties = ties->second;
    package.kernels.push_back(std::move(kernel));
    auto number = static_cast<uint32_t>(index);
    package.debug.schedules.push_back({number, info.schedule});
    for (uint32_t level = 0; level < package.images.size(); ++level) {
      package.debug.listings.push_back(
          listingOf(compiler.listing(number, level), number, level, compiler.origins(number), builder));
    }
  }
}

LogicalResult tryPlans(ModuleOp module, const std::shared_ptr<importer::WeightStore> &weights) {
  package::Package package;
  plan::PackageBuilder builder(
      module, package,
      [](KernelOp, SizeAnalysis &sizes) -> FailureOr<cpu::DispatchInfo> {
        cpu::DispatchInfo info;
        info.grid = sizes.context().constant(1);
        return info;
      },
      [&](WeightOp op) { return findWeight(weights, op); });
  bool ok = true;
  for (func::FuncOp function : module.getOps<func::FuncOp>()) {
    SizeAnalysis sizes(function);
    ok &= succeeded(builder.addFunction(function, sizes));
  }
  return success(ok);
}

static package::MachineModel modelOf(const cpu::CpuTarget &t) {
  return {t.name, t.peakGflops, t.l2GBs, t.l3GBs, t.dramGBs, cpu::kDispatchNs};
}

/// Bytes of the weights that a module's functions read.
static int64_t weightBytes(ModuleOp module) {
  llvm::SmallPtrSet<Operation *, 16> seen;
  int64_t bytes = 0;
  module.walk([&](GetWeightOp read) {
    auto weight = module.lookupSymbol<WeightOp>(read.getWeight());
    if (weight && seen.insert(weight).second)
      bytes += static_cast<int64_t>(weight.getLength());
  });
  return bytes;
}

LogicalResult runEmit(ModuleOp module, const std::vector<cpu::CpuTarget> &levels, const Settings &settings,
                      const std::shared_ptr<importer::WeightStore> &weights, package::Package &package,
                      const npu::Lowering &lowering) {
  std::optional<SegmentEmitter> segments;
  if (settings.mortise)
    segments.emplace(module, *settings.mortise, lowering, *weights);
  cpu::CpuCompiler compiler(levels, weightBytes(module));
  plan::PackageBuilder builder(
      module, package,
      [&](KernelOp op, SizeAnalysis &sizes) {
        return segments && place::isSegment(op) ? segments->add(op, sizes) : compiler.add(op, sizes);
      },
      [&](WeightOp op) { return findWeight(weights, op); });
  for (func::FuncOp function : module.getOps<func::FuncOp>()) {
    SizeAnalysis sizes(function);
    if (failed(builder.addFunction(function, sizes)))
      return failure();
  }
  cpu::CompileOptions options;
  options.jobs = settings.jobs;
  if (settings.cacheFolder != "off")
    options.cacheDirectory =
        settings.cacheFolder.empty() ? cpu::ObjectCache::defaultDirectory() : settings.cacheFolder;
  options.listings = settings.assembly;
  std::string error;
  if (!compiler.kernels().empty() && failed(compiler.compile(options, package.images, error)))
    return module.emitError(error);
  describeKernels(compiler, builder, settings, package);
  if (segments)
    segments->finish(package);
  if (!levels.empty())
    package.debug.model = modelOf(levels.back());
  return success();
}

} // namespace tenon::pipeline

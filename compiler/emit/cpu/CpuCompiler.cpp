//===- CpuCompiler.cpp - from kernel regions to machine code
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/CpuCompiler.h"

#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/KernelFamilies.h"
#include "compiler/emit/cpu/ObjectCache.h"
#include "compiler/emit/cpu/ObjectCode.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/raw_ostream.h"
#include <atomic>
#include <mutex>

using namespace mlir;

namespace tenon::cpu {
namespace {

using Emitter = LogicalResult (*)(KernelBuilder &, KernelShape &);

Emitter emitterFor(StringRef family) {
  return llvm::StringSwitch<Emitter>(family)
      .Case("map", emitMap)
      .Case("reduce", emitReduce)
      .Case("contraction", emitContraction)
      .Case("conv", emitConvolution)
      .Case("winograd", emitWinograd)
      .Case("window", emitWindow)
      .Case("attention", emitAttention)
      .Case("indexed", emitIndexed)
      .Default(nullptr);
}

std::string printed(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os, OpPrintingFlags().useLocalScope().enableDebugInfo());
  return text;
}

/// Compiles a kernel's text, in a context of its own.
FailureOr<std::vector<uint8_t>> compileText(const std::string &text, const CpuTarget &target,
                                            std::string *assembly, std::string &error) {
  DialectRegistry registry;
  registry.insert<arith::ArithDialect, scf::SCFDialect, math::MathDialect, vector::VectorDialect,
                  LLVM::LLVMDialect, func::FuncDialect, cf::ControlFlowDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  OwningOpRef<ModuleOp> module =
      parseSourceString<ModuleOp>(text, ParserConfig(&context, /*verifyAfterParse=*/false));
  if (module)
    return compileToObject(*module, target, error, assembly);
  error =
      "TN0403: the kernel's text cannot be read again; this is a defect of the compiler: report the model";
  return failure();
}

} // namespace

struct CpuCompiler::Impl {
  std::vector<CpuTarget> levels;
  int64_t modelWeights = 0;
  std::vector<KernelInfo> infos;
  /// Text of the vector IR per kernel and level: cheap to hold, and each compile thread parses it into a
  /// context of its own.
  std::vector<std::vector<std::string>> texts;
  std::vector<std::vector<Size>> scalars; // per kernel, local
  std::vector<KernelShape> shapes;
  std::vector<std::unique_ptr<KernelSpec>> specs;
  llvm::StringMap<uint32_t> known;
  std::vector<std::vector<KernelListing>> listings;
  std::vector<std::vector<std::vector<Location>>> origins; // per kernel and operation

  FailureOr<uint32_t> emit(KernelOp op, std::unique_ptr<KernelSpec> spec);
  /// The object of a kernel for a level, from the cache or made now, and its listing.
  FailureOr<std::vector<uint8_t>> compileOne(size_t kernel, size_t level, const CompileOptions &options,
                                             ObjectCache *cache, std::string &error);
  LogicalResult emitLevel(KernelOp op, KernelSpec &spec, const CpuTarget &level, StringRef name,
                          KernelShape &shape, std::string &text);
};

CpuCompiler::CpuCompiler(std::vector<CpuTarget> levels, int64_t modelWeights)
    : impl(std::make_unique<Impl>()) {
  impl->levels = std::move(levels);
  impl->modelWeights = modelWeights;
}
CpuCompiler::~CpuCompiler() = default;

LogicalResult CpuCompiler::Impl::emitLevel(KernelOp op, KernelSpec &spec, const CpuTarget &level,
                                           StringRef name, KernelShape &shape, std::string &text) {
  MLIRContext *context = op.getContext();
  context->loadDialect<arith::ArithDialect, scf::SCFDialect, math::MathDialect, vector::VectorDialect,
                       LLVM::LLVMDialect, func::FuncDialect, cf::ControlFlowDialect>();
  OwningOpRef<ModuleOp> module = ModuleOp::create(op.getLoc());
  KernelBuilder k(*module, spec, level, name);
  Emitter emitter = emitterFor(op.getFamily());
  if (!emitter)
    return op.emitError() << "TN0402: expected a kernel family that the CPU knows, found '" << op.getFamily()
                          << "'";
  if (failed(emitter(k, shape)))
    return failure();
  k.finish();
  if (failed(verify(*module)))
    return op.emitError() << "TN0403: the code of a kernel of the family '" << op.getFamily()
                          << "' is malformed; this is a defect of the compiler: report the model";
  text = printed(*module);
  return success();
}

FailureOr<uint32_t> CpuCompiler::Impl::emit(KernelOp op, std::unique_ptr<KernelSpec> spec) {
  uint32_t index = infos.size();
  KernelInfo info;
  info.family = op.getFamily().str();
  info.name = "tn_" + std::to_string(index) + "_" + info.family;
  KernelShape shape;
  std::vector<std::string> levelTexts;
  for (const CpuTarget &level : levels) {
    KernelShape levelShape;
    std::string text;
    if (failed(emitLevel(op, *spec, level, info.name, levelShape, text)))
      return failure();
    levelTexts.push_back(std::move(text));
    // The grid may not depend on the level: one dispatch serves all images.
    if (!shape.grid)
      shape = levelShape;
    shape.cost = levelShape.cost; // of the last level, which the machine compiled for runs
    info.schedule += (info.schedule.empty() ? "" : "; ") + level.name + ": " + levelShape.schedule;
    if (StringRef type = productTypeOf(op); !type.empty())
      info.schedule += " " + type.str();
    shape.scratch = shape.scratch.max(levelShape.scratch);
    if (levelShape.grid != shape.grid)
      return op.emitError() << "TN0406: expected one grid for all levels of a kernel, found "
                            << shape.grid.str() << " and " << levelShape.grid.str()
                            << "; this is a defect of the compiler: report the model";
  }
  for (Value input : op.getInputs()) {
    (void)input;
    info.access.push_back(package::Access::Read);
  }
  info.access.insert(info.access.end(), op.getNumResults(), package::Access::Write);
  // Grid, cost and so on are not scalars of the kernel; only what the code asked for is.
  info.scalarCount = spec->scalars().size();
  known[spec->key()] = index;
  infos.push_back(std::move(info));
  texts.push_back(std::move(levelTexts));
  shapes.push_back(shape);
  specs.push_back(std::move(spec));
  origins.emplace_back();
  return index;
}

FailureOr<DispatchInfo> CpuCompiler::add(KernelOp op, SizeAnalysis &sizes) {
  auto spec = std::make_unique<KernelSpec>(op, sizes);
  KernelSpec *instance = spec.get();
  uint32_t index;
  std::unique_ptr<KernelSpec> kept;
  auto it = impl->known.find(spec->key());
  if (it != impl->known.end()) {
    index = it->second;
    kept = std::move(spec);
  } else {
    FailureOr<uint32_t> fresh = impl->emit(op, std::move(spec));
    if (failed(fresh))
      return failure();
    index = *fresh;
  }
  std::vector<std::vector<Location>> &origins = impl->origins[index];
  for (auto [line, inner] : llvm::enumerate(op.getBody().front().without_terminator())) {
    if (line == origins.size())
      origins.emplace_back();
    if (!llvm::is_contained(origins[line], inner.getLoc()))
      origins[line].push_back(inner.getLoc());
  }
  // Local symbols have the same numbers in every instance of a key.
  KernelSpec &original = *impl->specs[index];
  auto outer = [&](Size local) { return instance->outer(local); };
  DispatchInfo info;
  info.kernel = index;
  for (Size s : original.scalars())
    info.scalars.push_back(outer(s));
  if (planted(Defect::ScalarsSwapped) && info.scalars.size() > 1)
    std::swap(info.scalars[0], info.scalars[1]);
  const KernelShape &shape = impl->shapes[index];
  info.grid = outer(shape.grid);
  info.grain = sizes.context().constant(shape.grain);
  info.scratch = outer(shape.scratch);
  info.flops = outer(shape.flops);
  Traffic traffic = trafficOf(op, sizes);
  info.bytes = traffic.weights + traffic.activations;
  Prediction prediction =
      predict(op, impl->levels.back(), info.flops, outer(shape.cost), traffic, impl->modelWeights);
  info.cost = prediction.cost;
  info.compute = prediction.compute;
  info.traffic = prediction.traffic;
  return info;
}

const std::vector<KernelInfo> &CpuCompiler::kernels() const { return impl->infos; }

ArrayRef<std::vector<Location>> CpuCompiler::origins(uint32_t kernel) const { return impl->origins[kernel]; }

const KernelListing &CpuCompiler::listing(uint32_t kernel, uint32_t level) const {
  return impl->listings[kernel][level];
}

FailureOr<std::vector<uint8_t>> CpuCompiler::Impl::compileOne(size_t kernel, size_t level,
                                                              const CompileOptions &options,
                                                              ObjectCache *cache, std::string &error) {
  const CpuTarget &target = levels[level];
  const std::string &text = texts[kernel][level];
  KernelListing &listing = listings[kernel][level];
  std::vector<uint8_t> object;
  std::string key;
  if (cache && !options.listings)
    key = cache->key(text, target);
  if (key.empty() || !cache->find(key, object)) {
    FailureOr<std::vector<uint8_t>> made =
        compileText(text, target, options.listings ? &listing.assembly : nullptr, error);
    if (failed(made))
      return failure();
    object = std::move(*made);
    if (!key.empty())
      cache->put(key, object);
  }
  if (options.listings)
    listing.ir = text;
  FailureOr<CodeLines> code = readCodeLines(object, infos[kernel].name);
  if (failed(code)) {
    error =
        "TN0403: the object lacks the kernel's function; this is a defect of the compiler: report the model";
    return failure();
  }
  listing.code = std::move(*code);
  return object;
}

LogicalResult CpuCompiler::compile(const CompileOptions &options, std::vector<package::CodeImage> &images,
                                   std::string &error) {
  size_t kernelCount = impl->infos.size(), levelCount = impl->levels.size();
  impl->listings.assign(kernelCount, std::vector<KernelListing>(levelCount));
  std::vector<std::vector<std::vector<uint8_t>>> objects(levelCount,
                                                         std::vector<std::vector<uint8_t>>(kernelCount));
  std::optional<ObjectCache> cache;
  if (!options.cacheDirectory.empty())
    cache.emplace(options.cacheDirectory);
  std::mutex mutex;
  std::atomic<bool> bad = false;
  auto one = [&](size_t kernel, size_t level) {
    std::string message;
    FailureOr<std::vector<uint8_t>> object =
        impl->compileOne(kernel, level, options, cache ? &*cache : nullptr, message);
    if (succeeded(object)) {
      objects[level][kernel] = std::move(*object);
      return;
    }
    std::lock_guard<std::mutex> lock(mutex);
    bad = true;
    error = "kernel " + impl->infos[kernel].name + " for " + impl->levels[level].name + ": " + message;
  };
  {
    llvm::DefaultThreadPool pool(llvm::hardware_concurrency(options.jobs));
    for (size_t kernel = 0; kernel < kernelCount; ++kernel)
      for (size_t level = 0; level < levelCount; ++level)
        pool.async([&, kernel, level] {
          if (!bad)
            one(kernel, level);
        });
    pool.wait();
  }
  if (bad)
    return failure();
  std::vector<std::string> exports;
  for (const KernelInfo &info : impl->infos)
    exports.push_back(info.name);
  for (size_t level = 0; level < levelCount && kernelCount; ++level) {
    FailureOr<std::vector<uint8_t>> elf = linkImage(objects[level], exports, impl->levels[level], error);
    if (failed(elf))
      return failure();
    package::CodeImage image;
    image.isa = impl->levels[level].name;
    image.features = impl->levels[level].required;
    image.machine = StringRef(impl->levels[level].triple).starts_with("aarch64") ? package::Machine::AArch64
                                                                                 : package::Machine::X86_64;
    image.elf = std::move(*elf);
    images.push_back(std::move(image));
  }
  return success();
}

} // namespace tenon::cpu

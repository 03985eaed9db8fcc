//===- KernelFamiliesHarness.cpp - graphs on the CPU against the interpreter
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tests/kernels/KernelFamiliesHarness.h"

#include "compiler/emit/cpu/CpuCompiler.h"
#include "compiler/emit/cpu/ObjectCodeHarness.h"
#include "compiler/kernel/Passes.h"
#include "mlir/Parser/Parser.h"
#include "reference/Interpreter.h"
#include "tests/kernels/TensorComparison.h"

using namespace mlir;

namespace tenon::cpu::test {
namespace {

using reference::Tensor;
using tenon::test::compareTensors;
using tenon::test::randomTensor;

/// Walks a function of kernels the way a plan does.
class Walk {
public:
  Walk(func::FuncOp function, CpuCompiler &compiler, const LoadedImage &image, SizeAnalysis &sizes,
       llvm::DenseMap<Operation *, DispatchInfo> &dispatches, bool grains)
      : function(function), compiler(compiler), image(image), sizes(sizes), dispatches(dispatches),
        grains(grains) {}

  std::string run(ArrayRef<Tensor> arguments, std::vector<Tensor> &results);

private:
  std::string dispatch(KernelOp op);
  std::optional<int64_t> evaluate(Size s) const { return s.evaluate(symbols); }

  func::FuncOp function;
  CpuCompiler &compiler;
  const LoadedImage &image;
  SizeAnalysis &sizes;
  llvm::DenseMap<Operation *, DispatchInfo> &dispatches;
  bool grains;
  llvm::DenseMap<Value, Tensor> values;
  std::map<std::string, int64_t> symbols;
};

std::string Walk::run(ArrayRef<Tensor> arguments, std::vector<Tensor> &results) {
  for (auto [arg, tensor] : llvm::zip_equal(function.getArguments(), arguments)) {
    values[arg] = tensor;
    for (auto [s, d] : llvm::zip_equal(sizes.dims(arg), tensor.dims()))
      if (!s.symbol().empty())
        symbols[s.symbol().str()] = d;
  }
  for (Operation &op : function.getBody().front()) {
    if (auto k = dyn_cast<KernelOp>(op)) {
      if (std::string error = dispatch(k); !error.empty())
        return error;
    } else if (isa<ReshapeOp, tensor::CastOp>(op)) {
      SmallVector<int64_t> dims;
      for (Size s : sizes.dims(op.getResult(0)))
        dims.push_back(*evaluate(s));
      values[op.getResult(0)] = values[op.getOperand(0)].withDims(dims);
    } else if (auto c = dyn_cast<ConstantOp>(op)) {
      values[op.getResult(0)] = *Tensor::fromAttribute(c.getValue());
    } else if (isa<func::ReturnOp>(op)) {
      for (Value v : op.getOperands())
        results.push_back(values[v]);
    } else if (!llvm::all_of(op.getResultTypes(), [](Type t) { return t.isIndex(); })) {
      return "an operation outside of kernels: " + op.getName().getStringRef().str();
    }
  }
  return "";
}

std::string Walk::dispatch(KernelOp op) {
  const DispatchInfo &info = dispatches[op];
  const KernelInfo &kernel = compiler.kernels()[info.kernel];
  tenon_kernel_fn fn = image.find(kernel.name);
  if (!fn)
    return "no symbol " + kernel.name;
  std::vector<void *> buffers;
  for (Value v : op.getInputs())
    buffers.push_back(const_cast<char *>(values[v].bytes().data()));
  std::vector<Tensor> outputs;
  for (Value v : op.getResults()) {
    SmallVector<int64_t> dims;
    for (Size s : sizes.dims(v))
      dims.push_back(*evaluate(s));
    outputs.emplace_back(*reference::dtypeOf(cast<RankedTensorType>(v.getType()).getElementType()), dims);
  }
  for (Tensor &t : outputs)
    buffers.push_back(t.mutableBytes().data());
  std::vector<int64_t> scalars;
  for (Size s : info.scalars)
    scalars.push_back(*evaluate(s));
  int64_t grid = *evaluate(info.grid), grain = *evaluate(info.grain), bytes = *evaluate(info.scratch);
  // Filled with NaN: nothing may be read before it is written.
  std::vector<char> scratch(bytes + 64, char(0xff));
  void *aligned = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64) % 64;
  tenon_kernel_io io{buffers.data(), scalars.data(), aligned};
  int64_t step = grains ? grain : std::max<int64_t>(grid, 1);
  for (int64_t begin = 0; begin < grid; begin += step)
    if (fn(&io, begin, std::min(grid, begin + step), 0) != 0)
      return "the kernel " + kernel.name + " failed";
  for (auto [v, t] : llvm::zip_equal(op.getResults(), outputs))
    values[v] = t;
  return "";
}

} // namespace

std::string compareWithReference(const GraphCase &graph, std::vector<std::string> *families) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<TenonDialect, func::FuncDialect, arith::ArithDialect, tensor::TensorDialect,
                      scf::SCFDialect>();
  std::string diagnostics;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    diagnostics += d.str() + "\n";
    return success();
  });
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(graph.function, &context);
  if (!module)
    return "cannot parse: " + diagnostics;
  auto function = module->lookupSymbol<func::FuncOp>("main");
  std::mt19937 generator(7);
  std::vector<Tensor> arguments;
  for (auto [type, dims] : llvm::zip_equal(function.getArgumentTypes(), graph.sizes))
    arguments.push_back(randomTensor(cast<RankedTensorType>(type), dims, graph.values, generator));
  reference::Interpreter interpreter(*module);
  auto expected = interpreter.run(function, arguments);
  if (failed(expected))
    return "the interpreter fails: " + diagnostics;

  PassManager passes(&context);
  passes.addNestedPass<func::FuncOp>(kernel::createPackProducts({.winograd = true, .scaleWeights = true}));
  passes.addNestedPass<func::FuncOp>(kernel::createFormKernels());
  passes.addNestedPass<func::FuncOp>(kernel::createFuseWindows({.openIsLarge = true}));
  if (failed(passes.run(*module)))
    return "kernel formation fails: " + diagnostics;
  SizeAnalysis sizes(function);
  for (KernelOp op : function.getBody().getOps<KernelOp>())
    if (families)
      families->push_back(op.getFamily().str());
  for (const CpuTarget &target : testTargets(graph.dotProducts)) {
    CpuCompiler compiler({target});
    llvm::DenseMap<Operation *, DispatchInfo> dispatches;
    for (KernelOp op : function.getBody().getOps<KernelOp>()) {
      auto info = compiler.add(op, sizes);
      if (failed(info))
        return target.name + ": " + diagnostics;
      dispatches[op] = *info;
    }
    std::vector<package::CodeImage> images;
    std::string error;
    CompileOptions options;
    options.jobs = 1;
    if (failed(compiler.compile(options, images, error)))
      return target.name + ": " + error;
    LoadedImage image;
    if (!images.empty())
      image = LoadedImage::load(images.front().elf, error);
    if (!error.empty())
      return target.name + ": " + error;
    std::vector<Tensor> whole, parts;
    for (bool grains : {false, true}) {
      std::vector<Tensor> &results = grains ? parts : whole;
      error = Walk(function, compiler, image, sizes, dispatches, grains).run(arguments, results);
      for (size_t i = 0; i < results.size() && error.empty(); ++i)
        error = compareTensors((*expected)[i], results[i], graph.tolerance);
      if (!error.empty())
        return target.name + (target.emulate ? " emulated" : "") + (grains ? " in grains: " : ": ") + error;
    }
    for (size_t i = 0; i < whole.size(); ++i)
      if (whole[i].bytes() != parts[i].bytes())
        return target.name + ": results depend on how the grid is cut";
  }
  return "";
}

} // namespace tenon::cpu::test

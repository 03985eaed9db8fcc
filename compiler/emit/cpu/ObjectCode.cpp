//===- ObjectCode.cpp - MLIR to relocatable objects ---------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/ObjectCode.h"
#include "compiler/emit/cpu/LowerToLlvm.h"
#include "mlir/Dialect/LLVMIR/Transforms/Passes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopRotation.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

void initializeTargets() {
  static const bool done = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    return true;
  }();
  (void)done;
}

std::unique_ptr<llvm::TargetMachine> makeTargetMachine(const CpuTarget &target, std::string &error) {
  initializeTargets();
  llvm::Triple triple(target.triple);
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found) {
    error = "TN0402: no code generator for the triple '" + target.triple + "': " + error;
    return nullptr;
  }
  llvm::TargetOptions options;
  // Only fused operations that the kernel wrote as such, and instructions marked `contract`.
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  return std::unique_ptr<llvm::TargetMachine>(
      found->createTargetMachine(triple, target.llvmCpu, target.features, options, llvm::Reloc::PIC_,
                                 llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
}

/// Whether the function is one that the runtime calls (kernel_abi.h): others have arguments of their own.
bool isEntry(const llvm::Function &function) {
  return !function.hasLocalLinkage() && function.arg_size() == 4 &&
         function.getArg(0)->getType()->isPointerTy();
}

void setFunctionAttributes(llvm::Module &module, const CpuTarget &target) {
  bool wide = target.vectorBits == 512 && !target.emulate;
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::NoUnwind); // and so no unwind tables
    function.addFnAttr("no-builtins");
    function.addFnAttr("prefer-vector-width", wide ? "512" : "256");
    // The argument block is neither written nor reachable through a buffer.
    if (isEntry(function)) {
      function.addParamAttr(0, llvm::Attribute::NoAlias);
      function.addParamAttr(0, llvm::Attribute::ReadOnly);
    }
  }
}

/// Cleans up what lowering leaves. Kernels arrive tiled, unrolled and vectorized, so no pass changes their
/// loops.
void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::TargetLibraryInfoImpl libraries(machine.getTargetTriple());
  libraries.disableAllFunctions();
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(libraries); });
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);

  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::InstCombinePass());
  // A loop that tests at its end executes its body whenever it is entered, so that loads can leave it.
  llvm::LoopPassManager loopPasses;
  loopPasses.addPass(llvm::LoopRotatePass());
  loopPasses.addPass(llvm::LICMPass(llvm::LICMOptions()));
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loopPasses), /*UseMemorySSA=*/true));
  passes.addPass(llvm::EarlyCSEPass());
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      passes.run(function, functions);
}

LogicalResult emitFile(llvm::Module &module, llvm::TargetMachine &machine, llvm::CodeGenFileType type,
                       SmallVectorImpl<char> &output, std::string &error) {
  llvm::raw_svector_ostream stream(output);
  llvm::legacy::PassManager passes;
  llvm::TargetLibraryInfoImpl libraries(machine.getTargetTriple());
  libraries.disableAllFunctions();
  passes.add(new llvm::TargetLibraryInfoWrapperPass(libraries));
  if (machine.addPassesToEmitFile(passes, stream, nullptr, type)) {
    error = "TN0402: the code generator cannot write this kind of file";
    return failure();
  }
  passes.run(module);
  return success();
}

LogicalResult checkDefined(ArrayRef<char> object, std::string &error) {
  auto parsed = llvm::object::ObjectFile::createObjectFile(
      llvm::MemoryBufferRef(StringRef(object.data(), object.size()), "kernel"));
  if (!parsed) {
    error = "TN0402: the generated object cannot be read: " + llvm::toString(parsed.takeError());
    return failure();
  }
  std::string names;
  for (const llvm::object::SymbolRef &symbol : (*parsed)->symbols()) {
    llvm::Expected<uint32_t> flags = symbol.getFlags();
    llvm::Expected<StringRef> name = symbol.getName();
    bool undefined = flags && (*flags & llvm::object::SymbolRef::SF_Undefined);
    if (undefined && name && !name->empty())
      names += (names.empty() ? "" : ", ") + name->str();
    llvm::consumeError(flags.takeError());
    llvm::consumeError(name.takeError());
  }
  if (names.empty())
    return success();
  error = "TN0403: a kernel needs functions that no code image has: " + names +
          "; its operations must be lowered to instructions";
  return failure();
}

/// Gathers errors of MLIR and LLVM as text.
struct ErrorText {
  std::string &text;
  void add(const std::string &message) {
    if (!text.empty())
      text += "; ";
    text += message;
  }
};

/// Lets the code name the lines of the module's locations.
LogicalResult addDebugScopes(ModuleOp module) {
  PassManager passes(module.getContext());
  passes.addPass(LLVM::createDIScopeForLLVMFuncOpPass());
  return passes.run(module);
}

std::unique_ptr<llvm::Module> translate(ModuleOp module, llvm::LLVMContext &context, const CpuTarget &target,
                                        std::string &error) {
  MLIRContext *mlirContext = module.getContext();
  registerBuiltinDialectTranslation(*mlirContext);
  registerLLVMDialectTranslation(*mlirContext);
  std::string text;
  ErrorText errors{text};
  ScopedDiagnosticHandler handler(mlirContext, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      errors.add(diagnostic.str());
    return success();
  });
  std::unique_ptr<llvm::Module> result;
  if (succeeded(lowerToLlvm(module, target)) && succeeded(addDebugScopes(module)))
    result = translateModuleToLLVMIR(module, context, "kernel");
  if (!result)
    error =
        "TN0402: a kernel cannot be lowered to machine code: " + (text.empty() ? "no reason given" : text);
  return result;
}

} // namespace

FailureOr<std::vector<uint8_t>> compileToObject(ModuleOp module, const CpuTarget &target, std::string &error,
                                                std::string *assembly) {
  error.clear();
  std::unique_ptr<llvm::TargetMachine> machine = makeTargetMachine(target, error);
  if (!machine)
    return failure();
  llvm::LLVMContext context;
  context.setDiscardValueNames(true);
  std::string text;
  context.setDiagnosticHandlerCallBack(
      [](const llvm::DiagnosticInfo *info, void *data) {
        if (info->getSeverity() != llvm::DS_Error)
          return;
        std::string message;
        llvm::raw_string_ostream stream(message);
        llvm::DiagnosticPrinterRawOStream printer(stream);
        info->print(printer);
        ErrorText{*static_cast<std::string *>(data)}.add(message);
      },
      &text);
  std::unique_ptr<llvm::Module> code = translate(module, context, target, error);
  if (!code)
    return failure();
  code->setTargetTriple(machine->getTargetTriple());
  code->setDataLayout(machine->createDataLayout());
  code->setPICLevel(llvm::PICLevel::SmallPIC);
  setFunctionAttributes(*code, target);
  optimize(*code, *machine);
  if (assembly) {
    SmallString<0> listing;
    std::unique_ptr<llvm::Module> copy = llvm::CloneModule(*code);
    if (failed(emitFile(*copy, *machine, llvm::CodeGenFileType::AssemblyFile, listing, error)))
      return failure();
    *assembly = listing.str().split("\t.section\t.debug_").first.str();
  }
  SmallVector<char, 0> object;
  if (failed(emitFile(*code, *machine, llvm::CodeGenFileType::ObjectFile, object, error)))
    return failure();
  if (!text.empty()) {
    error = "TN0402: a kernel cannot be compiled: " + text;
    return failure();
  }
  if (failed(checkDefined(object, error)))
    return failure();
  return std::vector<uint8_t>(object.begin(), object.end());
}

} // namespace tenon::cpu

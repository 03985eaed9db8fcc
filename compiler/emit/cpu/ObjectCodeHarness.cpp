//===- ObjectCodeHarness.cpp - compiling and calling kernels in tests ---------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/ObjectCodeHarness.h"
#include "compiler/emit/cpu/CpuTargets.h"
#include "compiler/emit/cpu/ObjectCode.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;

namespace tenon::cpu::test {

LoadedImage::~LoadedImage() {
  if (handle)
    dlclose(handle);
}

tenon_kernel_fn LoadedImage::find(const std::string &name) const {
  return handle ? reinterpret_cast<tenon_kernel_fn>(dlsym(handle, name.c_str())) : nullptr;
}

LoadedImage LoadedImage::load(const std::vector<uint8_t> &image, std::string &error) {
  LoadedImage result;
  int file = memfd_create("image", 0);
  if (file < 0 || write(file, image.data(), image.size()) != static_cast<ssize_t>(image.size())) {
    error = "cannot write the image";
    return result;
  }
  result.handle = dlopen(("/proc/self/fd/" + std::to_string(file)).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!result.handle)
    error = dlerror();
  close(file);
  return result;
}

std::vector<CpuTarget> testTargets(bool dotProducts) {
  std::vector<CpuTarget> targets;
  std::string error;
  auto add = [&](const char *name, bool emulate) {
    FailureOr<std::vector<CpuTarget>> found = resolveCpuTargets(name, emulate, error);
    assert(succeeded(found) && "a built-in target");
    targets.insert(targets.end(), found->begin(), found->end());
  };
  add("x86-64-v3", false);
  if (hostRuns(package::kX86V4Features))
    add("x86-64-v4", false);
  add("x86-64-v4", true);
  if (!dotProducts)
    return targets;
  std::vector<CpuTarget> dot = *resolveCpuTargets("alderlake,icelake-server,zen4", false, error);
  for (const CpuTarget &target : dot)
    if (hostRuns(target.required))
      targets.push_back(target);
  add("zen4", true);
  return targets;
}

std::string elementwiseKernel(unsigned inputs, unsigned lanes, const std::string &from, const std::string &to,
                              const std::string &body) {
  auto typeOf = [&](const std::string &element) {
    return lanes == 1 ? element : "vector<" + std::to_string(lanes) + "x" + element + ">";
  };
  std::string text = R"(
    func.func @kernel(%io: !llvm.ptr, %begin: i32, %end: i32, %worker: i32) -> i32 {
      %buffers = llvm.load %io : !llvm.ptr -> !llvm.ptr
      %from = arith.index_cast %begin : i32 to index
      %to = arith.index_cast %end : i32 to index
      %one = arith.constant 1 : index
      %zero = arith.constant 0 : i32
      %lanes = arith.constant )" +
                     std::to_string(lanes) + R"( : i64
)";
  for (unsigned i = 0; i <= inputs; ++i) {
    std::string n = std::to_string(i);
    text += "      %slot" + n + " = llvm.getelementptr %buffers[" + n +
            "] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr\n" + "      %buffer" + n + " = llvm.load %slot" + n +
            " : !llvm.ptr -> !llvm.ptr\n";
  }
  text += "      scf.for %i = %from to %to step %one {\n        %item = arith.index_cast %i : index to i64\n"
          "        %offset = arith.muli %item, %lanes : i64\n";
  for (unsigned i = 0; i <= inputs; ++i) {
    std::string n = std::to_string(i);
    text += "        %p" + n + " = llvm.getelementptr %buffer" + n +
            "[%offset] : (!llvm.ptr, i64) -> !llvm.ptr, " + (i < inputs ? from : to) + "\n";
    if (i < inputs)
      text += std::string("        %") + static_cast<char>('a' + i) + " = llvm.load %p" + n +
              " {alignment = 1 : i64} : !llvm.ptr -> " + typeOf(from) + "\n";
  }
  return text + "        " + body + "\n        llvm.store %r, %p" + std::to_string(inputs) +
         " {alignment = 1 : i64} : " + typeOf(to) + ", !llvm.ptr\n      }\n      return %zero : i32\n    }\n";
}

std::vector<uint8_t> buildObject(const std::string &source, const CpuTarget &target, std::string &error,
                                 std::string *assembly) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, index::IndexDialect,
                      LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect, ub::UBDialect,
                      vector::VectorDialect>();
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(source, &context);
  if (!module) {
    error = "the test's source does not parse";
    return {};
  }
  FailureOr<std::vector<uint8_t>> object = compileToObject(*module, target, error, assembly);
  return succeeded(object) ? *object : std::vector<uint8_t>();
}

std::vector<uint8_t> linkObjects(const std::vector<std::vector<uint8_t>> &objects,
                                 const std::vector<std::string> &exports, const CpuTarget &target,
                                 std::string &error) {
  FailureOr<std::vector<uint8_t>> image = linkImage(objects, exports, target, error);
  return succeeded(image) ? *image : std::vector<uint8_t>();
}

std::vector<uint8_t> buildImage(const std::string &source, const CpuTarget &target, std::string &error) {
  std::vector<uint8_t> object = buildObject(source, target, error);
  return object.empty() ? object : linkObjects({object}, {"kernel"}, target, error);
}

std::string runKernel(const std::string &source, const CpuTarget &target, std::vector<void *> buffers,
                      uint32_t items) {
  std::string error;
  std::vector<uint8_t> image = buildImage(source, target, error);
  if (image.empty())
    return error;
  LoadedImage loaded = LoadedImage::load(image, error);
  tenon_kernel_fn kernel = loaded.find("kernel");
  if (!kernel)
    return "no symbol: " + error;
  alignas(64) tenon_kernel_io io{buffers.data(), nullptr, nullptr};
  return kernel(&io, 0, items, 0) == 0 ? "" : "the kernel returned an error";
}

} // namespace tenon::cpu::test

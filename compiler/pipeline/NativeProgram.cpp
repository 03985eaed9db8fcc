//===- NativeProgram.cpp - a compiled function that runs at once --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/NativeProgram.h"

#include "compiler/pipeline/Phases.h"
#include "package/writer.h"
#include "runtime/include/tenon/tenon.h"

using namespace mlir;

namespace tenon::pipeline {

FailureOr<std::unique_ptr<NativeProgram>>
NativeProgram::create(ModuleOp module, const std::vector<cpu::CpuTarget> &levels, const Settings &settings) {
  package::Package built;
  Settings plain = settings;
  plain.assembly = false;
  auto none = std::make_shared<importer::WeightStore>();
  if (failed(runKernel(module, plain)) || failed(runMemory(module)) ||
      failed(runEmit(module, levels, plain, none, built)))
    return failure();
  std::unique_ptr<NativeProgram> program(new NativeProgram);
  package::WriteOptions options;
  options.debugSection = false;
  if (package::Status status = package::writeMemory(built, program->storage, options); !status.ok())
    return module.emitError() << "a computation on weights: " << status.message();
  tenon_error error;
  tenon_load_options load = {};
  load.copy = 1;
  tenon_session_options one = {};
  one.threads = 1;
  if (tenon_package_load_memory(program->storage.data(), program->storage.size(), &load, &program->package,
                                &error) != TENON_OK ||
      tenon_session_create(program->package, &one, &program->session, &error) != TENON_OK)
    return module.emitError() << "a computation on weights: " << error.message;
  program->storage.clear();
  return program;
}

NativeProgram::~NativeProgram() {
  if (session)
    tenon_session_destroy(session);
  tenon_package_release(package);
}

FailureOr<std::string> NativeProgram::run(ArrayRef<StringRef> inputs, std::string &error) {
  auto fail = [&] {
    error = tenon_session_message(session);
    return failure();
  };
  std::vector<std::unique_ptr<uint64_t[]>> aligned; // copies of inputs that lie at odd addresses
  for (auto [i, bytes] : llvm::enumerate(inputs)) {
    auto number = static_cast<uint32_t>(i);
    tenon_tensor_info info;
    if (tenon_package_input(package, 0, number, &info) != TENON_OK) {
      error = "the program has fewer inputs than were given";
      return failure();
    }
    std::vector<int64_t> shape;
    for (uint32_t d = 0; d < info.rank; ++d)
      shape.push_back(info.dims[d].value);
    const void *data = bytes.data();
    if (reinterpret_cast<uintptr_t>(data) % sizeof(uint64_t) != 0) {
      aligned.emplace_back(new uint64_t[bytes.size() / sizeof(uint64_t) + 1]);
      std::memcpy(aligned.back().get(), data, bytes.size());
      data = aligned.back().get();
    }
    if (tenon_session_bind_input(session, 0, number, data, info.dtype, shape.data(), info.rank) != TENON_OK)
      return fail();
  }
  tenon_tensor result;
  if (tenon_session_run(session, 0) != TENON_OK || tenon_session_output(session, 0, 0, &result) != TENON_OK)
    return fail();
  return std::string(static_cast<const char *>(result.data), result.bytes);
}

} // namespace tenon::pipeline

//===- RunFunction.cpp - functions by name, inputs and outputs by name ---===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/RunFunction.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::reference;

static std::string modelNameOf(Attribute attribute, llvm::StringRef prefix, unsigned i) {
  auto name = dyn_cast_or_null<StringAttr>(attribute);
  return name ? name.str() : prefix.str() + std::to_string(i);
}

FailureOr<std::vector<NamedTensor>> tenon::reference::runFunction(Interpreter &interpreter,
                                                                  llvm::StringRef functionName,
                                                                  llvm::ArrayRef<NamedTensor> inputs) {
  auto function = interpreter.module().lookupSymbol<func::FuncOp>(functionName);
  if (!function)
    return interpreter.module().emitError() << "TN0716: the module has no function '" << functionName << "'";
  llvm::SmallVector<std::string> names;
  llvm::SmallVector<Tensor> arguments;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    names.push_back(modelNameOf(function.getArgAttr(i, kNameAttr), "arg", i));
    const auto *input = llvm::find_if(inputs, [&](const NamedTensor &t) { return t.name == names.back(); });
    if (input == inputs.end())
      return function.emitError() << "TN0716: '" << functionName << "' needs the input '" << names.back()
                                  << "', which was not given";
    arguments.push_back(input->value);
  }
  for (const NamedTensor &input : inputs)
    if (!llvm::is_contained(names, input.name))
      return function.emitError() << "TN0716: '" << functionName << "' has no input '" << input.name
                                  << "'; its inputs are " << llvm::join(names, ", ");
  FailureOr<llvm::SmallVector<Tensor>> results = interpreter.run(function, arguments);
  if (failed(results))
    return failure();
  std::vector<NamedTensor> outputs;
  for (auto [i, value] : llvm::enumerate(*results))
    outputs.push_back({modelNameOf(function.getResultAttr(i, kNameAttr), "result", i), value});
  return outputs;
}

FailureOr<llvm::ArrayRef<char>> WeightFiles::contentOf(WeightOp weight) {
  llvm::StringRef path = weight.getPath();
  if (path.consume_front("mem:")) {
    unsigned n;
    if (path.getAsInteger(10, n) || n >= buffers.size())
      return weight.emitError() << "TN0715: the weight '" << weight.getSymName() << "' is in buffer '" << path
                                << "' where " << buffers.size() << " buffers are held";
    return buffers[n];
  }
  llvm::SmallString<128> file(modelFile);
  if (!path.empty()) {
    llvm::sys::path::remove_filename(file);
    llvm::sys::path::append(file, path);
  }
  std::shared_ptr<llvm::MemoryBuffer> &buffer = files[file];
  if (!buffer) {
    auto opened = llvm::MemoryBuffer::getFile(file, /*IsText=*/false, /*RequiresNullTerminator=*/false);
    if (!opened)
      return weight.emitError() << "TN0715: the weight '" << weight.getSymName() << "' is in '" << file
                                << "', which cannot be read: " << opened.getError().message();
    buffer = std::move(*opened);
  }
  return llvm::ArrayRef<char>(buffer->getBufferStart(), buffer->getBufferSize());
}

FailureOr<Tensor> WeightFiles::operator()(WeightOp weight) {
  FailureOr<llvm::ArrayRef<char>> content = contentOf(weight);
  if (failed(content))
    return failure();
  auto type = cast<RankedTensorType>(weight.getType());
  Tensor tensor(*dtypeOf(type.getElementType()), type.getShape());
  uint64_t offset = weight.getOffset(), length = weight.getLength();
  if (length != tensor.bytes().size() || offset > content->size() || length > content->size() - offset)
    return weight.emitError() << "TN0715: the weight '" << weight.getSymName() << "' of "
                              << tensor.bytes().size() << " bytes is declared at bytes " << offset << " to "
                              << offset + length << " of a file of " << content->size()
                              << " bytes; the model's data is incomplete";
  llvm::copy(content->slice(offset, length), tensor.mutableBytes().begin());
  return tensor;
}

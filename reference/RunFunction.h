//===- RunFunction.h - functions by name, inputs and outputs by name -----===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "reference/Interpreter.h"
#include "llvm/Support/MemoryBuffer.h"
#include <string>
#include <vector>

namespace tenon::reference {

struct NamedTensor {
  std::string name;
  Tensor value;
};

/// Runs `functionName` of the interpreter's module. Inputs may come in any order; each argument is found by
/// its name (the attribute `tenon.name`, else "arg0", "arg1", ...) and every input must be one. Outputs come
/// in the order of the results, named alike (else "result0", ...). Errors are diagnostics; see Interpreter.h
/// for the codes.
mlir::FailureOr<std::vector<NamedTensor>> runFunction(Interpreter &interpreter, llvm::StringRef functionName,
                                                      llvm::ArrayRef<NamedTensor> inputs);

/// Reads weights from the model's file, from files beside it, and from the compilation's own buffers
/// ("mem:<n>"). Copies share the files that were opened. Use as a WeightReader.
class WeightFiles {
public:
  /// `modelFile` may be empty when no weight refers to it; `buffers` outlive the reader.
  explicit WeightFiles(llvm::StringRef modelFile, llvm::ArrayRef<llvm::ArrayRef<char>> buffers = {})
      : modelFile(modelFile), buffers(buffers) {}

  mlir::FailureOr<Tensor> operator()(WeightOp weight);

private:
  mlir::FailureOr<llvm::ArrayRef<char>> contentOf(WeightOp weight);

  std::string modelFile;
  std::vector<llvm::ArrayRef<char>> buffers;
  llvm::StringMap<std::shared_ptr<llvm::MemoryBuffer>> files;
};

} // namespace tenon::reference

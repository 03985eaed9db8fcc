//===- ModelFile.h - an ONNX model, parsed, with its weights in place -------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/Import.h"
#include "compiler/import/onnx/WireScanner.h"
#include "mlir/IR/Types.h"
#include "onnx-ml.pb.h"
#include <memory>
#include <string>
#include <vector>

namespace tenon::importer {

/// The elements of an ONNX tensor: bytes (little-endian, row-major, a byte for each boolean) of a source of
/// the WeightStore, or bytes of its own.
struct TensorData {
  mlir::Type elementType;
  llvm::SmallVector<int64_t> dims;
  std::string path; // of the source, when `inSource`
  uint64_t offset = 0;
  bool inSource = false;
  std::string owned;     // when not `inSource`
  llvm::StringRef bytes; // of the elements, wherever they are; for `owned` set by TensorData's user
  int64_t elements = 0;
};

/// The MLIR type of an ONNX element type (TensorProto::DataType), null when Tenon has none.
mlir::Type elementTypeOf(mlir::MLIRContext &context, int32_t onnxType);
/// "float32", "string", ...; "type 99" for a number that means nothing.
std::string nameOfElementType(int32_t onnxType);
/// Bytes that an element takes in memory (booleans take one).
int64_t bytesOf(mlir::Type elementType);

class ModelFile {
public:
  /// Maps and parses a model and registers its bytes in `store` as `sourceName`. Null on failure, with an
  /// error in `diagnostics`.
  static std::unique_ptr<ModelFile> open(const OnnxModel &model, llvm::StringRef sourceName,
                                         std::shared_ptr<WeightStore> store,
                                         std::vector<ImportDiagnostic> &diagnostics);

  const ::onnx::ModelProto &proto() const { return model; }

  /// The elements of a tensor of this model. Fails with a code and a message.
  struct Error {
    int code = 0;
    std::string message;
  };
  bool load(mlir::MLIRContext &context, const ::onnx::TensorProto &tensor, TensorData &data, Error &error);

private:
  bool locateExternal(const ::onnx::TensorProto &tensor, TensorData &data, uint64_t length, Error &error);
  bool locatePayload(const ::onnx::TensorProto &tensor, TensorData &data, uint64_t length, Error &error);
  bool openExternal(llvm::StringRef location, std::string &path, Error &error);

  ::onnx::ModelProto model;
  std::vector<Payload> payloads;
  std::string sourceName, folder;
  std::shared_ptr<WeightStore> store;
};

} // namespace tenon::importer

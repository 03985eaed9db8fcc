//===- ModelFile.cpp - opens and parses an ONNX model -----------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/ModelFile.h"

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace tenon::importer;
using llvm::StringRef;
namespace fs = llvm::sys::fs;

namespace {

std::nullptr_t fail(std::vector<ImportDiagnostic> &diagnostics, int code, const llvm::Twine &message) {
  ImportDiagnostic d;
  d.code = code;
  d.message = message.str();
  diagnostics.push_back(std::move(d));
  return nullptr;
}

/// Maps a regular file; devices and pipes could block or never end.
std::unique_ptr<llvm::MemoryBuffer> mapFile(const std::string &path, std::string &reason) {
  fs::file_status status;
  if (std::error_code ec = fs::status(path, status)) {
    reason = ec.message();
    return nullptr;
  }
  if (status.type() != fs::file_type::regular_file) {
    reason = "not a regular file";
    return nullptr;
  }
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    reason = buffer.getError().message();
    return nullptr;
  }
  return std::move(*buffer);
}

bool parseReduced(const std::string &bytes, ::onnx::ModelProto &model) {
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetTotalBytesLimit(INT32_MAX);
  return model.ParsePartialFromCodedStream(&coded) && coded.ConsumedEntireMessage();
}

} // namespace

std::unique_ptr<ModelFile> ModelFile::open(const OnnxModel &source, StringRef sourceName,
                                           std::shared_ptr<WeightStore> store,
                                           std::vector<ImportDiagnostic> &diagnostics) {
  auto file = std::make_unique<ModelFile>();
  file->sourceName = sourceName.str();
  file->store = store;
  std::string shown = source.path.empty() ? "the model" : "'" + source.path + "'";
  if (source.bytes.data()) {
    store->add(sourceName,
               llvm::MemoryBuffer::getMemBuffer(source.bytes, shown, /*RequiresNullTerminator=*/false));
  } else {
    std::string reason;
    auto buffer = mapFile(source.path, reason);
    if (!buffer)
      return fail(diagnostics, 110,
                  "expected a readable .onnx file, found " + shown + ": " + reason +
                      "; check the path and its permissions");
    store->add(sourceName, std::move(buffer));
    file->folder = llvm::sys::path::parent_path(source.path).str();
    if (file->folder.empty())
      file->folder = ".";
  }
  StringRef bytes = *store->source(sourceName);
  ScannedModel scanned;
  std::string message;
  ScanError error = scanModel(bytes, ScanLimits(), scanned, message);
  if (error == ScanError::Truncated)
    return fail(diagnostics, 112,
                "expected a complete ONNX model, but " + shown + " is truncated: " + message +
                    "; fetch the file again");
  if (error == ScanError::TooLarge)
    return fail(diagnostics, 113,
                shown + " is beyond the limits of the importer: " + message +
                    "; keep weights in initializers or external data");
  if (error != ScanError::None || !parseReduced(scanned.reduced, file->model))
    return fail(diagnostics, 111,
                "expected an ONNX model (a serialized ModelProto), but " + shown + " is not one: " +
                    (message.empty() ? "protobuf refuses it" : message) + "; export the model again");
  if (!file->model.has_graph())
    return fail(diagnostics, 111,
                "expected an ONNX model (a serialized ModelProto), but " + shown +
                    " has no graph; export the model again");
  file->payloads = std::move(scanned.payloads);
  return file;
}

bool ModelFile::openExternal(StringRef location, std::string &path, Error &error) {
  auto refuse = [&](int code, const llvm::Twine &what) {
    error = {code, ("external data '" + location + "': " + what).str()};
    return false;
  };
  if (folder.empty())
    return refuse(117,
                  "a model given as bytes has no folder; save the model to a file or inline its weights");
  if (location.empty() || location.contains('\0') || llvm::sys::path::is_absolute(location))
    return refuse(117, "expected a path relative to the model's folder");
  for (auto it = llvm::sys::path::begin(location), end = llvm::sys::path::end(location); it != end; ++it)
    if (*it == "..")
      return refuse(117, "expected a path inside the model's folder, found '..'");
  llvm::SmallString<256> full(folder), realFolder, realFile;
  llvm::sys::path::append(full, location);
  if (std::error_code ec = fs::real_path(folder, realFolder))
    return refuse(118, "the model's folder cannot be read: " + ec.message());
  if (std::error_code ec = fs::real_path(full, realFile))
    return refuse(118, "expected a file beside the model: " + ec.message());
  // A symbolic link may point anywhere; what counts is where the file really is.
  StringRef prefix = realFolder;
  if (!StringRef(realFile).starts_with(prefix) ||
      !(prefix.ends_with("/") || StringRef(realFile).substr(prefix.size()).starts_with("/")))
    return refuse(117, "expected a file inside the model's folder, but a symbolic link leads out of it");
  // Sources are shared by name; files of two models in different folders must not be taken for each other.
  path = sourceName.empty() ? location.str() : sourceName + "/" + location.str();
  if (store->source(path))
    return true;
  std::string reason;
  auto buffer = mapFile(std::string(realFile), reason);
  if (!buffer)
    return refuse(118, "cannot be read: " + reason);
  store->add(path, std::move(buffer));
  return true;
}

bool ModelFile::locateExternal(const ::onnx::TensorProto &tensor, TensorData &data, uint64_t length,
                               Error &error) {
  StringRef location;
  uint64_t offset = 0, stated = length;
  for (const auto &entry : tensor.external_data()) {
    StringRef key(entry.key()), value(entry.value());
    if (key == "location")
      location = value;
    else if ((key == "offset" && value.getAsInteger(10, offset)) ||
             (key == "length" && value.getAsInteger(10, stated))) {
      error = {116, ("external data: expected a number for '" + key + "', found '" + value + "'").str()};
      return false;
    }
  }
  if (!openExternal(location, data.path, error))
    return false;
  if (stated != length) {
    error = {116, ("external data '" + location + "': expected " + std::to_string(length) +
                   " bytes for the tensor's shape and type, found length " + std::to_string(stated))
                      .str()};
    return false;
  }
  auto bytes = store->bytes(data.path, offset, length);
  if (!bytes) {
    error = {118, ("external data '" + location + "': expected bytes " + std::to_string(offset) + " to " +
                   std::to_string(offset) + "+" + std::to_string(length) + ", but the file has " +
                   std::to_string(store->source(data.path)->size()) + "; fetch the file again")
                      .str()};
    return false;
  }
  data.offset = offset;
  data.inSource = true;
  data.bytes = *bytes;
  return true;
}

bool ModelFile::locatePayload(const ::onnx::TensorProto &tensor, TensorData &data, uint64_t length,
                              Error &error) {
  size_t index = 0;
  if (StringRef(tensor.doc_string()).getAsInteger(10, index) || index >= payloads.size()) {
    error = {116, "the tensor's data cannot be found in the file"};
    return false;
  }
  const Payload &payload = payloads[index];
  bool kindFits =
      payload.kind == Payload::Kind::Raw ||
      (payload.kind == Payload::Kind::Float && tensor.data_type() == ::onnx::TensorProto::FLOAT) ||
      (payload.kind == Payload::Kind::Double && tensor.data_type() == ::onnx::TensorProto::DOUBLE);
  if (!kindFits || payload.length != length) {
    error = {116, "expected " + std::to_string(length) + " bytes of " +
                      nameOfElementType(tensor.data_type()) + " for the tensor's shape, found " +
                      std::to_string(payload.length) + " bytes"};
    return false;
  }
  data.path = sourceName;
  data.offset = payload.offset;
  data.inSource = true;
  data.bytes = *store->bytes(sourceName, payload.offset, payload.length);
  return true;
}

namespace {

template <typename Stored, typename Repeated> void appendAll(std::string &bytes, const Repeated &values) {
  bytes.reserve(values.size() * sizeof(Stored));
  for (auto v : values) {
    auto stored = static_cast<Stored>(v);
    bytes.append(reinterpret_cast<const char *>(&stored), sizeof(Stored));
  }
}

/// Decodes the typed data fields that hold elements of `tensor`'s type (see the comments in onnx-ml.proto).
void decodeTyped(const ::onnx::TensorProto &tensor, std::string &bytes) {
  using P = ::onnx::TensorProto;
  switch (tensor.data_type()) {
  case P::FLOAT:
    return appendAll<float>(bytes, tensor.float_data());
  case P::DOUBLE:
    return appendAll<double>(bytes, tensor.double_data());
  case P::INT64:
    return appendAll<int64_t>(bytes, tensor.int64_data());
  case P::UINT64:
    return appendAll<uint64_t>(bytes, tensor.uint64_data());
  case P::UINT32:
    return appendAll<uint32_t>(bytes, tensor.uint64_data());
  case P::INT32:
    return appendAll<int32_t>(bytes, tensor.int32_data());
  case P::INT16:
  case P::UINT16:
  case P::FLOAT16:
  case P::BFLOAT16:
    return appendAll<uint16_t>(bytes, tensor.int32_data());
  case P::INT8:
  case P::UINT8:
  case P::BOOL:
    return appendAll<uint8_t>(bytes, tensor.int32_data());
  default:
    return;
  }
}

} // namespace

bool ModelFile::load(mlir::MLIRContext &context, const ::onnx::TensorProto &tensor, TensorData &data,
                     Error &error) {
  data = TensorData();
  data.elementType = elementTypeOf(context, tensor.data_type());
  if (!data.elementType) {
    error = {104, "tensors of " + nameOfElementType(tensor.data_type()) + " are not supported"};
    return false;
  }
  if (tensor.dims_size() > 32 || tensor.has_segment()) {
    error = {113,
             "expected a whole tensor of at most 32 dimensions, found " + std::to_string(tensor.dims_size())};
    return false;
  }
  int64_t elements = 1, bytes = 0;
  for (int64_t d : tensor.dims()) {
    if (d < 0 || llvm::MulOverflow(elements, d, elements)) {
      error = {116, "expected sizes that are not negative and whose product fits 63 bits, found " +
                        std::to_string(d)};
      return false;
    }
    data.dims.push_back(d);
  }
  if (llvm::MulOverflow(elements, bytesOf(data.elementType), bytes)) {
    error = {116, "the tensor's size in bytes exceeds 63 bits"};
    return false;
  }
  data.elements = elements;
  if (tensor.data_location() == ::onnx::TensorProto::EXTERNAL)
    return locateExternal(tensor, data, bytes, error);
  if (tensor.has_doc_string())
    return locatePayload(tensor, data, bytes, error);
  if (tensor.has_raw_data())
    data.owned = tensor.raw_data();
  else
    decodeTyped(tensor, data.owned);
  if (static_cast<int64_t>(data.owned.size()) != bytes) {
    error = {116, "expected " + std::to_string(bytes) + " bytes for the tensor's shape and type, found " +
                      std::to_string(data.owned.size())};
    return false;
  }
  return true;
}

mlir::Type tenon::importer::elementTypeOf(mlir::MLIRContext &context, int32_t onnxType) {
  using P = ::onnx::TensorProto;
  mlir::Builder b(&context);
  auto unsignedType = [&](unsigned width) {
    return mlir::IntegerType::get(&context, width, mlir::IntegerType::Unsigned);
  };
  switch (onnxType) {
  case P::FLOAT:
    return b.getF32Type();
  case P::DOUBLE:
    return b.getF64Type();
  case P::FLOAT16:
    return b.getF16Type();
  case P::BFLOAT16:
    return b.getBF16Type();
  case P::INT8:
    return b.getI8Type();
  case P::INT16:
    return b.getIntegerType(16);
  case P::INT32:
    return b.getI32Type();
  case P::INT64:
    return b.getI64Type();
  case P::UINT8:
    return unsignedType(8);
  case P::UINT16:
    return unsignedType(16);
  case P::UINT32:
    return unsignedType(32);
  case P::UINT64:
    return unsignedType(64);
  case P::BOOL:
    return b.getI1Type();
  default:
    return nullptr;
  }
}

std::string tenon::importer::nameOfElementType(int32_t onnxType) {
  if (!::onnx::TensorProto::DataType_IsValid(onnxType))
    return "type " + std::to_string(onnxType);
  return StringRef(::onnx::TensorProto::DataType_Name(static_cast<::onnx::TensorProto::DataType>(onnxType)))
      .lower();
}

int64_t tenon::importer::bytesOf(mlir::Type elementType) {
  return std::max<int64_t>(1, elementType.getIntOrFloatBitWidth() / 8);
}

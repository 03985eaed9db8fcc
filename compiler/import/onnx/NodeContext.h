//===- NodeContext.h - what a handler sees of the node that it imports ------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/GraphBuilder.h"
#include "onnx-ml.pb.h"

namespace tenon::importer {

class GraphImporter;
struct Scope;

/// Evaluates `expression` (a FailureOr) and names its value, or returns failure from the handler.
#define ONNX_TRY(name, expression)                                                                           \
  auto name##OrFailure = (expression);                                                                       \
  if (mlir::failed(name##OrFailure))                                                                         \
    return mlir::failure();                                                                                  \
  auto &name = *name##OrFailure

class NodeContext {
public:
  NodeContext(GraphImporter &importer, GraphBuilder &g, const ::onnx::NodeProto &node, Scope &scope,
              int64_t opset);

  GraphImporter &importer;
  GraphBuilder &g;
  const ::onnx::NodeProto &node;
  Scope &scope;
  int64_t opset;

  // Inputs: absent ones have an empty name or are not there.
  int64_t inputCount() const { return inputs.size(); }
  bool has(int64_t i) const { return i < inputCount() && bool(inputs[i]); }
  const Tensor &in(int64_t i) const { return inputs[i]; }
  std::vector<Tensor> inputs;
  /// Checks that inputs 0 .. count-1 are there and tensors.
  mlir::LogicalResult needInputs(int64_t count);

  // Outputs.
  int64_t outputCount() const { return node.output_size(); }
  bool wants(int64_t i) const { return i < outputCount() && !node.output(i).empty(); }
  std::vector<Tensor> outputs;
  mlir::LogicalResult out(Tensor t, int64_t i = 0);

  // Attributes.
  const ::onnx::AttributeProto *attr(llvm::StringRef name) const;
  int64_t intAttr(llvm::StringRef name, int64_t otherwise) const;
  double floatAttr(llvm::StringRef name, double otherwise) const;
  std::string stringAttr(llvm::StringRef name, llvm::StringRef otherwise) const;
  std::optional<llvm::SmallVector<int64_t>> intsAttr(llvm::StringRef name) const;
  std::optional<llvm::SmallVector<double>> floatsAttr(llvm::StringRef name) const;
  std::optional<llvm::SmallVector<std::string>> stringsAttr(llvm::StringRef name) const;

  // Failures; all return failure().
  mlir::LogicalResult fail(int code, const llvm::Twine &message);
  /// The form of the operation is not supported (TN0102).
  mlir::LogicalResult unsupported(const llvm::Twine &message) { return fail(102, message); }
  /// The node breaks the rules of ONNX (TN0105).
  mlir::LogicalResult invalid(const llvm::Twine &message) { return fail(105, message); }
  int failureCode = 0;
  std::string failureMessage;

  // Sizes and constants.
  /// The elements of an integer tensor as sizes: known ones, else read when the model runs (static count
  /// needed).
  /// What is read is at least `min` and at most the entry of `most`, where there is one for each element; the
  /// run checks both.
  mlir::FailureOr<llvm::SmallVector<Size>> sizesOf(int64_t input, std::optional<int64_t> min = std::nullopt,
                                                   llvm::ArrayRef<int64_t> most = {});
  /// The sizes that the model declares for an output, when it declares all of them as numbers; else nothing.
  llvm::SmallVector<int64_t> declaredShape(int64_t output) const;
  /// Elements that the importer must know.
  mlir::FailureOr<llvm::SmallVector<int64_t>> constantInts(int64_t input, llvm::StringRef what);
  mlir::FailureOr<double> constantNumber(int64_t input, llvm::StringRef what);
  /// Axes given by an attribute (older opsets) or by an input; normalized, sorted, without repetition.
  mlir::FailureOr<llvm::SmallVector<int64_t>> axes(llvm::StringRef attribute, int64_t input, int64_t rank,
                                                   bool &given);
  mlir::FailureOr<int64_t> axis(int64_t value, int64_t rank);

  // Shapes.
  mlir::FailureOr<Size> sameSize(Size a, Size b, llvm::StringRef what);
  mlir::FailureOr<Dims> broadcastDims(llvm::ArrayRef<Tensor> tensors);
  /// Brings tensors to one shape by the rules of multidirectional broadcasting.
  mlir::FailureOr<llvm::SmallVector<Tensor>> broadcastAll(llvm::ArrayRef<Tensor> tensors);
  /// Broadcasts in one direction, to exactly `dims`.
  mlir::FailureOr<Tensor> broadcastTo(const Tensor &t, llvm::ArrayRef<Size> dims, llvm::StringRef what);
  mlir::LogicalResult needRank(int64_t input, int64_t least);
  mlir::LogicalResult needFloat(int64_t input);

  mlir::Type f32() { return g.builder.getF32Type(); }
  mlir::Type i64() { return g.builder.getI64Type(); }
  mlir::Type i1() { return g.builder.getI1Type(); }
};

/// The axes first .. end - 1.
inline llvm::SmallVector<int64_t> axesFrom(int64_t first, int64_t end) {
  llvm::SmallVector<int64_t> list;
  for (int64_t i = first; i < end; ++i)
    list.push_back(i);
  return list;
}

using Handler = mlir::LogicalResult (*)(NodeContext &);

/// A handler and the opsets that it knows. `firstOpset` is the oldest version with this meaning.
struct OpEntry {
  Handler handler = nullptr;
  int64_t firstOpset = 1;
  /// The operation runs on elements known at import: tried first, when every input's elements are known.
  Handler onContent = nullptr;
};

class OpTable {
public:
  /// `op` is "Add", or "com.microsoft:Gelu" for other domains.
  void add(llvm::StringRef op, Handler handler, int64_t firstOpset = 1) {
    entries[op].handler = handler;
    entries[op].firstOpset = firstOpset;
  }
  void addContent(llvm::StringRef op, Handler handler) { entries[op].onContent = handler; }
  const OpEntry *find(llvm::StringRef domain, llvm::StringRef op) const;
  /// The table with every family.
  static const OpTable &instance();

private:
  llvm::StringMap<OpEntry> entries;
};

// One function for each family of operations, in the file of that name.
void registerElementwise(OpTable &table);
void registerActivations(OpTable &table);
void registerReductions(OpTable &table);
void registerContractions(OpTable &table);
void registerEinsum(OpTable &table);
void registerConvolutions(OpTable &table);
void registerPooling(OpTable &table);
void registerNormalizations(OpTable &table);
void registerMovement(OpTable &table);
void registerSlicing(OpTable &table);
void registerIndexing(OpTable &table);
void registerResize(OpTable &table);
void registerRecurrent(OpTable &table);
void registerAttention(OpTable &table);
void registerGenerators(OpTable &table);
void registerSequences(OpTable &table);
void registerControlFlow(OpTable &table);
void registerLoops(OpTable &table);
void registerLosses(OpTable &table);
void registerContent(OpTable &table);
void registerQuantization(OpTable &table);
void registerQuantizedProducts(OpTable &table);

} // namespace tenon::importer

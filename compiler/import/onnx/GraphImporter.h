//===- GraphImporter.h - imports the graph of a model as a function ---------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/ModuleState.h"
#include "compiler/import/onnx/NodeContext.h"
#include "compiler/import/onnx/SymbolFacts.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

namespace tenon::importer {

/// The body of a local function that is being inlined: its attributes and opsets.
struct FunctionFrame {
  const ::onnx::FunctionProto *function = nullptr; // null for the model's own graph
  llvm::StringMap<const ::onnx::AttributeProto *> attributes;
  llvm::StringMap<int64_t> opsets;
  std::string prefix; // of node names: the calls that lead here
  int depth = 0;
};

/// The values that a graph sees by name: its own and those of the graphs around it.
struct Scope {
  Scope *parent = nullptr;
  const FunctionFrame *frame = nullptr;
  llvm::StringMap<Tensor> values;
  llvm::StringMap<const ::onnx::TensorShapeProto *> declared; // what the graph says of its values
  llvm::StringSet<> broken;                                   // outputs of nodes that failed
};

class GraphImporter {
public:
  GraphImporter(ModuleState &state, ModelFile &file, const ImportOptions &options, SymbolFacts &facts,
                std::vector<ImportDiagnostic> &diagnostics);

  /// Imports the model's graph as function `name`. The function stays in the module only on success.
  mlir::LogicalResult run(llvm::StringRef name);

  /// After `run`: turns requirements that could not be proven into facts. True when another import would
  /// start from more knowledge than this one.
  bool relearn();
  bool hasUnproven() const { return !g.unproven.empty(); }

  GraphBuilder &graph() { return g; }
  std::vector<CheckRow> rows;

  // For handlers.
  const Tensor *find(const Scope &scope, llvm::StringRef name, bool &broken) const;
  const ::onnx::AttributeProto *resolveAttribute(const Scope &scope, llvm::StringRef name) const;
  /// Imports the initializers and nodes of a graph into `scope` at the insertion point.
  mlir::LogicalResult importGraph(const ::onnx::GraphProto &graph, Scope &scope);
  /// The values of the graph's outputs, after importGraph. Fails when one is broken or missing.
  mlir::FailureOr<std::vector<Tensor>> graphOutputs(const ::onnx::GraphProto &graph, Scope &scope);
  /// A constant of the model as a value.
  mlir::FailureOr<Tensor> importTensor(const ::onnx::TensorProto &tensor, llvm::StringRef name,
                                       NodeContext *node);
  /// Messages of the subgraph import that was given up are dropped back to this state.
  size_t diagnosticCount() const { return diagnostics.size(); }
  std::vector<ImportDiagnostic> takeDiagnostics(size_t from);
  /// Whether every error from there on is about sizes and forms, not about operations that have no import.
  bool onlySizesFailed(size_t from) const;
  void report(ImportDiagnostic d) { diagnostics.push_back(std::move(d)); }
  void warn(NodeContext &n, int code, const llvm::Twine &message);
  /// True when every symbol of these sizes has a value outside the region that is being left.
  bool visible(llvm::ArrayRef<Size> dims) const;
  /// True when a size is known only once data was computed: when it is no expression of the inputs' sizes.
  bool dependsOnData(Size s) const {
    return llvm::any_of(s.symbols(),
                        [&](llvm::StringRef name) { return !llvm::is_contained(inputSymbols, name); });
  }
  /// The state to go back to when a subgraph is imported again with other assumptions.
  struct Mark {
    size_t rows, diagnostics, unproven, bounds, choices;
    int64_t nodes;
  };
  Mark mark() const {
    return {rows.size(),     diagnostics.size(),   g.unproven.size(),
            g.bounds.size(), facts.choices.size(), state.nodeCount()};
  }
  void rewind(const Mark &m) {
    rows.resize(m.rows);
    diagnostics.resize(m.diagnostics);
    g.unproven.resize(m.unproven);
    g.bounds.resize(m.bounds);
    state.truncateNodes(m.nodes);
  }
  int depth = 0; // of nested subgraphs and calls
  SymbolFacts &facts;
  /// Nodes of a branch that the run refuses: what they lack is no defect of the model.
  void excuseRows(const Mark &from, llvm::StringRef why);

private:
  mlir::LogicalResult importInputs();
  mlir::LogicalResult importOutputs();
  mlir::LogicalResult importState(llvm::StringRef name, mlir::Type element, Dims &dims);
  mlir::FailureOr<Dims> inputDims(const ::onnx::ValueInfoProto &input);
  mlir::LogicalResult checkOptions();
  mlir::LogicalResult importInitializers(const ::onnx::GraphProto &graph, Scope &scope);
  template <typename Nodes> mlir::LogicalResult importNodes(const Nodes &nodes, Scope &scope);
  mlir::LogicalResult importNode(const ::onnx::NodeProto &node, Scope &scope);
  mlir::LogicalResult gatherInputs(NodeContext &n, bool &broken);
  mlir::LogicalResult dispatch(NodeContext &n, const OpEntry *entry);
  mlir::LogicalResult callFunction(NodeContext &n, const ::onnx::FunctionProto &function);
  mlir::LogicalResult checkOutputs(NodeContext &n);
  int64_t opsetFor(const Scope &scope, llvm::StringRef domain) const;
  void declareSymbol(llvm::StringRef name);
  mlir::LogicalResult error(int code, const llvm::Twine &message);
  void nodeError(const NodeContext &n, llvm::StringRef name, int code, const llvm::Twine &message);

  ModuleState &state;
  ModelFile &file;
  const ImportOptions &options;
  std::vector<ImportDiagnostic> &diagnostics;
  mlir::OpBuilder builder;
  SizeContext sizes;
  GraphBuilder g;
  FunctionFrame mainFrame;
  Scope mainScope;
  mlir::func::FuncOp function;
  struct Argument {
    std::string name;
    Dims dims;
  };
  std::vector<Argument> arguments;
  std::vector<std::string> inputSymbols;  // in order of declaration
  bool learned = false;                   // facts were added during this import
  mlir::Operation *lastEntryOp = nullptr; // symbols and weights are kept together at the function's start
  std::map<std::string, const ::onnx::FunctionProto *> functions;
  llvm::StringSet<> quantizationParameters; // names of scales and zero points
  int64_t importedNodes = 0;
  bool limitReported = false;
};

} // namespace tenon::importer

//===- ModuleState.h - what the functions of one module share ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/ModelFile.h"
#include "compiler/import/onnx/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"
#include <map>

namespace tenon::importer {

/// Weights, states and the table of source nodes of a module that is being imported.
class ModuleState {
public:
  ModuleState(mlir::ModuleOp module, std::shared_ptr<WeightStore> store)
      : module(module), store(std::move(store)) {}

  mlir::ModuleOp module;
  std::shared_ptr<WeightStore> store;

  /// The tenon.weight for these bytes: an existing one when type and bytes are equal, else a new one named
  /// after `name`.
  WeightOp weight(llvm::StringRef name, TensorData &data, mlir::Location loc);

  /// The tenon.state of that name and type; null when it exists with another type.
  StateOp state(llvm::StringRef name, mlir::RankedTensorType type, mlir::Location loc);

  StateOp existingState(llvm::StringRef name) const { return states.lookup(name); }

  /// Numbers a source node.
  int64_t addNode(llvm::StringRef name, llvm::StringRef op, llvm::StringRef domain);
  int64_t nodeCount() const { return nodes.size(); }
  /// Forgets the nodes from `count` on: the function is imported again.
  void truncateNodes(int64_t count) { nodes.resize(count); }
  /// Writes the module attribute `tenon.nodes`: [name, op, domain] for every node, by number.
  void writeNodes();

private:
  std::string uniqueName(llvm::StringRef name);
  void insertAtTop(mlir::Operation *op);

  struct Key {
    const void *type;
    uint64_t hash;
    bool operator<(const Key &o) const { return std::tie(hash, type) < std::tie(o.hash, o.type); }
  };
  struct Known {
    WeightOp op;
    llvm::StringRef bytes;
  };
  std::map<Key, llvm::SmallVector<Known, 1>> weights;
  llvm::StringMap<StateOp> states;
  llvm::StringSet<> names;
  mlir::Operation *last = nullptr; // the newest weight or state: they stand before the functions
  struct Node {
    std::string name, op, domain;
  };
  std::vector<Node> nodes;
};

} // namespace tenon::importer

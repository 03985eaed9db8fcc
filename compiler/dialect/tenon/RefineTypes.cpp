//===- RefineTypes.cpp - static dimensions where sizes are constant ---------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tenon;

namespace {

/// The operands that name dynamic result sizes, and the dimension that each names: (result, dimension).
struct SizeOperands {
  std::optional<MutableOperandRange> operands;
  SmallVector<std::pair<unsigned, unsigned>> named;
};

class Refinement {
public:
  explicit Refinement(func::FuncOp function)
      : function(function), sizes(function), builder(function.getContext()) {}

  void run() {
    if (function.isExternal())
      return;
    Block &entry = function.getBody().front();
    for (BlockArgument arg : entry.getArguments())
      refineValue(arg);
    refineBlock(entry);
    function.setFunctionType(builder.getFunctionType(entry.getArgumentTypes(), returnTypes(entry)));
  }

private:
  Type refined(Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    return type ? typeFor(sizes.dims(v), type.getElementType()) : v.getType();
  }
  void refineValue(Value v) { v.setType(refined(v)); }

  /// Gives an operand the type that its user wants.
  void castOperand(OpOperand &operand, Type type) {
    if (operand.get().getType() == type)
      return;
    builder.setInsertionPoint(operand.getOwner());
    operand.set(tensor::CastOp::create(builder, operand.getOwner()->getLoc(), type, operand.get()));
  }
  void castOperands(MutableArrayRef<OpOperand> operands, TypeRange types) {
    for (auto [operand, type] : llvm::zip_equal(operands, types))
      castOperand(operand, type);
  }

  /// Types of a called function's results are part of its interface: the callers keep theirs.
  TypeRange returnTypes(Block &entry) {
    Operation *end = entry.getTerminator();
    if (SymbolTable::symbolKnownUseEmpty(function, function->getParentOp()))
      return end->getOperandTypes();
    castOperands(end->getOpOperands(), function.getResultTypes());
    return function.getResultTypes();
  }

  static SizeOperands sizeOperands(Operation *op) {
    SizeOperands found;
    auto all = [&](MutableOperandRange operands, ResultRange results) {
      found.operands = operands;
      for (OpResult v : results)
        if (auto type = dyn_cast<RankedTensorType>(v.getType()))
          for (auto [d, size] : llvm::enumerate(type.getShape()))
            if (size == kDynamic)
              found.named.push_back({v.getResultNumber(), d});
    };
    llvm::TypeSwitch<Operation *>(op)
        .Case<ReshapeOp, BroadcastOp, SliceOp, IotaOp, ResizeOp, NonZeroOp>(
            [&](auto sized) { all(sized.getSizesMutable(), op->getResults()); })
        .Case([&](KernelOp kernel) { all(kernel.getResultSizesMutable(), op->getResults()); })
        .Case([&](TopKOp top) {
          found.operands = top.getSizesMutable();
          if (!top.getSizes().empty())
            found.named.push_back({0, static_cast<unsigned>(top.getAxis())});
        });
    return found;
  }

  void refinePlain(Operation *op) {
    SizeOperands named = sizeOperands(op);
    // All sizes are asked for before a type changes: inference reads the types.
    SmallVector<Type> types = llvm::map_to_vector(op->getResults(), [&](Value v) { return refined(v); });
    for (auto [v, type] : llvm::zip_equal(op->getResults(), types))
      v.setType(type);
    for (size_t i = named.named.size(); i-- > 0;) {
      auto [result, d] = named.named[i];
      if (tensorType(op->getResult(result)).getDimSize(d) != kDynamic)
        named.operands->erase(i);
    }
    castElementwiseOperands(builder, op);
  }

  void refineFor(scf::ForOp op) {
    for (auto [arg, result] : llvm::zip_equal(op.getRegionIterArgs(), op.getResults())) {
      refineValue(arg);
      result.setType(arg.getType());
    }
    castOperands(op.getInitArgsMutable(), op.getResultTypes());
    refineBlock(*op.getBody());
    castOperands(op.getBody()->getTerminator()->getOpOperands(), op.getResultTypes());
  }

  void refineWhile(scf::WhileOp op) {
    for (Value v : op.getBeforeArguments())
      refineValue(v);
    for (auto [arg, result] : llvm::zip_equal(op.getAfterArguments(), op.getResults())) {
      refineValue(arg);
      result.setType(arg.getType());
    }
    castOperands(op.getInitsMutable(), op.getBeforeBody()->getArgumentTypes());
    refineBlock(*op.getBeforeBody());
    refineBlock(*op.getAfterBody());
    castOperands(op.getConditionOp().getArgsMutable(), op.getResultTypes());
    castOperands(op.getYieldOp()->getOpOperands(), op.getBeforeBody()->getArgumentTypes());
  }

  void refineIf(scf::IfOp op) {
    for (Value v : op.getResults())
      refineValue(v);
    for (Region &region : op->getRegions())
      if (!region.empty()) {
        refineBlock(region.front());
        castOperands(region.front().getTerminator()->getOpOperands(), op.getResultTypes());
      }
  }

  void refineBlock(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(block)) {
      llvm::TypeSwitch<Operation *>(&op)
          .Case([&](scf::ForOp loop) { refineFor(loop); })
          .Case([&](scf::WhileOp loop) { refineWhile(loop); })
          .Case([&](scf::IfOp branch) { refineIf(branch); })
          .Case([&](KernelOp kernel) {
            for (BlockArgument arg : kernel.getBody().getArguments())
              refineValue(arg);
            refineBlock(kernel.getBody().front());
            refinePlain(kernel);
            castOperands(kernel.getBody().front().getTerminator()->getOpOperands(), kernel.getResultTypes());
          })
          .Default([&](Operation *plain) {
            if (isa<SizeInferenceOpInterface, tensor::CastOp>(plain))
              refinePlain(plain);
          });
    }
  }

  func::FuncOp function;
  SizeAnalysis sizes;
  OpBuilder builder;
};

} // namespace

void tenon::refineTypes(func::FuncOp function) { Refinement(function).run(); }

//===- LowerBf16.cpp - bf16 on CPUs without instructions for it
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The code generator would call library functions for conversions, also where elements only move. Arithmetic
// is done in f32, conversions are integer operations, and what is left moves bits: its type becomes i16.
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/LowerToLlvm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

bool isBf16(Type type) { return getElementTypeOrSelf(type).isBF16(); }

Type withElement(Type type, Type element) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(vector.clone(element)) : element;
}

/// An operation of f32 on the converted operands, whose result is rounded.
void computeInF32(Operation *op) {
  OpBuilder b(op);
  for (OpOperand &operand : op->getOpOperands())
    if (Type type = operand.get().getType(); isBf16(type))
      operand.set(arith::ExtFOp::create(b, op->getLoc(), withElement(type, b.getF32Type()), operand.get()));
  b.setInsertionPointAfter(op);
  for (Value result : op->getResults()) {
    Type type = result.getType();
    if (!isBf16(type))
      continue;
    result.setType(withElement(type, b.getF32Type()));
    auto rounded = arith::TruncFOp::create(b, op->getLoc(), type, result);
    result.replaceAllUsesExcept(rounded, rounded);
  }
}

bool computes(Operation *op) {
  if (!isa_and_nonnull<arith::ArithDialect, math::MathDialect>(op->getDialect()) ||
      isa<arith::ConstantOp, arith::SelectOp, arith::BitcastOp, arith::ExtFOp, arith::TruncFOp>(op))
    return false;
  return llvm::any_of(op->getOperandTypes(), isBf16) || llvm::any_of(op->getResultTypes(), isBf16);
}

/// Constants of bf16 as their bits.
TypedAttr bitsOf(TypedAttr value) {
  Type i16 = IntegerType::get(value.getContext(), 16);
  if (auto scalar = dyn_cast<FloatAttr>(value))
    return IntegerAttr::get(i16, scalar.getValue().bitcastToAPInt());
  return cast<DenseElementsAttr>(value).bitcast(i16);
}

void moveAsBits(ModuleOp module) {
  Type i16 = IntegerType::get(module.getContext(), 16);
  auto retype = [&](Value v) {
    if (isBf16(v.getType()))
      v.setType(withElement(v.getType(), i16));
  };
  SmallVector<arith::BitcastOp> casts;
  module.walk([&](Operation *op) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op); constant && isBf16(constant.getType()))
      constant.setValueAttr(bitsOf(constant.getValue()));
    llvm::for_each(op->getResults(), retype);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::for_each(block.getArguments(), retype);
    if (auto cast = dyn_cast<arith::BitcastOp>(op))
      casts.push_back(cast);
  });
  for (arith::BitcastOp cast : casts)
    if (cast.getIn().getType() == cast.getType()) {
      cast.getResult().replaceAllUsesWith(cast.getIn());
      cast.erase();
    }
}

} // namespace

void lowerBf16(ModuleOp module) {
  SmallVector<Operation *> work;
  module.walk([&](Operation *op) {
    if (computes(op))
      work.push_back(op);
  });
  llvm::for_each(work, computeInF32);
  RewritePatternSet patterns(module.getContext());
  arith::populateExpandBFloat16Patterns(patterns);
  walkAndApplyPatterns(module, std::move(patterns));
  moveAsBits(module);
}

} // namespace tenon::cpu

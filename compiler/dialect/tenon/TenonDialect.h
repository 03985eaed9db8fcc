//===- TenonDialect.h - the tenon dialect
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeExpr.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace tenon {

/// The marker of a dynamic entry in arrays such as `static_offsets`, where the value is an operand.
inline constexpr int64_t kDynamic = mlir::ShapedType::kDynamic;

/// Argument attribute: the sizes of a function argument, a string (symbol) or an integer per dimension.
inline constexpr llvm::StringLiteral kDimsAttr = "tenon.dims";
/// Argument and result attribute: the name that the model gives an input or output.
inline constexpr llvm::StringLiteral kNameAttr = "tenon.name";

/// Sizes of results that have the sizes of the operands; where operands disagree in what is known, a constant
/// wins.
llvm::LogicalResult inferSameSizes(llvm::ArrayRef<Dims> operands, llvm::SmallVectorImpl<Dims> &results);

/// How many neighbouring elements dot products of these element types multiply and sum at once: 4 for
/// ui8 x i8 -> i32, 2 for bf16 x bf16, else 1. Panels keep such groups together.
int64_t productGroup(mlir::Type left, mlir::Type right, mlir::Type result);

/// Marks operations that compute each element of their results from the elements at the same place of the
/// operands.
template <typename ConcreteType>
class ElementwiseTrait : public mlir::OpTrait::TraitBase<ConcreteType, ElementwiseTrait> {};

} // namespace tenon

#include "compiler/dialect/tenon/TenonDialect.h.inc"
#include "compiler/dialect/tenon/TenonEnums.h.inc"
#include "compiler/dialect/tenon/TenonInterfaces.h.inc"

#define GET_OP_CLASSES
#include "compiler/dialect/tenon/TenonOps.h.inc"

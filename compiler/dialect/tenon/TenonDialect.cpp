//===- TenonDialect.cpp - registration of the tenon dialect
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/TenonDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;

#include "compiler/dialect/tenon/TenonDialect.cpp.inc"
#include "compiler/dialect/tenon/TenonEnums.cpp.inc"
#include "compiler/dialect/tenon/TenonInterfaces.cpp.inc"

void tenon::TenonDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "compiler/dialect/tenon/TenonOps.cpp.inc"
      >();
}

Operation *tenon::TenonDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type,
                                                    Location loc) {
  if (type.isIndex())
    return arith::ConstantOp::create(builder, loc, type, cast<TypedAttr>(value));
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || elements.getType() != type)
    return nullptr;
  return ConstantOp::create(builder, loc, type, elements);
}

#define GET_OP_CLASSES
#include "compiler/dialect/tenon/TenonOps.cpp.inc"

//===- TenonOps.td - every operation of the dialect
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
include "compiler/dialect/tenon/BufferOps.td"
include "compiler/dialect/tenon/CompositeOps.td"
include "compiler/dialect/tenon/ContractionOps.td"
include "compiler/dialect/tenon/ElementwiseOps.td"
include "compiler/dialect/tenon/IndexedOps.td"
include "compiler/dialect/tenon/KernelOps.td"
include "compiler/dialect/tenon/MovementOps.td"
include "compiler/dialect/tenon/ReductionOps.td"
include "compiler/dialect/tenon/ShapeOps.td"

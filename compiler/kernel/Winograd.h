//===- Winograd.h - which convolutions take fewer products ------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"

namespace tenon::kernel {

/// Whether Winograd's F(4x4, 3x3) computes the convolution faster than the direct form does, by a model of
/// products, transforms and the filter's traffic (which grows four times): 3x3, stride 1, a constant
/// filter, in f32, or of bf16, which the direct form sums up twice as fast. Unknown image sizes count as
/// large.
bool winogradWins(ConvOp op, SizeAnalysis &sizes);

/// The convolution in this form, with its filter [3, 3, C, O] transformed and in panels by core operations,
/// which run at compile time. The product that is among them is returned in `product`; it still has to be
/// packed.
mlir::Value createWinograd(mlir::OpBuilder &b, ConvOp op, SizeAnalysis &sizes, ContractOp &product);

} // namespace tenon::kernel

//===- Products.h - products that several operations are made of
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/NodeContext.h"

namespace tenon::importer {

/// numpy's matmul of two tensors of one element type.
mlir::FailureOr<Tensor> matMul(NodeContext &n, Tensor a, Tensor b);

/// Conv of an image [N, C, spatial...] and a filter [O, C / groups, window...] of one element type, with the
/// node's attributes; `bias` has an element for each channel and may be null.
mlir::FailureOr<Tensor> convolve(NodeContext &n, const Tensor &x, const Tensor &filter, const Tensor *bias);

} // namespace tenon::importer

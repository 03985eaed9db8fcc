//===- Quantization.h - scales and zero points of ONNX nodes
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/NodeContext.h"

namespace tenon::importer {

/// How a tensor is quantized: scale and zero point (absent: 0), each one number, one for each position of
/// `axis`, or one for each block of `blockSize` along it.
struct Quantized {
  Tensor scale, zero;
  int64_t axis = 0, blockSize = 0;
};

/// Checks the parameters and builds `tenon.dequantize`; `element` is the result's type.
mlir::FailureOr<Tensor> dequantize(NodeContext &n, const Tensor &q, const Quantized &how, mlir::Type element);
/// Checks the parameters and builds `tenon.quantize`; `element` is the result's type.
mlir::FailureOr<Tensor> quantize(NodeContext &n, const Tensor &x, const Quantized &how, mlir::Type element);
/// The parameters at inputs `scale` and `scale` + 1, for one number each, or one for each position of `axis`.
Quantized parametersAt(NodeContext &n, int64_t scale, int64_t axis = 0);

} // namespace tenon::importer

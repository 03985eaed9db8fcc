// Kernels that compilers meet: bytes to bytes with a scale, softmax, depthwise convolution.
#pragma once

#include "compiler/emit/mortise/vector/VectorBuilder.h"

namespace tenon::npu {

/// y[i] = saturate(round(x[i] * scale) + zero) over vectors of uint8, with the constants made in the loop, as
/// naive selection does; parameters x, y, count of vectors.
VectorFunction requantizeKernel(int64_t lanes, std::optional<int64_t> count);
/// Rows of `vectors` vectors of floats; parameters x, y, count of rows.
VectorFunction softmaxKernel(int64_t lanes, int64_t vectors);
/// The same without loops over a row's vectors, so that rows overlap.
VectorFunction softmaxRowsKernel(int64_t lanes, int64_t vectors);
/// Columns of a 3 x 3 window over int8 channels; parameters: input (a line of `line` bytes above), weights,
/// output, rows.
VectorFunction depthwiseKernel(int64_t lanes, int64_t columns, int64_t line);

} // namespace tenon::npu

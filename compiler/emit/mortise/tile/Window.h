//===- Window.h - windows that move over images, on the vector core --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A depthwise convolution or pooling: every channel by itself, lanes along channels. Where a vector holds the
// channels of several neighbouring pixels and the window moves by one pixel, lanes run along both: a row of
// the output is one run of elements then.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/tile/ChannelTable.h"
#include "compiler/emit/mortise/tile/ImageLines.h"
#include "compiler/emit/mortise/vector/CompileKernel.h"
#include "compiler/emit/mortise/vector/VectorBuilder.h"

namespace tenon::npu {

struct Window {
  ImageLines image;
  int64_t channels = 1;
  int64_t allChannels = 1; ///< of the image and the output, of which the window has some
  Id load = Id::VldUb, store = Id::VstUb;
  int64_t resultBytes = 1;
  std::vector<ChannelTable> tables;
  bool weighted = false; ///< the first table has a row for each pixel of the window
  int64_t output = 0;    ///< address in memory
  uint32_t kernel = 0;   ///< in Stream::kernels
  uint32_t node = 0;

  int64_t outputHeight() const {
    return (image.height + image.y.low + image.y.high - image.y.extent()) / image.y.stride + 1;
  }
  int64_t outputWidth() const {
    return (image.width + image.x.low + image.x.high - image.x.extent()) / image.x.stride + 1;
  }
  int64_t taps() const { return image.y.size * image.x.size; }
  /// Pixels that a vector holds; 1: lanes along channels alone.
  int64_t pixelsOfVector(int64_t lanes) const {
    return image.x.stride == 1 && channels < lanes && lanes % channels == 0 ? lanes / channels : 1;
  }
  /// The window over channels [first, first + count), at addresses that are known already.
  Window part(int64_t first, int64_t count) const;
  /// Bytes from a row of the result to the next in the scratchpad.
  int64_t resultPitch(int64_t lanes) const;
};

/// What a kernel computes. `values`: of the tables behind the weights, for the lanes' channels; of a table to
/// look up in its address.
struct WindowBody {
  /// The sum with one more pixel; `sum` is invalid for the first. `weight` is invalid without weights.
  std::function<Value(VectorBuilder &, Value sum, Value pixel, Value weight)> accumulate;
  /// What is stored.
  std::function<Value(VectorBuilder &, Value sum, std::span<const Value> values)> finish;
};

/// The fastest kernel by estimate: parameters are the tile's lines, the result, its rows, and the tables.
/// `why` says what is in the way where there is none.
std::optional<CompiledKernel> windowKernel(const Window &window, const WindowBody &body,
                                           const mortise::Hardware &hardware, std::string &why);

/// The most channels, in whole vectors, of which a row of the output and all that it reads fit
/// `scratchpadBytes`; 0: not one.
int64_t windowChannels(const Window &window, const mortise::Hardware &hardware, int64_t scratchpadBytes);

/// Whether a row of the output and what it reads fit `scratchpadBytes`, twice.
bool windowFits(const Window &window, const mortise::Hardware &hardware, int64_t scratchpadBytes);
/// Whether the result of all channels may be written where a resident tensor has it.
bool windowWritesInPlace(const Window &window, const mortise::Hardware &hardware);

/// Appends the commands. False where a row of the output needs more than `scratchpadBytes`.
bool emitWindow(const Window &window, const mortise::Hardware &hardware, int64_t scratchpad,
                int64_t scratchpadBytes, Stream &stream);

} // namespace tenon::npu

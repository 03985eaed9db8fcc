//===- ImageLines.h - lines of images with what lies around them --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/tile/Commands.h"

namespace tenon::npu {

/// Images in memory whose channels are innermost, and the window that moves over them.
struct ImageLines {
  int64_t images = 1, height = 1, width = 1; ///< without padding
  int64_t pixelBytes = 1, elementBytes = 1;
  WindowAxis y, x;
  int64_t padValue = 0;         ///< the bits of an element
  int64_t memory = 0;           ///< address
  int64_t memoryPixelBytes = 0; ///< from a pixel to the next in memory; 0: pixelBytes
  int64_t pitch = 0;            ///< from a line to the next in the scratchpad; 0: lineBytes

  /// Of a line in the scratchpad: with padding.
  int64_t lineBytes() const { return (width + x.low + x.high) * pixelBytes; }
  int64_t linePitch() const { return pitch ? pitch : lineBytes(); }
  /// Lines that so many rows of the output read.
  int64_t linesOf(int64_t rows) const { return (rows - 1) * y.stride + y.extent(); }

  /// Whether the image stays in the scratchpad, within the border that windows read.
  bool isResident() const { return npu::isResident(memory); }
  /// The border that a resident image has.
  ResidentFrame frame() const {
    ResidentFrame frame = {y.low,        y.high, x.low,  x.high, padValue,
                           elementBytes, images, height, width,  pixelBytes};
    return frame.hasBorder() ? frame : ResidentFrame();
  }
  /// Where the lines of a resident image lie that output rows from `row` on read.
  int64_t residentLines(int64_t image, int64_t row) const {
    return residentAt(memory) + (image * (y.low + height + y.high) + row * y.stride) * lineBytes();
  }
  /// The lines that output rows [row, row + rows) of an image read, one behind the other at `local`.
  void load(Commands &commands, int64_t local, int64_t image, int64_t row, int64_t rows) const;

private:
  friend class LineRing;
  /// What is beside `lines` lines of images at `local`.
  void fillSides(Commands &commands, int64_t local, int64_t lines) const;
  /// Lines [first, first + lines), counted from the first of the padding, without what is beside them.
  void loadLines(Commands &commands, int64_t local, int64_t image, int64_t first, int64_t lines,
                 bool sides) const;
};

/// Lines of images in a ring of the scratchpad: each is loaded once while output rows go by, however many of
/// them read it. A resident image is all there.
class LineRing {
public:
  /// `slots`: lines that the ring at `local` holds, at least those of a tile. All references outlive it.
  LineRing(const ImageLines &image, int64_t local, int64_t slots)
      : image_(image), local_(local), slots_(slots) {}

  /// Loads what output rows [row, row + rows) of an image read and the ring does not hold. Rows of an image
  /// come in order, and begin anew after its last ones.
  void load(Commands &commands, int64_t image, int64_t row, int64_t rows);
  /// Where a line of the image lies, counted from the first of the padding.
  int64_t addressOf(int64_t line) const;
  /// How many of `count` lines from one on, `step` apart, lie above each other.
  int64_t together(int64_t line, int64_t step, int64_t count) const;

private:
  void begin(Commands &commands, int64_t image, int64_t rows);

  const ImageLines &image_;
  int64_t local_, slots_;
  int64_t imageNow_ = -1, lastRow_ = -1;
  int64_t base_ = 0, next_ = 0; ///< lines ever loaded: before this image, before the next one
};

/// Fills what lies around the images of a resident tensor.
void fillBorder(Commands &commands, int64_t address, const ResidentFrame &frame);

/// The images that a product reads.
ImageLines imageOf(const Product &product);

} // namespace tenon::npu

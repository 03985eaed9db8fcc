//===- ImageLines.cpp - lines of images with what lies around them --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/ImageLines.h"

#include <algorithm>

namespace tenon::npu {

void fillBorder(Commands &commands, int64_t address, const ResidentFrame &frame) {
  auto fill = [&](int64_t at, int64_t bytes, int64_t count) {
    if (bytes > 0 && count > 0)
      commands.fill(commands.inputChannel(), at, bytes, count, frame.lineBytes(), frame.value,
                    frame.elementBytes);
  };
  for (int64_t image = 0; frame.hasBorder() && image < frame.images; ++image) {
    int64_t at = residentAt(address) + image * frame.imageBytes(), line = frame.lineBytes();
    int64_t behind = at + frame.first() + frame.width * frame.pixelBytes; // the first line's pixels
    // The end of a line and the beginning of the next are one piece.
    fill(at, frame.first(), 1);
    fill(behind, (frame.left + frame.right) * frame.pixelBytes, frame.height - 1);
    fill(behind + (frame.height - 1) * line, frame.right * frame.pixelBytes + frame.bottom * line, 1);
  }
}

ImageLines imageOf(const Product &p) {
  // A resident image is read where it lies, with the channels of all groups.
  int64_t memory = p.inputPitch() * p.leftBytes(),
          local = isResident(p.input) ? memory : p.groups * p.channels * p.leftBytes();
  return {p.images, p.height, p.width, local, p.leftBytes(), p.y, p.x, p.padValue, p.input, memory};
}

void ImageLines::load(Commands &commands, int64_t local, int64_t image, int64_t row, int64_t rows) const {
  loadLines(commands, local, image, row * y.stride, linesOf(rows));
}

void ImageLines::loadLines(Commands &commands, int64_t local, int64_t image, int64_t from,
                           int64_t lines) const {
  auto fill = [&](int64_t at, int64_t bytes, int64_t count, int64_t stride) {
    if (bytes > 0)
      commands.fill(commands.inputChannel(), at, bytes, count, stride, padValue, elementBytes);
  };
  int64_t first = from - y.low;
  int64_t above = std::clamp<int64_t>(-first, 0, lines),
          below = std::clamp<int64_t>(first + lines - height, 0, lines - above),
          inside = lines - above - below;
  int64_t left = x.low * pixelBytes, right = x.high * pixelBytes, line = lineBytes();
  fill(local, above * line, 1, line);
  fill(local + (above + inside) * line, below * line, 1, line);
  if (inside == 0)
    return;
  int64_t at = local + above * line;
  // The end of a line and the beginning of the next are one piece.
  fill(at, left, 1, line);
  if (left + right > 0 && inside > 1)
    fill(at + line - right, left + right, inside - 1, line);
  fill(at + (inside - 1) * line + line - right, right, 1, line);
  int64_t pitch = memoryPixelBytes ? memoryPixelBytes : pixelBytes;
  TransferBlock block;
  bool joined = pitch == pixelBytes;
  block.bytes = joined ? width * pixelBytes : pixelBytes;
  block.count[0] = joined ? 1 : width;
  block.local[0] = pixelBytes;
  block.memory[0] = pitch;
  block.count[1] = inside;
  block.local[1] = line;
  block.memory[1] = width * pitch;
  commands.loadBlock(commands.inputChannel(), at + left,
                     memory + (image * height + first + above) * width * pitch, block);
}

} // namespace tenon::npu

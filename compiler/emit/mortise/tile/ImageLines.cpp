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

void ImageLines::fillSides(Commands &commands, int64_t local, int64_t lines) const {
  auto fill = [&](int64_t at, int64_t bytes, int64_t count, int64_t stride) {
    if (bytes > 0 && count > 0)
      commands.fill(commands.inputChannel(), at, bytes, count, stride, padValue, elementBytes);
  };
  int64_t left = x.low * pixelBytes, line = linePitch(), end = lineBytes() - x.high * pixelBytes;
  // The end of a line and the beginning of the next are one piece.
  fill(local, left, 1, line);
  if (left + x.high > 0)
    fill(local + end, line - end + left, lines - 1, line);
  fill(local + (lines - 1) * line + end, x.high * pixelBytes, 1, line);
}

void ImageLines::loadLines(Commands &commands, int64_t local, int64_t image, int64_t first, int64_t lines,
                           bool sides) const {
  auto fill = [&](int64_t at, int64_t count) {
    if (count > 0)
      commands.fill(commands.inputChannel(), at, count * linePitch(), 1, 0, padValue, elementBytes);
  };
  first -= y.low;
  int64_t above = std::clamp<int64_t>(-first, 0, lines),
          below = std::clamp<int64_t>(first + lines - height, 0, lines - above),
          inside = lines - above - below, line = linePitch();
  fill(local, above);
  fill(local + (above + inside) * line, below);
  if (inside == 0)
    return;
  int64_t at = local + above * line, pitch = memoryPixelBytes ? memoryPixelBytes : pixelBytes;
  if (sides)
    fillSides(commands, at, inside);
  TransferBlock block;
  bool joined = pitch == pixelBytes;
  block.bytes = joined ? width * pixelBytes : pixelBytes;
  block.count[0] = joined ? 1 : width;
  block.local[0] = pixelBytes;
  block.memory[0] = pitch;
  block.count[1] = inside;
  block.local[1] = line;
  block.memory[1] = width * pitch;
  commands.loadBlock(commands.inputChannel(), at + x.low * pixelBytes,
                     memory + (image * height + first + above) * width * pitch, block);
}

void ImageLines::load(Commands &commands, int64_t local, int64_t image, int64_t row, int64_t rows) const {
  loadLines(commands, local, image, row * y.stride, linesOf(rows), true);
}

void LineRing::begin(Commands &commands, int64_t image, int64_t rows) {
  if (imageNow_ < 0)
    image_.fillSides(commands, local_, slots_);
  imageNow_ = image;
  // Where what tiles add divides the ring none of it is in two pieces: the first tile adds more.
  int64_t step = rows * image_.y.stride, more = std::max<int64_t>(0, image_.y.extent() - image_.y.stride);
  if (slots_ % step == 0)
    next_ = (next_ + more + step - 1) / step * step - more;
  base_ = next_;
}

void LineRing::load(Commands &commands, int64_t image, int64_t row, int64_t rows) {
  if (image_.isResident()) {
    imageNow_ = image;
    return;
  }
  bool again = image == imageNow_ && row < lastRow_;
  lastRow_ = row;
  if (again && next_ - base_ <= slots_)
    return; // all of the image is there
  if (again || image != imageNow_)
    begin(commands, image, rows);
  int64_t first = row * image_.y.stride, end = first + image_.linesOf(rows);
  for (int64_t line = std::max(next_ - base_, first); line < end;) {
    int64_t lines = together(line, 1, end - line);
    image_.loadLines(commands, addressOf(line), image, line, lines, false);
    line += lines;
  }
  next_ = std::max(next_, base_ + end);
}

int64_t LineRing::addressOf(int64_t line) const {
  return image_.isResident() ? image_.residentLines(imageNow_, 0) + line * image_.lineBytes()
                             : local_ + (base_ + line) % slots_ * image_.linePitch();
}

int64_t LineRing::together(int64_t line, int64_t step, int64_t count) const {
  if (image_.isResident())
    return count;
  int64_t left = slots_ - (base_ + line) % slots_;
  return std::min(count, (left + step - 1) / step);
}

} // namespace tenon::npu

//===- EmitMatrices.cpp - the commands of products with computed right operands --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/Matrices.h"
#include "compiler/emit/mortise/tile/TileResults.h"
#include "compiler/emit/mortise/tile/Transfers.h"

#include <algorithm>
#include <numeric>

namespace tenon::npu {

namespace {

/// The right operand in the scratchpad: columns one behind the other where elements of a column lie together
/// in memory, else rows.
class RightGeometry {
public:
  RightGeometry(const Matrices &m, const mortise::Hardware &h)
      : m_(m), size_(int64_t(mortise::typeBits(m.layer.right)) / 8), depth_(m.layer.channels),
        outputs_(m.layer.outputs), columns_(h.matrix.columns) {}

  bool transposed() const { return m_.right.group > 1 || (m_.right.width == 1 && outputs_ > 1); }
  int64_t depth() const { return upTo(depth_, m_.right.group); } ///< with what fills up the last group
  int64_t matrixBytes() const { return upTo(outputs_, m_.right.width) * depth() * size_; }
  /// Columns from which on a part may be loaded.
  int64_t grain() const { return m_.right.width == outputs_ ? columns_ : std::lcm(columns_, m_.right.width); }
  /// From a column or row in the scratchpad to the next, for a part of that many columns.
  int64_t pitch(int64_t columns) const { return transposed() ? depth() * size_ : columns * size_; }
  /// Of the scratchpad, for a part of that many columns.
  int64_t localBytes(int64_t columns) const { return alignedBytes(stored(columns) * depth() * size_); }
  /// Columns in the scratchpad with what fills up the last panel of the memory.
  int64_t stored(int64_t columns) const {
    return m_.right.width == outputs_ ? columns : upTo(columns, m_.right.width);
  }

  /// Columns [first, first + count) of a matrix.
  void load(Commands &commands, int64_t at, int64_t matrix, int64_t first, int64_t count) const {
    int64_t from = m_.right.memory + matrix * matrixBytes(), width = m_.right.width;
    count = stored(count);
    if (width == 1 || !transposed()) {
      TransferBlock block;
      block.bytes = std::min(width, count) * (width == 1 ? depth() : 1) * size_;
      block.count[0] = width == 1 ? count : depth_;
      block.local[0] = width == 1 ? block.bytes : pitch(count);
      block.memory[0] = width == 1 ? block.bytes : width * size_;
      block.count[1] = width == 1 ? 1 : ceilDiv(count, width);
      block.local[1] = block.bytes;
      block.memory[1] = width * depth() * size_;
      bool whole = width == outputs_; // rows without panels
      commands.loadBlock(commands.weightChannel(), at, from + (whole ? first : first * depth()) * size_,
                         block);
      return;
    }
    // Every group of elements goes to its column; the channels share the panels.
    ElementBlock block;
    block.size = m_.right.group * size_;
    block.count[0] = width;
    block.local[0] = pitch(count);
    block.memory[0] = block.size;
    block.count[1] = depth() / m_.right.group;
    block.local[1] = block.size;
    block.memory[1] = width * block.size;
    for (int64_t panel = 0; panel < count / width; ++panel)
      commands.loadElements(panel % 2 ? commands.inputChannel() : commands.weightChannel(),
                            at + panel * width * pitch(count),
                            from + (first + panel * width) * depth() * size_, block);
  }

private:
  const Matrices &m_;
  int64_t size_, depth_, outputs_, columns_;
};

int64_t tableBytes(const Product &p, const mortise::Hardware &h) {
  return (int64_t(p.drain.bias) + int64_t(p.drain.scale)) * h.matrix.columns * 4;
}

/// Bytes of a buffer for rows of the left operand.
int64_t leftBytes(const Product &p, int64_t rows) {
  return isResident(p.input) ? 0 : alignedBytes(rows * p.channels * p.leftBytes());
}

/// Bytes of start operands behind the left rows (`perRow`) or the right columns.
int64_t startBytes(const Matrices &m, bool perRow, int64_t count, const mortise::Hardware &h) {
  if (!m.start)
    return 0;
  int64_t operands = 0;
  for (const StartOperand &operand : m.start->operands)
    operands += operand.perRow == perRow;
  return operands * alignedBytes(upTo(count, std::max(h.matrix.columns, h.vector.lanes)) * 4);
}

class MatricesEmitter {
public:
  MatricesEmitter(const Matrices &m, const ProductCut &cut, const mortise::Hardware &h, int64_t scratchpad,
                  Stream &stream)
      : m_(m), p_(m.layer), cut_(cut), h_(h), commands_(stream, h, m.layer.node), right_(m, h),
        panels_(ceilDiv(p_.outputs, h.matrix.columns)), slotRows_(upTo(cut.rows, startRows(h))),
        slots_(std::min<int64_t>(kSlots, h.accumulatorRows() / slotRows_)), leftAt_(scratchpad),
        rightAt_(leftAt_ + cut.inputBuffers * cut.inputBytes),
        tablesAt_(rightAt_ + cut.weightBuffers * cut.weightBytes),
        results_(p_, cut, h, commands_, cut.resultsAt(scratchpad), cut.mapAt(scratchpad),
                 cut.mapTablesAt(scratchpad)) {}
  static constexpr int64_t kSlots = 4;

  void emit() {
    if (tableBytes(p_, h_))
      commands_.loadBytes(commands_.weightChannel(), tablesAt_, p_.weights, panels_ * tableBytes(p_, h_));
    std::vector<Tile> tiles = tilesOf(p_, cut_);
    int64_t perImage = int64_t(tiles.size()) / p_.images;
    for (int64_t image = 0; image < p_.images; ++image)
      for (int64_t first = 0; first < panels_; first += cut_.resident)
        for (int64_t t = 0; t < perImage; ++t)
          for (int64_t panel = first; panel < std::min(first + cut_.resident, panels_); ++panel)
            steps_.push_back({&tiles[size_t(image * perImage + t)], first, panel});
    prepare(0);
    for (size_t i = 0; i < steps_.size(); ++i) {
      // What the next sums begin with must not wait behind what becomes of these.
      if (i + 1 < steps_.size())
        prepare(i + 1);
      multiply(i);
    }
  }

private:
  /// A panel of a tile, and where its operands lie.
  struct Step {
    const Tile *tile;
    int64_t first, panel; ///< of the part of the right operand; of the matrix
    int64_t left = 0, right = 0;
    int64_t rows = 0; ///< where the left operand's rows are: in its buffer, or resident
  };
  int64_t partColumns(const Step &s) const {
    return std::min(cut_.resident * h_.matrix.columns, p_.outputs - s.first * h_.matrix.columns);
  }
  /// Slots that follow each other lie in different halves, which are different banks.
  int64_t sumsOf(size_t step) const {
    int64_t slot = int64_t(step) % slots_;
    return slots_ % 2 ? slot * slotRows_ : (slot % 2 * (slots_ / 2) + slot / 2) * slotRows_;
  }

  void prepare(size_t i) {
    Step &s = steps_[i];
    const Step *before = i ? &steps_[i - 1] : nullptr;
    bool sameRight = before && before->tile->image == s.tile->image && before->first == s.first;
    s.right = sameRight ? before->right : loadRight(s);
    s.left = before && before->tile == s.tile ? before->left : loadLeft(*s.tile);
    int64_t row = (s.tile->image * p_.height + s.tile->row) * p_.channels * p_.leftBytes();
    s.rows = Commands::target(s.left, p_.input + row);
    if (m_.start)
      start(s, sumsOf(i));
  }

  int64_t loadRight(const Step &s) {
    int64_t at = rightAt_ + rights_++ % cut_.weightBuffers * cut_.weightBytes, count = partColumns(s),
            first = s.first * h_.matrix.columns;
    right_.load(commands_, at, s.tile->image, first, count);
    loadStart(false, at + right_.localBytes(cut_.resident * h_.matrix.columns), s.tile->image, p_.outputs,
              first, count);
    return at;
  }

  int64_t loadLeft(const Tile &tile) {
    int64_t at = leftAt_ + lefts_++ % cut_.inputBuffers * cut_.inputBytes,
            rowBytes = p_.channels * p_.leftBytes();
    commands_.fetch(commands_.inputChannel(), at, p_.input + (tile.image * p_.height + tile.row) * rowBytes,
                    tile.rows * rowBytes);
    loadStart(true, at + leftBytes(p_, cut_.rows), tile.image, p_.height, tile.row, tile.rows);
    return at;
  }

  /// `count` numbers from `first` on of the operands for rows, or for columns.
  void loadStart(bool perRow, int64_t at, int64_t matrix, int64_t all, int64_t first, int64_t count) {
    if (!m_.start)
      return;
    for (const StartOperand &operand : m_.start->operands) {
      if (operand.perRow != perRow)
        continue;
      commands_.loadBytes(commands_.inputChannel(), at,
                          operand.memory + ((operand.perMatrix ? matrix * all : 0) + first) * 4, count * 4);
      at += startBytes(m_, perRow, perRow ? cut_.rows : cut_.resident * h_.matrix.columns, h_) /
            operands(perRow);
    }
  }
  int64_t operands(bool perRow) const {
    return std::count_if(m_.start->operands.begin(), m_.start->operands.end(),
                         [&](const StartOperand &operand) { return operand.perRow == perRow; });
  }

  void start(const Step &s, int64_t sums) {
    int64_t rows = startRows(h_), count = ceilDiv(s.tile->rows, rows), columns = h_.matrix.columns;
    int64_t row = s.left + leftBytes(p_, cut_.rows),
            column = s.right + right_.localBytes(cut_.resident * columns);
    std::vector<int64_t> arguments = {mortise::kAccumulatorBase + sums * columns * 4};
    std::vector<Commands::Range> ranges = {{sums, count * rows, true, Space::Accumulators}};
    for (const StartOperand &operand : m_.start->operands) {
      int64_t bytes =
          startBytes(m_, operand.perRow, operand.perRow ? cut_.rows : cut_.resident * columns, h_) /
          operands(operand.perRow);
      arguments.push_back(operand.perRow ? row : column + (s.panel - s.first) * columns * 4);
      ranges.push_back({operand.perRow ? row : column, bytes, false});
      (operand.perRow ? row : column) += bytes;
    }
    arguments.push_back(count);
    commands_.run(m_.start->kernel, std::move(arguments), ranges);
  }

  void multiply(size_t i) {
    const Step &s = steps_[i];
    int64_t sums = sumsOf(i), outputs = results_.outputsOf(s.panel),
            size = int64_t(mortise::typeBits(p_.right)) / 8;
    int64_t pitch = right_.pitch(right_.stored(partColumns(s))),
            column = (s.panel - s.first) * h_.matrix.columns;
    Rows rows;
    rows.count[0] = s.tile->rows;
    rows.stride[0] = p_.channels * p_.leftBytes();
    for (int64_t k = 0; k < p_.channels; k += h_.matrix.rows) {
      int64_t depth = std::min(h_.matrix.rows, p_.channels - k);
      int64_t at = s.right + (right_.transposed() ? column * pitch + k * size : k * pitch + column * size);
      commands_.loadTile(at, depth, outputs, pitch, p_.right, right_.transposed());
      commands_.multiply(s.rows + k * p_.leftBytes(), rows, depth, p_.left, sums, outputs, k > 0 || m_.start);
    }
    results_.store(*s.tile, s.panel, sums, tablesAt_ + s.panel * tableBytes(p_, h_));
  }

  const Matrices &m_;
  const Product &p_;
  const ProductCut &cut_;
  const mortise::Hardware &h_;
  Commands commands_;
  RightGeometry right_;
  int64_t panels_, slotRows_, slots_, leftAt_, rightAt_, tablesAt_;
  TileResults results_;
  std::vector<Step> steps_;
  int64_t lefts_ = 0, rights_ = 0;
};

} // namespace

std::optional<ProductCut> cutMatrices(const Matrices &m, const mortise::Hardware &h,
                                      int64_t scratchpadBytes) {
  const Product &p = m.layer;
  RightGeometry right(m, h);
  if (h.rate(p.left) == 0 || h.rate(p.right) == 0 || h.dma.dimensions < 3 ||
      p.channels * p.leftBytes() > h.dma.maxCount)
    return std::nullopt;
  int64_t columns = h.matrix.columns, panels = ceilDiv(p.outputs, columns), grain = right.grain() / columns;
  ProductCut cut;
  cut.tableBytes = alignedBytes(ceilDiv(panels * tableBytes(p, h), ProductCut::kTableBuffers));
  cut.limit = "matrix";
  if (h.accumulatorRows() < 2 * startRows(h))
    return std::nullopt;
  // Sums of four tiles: one begins, one grows, one leaves, and one waits.
  int64_t most =
      std::max(startRows(h), h.accumulatorRows() / MatricesEmitter::kSlots / startRows(h) * startRows(h));
  for (int64_t resident = panels; resident > 0;
       resident = resident <= grain ? 0 : std::max(grain, (resident - 1) / grain * grain)) {
    for (int64_t parts = ceilDiv(p.height, most); parts <= p.height;
         parts = parts < 8 ? parts + 1 : parts * 5 / 4) {
      cut.resident = resident;
      cut.rows = ceilDiv(p.height, parts);
      cut.inputBytes = leftBytes(p, cut.rows) + startBytes(m, true, cut.rows, h);
      cut.weightBytes = right.localBytes(resident * columns) + startBytes(m, false, resident * columns, h);
      for (cut.stored = std::min(resident, ceilDiv(memoryOf(p.output, h).burst, columns * p.resultBytes()));
           cut.stored >= 1; cut.stored /= 2) {
        if (resident < panels && resident % cut.stored)
          continue; // panels of different parts do not leave together
        ResultTile results(p, h, cut.rows, cut.stored);
        if (!results.isRegular())
          continue;
        cut.resultBytes = p.map || !isResident(p.output) ? results.drained(p) : 0;
        cut.mapBytes = results.ofMap(p);
        cut.mapTableBytes = results.tables(p);
        if (cut.scratchpadBytes() <= scratchpadBytes)
          return cut;
      }
    }
  }
  return std::nullopt;
}

void emitMatrices(const Matrices &matrices, const ProductCut &cut, const mortise::Hardware &hardware,
                  int64_t scratchpad, Stream &stream) {
  MatricesEmitter(matrices, cut, hardware, scratchpad, stream).emit();
}

} // namespace tenon::npu

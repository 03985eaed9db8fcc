//===- Product.h - convolutions and products of matrices as tiles --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A layer of multiply-accumulates for the matrix unit, and how it is cut: which rows of the output a tile
// has, which weights stay, what is loaded how often. The cut is chosen by a model of cycles and traffic and
// carried out as commands of a stream.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/stream/Stream.h"
#include "compiler/emit/mortise/tile/Resident.h"

namespace tenon::npu {

/// One spatial axis of a window.
struct WindowAxis {
  int64_t size = 1, stride = 1, dilation = 1, low = 0, high = 0; ///< low, high: padding
  int64_t extent() const { return (size - 1) * dilation + 1; }
};

/// What becomes of sums: nearest((sum + bias) * scale / step) + zero, clamped (integers), or sum * scale +
/// bias (floats). Each operation rounds once.
struct DrainForm {
  mortise::Type type = mortise::Type::I32;
  bool bias = false, scale = false;    ///< tables of 32-bit words in the packed weights, in this order
  int64_t zero = 0, low = 0, high = 0; ///< of the result; floats: bits of the limits
  float step = 0;                      ///< 0: none
};

/// A kernel of the vector core on tensors that lie alike: element i of the result from elements i of the
/// operands. Its parameters are the address of the product's tile (where there is one), of each operand, of
/// the result, and the number of vectors (with a period: of rows).
///
/// Behind a product, a period is that of all its channels, of which a tile has some. The kernel goes down
/// columns of vectors then, whose channels stay the same, so that numbers for each channel stay in registers:
/// the last parameters are the vectors of a column, the columns, and the elements from a vector to the next
/// below it (`ResultTile::row`). Operands with a period hold that many numbers, or one.
struct MapStage {
  struct Operand {
    int64_t memory = 0; ///< address
    int64_t bytes = 1;  ///< of an element
    int64_t period = 0; ///< elements after which it repeats; 0: as many as the result
  };
  uint32_t kernel = 0; ///< in Stream::kernels
  std::vector<Operand> operands;
  /// Tables that the kernel looks numbers up in; it has their address as a parameter behind the result's if
  /// there are any.
  int64_t tables = 0, tableBytes = 0;
  int64_t resultBytes = 1; ///< of an element
  double vectorCycles = 8; ///< estimated, for a vector

  /// Whether there are operands with a number for each channel.
  bool perChannel() const {
    for (const Operand &operand : operands)
      if (operand.period > 1)
        return true;
    return false;
  }
  /// Of all operands and the result, for that many elements.
  int64_t elementBytes() const {
    int64_t sum = resultBytes;
    for (const Operand &operand : operands)
      sum += operand.period ? 0 : operand.bytes;
    return sum;
  }
};

/// A convolution over images whose channels are innermost. A product of [M, K] and [K, N] is one of 1 x 1
/// over M x 1 pixels.
struct Product {
  int64_t images = 1, height = 1, width = 1;     ///< of the input, without padding
  int64_t groups = 1, channels = 1, outputs = 1; ///< channels and outputs of a group
  /// Groups of the image and the result in memory, of which the product has some; 0: it has all.
  int64_t memoryGroups = 0;
  WindowAxis y, x;
  int64_t padValue = 0;
  mortise::Type left = mortise::Type::U8, right = mortise::Type::I8;
  DrainForm drain;
  std::optional<MapStage> map; ///< of what the drain stores
  /// Addresses in memory. Input, output and the map's operands that are as large as the result may be
  /// resident: the input with a border as the window wants it, the output as `frame` says.
  int64_t input = 0, weights = 0, output = 0;
  ResidentFrame frame = {}; ///< of a resident output with a border; it is of this product's pixels then
  uint32_t node = 0;

  int64_t outputHeight() const { return (height + y.low + y.high - y.extent()) / y.stride + 1; }
  int64_t outputWidth() const { return (width + x.low + x.high - x.extent()) / x.stride + 1; }
  int64_t pixels() const { return images * outputHeight() * outputWidth(); }
  int64_t macs() const { return pixels() * groups * outputs * channels * y.size * x.size; }
  /// Channels from a pixel to the next in memory, of the input and of the result.
  int64_t inputPitch() const { return (memoryGroups ? memoryGroups : groups) * channels; }
  int64_t outputPitch() const { return (memoryGroups ? memoryGroups : groups) * outputs; }
  int64_t leftBytes() const { return mortise::typeBits(left) / 8; }
  int64_t drainBytes() const { return mortise::typeBits(drain.type) / 8; }
  int64_t resultBytes() const { return map ? map->resultBytes : drainBytes(); }
  /// Groups [first, first + count) of it, at addresses that are known already.
  Product part(int64_t first, int64_t count, const mortise::Hardware &hardware) const;
  /// Whether the vector core's part works on pixels that lie as in the tensor, because some of its operands
  /// or its result are resident: all channels of a tile leave together then.
  bool isDense() const {
    if (!map)
      return false;
    bool any = isResident(output);
    for (const MapStage::Operand &operand : map->operands)
      any |= operand.period == 0 && isResident(operand.memory);
    return any;
  }
};

/// The weights as memory holds them: for each group and each panel of `columns` outputs, rows of the panel's
/// width in the order of window row, window column, channel, then the tables of the drain. Outputs beyond the
/// last are zero.
struct PackedWeights {
  int64_t panels = 0;   ///< in a group
  int64_t adjacent = 0; ///< panels whose outputs lie beside each other: of a group, of all if they are full
  int64_t rows = 0;     ///< of a panel
  int64_t rowBytes = 0;
  int64_t panelBytes = 0; ///< with tables, rounded to whole bursts
  int64_t bytes = 0;      ///< of all groups
};
/// Bytes from a line of the image to the next in the scratchpad. What reads a word waits for all that is
/// written to it: windows of several lines have each in words of its own.
int64_t linePitch(const Product &product, const mortise::Hardware &hardware);
PackedWeights packedWeights(const Product &product, const mortise::Hardware &hardware);

/// Rows of the weight tiles: along what is contiguous in the input, at most the array's rows.
struct WeightTile {
  int64_t rows = 0;
  int64_t windowRow = 0; ///< of the window
  int64_t offset = 0;    ///< bytes from the first element of that row of the window
};
std::vector<WeightTile> weightTiles(const Product &product, const mortise::Hardware &hardware);

/// Slices of the depth: partial sums of a group of panels stay in the accumulators while the channels come
/// slice by slice. Then the input need not fit, and each weight is read once for as many pixels as the
/// accumulators hold.
struct DepthSlice {
  int64_t channels = 0;   ///< of a slice; 0: the depth is not sliced
  int64_t windowRows = 0; ///< of a slice: all of the window, or one
  int64_t panels = 1;     ///< of a group, whose sums are in the accumulators together
  int64_t pitch = 0;      ///< bytes from a pixel of a slice to the next
  bool keep = false;      ///< a group's weights stay while all tiles go by; else they come anew for each
  explicit operator bool() const { return channels != 0; }
};

/// How a product is cut.
struct ProductCut {
  int64_t rows = 1; ///< output rows of a tile
  int64_t span = 1; ///< output pixels of a row of a tile
  /// Adjacent panels whose weights lie in the scratchpad while all tiles go by, before the next ones come. 0:
  /// tiles are outermost, and weights come anew for each of them, `piece` weight tiles at a time.
  int64_t resident = 0;
  int64_t piece = 1;
  /// Lines of the image in the input's one buffer, a ring: each is loaded once while tiles go by. 0 with
  /// slices.
  int64_t lines = 0;
  DepthSlice slice; ///< in its place where there are slices; buffers are of slices then
  int64_t inputBuffers = 2, weightBuffers = 2, resultBuffers = 2, mapBuffers = 2;
  static constexpr int64_t kTableBuffers = 2; ///< of slices; else tables lie behind a panel's weights
  int64_t stored = 1;                         ///< panels whose results leave together
  int64_t inputBytes = 0, weightBytes = 0,
          resultBytes = 0;   ///< of one buffer; weights: of a piece, or of the resident panels
  int64_t tableBytes = 0;    ///< of a group's tables, with slices
  int64_t mapBytes = 0;      ///< of one buffer of the vector core's part: its operands and result
  int64_t mapTableBytes = 0; ///< of its tables
  double cycles = 0;         ///< estimated
  double traffic = 0;        ///< estimated cycles of the memories
  int64_t neededBytes = 0;   ///< of the scratchpad; what is used beyond them only hides waiting
  std::string limit;         ///< what the estimate is limited by: "matrix", "memory", "vector"

  /// Buffers follow each other: inputs, weights, tables, results, the vector core's, its tables.
  int64_t resultsAt(int64_t scratchpad) const {
    return scratchpad + inputBuffers * inputBytes + weightBuffers * weightBytes + kTableBuffers * tableBytes;
  }
  int64_t mapAt(int64_t scratchpad) const { return resultsAt(scratchpad) + resultBuffers * resultBytes; }
  int64_t mapTablesAt(int64_t scratchpad) const { return mapAt(scratchpad) + mapBuffers * mapBytes; }
  int64_t scratchpadBytes() const { return mapTablesAt(0) + mapTableBytes; }

  /// What is weighed: time, and traffic, which is most of the energy.
  static double price(double cycles, double traffic) { return cycles + kTraffic * traffic; }
  double price() const { return price(cycles, traffic); }
  static constexpr double kTraffic = 0.2;
};
/// Groups of a product that are computed together, one part after the other, and the cut of such a part.
struct GroupCut {
  int64_t groups = 1;
  ProductCut cut;
  double cycles = 0; ///< estimated, of all groups
  double price = 0;  ///< of all groups
};
/// The best by estimate; nothing where one group alone does not fit.
std::optional<GroupCut> cutGroups(const Product &product, const mortise::Hardware &hardware,
                                  int64_t scratchpadBytes);

/// The best cut that fits `scratchpadBytes`; nothing where a row of the output needs more than there is.
std::optional<ProductCut> cutProduct(const Product &product, const mortise::Hardware &hardware,
                                     int64_t scratchpadBytes);

/// Appends the commands. The scratchpad is used from `scratchpad` on.
void emitProduct(const Product &product, const ProductCut &cut, const mortise::Hardware &hardware,
                 int64_t scratchpad, Stream &stream);

/// Elementwise work alone: `elements` of the result (a multiple of the operands' period), rows of a period or
/// all in one. False where two of its smallest tiles do not fit `scratchpadBytes`.
struct Map {
  MapStage stage;
  int64_t elements = 0;
  int64_t result = 0; ///< address
  uint32_t node = 0;
};
bool emitMap(const Map &map, const mortise::Hardware &hardware, int64_t scratchpad, int64_t scratchpadBytes,
             Stream &stream);

} // namespace tenon::npu

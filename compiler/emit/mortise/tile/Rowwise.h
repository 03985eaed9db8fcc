//===- Rowwise.h - work on the rows of a matrix, on the vector core --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows of a matrix, each by itself: totals over a row (sums, maxima, minima), what is computed of elements
// and totals, and elementwise work whose operands repeat. Lanes go along the row; totals are combined across
// lanes and are then the same in all of them. Tiles are groups of rows.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/tile/Commands.h"
#include "compiler/emit/mortise/vector/CompileKernel.h"
#include "compiler/emit/mortise/vector/VectorBuilder.h"

#include <memory>

namespace tenon::npu {

/// What the work reads: for each row of the matrix a row of the operand, or one number of it.
struct RowOperand {
  /// Rows of the matrix, and elements of the operand from one to the next.
  struct Axis {
    int64_t count = 1, stride = 0;
  };
  std::vector<Axis> axes;      ///< outermost first; the counts multiply to the number of rows
  bool isRow = true;           ///< a row has as many elements as the matrix', or else one
  mortise::Id load = Id::VldW; ///< of a vector; of one number for all lanes: VlbW, VlbBf or VlbB
  int64_t bytes = 4;           ///< of an element
  int64_t memory = 0;          ///< address

  /// Whether every row reads the same.
  bool stays() const;
  /// Whether rows follow each other, as a resident tensor must have them.
  bool isDense(int64_t length) const { return axes.size() == 1 && axes[0].stride == (isRow ? length : 1); }
  /// Bytes that a row reads.
  int64_t rowBytes(int64_t length) const { return (isRow ? length : 1) * bytes; }
};

/// How the elements of a row become one number.
enum class RowTotal : uint8_t { SumF, MaxF, MinF, SumI, MaxI, MinI };

/// `rows` rows of `length` elements become as many rows, or one number each.
struct Rowwise {
  int64_t rows = 1, length = 1;
  std::vector<RowOperand> operands;
  std::vector<RowTotal> totals; ///< in the order in which they are computed
  bool isRow = true;            ///< the result: of rows, or of one number for each
  mortise::Id store = Id::VstW;
  int64_t resultBytes = 4;       ///< of an element
  int64_t kept = 0;              ///< rows of words that the kernel keeps; `rowwiseKernel` sets it
  int64_t scratchpadBytes = 0;   ///< for buffers
  int64_t output = 0;            ///< address in memory
  uint32_t kernel = 0, node = 0; ///< in Stream::kernels, of the model

  /// Rows of a tile, two of which fit beside what stays; 0: not one does.
  int64_t tileRows() const;
};

/// Where the code of a row finds what it reads. Values of rows are of the vector at hand.
struct RowSource {
  std::function<Value(size_t)> operand; ///< by its number
  std::function<Value(size_t)> total;   ///< an earlier one
  std::function<Value(size_t)> kept;    ///< invalid: it must be computed
};

/// The code of one vector of a row, or (for results of one number) of all of it.
class RowCode {
public:
  virtual ~RowCode() = default;
  /// What total `pass` combines; after the last total, what is stored.
  virtual Value pass(size_t pass) = 0;
  /// A value that `pass` has computed.
  virtual Value kept(size_t number) = 0;
};

struct RowBody {
  std::function<std::unique_ptr<RowCode>(VectorBuilder &, const RowSource &)> begin;
  /// Values that several passes want and that take longer to compute than to load: the first pass that does.
  std::vector<size_t> keptBy;
};

/// Parameters of the kernel are the operands' addresses, the result's, that of kept rows (if there are any),
/// and the number of rows. Short rows are straight code, whose rows overlap; longer ones are a loop for each
/// pass. `why` says what is in the way where there is none.
std::optional<CompiledKernel> rowwiseKernel(Rowwise &work, const RowBody &body,
                                            const mortise::Hardware &hardware, std::string &why);

/// Appends the commands. Rows of a tile must not be 0. The scratchpad is used from `scratchpad` on.
void emitRowwise(const Rowwise &work, const mortise::Hardware &hardware, int64_t scratchpad, Stream &stream);

} // namespace tenon::npu

//===- Evaluator.h - values of a kernel's body at a point
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Demand-driven evaluation: the value of a tensor of the region at some coordinates, for one element or for a
// vector of elements, is computed from the operands' values at the coordinates that the operation maps them
// to. Movement operations only change coordinates, elementwise ones compute, buffers are loaded. All kernel
// families fuse producers and epilogues with it: a family binds the values that it computes itself (an
// accumulator tile, a row's sum).
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/KernelBuilder.h"
#include <functional>
#include <map>
#include <set>

namespace tenon::cpu {

/// A coordinate along one axis for a vector of elements: lane l stands at base + l * stride, or at lanes[l]
/// when `lanes` (vector<i64>) is set; these are first + offsets[l] where `offsets` are known.
struct Coord {
  mlir::Value base;
  int64_t stride = 0;
  mlir::Value lanes = {};
  mlir::Value first = {};
  llvm::SmallVector<int64_t, 0> offsets = {};
  bool uniform() const { return stride == 0 && !lanes; }
};
using Coords = llvm::SmallVector<Coord, 4>;

class Evaluator {
public:
  using Binding = std::function<mlir::Value(Evaluator &, llvm::ArrayRef<Coord>)>;

  Evaluator(KernelBuilder &k, unsigned lanes, mlir::Value mask = {}) : k(k), lanes(lanes), mask(mask) {}

  /// `tensor` is computed by the family: `value` answers its elements instead of the operation that defines
  /// it.
  void bind(mlir::Value tensor, Binding value) { bindings[tensor] = std::move(value); }

  /// Where neighbours are read from a buffer, the line that lies `bytes` further on is asked for.
  void askAhead(int64_t bytes) { ahead = bytes; }

  /// The elements at `at` (one coordinate per axis), a scalar or vector of valueType. Null after a
  /// diagnostic-worthy failure; `failedOp` then names the operation that has no pull form.
  mlir::Value eval(mlir::Value tensor, llvm::ArrayRef<Coord> at);

  /// Where a tensor that movement operations make of a buffer is stored: the buffer and the element offset of
  /// `at`. Nothing when an operation on the way computes, pads or joins.
  std::optional<std::pair<mlir::Value, Coord>> addressOf(mlir::Value tensor, llvm::ArrayRef<Coord> at);

  /// Names the buffers that the elements at `at` are computed from, and the element offsets there. False when
  /// an operation on the way is neither elementwise nor a movement. An evaluator names each place once.
  bool reads(mlir::Value tensor, llvm::ArrayRef<Coord> at,
             llvm::function_ref<void(mlir::Value, const Coord &)> found);

  /// The element offset of coordinates in a dense row-major tensor.
  Coord linearize(llvm::ArrayRef<Coord> at, llvm::ArrayRef<Size> dims);
  /// Stores elements of a dense row-major tensor.
  void store(mlir::Value value, mlir::Value pointer, llvm::ArrayRef<Coord> at, llvm::ArrayRef<Size> dims,
             mlir::Type element);

  /// The coordinates in a reshape's operand that hold the elements at `at` of its result; `from` and `to` are
  /// the sizes of operand and result.
  Coords throughReshape(llvm::ArrayRef<Coord> at, llvm::ArrayRef<Size> from, llvm::ArrayRef<Size> to);

  mlir::Operation *failedOp() const { return failed; }
  unsigned laneCount() const { return lanes; }
  Coord fixed(int64_t v) { return {k.constant(v)}; }
  KernelBuilder &kernel() { return k; }

private:
  using Key = std::vector<std::pair<const void *, int64_t>>;
  static Key keyOf(mlir::Value tensor, llvm::ArrayRef<Coord> at);
  mlir::Value compute(mlir::Value tensor, llvm::ArrayRef<Coord> at);
  /// The bytes that are functions of other bytes, by a table.
  mlir::Value lookUp(mlir::Value tensor, mlir::Value source, llvm::ArrayRef<Coord> at);
  /// The operand of a movement operation and the coordinates in it; a null value for any other operation.
  std::pair<mlir::Value, Coords> moved(mlir::Operation *op, llvm::ArrayRef<Coord> at);
  mlir::Value besideEachOther(mlir::Value pointer, const Coord &c, mlir::Type element);
  mlir::Value leaf(mlir::Value pointer, mlir::Value tensor, llvm::ArrayRef<Coord> at);
  mlir::Value evalConcat(ConcatOp op, llvm::ArrayRef<Coord> at);
  mlir::Value evalPad(PadOp op, llvm::ArrayRef<Coord> at);
  mlir::Value evalUpdateSlice(UpdateSliceOp op, llvm::ArrayRef<Coord> at);
  mlir::Value evalGather(GatherOp op, llvm::ArrayRef<Coord> at);
  mlir::Value evalGatherElements(GatherElementsOp op, llvm::ArrayRef<Coord> at);
  mlir::Value evalGatherNd(GatherNdOp op, llvm::ArrayRef<Coord> at);
  mlir::Value evalIota(IotaOp op, llvm::ArrayRef<Coord> at);
  mlir::Value evalFromIndex(FromIndexOp op, llvm::ArrayRef<Coord> at);
  /// A coordinate from index elements: negative ones count from the end, all are clamped into [0, extent).
  Coord coordFromElements(mlir::Value tensor, llvm::ArrayRef<Coord> at, Size extent);
  Coord affine(Coord c, int64_t scale, mlir::Value offset);
  Coord addCoords(Coord a, Coord c);
  Coord scaleCoord(Coord c, Size by);
  void splitCoord(Coord linear, llvm::ArrayRef<Size> extents, llvm::SmallVectorImpl<Coord> &out);
  mlir::Value asLanes(Coord c);
  /// Lane l stands at first + offsets[l].
  Coord withOffsets(mlir::Value first, llvm::SmallVector<int64_t, 0> offsets);
  /// The coordinate with `first` and `offsets` set, if they are known.
  std::optional<Coord> knownOffsets(const Coord &c) const;
  /// The parts of a coordinate with known offsets in a row of `extent` and outside of it, where it is known
  /// that lanes lie in rows as if the first began one, or all in the same row.
  std::optional<std::pair<Coord, Coord>> splitOffsets(const Coord &linear, int64_t extent);
  /// True when the tensor is read from buffers at coordinates that are not computed with: they may then lie
  /// outside where a mask leaves them out.
  bool takesAnyCoords(mlir::Value tensor) const;
  /// Evaluates in scalar form when no coordinate varies with the lane.
  mlir::Value uniformly(mlir::Value tensor, llvm::ArrayRef<Coord> at);
  /// low <= c < high per lane (i1 or vector of i1); null when known to hold.
  mlir::Value inside(Coord c, mlir::Value low, mlir::Value high);
  Coord clampCoord(Coord c, mlir::Value low, mlir::Value high);

  KernelBuilder &k;
  unsigned lanes;
  mlir::Value mask;
  llvm::DenseMap<mlir::Value, Binding> bindings;
  std::map<Key, mlir::Value> known;
  std::set<Key> named; ///< places that `reads` has been to
  mlir::Operation *failed = nullptr;
  int64_t ahead = 0;       ///< bytes; 0: nothing is asked for
  bool makesTable = false; ///< computes the entries of a table
};

/// A number that is known to divide an index value (constants, loop variables, products, sums).
int64_t knownMultiple(mlir::Value index, unsigned depth = 0);
/// The least and the most that an index value can be, where it is a constant, a variable of a loop between
/// constants, or a constant more.
std::optional<std::pair<int64_t, int64_t>> knownRange(mlir::Value index);

} // namespace tenon::cpu

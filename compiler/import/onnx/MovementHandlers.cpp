//===- MovementHandlers.cpp - Reshape, Transpose, Concat and their kin ------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/GraphImporter.h"
#include "compiler/import/onnx/RunTimeAxes.h"
#include "compiler/import/onnx/SizeLogic.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

/// The size that stands for -1: all elements over the product of the other sizes.
FailureOr<Size> remaining(NodeContext &n, ArrayRef<Size> from, ArrayRef<Size> to, size_t hole) {
  // Dimensions that are equal on both sides cancel, also when they may be 0 or are expressions.
  Dims above(from.begin(), from.end()), below;
  for (auto [i, s] : llvm::enumerate(to)) {
    if (i == hole)
      continue;
    auto it = llvm::find(above, s);
    if (it != above.end())
      above.erase(it);
    else
      below.push_back(s);
  }
  Size num = productOf(n.g.sizes, above), den = productOf(n.g.sizes, below);
  if (den.isConstant(0))
    return n.invalid("expected sizes that are not 0 beside -1");
  if (num.constant() && den.constant() && *num.constant() % *den.constant())
    return n.invalid("expected " + num.str() + " elements to be a multiple of " + den.str() +
                     " for the dimension -1");
  if (auto exact = num.exactDiv(den))
    return *exact;
  return num.floorDiv(den);
}

FailureOr<Dims> reshapeDims(NodeContext &n, const Tensor &x, ArrayRef<Size> wanted, bool allowZero) {
  Dims dims;
  std::optional<size_t> hole;
  for (auto [i, s] : llvm::enumerate(wanted)) {
    if (s.isConstant(0) && !allowZero) {
      if (static_cast<int64_t>(i) >= x.rank())
        return n.invalid("expected a dimension " + Twine(i) + " to be kept by 0, found " + describe(x));
      dims.push_back(x.dims[i]);
    } else if (s.isConstant(-1)) {
      if (hole)
        return n.invalid("expected at most one -1 in the shape");
      hole = i;
      dims.push_back(s);
    } else {
      if (s.constant() && *s.constant() < 0)
        return n.invalid("expected sizes, 0 or -1 in the shape, found " + s.str());
      dims.push_back(s);
    }
  }
  if (hole) {
    ONNX_TRY(size, remaining(n, x.dims, dims, *hole));
    dims[*hole] = size;
  }
  // Equal counts are a requirement on the symbols like any other; where they depend on data, the run checks
  // them.
  Size before = productOf(n.g.sizes, x.dims), after = productOf(n.g.sizes, dims);
  if (failed(
          n.sameSize(before, after,
                     "the number of elements of " + describe(x) + " and of the new shape " + describe(dims))))
    return failure();
  if (!dims.empty() && !n.g.sameSize(before, after) &&
      (n.importer.dependsOnData(before) || n.importer.dependsOnData(after)))
    dims[0] = dims[0] * n.g.checked(isEqual(n.g, before, after), 1, 1);
  return dims;
}

/// The shape that only the run knows, as sizes. The result's declared shape says what 0 and -1 stand for and
/// bounds the others.
FailureOr<SmallVector<Size>> runTimeShape(NodeContext &n) {
  GraphBuilder &g = n.g;
  SmallVector<int64_t> declared = n.declaredShape(0);
  auto count = elementCount(n.in(1).dims);
  if (!isRunTime(n, 1) || !isa<IntegerType>(n.in(1).element))
    return n.sizesOf(1, 0);
  if (count == static_cast<int64_t>(declared.size())) {
    Tensor &t = n.inputs[1];
    Tensor one = g.fullInt(1, t.element, t.dims), least = g.fullInt(-1, t.element, t.dims);
    Tensor stands =
        g.binary<AndOp>(g.compare(CmpPredicate::lt, t, one), g.compare(CmpPredicate::ge, t, least));
    t = g.select(stands, g.integers(declared, t.element), t);
    return n.sizesOf(1, 0, declared);
  }
  // The sign of a size decides what it means; it is taken as a size. None is larger than all elements.
  auto elements = elementCount(n.in(0).dims);
  SmallVector<int64_t> most;
  if (count && elements)
    most.assign(*count, *elements);
  return n.sizesOf(1, 0, most);
}

LogicalResult reshape(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  ONNX_TRY(wanted, runTimeShape(n));
  ONNX_TRY(dims, reshapeDims(n, n.in(0), wanted, n.intAttr("allowzero", 0)));
  return n.out(n.g.reshape(n.in(0), dims));
}

LogicalResult transpose(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  int64_t rank = n.in(0).rank();
  SmallVector<int64_t> permutation = n.intsAttr("perm").value_or(SmallVector<int64_t>());
  if (permutation.empty())
    for (int64_t i = rank - 1; i >= 0; --i)
      permutation.push_back(i);
  SmallVector<int64_t> sorted;
  for (int64_t &p : permutation) {
    ONNX_TRY(normal, n.axis(p, rank));
    p = normal;
    sorted.push_back(p);
  }
  llvm::sort(sorted);
  if (sorted != axesFrom(0, rank))
    return n.invalid("expected a permutation of " + Twine(rank) + " axes in 'perm'");
  return n.out(n.g.transpose(n.in(0), permutation));
}

LogicalResult squeeze(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  const Tensor &x = n.in(0);
  if (isRunTime(n, 1)) {
    ONNX_TRY(flags, axisFlags(n, 1, x.rank()));
    int64_t kept = x.rank() - *elementCount(n.in(1).dims);
    return n.out(n.g.reshape(x, unnamedDims(n.g, x.dims, flags, kept)));
  }
  bool given;
  ONNX_TRY(axes, n.axes("axes", 1, x.rank(), given));
  Dims dims;
  for (int64_t i = 0; i < x.rank(); ++i) {
    bool drop = given ? llvm::is_contained(axes, i) : x.dims[i].isConstant(1);
    if (!given && !x.dims[i].constant())
      return n.unsupported("without axes, every size must be known, found " + describe(x));
    if (drop && !x.dims[i].isConstant(1) &&
        failed(n.sameSize(x.dims[i], n.g.size(1), "a squeezed dimension")))
      return failure();
    if (!drop)
      dims.push_back(x.dims[i]);
  }
  return n.out(n.g.reshape(x, dims));
}

LogicalResult unsqueeze(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  const Tensor &x = n.in(0);
  if (isRunTime(n, 1)) {
    ONNX_TRY(flags, axisFlags(n, 1, x.rank() + elementCount(n.in(1).dims).value_or(0)));
    return n.out(n.g.reshape(x, withUnitDims(n.g, x.dims, flags)));
  }
  int64_t count = 0;
  if (n.has(1)) {
    ONNX_TRY(values, n.constantInts(1, "the axes"));
    count = values.size();
  } else if (auto values = n.intsAttr("axes")) {
    count = values->size();
  }
  bool given;
  ONNX_TRY(axes, n.axes("axes", 1, x.rank() + count, given));
  if (!given)
    return n.invalid("expected axes");
  Dims dims = x.dims;
  for (int64_t axis : axes)
    dims.insert(dims.begin() + axis, n.g.size(1));
  return n.out(n.g.reshape(x, dims));
}

LogicalResult flatten(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  const Tensor &x = n.in(0);
  int64_t axis = n.intAttr("axis", 1);
  if (axis < -x.rank() || axis > x.rank())
    return n.invalid("expected an axis from " + Twine(-x.rank()) + " to " + Twine(x.rank()) + ", found " +
                     Twine(axis));
  if (axis < 0)
    axis += x.rank();
  ArrayRef<Size> dims(x.dims);
  return n.out(n.g.reshape(
      x, {productOf(n.g.sizes, dims.take_front(axis)), productOf(n.g.sizes, dims.drop_front(axis))}));
}

LogicalResult concat(NodeContext &n) {
  if (failed(n.needInputs(std::max<int64_t>(n.inputCount(), 1))) || failed(n.needRank(0, 1)))
    return failure();
  ONNX_TRY(axis, n.axis(n.intAttr("axis", 0), n.in(0).rank()));
  Dims common = n.in(0).dims;
  for (const Tensor &t : n.inputs) {
    if (t.rank() != n.in(0).rank() || t.element != n.in(0).element)
      return n.invalid("expected tensors of one rank and type, found " + describe(n.in(0)) + " and " +
                       describe(t));
    for (int64_t i = 0; i < t.rank(); ++i) {
      if (i == axis)
        continue;
      ONNX_TRY(size,
               n.sameSize(common[i], t.dims[i], "joining " + describe(n.in(0)) + " and " + describe(t)));
      common[i] = size;
    }
  }
  SmallVector<Tensor> parts;
  for (const Tensor &t : n.inputs) {
    Dims dims = common;
    dims[axis] = t.dims[axis];
    if (!dims[axis].isConstant(0))
      parts.push_back(n.g.broadcast(t, dims));
  }
  return n.out(parts.empty() ? n.in(0) : n.g.concat(parts, axis));
}

LogicalResult split(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 1)))
    return failure();
  const Tensor &x = n.in(0);
  ONNX_TRY(axis, n.axis(n.intAttr("axis", 0), x.rank()));
  SmallVector<Size> lengths;
  if (n.has(1)) {
    SmallVector<int64_t> most;
    for (int64_t i = 0; i < n.outputCount(); ++i)
      if (auto declared = n.declaredShape(i); static_cast<int64_t>(declared.size()) > axis)
        most.push_back(declared[axis]);
    ONNX_TRY(given, n.sizesOf(1, 0, most));
    lengths = given;
  } else if (auto given = n.intsAttr("split"); given && !given->empty()) {
    for (int64_t v : *given)
      lengths.push_back(n.g.size(v));
  } else {
    int64_t count = n.intAttr("num_outputs", n.outputCount());
    if (count < 1 || count < n.outputCount() || count > 65536)
      return n.invalid("expected num_outputs to be the number of outputs, found " + Twine(count));
    Size each = x.dims[axis].ceilDiv(count);
    for (int64_t i = 0; i + 1 < count; ++i)
      lengths.push_back(each);
    lengths.push_back(x.dims[axis] - each * (count - 1));
  }
  if (static_cast<int64_t>(lengths.size()) < n.outputCount())
    return n.invalid("expected a length for each of " + Twine(n.outputCount()) + " outputs, found " +
                     Twine(lengths.size()));
  Size offset = n.g.size(0);
  for (auto [i, length] : llvm::enumerate(lengths)) {
    if (length.constant() && *length.constant() < 0)
      return n.invalid("expected lengths that are not negative, found " + length.str());
    if (n.wants(i))
      (void)n.out(n.g.sliceAxis(x, axis, offset, length), i);
    offset = offset + length;
  }
  if (failed(n.sameSize(offset, x.dims[axis], "the sum of the lengths and the dimension that is split")))
    return failure();
  return success();
}

LogicalResult expand(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  // No size that is wanted is larger than what results; shapes are aligned at their ends.
  SmallVector<int64_t> most = n.declaredShape(0);
  if (auto count = elementCount(n.in(1).dims); count && *count < static_cast<int64_t>(most.size()))
    most.erase(most.begin(), most.end() - *count);
  ONNX_TRY(wanted, n.sizesOf(1, 0, most));
  Tensor shape = n.in(0);
  shape.dims.assign(wanted.begin(), wanted.end());
  ONNX_TRY(dims, n.broadcastDims({n.in(0), shape}));
  return n.out(n.g.broadcast(n.g.toRank(n.in(0), dims.size()), dims));
}

LogicalResult tile(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  GraphBuilder &g = n.g;
  Tensor x = n.in(0);
  SmallVector<int64_t> most = n.declaredShape(0);
  for (auto [d, size] : llvm::zip(x.dims, most))
    size = d.constant().value_or(0) > 0 ? size / *d.constant() : size;
  ONNX_TRY(repeats, n.sizesOf(1, 0, most));
  if (static_cast<int64_t>(repeats.size()) != x.rank())
    return n.invalid("expected " + Twine(x.rank()) + " repeats, found " + Twine(repeats.size()));
  Dims final;
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (repeats[i].constant() && *repeats[i].constant() < 0)
      return n.invalid("expected repeats that are not negative, found " + repeats[i].str());
    final.push_back(x.dims[i] * repeats[i]);
  }
  for (int64_t i = x.rank() - 1; i >= 0; --i) {
    if (repeats[i].isConstant(1))
      continue;
    Tensor t = g.unsqueeze(x, i);
    Dims dims = t.dims;
    dims[i] = repeats[i];
    t = g.broadcast(t, dims);
    Dims joined = x.dims;
    joined[i] = x.dims[i] * repeats[i];
    x = g.reshape(t, joined);
  }
  return n.out(x);
}

/// Modes: the block's position is the slower part of the channel (DCR) or the faster one (CRD).
LogicalResult depthToSpace(NodeContext &n) {
  if (failed(n.needInputs(1)) || n.in(0).rank() != 4)
    return n.invalid("expected an image [N, C, H, W]");
  const Dims &d = n.in(0).dims;
  int64_t block = n.intAttr("blocksize", 0);
  if (block < 1 || block > 65536 || (d[1].constant() && *d[1].constant() % (block * block)))
    return n.invalid("expected a block size whose square divides the channels of " + describe(n.in(0)) +
                     ", found " + Twine(block));
  Size b = n.g.size(block), c = d[1].floorDiv(block * block);
  bool crd = n.stringAttr("mode", "DCR") == "CRD";
  Dims split = crd ? Dims{d[0], c, b, b, d[2], d[3]} : Dims{d[0], b, b, c, d[2], d[3]};
  Tensor t = n.g.reshape(n.in(0), split);
  t = crd ? n.g.transpose(t, {0, 1, 4, 2, 5, 3}) : n.g.transpose(t, {0, 3, 4, 1, 5, 2});
  return n.out(n.g.reshape(t, {d[0], c, d[2] * block, d[3] * block}));
}

LogicalResult spaceToDepth(NodeContext &n) {
  if (failed(n.needInputs(1)) || n.in(0).rank() != 4)
    return n.invalid("expected an image [N, C, H, W]");
  const Dims &d = n.in(0).dims;
  int64_t block = n.intAttr("blocksize", 0);
  for (int i = 2; i < 4; ++i)
    if (block < 1 || block > 65536 || (d[i].constant() && *d[i].constant() % block))
      return n.invalid("expected a block size that divides the image " + describe(n.in(0)) + ", found " +
                       Twine(block));
  Size b = n.g.size(block), h = d[2].floorDiv(block), w = d[3].floorDiv(block);
  Tensor t = n.g.reshape(n.in(0), {d[0], d[1], h, b, w, b});
  std::string mode = n.stringAttr("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    return n.invalid("expected mode DCR or CRD, found '" + mode + "'");
  t = mode == "DCR" ? n.g.transpose(t, {0, 3, 5, 1, 2, 4}) : n.g.transpose(t, {0, 1, 3, 5, 2, 4});
  return n.out(n.g.reshape(t, {d[0], d[1] * (block * block), h, w}));
}

} // namespace

void tenon::importer::registerMovement(OpTable &t) {
  t.add("Reshape", reshape);
  t.add("Transpose", transpose);
  t.add("Squeeze", squeeze);
  t.add("Unsqueeze", unsqueeze);
  t.add("Flatten", flatten);
  t.add("Concat", concat);
  t.add("Split", split);
  t.add("Expand", expand);
  t.add("Tile", tile);
  t.add("DepthToSpace", depthToSpace);
  t.add("SpaceToDepth", spaceToDepth);
}

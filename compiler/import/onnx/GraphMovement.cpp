//===- GraphMovement.cpp - movement, reductions and contractions ------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/GraphBuilder.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

/// Offsets and the like: constants in the attribute array, the others as operands behind the dynamic marker.
void splitStatic(GraphBuilder &g, ArrayRef<Size> list, SmallVector<int64_t> &statics,
                 SmallVector<Value> &dynamics) {
  for (Size s : list) {
    if (auto c = s.constant()) {
      statics.push_back(*c);
    } else {
      statics.push_back(kDynamic);
      dynamics.push_back(g.index(s));
    }
  }
}

/// The elements of a tensor with content at the given places.
Tensor remap(GraphBuilder &g, const Tensor &x, ArrayRef<Size> dims,
             llvm::function_ref<int64_t(ArrayRef<int64_t>)> source) {
  Content content;
  SmallVector<int64_t> shape, at(dims.size(), 0);
  for (Size s : dims)
    shape.push_back(*s.constant());
  for (int64_t flat = 0, count = *elementCount(dims); flat < count; ++flat) {
    for (int64_t i = static_cast<int64_t>(shape.size()) - 1, rest = flat; i >= 0; --i) {
      at[i] = rest % shape[i];
      rest /= shape[i];
    }
    content.push_back((*x.content)[source(at)]);
  }
  return g.fromContent(std::move(content), x.element, dims);
}

/// Row-major distances between the neighbours of each axis.
SmallVector<int64_t> stridesOf(const Tensor &x) {
  SmallVector<int64_t> strides(x.rank(), 1);
  for (int64_t i = x.rank() - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * *x.dims[i + 1].constant();
  return strides;
}

bool allConstant(ArrayRef<Size> list) {
  return llvm::all_of(list, [](Size s) { return s.constant().has_value(); });
}

/// Offsets and lengths lie inside the tensor; a hostile model may say otherwise.
bool insideContent(const Tensor &x, ArrayRef<Size> offsets, ArrayRef<Size> dims, ArrayRef<int64_t> strides) {
  for (int64_t i = 0; i < x.rank(); ++i) {
    int64_t first = *offsets[i].constant(), count = *dims[i].constant(), size = *x.dims[i].constant();
    if (count < 0 || count > size)
      return false;
    if (count == 0)
      continue;
    int64_t last;
    if (llvm::MulOverflow(count - 1, strides[i], last) || llvm::AddOverflow(last, first, last))
      return false;
    if (first < 0 || first >= size || last < 0 || last >= size)
      return false;
  }
  return true;
}

} // namespace

Tensor GraphBuilder::reshape(const Tensor &x, ArrayRef<Size> dims) {
  if (ArrayRef<Size>(x.dims) == dims)
    return x;
  if (x.constant && !x.value && elementCount(dims) == x.constant.getNumElements()) {
    DenseElementsAttr constant = x.constant;
    return fromConstant(constant.reshape(type(x.element, dims)));
  }
  if (x.content && !x.value && elementCount(dims) == static_cast<int64_t>(x.content->size()))
    return fromContent(*x.content, x.element, dims);
  Value v = value(x);
  Tensor r = wrap(ReshapeOp::create(builder, loc, type(x.element, dims), v, dynamic(dims)), dims);
  r.content = x.content;
  return r;
}

Tensor GraphBuilder::toRank(const Tensor &x, int64_t rank) {
  Dims dims(std::max<int64_t>(rank - x.rank(), 0), size(1));
  dims.append(x.dims.begin(), x.dims.end());
  return reshape(x, dims);
}

Tensor GraphBuilder::broadcast(const Tensor &x, ArrayRef<Size> dims) {
  bool same = true;
  for (auto [from, to] : llvm::zip_equal(x.dims, dims))
    same &= from == to || (!from.isConstant(1) && sameSize(from, to));
  if (same)
    return x;
  Tensor source = x;
  // A dimension that may be 1 or equal, as only the run will tell: reads stay inside whatever it is.
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    Size from = x.dims[axis], to = dims[axis];
    if (from.isConstant(1) || sameSize(from, to) || !mayClamp)
      continue;
    Type i64 = builder.getI64Type();
    Tensor positions = iota({to}, 0, i64);
    Tensor last = broadcast(toRank(fromSize(from - 1, i64), 1), {to});
    source = gather(source, binary<MinOp>(positions, last), axis);
  }
  Value v = value(source);
  return wrap(BroadcastOp::create(builder, loc, type(x.element, dims), v, dynamic(dims)), dims);
}

Tensor GraphBuilder::transpose(const Tensor &x, ArrayRef<int64_t> permutation) {
  bool identity = true;
  Dims dims;
  for (auto [i, p] : llvm::enumerate(permutation)) {
    identity &= static_cast<int64_t>(i) == p;
    dims.push_back(x.dims[p]);
  }
  if (identity)
    return x;
  if (x.content) {
    SmallVector<int64_t> strides = stridesOf(x);
    return remap(*this, x, dims, [&](ArrayRef<int64_t> at) {
      int64_t source = 0;
      for (auto [i, p] : llvm::enumerate(permutation))
        source += at[i] * strides[p];
      return source;
    });
  }
  return wrap(TransposeOp::create(builder, loc, type(x.element, dims), value(x), permutation), dims);
}

Tensor GraphBuilder::slice(const Tensor &x, ArrayRef<Size> offsets, ArrayRef<Size> dims,
                           ArrayRef<int64_t> strides) {
  bool whole = llvm::all_of(offsets, [](Size s) { return s.isConstant(0); }) &&
               ArrayRef<Size>(x.dims) == dims && llvm::all_of(strides, [](int64_t s) { return s == 1; });
  if (whole)
    return x;
  if (x.content && allConstant(offsets) && allConstant(dims) && insideContent(x, offsets, dims, strides)) {
    SmallVector<int64_t> distances = stridesOf(x);
    return remap(*this, x, dims, [&](ArrayRef<int64_t> at) {
      int64_t source = 0;
      for (int64_t i = 0; i < x.rank(); ++i)
        source += (*offsets[i].constant() + at[i] * strides[i]) * distances[i];
      return source;
    });
  }
  SmallVector<int64_t> statics;
  SmallVector<Value> dynamics;
  splitStatic(*this, offsets, statics, dynamics);
  Value v = value(x);
  return wrap(
      SliceOp::create(builder, loc, type(x.element, dims), v, dynamics, dynamic(dims), statics, strides),
      dims);
}

Tensor GraphBuilder::sliceAxis(const Tensor &x, int64_t axis, Size offset, Size length, int64_t stride) {
  Dims offsets(x.rank(), size(0)), dims = x.dims;
  SmallVector<int64_t> strides(x.rank(), 1);
  offsets[axis] = offset;
  dims[axis] = length;
  strides[axis] = stride;
  return slice(x, offsets, dims, strides);
}

Tensor GraphBuilder::concat(ArrayRef<Tensor> parts, int64_t axis) {
  if (parts.size() == 1)
    return parts[0];
  bool known = axis == 0;
  size_t elements = 0;
  for (const Tensor &part : parts) {
    known &= part.content.has_value();
    elements += part.content ? part.content->size() : 0;
  }
  if (known && elements <= static_cast<size_t>(kMaxContent)) {
    Content content;
    Dims joined = parts[0].dims;
    joined[0] = size(0);
    for (const Tensor &part : parts) {
      content.append(part.content->begin(), part.content->end());
      joined[0] = joined[0] + part.dims[0];
    }
    return fromContent(std::move(content), parts[0].element, joined);
  }
  Dims dims = parts[0].dims;
  SmallVector<Value> values;
  for (auto [i, part] : llvm::enumerate(parts)) {
    values.push_back(value(part));
    if (i)
      dims[axis] = dims[axis] + part.dims[axis];
  }
  return wrap(ConcatOp::create(builder, loc, type(parts[0].element, dims), values, axis), dims);
}

Tensor GraphBuilder::pad(const Tensor &x, const Tensor &fill, ArrayRef<Size> low, ArrayRef<Size> high) {
  Dims dims;
  for (int64_t i = 0; i < x.rank(); ++i)
    dims.push_back(x.dims[i] + low[i] + high[i]);
  SmallVector<int64_t> staticLow, staticHigh;
  SmallVector<Value> dynamicLow, dynamicHigh;
  splitStatic(*this, low, staticLow, dynamicLow);
  splitStatic(*this, high, staticHigh, dynamicHigh);
  auto isZero = [](int64_t v) { return v == 0; };
  if (llvm::all_of(staticLow, isZero) && llvm::all_of(staticHigh, isZero))
    return x;
  Value v = value(x), f = value(fill);
  return wrap(PadOp::create(builder, loc, type(x.element, dims), v, f, dynamicLow, dynamicHigh, staticLow,
                            staticHigh),
              dims);
}

Tensor GraphBuilder::iota(ArrayRef<Size> dims, int64_t axis, Type element) {
  return wrap(IotaOp::create(builder, loc, type(element, dims), dynamic(dims), axis), dims);
}

Tensor GraphBuilder::squeeze(const Tensor &x, int64_t axis) {
  Dims dims = x.dims;
  dims.erase(dims.begin() + axis);
  return reshape(x, dims);
}

Tensor GraphBuilder::unsqueeze(const Tensor &x, int64_t axis) {
  Dims dims = x.dims;
  dims.insert(dims.begin() + axis, size(1));
  return reshape(x, dims);
}

std::optional<Tensor> GraphBuilder::gatherContent(const Tensor &x, const Tensor &positions, int64_t axis,
                                                  int64_t batchDims, ArrayRef<Size> dims) {
  if (!x.content || !positions.content || batchDims != 0 ||
      elementCount(dims).value_or(kMaxContent + 1) > kMaxContent)
    return std::nullopt;
  SmallVector<int64_t> picked;
  int64_t length = *x.dims[axis].constant();
  for (const SizeFraction &f : *positions.content) {
    auto p = f.constant();
    if (!p || *p < -length || *p >= length)
      return std::nullopt;
    picked.push_back(*p < 0 ? *p + length : *p);
  }
  SmallVector<int64_t> from = stridesOf(x), inner = stridesOf(positions);
  return remap(*this, x, dims, [&](ArrayRef<int64_t> at) {
    int64_t source = 0, index = 0;
    for (int64_t i = 0; i < axis; ++i)
      source += at[i] * from[i];
    for (int64_t i = 0; i < positions.rank(); ++i)
      index += at[axis + i] * inner[i];
    source += picked[index] * from[axis];
    for (int64_t i = axis + 1; i < x.rank(); ++i)
      source += at[i + positions.rank() - 1] * from[i];
    return source;
  });
}

Tensor GraphBuilder::gather(const Tensor &x, const Tensor &positions, int64_t axis, int64_t batchDims) {
  Dims dims(x.dims.begin(), x.dims.begin() + axis);
  dims.append(positions.dims.begin() + batchDims, positions.dims.end());
  dims.append(x.dims.begin() + axis + 1, x.dims.end());
  if (auto known = gatherContent(x, positions, axis, batchDims, dims))
    return *known;
  Value v = value(x), i = value(positions);
  return wrap(GatherOp::create(builder, loc, type(x.element, dims), v, i, axis, batchDims), dims);
}

Tensor GraphBuilder::reduce(ReduceKind kind, const Tensor &x, ArrayRef<int64_t> axes) {
  if (axes.empty())
    return x;
  Dims dims = x.dims;
  for (int64_t axis : axes)
    dims[axis] = size(1);
  return wrap(ReduceOp::create(builder, loc, type(x.element, dims), kind, value(x), axes), dims);
}

Tensor GraphBuilder::mean(const Tensor &x, ArrayRef<int64_t> axes) {
  if (axes.empty())
    return x;
  Size count = size(1);
  for (int64_t axis : axes)
    count = count * x.dims[axis];
  Tensor sum = reduce(ReduceKind::sum, x, axes);
  Tensor divisor = toRank(fromSize(count, x.element), x.rank());
  return binary<DivOp>(sum, broadcast(divisor, sum.dims));
}

Tensor GraphBuilder::contract(const Tensor &a, const Tensor &b, bool transposeRhs) {
  Dims dims(a.dims.begin(), a.dims.end() - 1);
  dims.push_back(b.dims[b.rank() - (transposeRhs ? 2 : 1)]);
  Value l = value(a), r = value(b);
  return wrap(ContractOp::create(builder, loc, type(a.element, dims), l, r, transposeRhs), dims);
}

Tensor GraphBuilder::updateSlice(const Tensor &x, const Tensor &update, ArrayRef<Size> offsets) {
  Value v = value(x), u = value(update);
  return wrap(UpdateSliceOp::create(builder, loc, v.getType(), v, u, indices(offsets)), x.dims);
}

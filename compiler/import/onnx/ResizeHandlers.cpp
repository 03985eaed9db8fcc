//===- ResizeHandlers.cpp - Resize and Upsample -----------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Images.h"

#include <cmath>

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

/// What Resize says of one axis.
struct AxisScale {
  Size result;      // of the axis
  double scale = 0; // 0: result size / input size
};

/// The simplest fraction that is the same f32 number (4/3 for 1.3333334), by its continued fraction.
std::pair<int64_t, int64_t> fractionOf(double scale) {
  int64_t p0 = 0, q0 = 1, p1 = 1, q1 = 0;
  double rest = scale;
  for (int i = 0; i < 24; ++i) {
    if (!(rest <= 1 << 24)) // nor could it be converted
      break;
    auto whole = static_cast<int64_t>(std::floor(rest));
    int64_t p = whole * p1 + p0, q = whole * q1 + q0;
    if (p > (1 << 24) || q > (1 << 24))
      break;
    p0 = p1, q0 = q1, p1 = p, q1 = q;
    if (static_cast<float>(static_cast<double>(p) / static_cast<double>(q)) == static_cast<float>(scale) ||
        rest == std::floor(rest))
      break;
    rest = 1 / (rest - std::floor(rest));
  }
  return {p1, std::max<int64_t>(q1, 1)};
}

FailureOr<SmallVector<AxisScale>> fromScales(NodeContext &n, const Tensor &scales, ArrayRef<int64_t> axes) {
  const Tensor &x = n.in(0);
  SmallVector<AxisScale> list;
  if (!isa<FloatType>(scales.element))
    return n.invalid("expected scales of a floating-point type, found " + describe(scales));
  if (elementCount(scales.dims) != static_cast<int64_t>(axes.size()))
    return n.invalid("expected a scale for each of " + Twine(axes.size()) + " axes, found " +
                     describe(scales));
  for (auto [i, axis] : llvm::enumerate(axes)) {
    AxisScale s;
    if (scales.constant) {
      s.scale = (*(scales.constant.getValues<APFloat>().begin() + i)).convertToDouble();
      if (!(s.scale > 0) || s.scale > 65536)
        return n.invalid("expected scales above 0 and up to 65536, found " + Twine(std::to_string(s.scale)));
      auto [num, den] = fractionOf(s.scale);
      s.result = (x.dims[axis] * num).floorDiv(den);
    } else if (scales.content) {
      const SizeFraction &f = (*scales.content)[i];
      Size product = x.dims[axis] * f.num;
      auto exact = product.exactDiv(f.den);
      s.result = exact ? *exact : product.floorDiv(f.den);
    } else {
      return n.unsupported("the scales must be known when the model is imported, or be sizes");
    }
    list.push_back(s);
  }
  return list;
}

FailureOr<SmallVector<AxisScale>> fromSizes(NodeContext &n, int64_t input, ArrayRef<int64_t> axes) {
  if (n.stringAttr("keep_aspect_ratio_policy", "stretch") != "stretch")
    return n.unsupported("keep_aspect_ratio_policy other than 'stretch' is not supported");
  SmallVector<int64_t> declared = n.declaredShape(0), most; // of sizes that only the run knows
  if (static_cast<int64_t>(declared.size()) == n.in(0).rank())
    most = llvm::map_to_vector(axes, [&](int64_t axis) { return declared[axis]; });
  ONNX_TRY(sizes, n.sizesOf(input, 1, most));
  if (sizes.size() != axes.size())
    return n.invalid("expected a size for each of " + Twine(axes.size()) + " axes, found " +
                     Twine(sizes.size()));
  SmallVector<AxisScale> list;
  for (Size s : sizes) {
    if (s.constant() && *s.constant() < 1)
      return n.invalid("expected sizes of at least 1, found " + s.str());
    list.push_back({s, 0});
  }
  return list;
}

struct Interpolation {
  ResizeMode mode = ResizeMode::nearest;
  ResizeCoordinates coordinates = ResizeCoordinates::half_pixel;
  ResizeRounding rounding = ResizeRounding::round_prefer_floor;
};

FailureOr<Interpolation> interpolation(NodeContext &n, bool old) {
  Interpolation r;
  std::string mode = n.stringAttr("mode", "nearest");
  if (mode == "linear" || mode == "bilinear" || mode == "trilinear")
    r.mode = ResizeMode::linear;
  else if (mode == "cubic" || mode == "bicubic")
    r.mode = ResizeMode::cubic;
  else if (mode != "nearest")
    return n.invalid("expected mode nearest, linear or cubic, found '" + mode + "'");
  if (old) { // Upsample, and Resize of opset 10
    r.coordinates = ResizeCoordinates::asymmetric;
    r.rounding = ResizeRounding::floor;
    return r;
  }
  std::string coordinates = n.stringAttr("coordinate_transformation_mode", "half_pixel");
  auto known = symbolizeResizeCoordinates(coordinates);
  if (!known)
    return n.unsupported("coordinate_transformation_mode '" + coordinates + "' is not supported");
  std::string rounding = n.stringAttr("nearest_mode", "round_prefer_floor");
  auto rule = symbolizeResizeRounding(rounding);
  if (!rule)
    return n.invalid("expected a nearest_mode of ONNX, found '" + rounding + "'");
  if (n.intAttr("antialias", 0) && r.mode != ResizeMode::nearest)
    return n.unsupported("antialias is not supported");
  r.coordinates = *known;
  r.rounding = *rule;
  return r;
}

LogicalResult build(NodeContext &n, SmallVector<int64_t> axes, ArrayRef<AxisScale> scales,
                    const Interpolation &how) {
  GraphBuilder &g = n.g;
  const Tensor &x = n.in(0);
  SmallVector<int64_t> changed;
  SmallVector<double> factors;
  Dims dims = x.dims;
  for (auto [axis, s] : llvm::zip_equal(axes, scales)) {
    if (s.scale == 1 || (s.scale == 0 && s.result == x.dims[axis]))
      continue;
    if (s.result.constant() && *s.result.constant() < 1)
      return n.invalid("the result would be empty: " + describe(x) + " scaled along axis " + Twine(axis));
    changed.push_back(axis);
    factors.push_back(s.scale);
    dims[axis] = s.result;
  }
  if (changed.empty())
    return n.out(x);
  bool image = x.rank() >= 3 && llvm::all_of(changed, [](int64_t a) { return a >= 2; });
  Tensor source = x;
  if (image) {
    source = channelsLast(g, x);
    for (int64_t &axis : changed)
      --axis;
    Dims last{dims[0]};
    last.append(dims.begin() + 2, dims.end());
    last.push_back(dims[1]);
    dims = last;
  }
  auto op =
      ResizeOp::create(g.builder, g.loc, g.type(x.element, dims), how.mode, g.value(source), g.dynamic(dims),
                       changed, how.coordinates, how.rounding, factors,
                       APFloat(static_cast<double>(static_cast<float>(n.floatAttr("cubic_coeff_a", -0.75)))),
                       n.intAttr("exclude_outside", 0) != 0);
  Tensor result = g.wrap(op, dims);
  return n.out(image ? channelsFirst(g, result) : result);
}

LogicalResult resize(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 1)))
    return failure();
  const Tensor &x = n.in(0);
  if (x.element.isInteger(1))
    return n.invalid("expected numbers, found " + describe(x));
  SmallVector<int64_t> axes = axesFrom(0, x.rank());
  if (auto given = n.intsAttr("axes"); given && !given->empty()) {
    axes = *given;
    for (int64_t &a : axes) {
      ONNX_TRY(normal, n.axis(a, x.rank()));
      a = normal;
    }
  }
  bool old = n.opset < 11;
  ONNX_TRY(how, interpolation(n, old));
  int64_t scalesInput = old ? 1 : 2;
  bool hasScales = n.has(scalesInput) && elementCount(n.in(scalesInput).dims) != 0;
  if (hasScales) {
    ONNX_TRY(scales, fromScales(n, n.in(scalesInput), axes));
    return build(n, axes, scales, how);
  }
  if (!n.has(3))
    return n.invalid("expected scales or sizes");
  ONNX_TRY(scales, fromSizes(n, 3, axes));
  return build(n, axes, scales, how);
}

LogicalResult upsample(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  const Tensor &x = n.in(0);
  SmallVector<int64_t> axes = axesFrom(0, x.rank());
  ONNX_TRY(how, interpolation(n, true));
  Tensor scales;
  if (n.has(1)) {
    scales = n.in(1);
  } else {
    auto values = n.floatsAttr("scales").value_or(SmallVector<double>());
    SmallVector<float> narrow(values.begin(), values.end());
    auto type = RankedTensorType::get({static_cast<int64_t>(narrow.size())}, n.f32());
    scales = n.g.fromConstant(DenseElementsAttr::get(type, ArrayRef<float>(narrow)));
  }
  ONNX_TRY(list, fromScales(n, scales, axes));
  return build(n, axes, list, how);
}

} // namespace

void tenon::importer::registerResize(OpTable &t) {
  t.add("Resize", resize, 10);
  t.add("Upsample", upsample);
}

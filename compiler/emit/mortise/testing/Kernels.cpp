#include "compiler/emit/mortise/testing/Kernels.h"

#include <bit>

namespace tenon::npu {

VectorFunction requantizeKernel(int64_t lanes, std::optional<int64_t> count) {
  VectorFunction function("requantize");
  VectorBuilder b(function);
  Value from = b.parameter("x"), to = b.parameter("y"), vectors = b.parameter("vectors");
  ObjectId x = b.object("x"), y = b.object("y", true);
  TripCount trips = count ? TripCount(*count) : TripCount(vectors);
  auto step = int32_t(lanes);
  b.loop(trips, {from, to}, [&](std::span<const Value> at) -> std::vector<Value> {
    Value scale = b.op(Id::Vbc, b.scalar(std::bit_cast<int32_t>(0.37F)));
    Value zero = b.op(Id::Vbc, b.op(Id::Add, b.scalar(1), b.scalar(2)));
    Value value = b.op(Id::VcvtIf, b.load(Id::VldUb, {at[0], x}));
    value = b.op(Id::VmulF, scale, value);
    value = b.op(Id::VaddI, zero, b.op(Id::VcvtFi, value));
    b.store(Id::VstUb, {at[1], y}, value);
    return {b.add(at[0], step), b.add(at[1], step)};
  });
  return function;
}

VectorFunction softmaxKernel(int64_t lanes, int64_t vectors) {
  VectorFunction function("softmax");
  VectorBuilder b(function);
  Value from = b.parameter("x"), to = b.parameter("y"), rows = b.parameter("rows");
  ObjectId x = b.object("x"), y = b.object("y", true);
  auto step = int32_t(4 * lanes), row = int32_t(4 * lanes * vectors);
  using Values = std::vector<Value>;
  b.loop(rows, {from, to}, [&](std::span<const Value> line) -> Values {
    Values most = b.loop(vectors, {line[0], b.splat(-3e38F)}, [&](std::span<const Value> at) -> Values {
      return {b.add(at[0], step), b.op(Id::VmaxF, at[1], b.load(Id::VldW, {at[0], x}))};
    });
    Value highest = b.op(Id::VredmaxF, most[1]);
    Values sums = b.loop(vectors, {line[0], line[1], b.splat(0)}, [&](std::span<const Value> at) -> Values {
      Value shifted = b.op(Id::VsubF, b.load(Id::VldW, {at[0], x}), highest);
      Value power = b.op(Id::Vexp2F, b.op(Id::VmulF, shifted, b.splat(1.44269504F)));
      b.store(Id::VstW, {at[1], y}, power);
      return {b.add(at[0], step), b.add(at[1], step), b.op(Id::VaddF, at[2], power)};
    });
    Value factor = b.op(Id::VrcpF, b.op(Id::VredsumF, sums[2]));
    b.loop(vectors, {line[1]}, [&](std::span<const Value> at) -> Values {
      b.store(Id::VstW, {at[0], y}, b.op(Id::VmulF, b.load(Id::VldW, {at[0], y}), factor));
      return {b.add(at[0], step)};
    });
    return {b.add(line[0], row), b.add(line[1], row)};
  });
  return function;
}

VectorFunction softmaxRowsKernel(int64_t lanes, int64_t vectors) {
  VectorFunction function("softmax rows");
  VectorBuilder b(function);
  Value from = b.parameter("x"), to = b.parameter("y"), rows = b.parameter("rows");
  ObjectId x = b.object("x"), y = b.object("y", true);
  auto step = int32_t(4 * lanes);
  using Values = std::vector<Value>;
  auto reduce = [&](Id id, Values values) {
    for (size_t half = values.size() / 2; half; half /= 2)
      for (size_t i = 0; i < half; ++i)
        values[i] = b.op(id, values[i], values[i + half]);
    return values[0];
  };
  b.loop(rows, {from, to}, [&](std::span<const Value> line) -> Values {
    Address source{line[0], x}, target{line[1], y};
    Values values;
    for (int64_t i = 0; i < vectors; ++i)
      values.push_back(b.loadAdvance(Id::VldW, source, step));
    Value highest = b.op(Id::VredmaxF, reduce(Id::VmaxF, values));
    for (Value &value : values)
      value = b.op(Id::Vexp2F, b.op(Id::VmulF, b.op(Id::VsubF, value, highest), b.splat(1.44269504F)));
    Value factor = b.op(Id::VrcpF, b.op(Id::VredsumF, reduce(Id::VaddF, values)));
    for (Value value : values)
      b.storeAdvance(Id::VstW, target, b.op(Id::VmulF, value, factor), step);
    return {source.base, target.base};
  });
  return function;
}

VectorFunction depthwiseKernel(int64_t lanes, int64_t columns, int64_t line) {
  VectorFunction function("depthwise");
  VectorBuilder b(function);
  Value input = b.parameter("x"), weights = b.parameter("w"), output = b.parameter("y"),
        rows = b.parameter("rows");
  ObjectId x = b.object("x"), w = b.object("w"), y = b.object("y", true);
  auto step = int32_t(lanes);
  using Values = std::vector<Value>;
  b.loop(rows, {input, output}, [&](std::span<const Value> row) -> Values {
    Values ends = b.loop(columns, {row[0], row[1]}, [&](std::span<const Value> at) -> Values {
      Value sum = b.splatInt(0);
      for (int32_t tap = 0; tap < 9; ++tap) {
        Value weight = b.load(Id::VldB, {weights, w, tap * step});
        Value pixel = b.load(Id::VldB, {b.add(at[0], tap / 3 * int32_t(line) + tap % 3 * step), x});
        sum = b.op(Id::VaddI, b.op(Id::VmulI, pixel, weight), sum);
      }
      Value scaled = b.op(Id::VmulF, b.op(Id::VcvtIf, sum), b.splat(1.0F / 128));
      b.store(Id::VstB, {at[1], y}, b.op(Id::VcvtFi, scaled));
      return {b.add(at[0], step), b.add(at[1], step)};
    });
    return {b.add(row[0], int32_t(line)), ends[1]};
  });
  return function;
}

} // namespace tenon::npu

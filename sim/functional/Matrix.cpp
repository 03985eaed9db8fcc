// The matrix unit and the drain: products of rows with a weight tile into accumulators, and accumulators to
// elements.

#include "sim/functional/Numbers.h"
#include "sim/functional/State.h"

namespace tenon::sim {

namespace {

int32_t integerAt(const uint8_t *row, int64_t index, Type type) {
  switch (type) {
  case Type::I8:
    return loadAs<int8_t>(row + index);
  case Type::U8:
    return row[index];
  case Type::I16:
    return loadAs<int16_t>(row + 2 * index);
  case Type::I4: {
    int nibble = row[index / 2] >> (index % 2 * 4) & 15;
    return nibble >= 8 ? nibble - 16 : nibble;
  }
  default:
    return loadAs<int32_t>(row + 4 * index);
  }
}

float floatAt(const uint8_t *row, int64_t index, Type type) {
  auto bits = loadAs<uint16_t>(row + 2 * index);
  return type == Type::Bf16 ? fromBf16(bits) : fromF16(bits);
}

bool isFloat(Type type) { return type == Type::Bf16 || type == Type::F16 || type == Type::F32; }

/// Sums run over k in order from 0, then the accumulator is added: what partial sums passing down the array
/// do.
template <typename T, typename Wide>
void multiplyRow(const T *left, int64_t depth, const T *tile, int64_t columns, uint8_t *row,
                 bool accumulate) {
  Wide sums[256] = {};
  for (int64_t k = 0; k < depth; ++k) {
    auto factor = Wide(left[k]);
    const T *weights = tile + k * columns;
    for (int64_t n = 0; n < columns; ++n)
      sums[n] += factor * Wide(weights[n]);
  }
  for (int64_t n = 0; n < columns; ++n)
    storeAs<Wide>(row + 4 * n, accumulate ? Wide(loadAs<Wide>(row + 4 * n) + sums[n]) : sums[n]);
}

} // namespace

WeightTile readTile(const Command &command, CoreState &core) {
  const Descriptor &d = command.descriptor;
  auto type = Type(d[Field::Type]);
  WeightTile tile{d[Field::K], d[Field::N], isFloat(type), {}, {}};
  auto size = size_t(tile.rows * tile.columns);
  tile.isFloat ? tile.floats.resize(size) : tile.integers.resize(size);
  bool transposed = d[Field::Mode] == 1;
  for (int64_t k = 0; k < tile.rows; ++k)
    for (int64_t n = 0; n < tile.columns; ++n) {
      const uint8_t *row = core.local.at(command.a + (transposed ? n : k) * d[Field::L0]);
      auto to = size_t(k * tile.columns + n);
      if (tile.isFloat)
        tile.floats[to] = floatAt(row, transposed ? k : n, type);
      else
        tile.integers[to] = integerAt(row, transposed ? k : n, type);
    }
  return tile;
}

void executeMultiply(const Command &command, CoreState &core) {
  const Descriptor &d = command.descriptor;
  auto type = Type(d[Field::Type]);
  const WeightTile &tile = core.tile;
  bool accumulate = command.flags & mortise::kFlagAccumulate;
  int64_t rows = d.rows(), depth = tile.rows;
  uint32_t integers[256];
  float floats[256];
  for (int64_t m = 0; m < rows; ++m) {
    const uint8_t *left = core.local.at(rowAddress(d, command.a, m));
    uint8_t *row = core.local.accumulatorRow(command.b + m);
    if (tile.isFloat) {
      for (int64_t k = 0; k < depth; ++k)
        floats[k] = floatAt(left, k, type);
      multiplyRow<float, float>(floats, depth, tile.floats.data(), tile.columns, row, accumulate);
    } else {
      for (int64_t k = 0; k < depth; ++k)
        integers[k] = uint32_t(integerAt(left, k, type));
      multiplyRow<uint32_t, uint32_t>(integers, depth,
                                      reinterpret_cast<const uint32_t *>(tile.integers.data()), tile.columns,
                                      row, accumulate);
    }
  }
}

namespace {

struct Requantizer {
  Type type;
  bool fromFloat;
  int64_t zero, low, high;
  const uint8_t *bias, *scale; ///< null: none
  float step;                  ///< 0: none

  float value(const uint8_t *accumulator, int64_t n) const;
  void store(const uint8_t *accumulator, int64_t n, uint8_t *row) const;
};

/// Integers: (accumulator + bias) x scale / step; floats: accumulator x scale + bias.
float Requantizer::value(const uint8_t *accumulator, int64_t n) const {
  float factor = scale ? loadAs<float>(scale + 4 * n) : 1.0f;
  if (fromFloat) {
    float product = loadAs<float>(accumulator + 4 * n) * factor;
    return bias ? product + loadAs<float>(bias + 4 * n) : product;
  }
  auto sum = loadAs<uint32_t>(accumulator + 4 * n) + (bias ? loadAs<uint32_t>(bias + 4 * n) : 0);
  float value = float(int32_t(sum)) * factor;
  return step == 0 ? value : value / step;
}

void Requantizer::store(const uint8_t *accumulator, int64_t n, uint8_t *row) const {
  if (type == Type::I32 && !fromFloat && !scale) {
    auto sum = loadAs<uint32_t>(accumulator + 4 * n) + (bias ? loadAs<uint32_t>(bias + 4 * n) : 0);
    storeAs(row + 4 * n, int32_t(std::clamp(int64_t(int32_t(sum)), low, high)));
    return;
  }
  float result = value(accumulator, n);
  if (isFloat(type)) {
    if (low != kNoLow)
      result = std::max(result, std::bit_cast<float>(int32_t(low)));
    if (high != kNoHigh)
      result = std::min(result, std::bit_cast<float>(int32_t(high)));
    if (type == Type::F32)
      storeAs(row + 4 * n, result);
    else
      storeAs(row + 2 * n, type == Type::Bf16 ? toBf16(result) : toF16(result));
    return;
  }
  double rounded = std::nearbyint(double(result)) + double(zero);
  rounded = std::min(std::max(rounded, double(low)), double(high));
  switch (type) {
  case Type::I8:
    storeAs(row + n, saturate<int8_t>(rounded));
    break;
  case Type::U8:
    storeAs(row + n, saturate<uint8_t>(rounded));
    break;
  case Type::I16:
    storeAs(row + 2 * n, saturate<int16_t>(rounded));
    break;
  default:
    storeAs(row + 4 * n, saturate<int32_t>(rounded));
    break;
  }
}

} // namespace

void executeDrain(const Command &command, CoreState &core) {
  const Descriptor &d = command.descriptor;
  auto table = [&](Field field) { return d[field] < 0 ? nullptr : core.local.at(d[field]); };
  Requantizer requantizer{Type(d[Field::Type]), d[Field::Mode] == 1,
                          d[Field::Zero],       d[Field::Low],
                          d[Field::High],       table(Field::Bias),
                          table(Field::Scale),  std::bit_cast<float>(int32_t(d[Field::Step]))};
  int64_t rows = d.rows(), columns = d[Field::N];
  for (int64_t m = 0; m < rows; ++m) {
    const uint8_t *accumulator = core.local.accumulatorRow(command.a + m);
    uint8_t *to = core.local.at(rowAddress(d, command.b, m));
    for (int64_t n = 0; n < columns; ++n)
      requantizer.store(accumulator, n, to);
  }
}

} // namespace tenon::sim

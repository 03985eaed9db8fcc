//===- Winograd.cpp - which convolutions take fewer products ------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/kernel/Winograd.h"

#include "compiler/dialect/tenon/ChannelConstants.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::kernel {

static constexpr int64_t kElements = 36, kTile = 4, kPanel = 16;

bool winogradWins(ConvOp op, SizeAnalysis &sizes) {
  auto all = [](ArrayRef<int64_t> a, int64_t v) {
    return llvm::all_of(a, [v](int64_t x) { return x == v; });
  };
  auto filter = cast<RankedTensorType>(op.getFilter().getType());
  bool plain = filter.hasStaticShape() && filter.getRank() == 4 && all(filter.getShape().take_front(2), 3) &&
               all(op.getStrides(), 1) && all(op.getDilations(), 1) && all(op.getInputDilations(), 1) &&
               op.getGroups() == 1 && getElementTypeOrSelf(op.getType()).isF32();
  Type element = filter.getElementType();
  plain &= element == getElementTypeOrSelf(op.getInput()) && (element.isF32() || element.isBF16());
  if (!plain || !isConstantMath(op.getFilter()))
    return false;
  int64_t channels = filter.getDimSize(2), outputs = filter.getDimSize(3);
  int64_t columns = llvm::alignTo(outputs, kPanel / 2); // half a panel is computed where the last has no more
  ArrayRef<Size> dims = sizes.dims(op.getResult());
  constexpr int64_t large = 160;
  auto positions = [&](unsigned axis) { return dims[axis].constant().value_or(large); };
  int64_t batch = dims[0].constant().value_or(1);
  int64_t tiles = batch * llvm::divideCeil(positions(1), kTile) * llvm::divideCeil(positions(2), kTile);

  // In multiply-adds. A byte of the filter costs what a core computes while memory, or the last cache once a
  // filter is read again for each block, delivers it: 57 G multiply-adds/s beside 20 and 50 GB/s; such ratios
  // hardly differ between CPUs. A transformed element costs eight: its share of the additions, and of storing
  // and loading it.
  constexpr double fromMemory = 2.9, fromCache = 1.1, transform = 8, smallest = 1.2;
  constexpr int64_t blockTiles = 24;
  int64_t blocks = tiles / blockTiles;
  double bytes = 4.0 * kElements * channels * columns;
  double direct = 9.0 * channels * columns * batch * positions(1) * positions(2) / (element.isBF16() ? 2 : 1);
  double fewer =
      static_cast<double>(kElements * tiles) * (channels * columns + transform * (channels + columns)) +
      bytes * (fromMemory + fromCache * static_cast<double>(blocks));
  return fewer * smallest < direct;
}

/// G x G: element (i * 6 + j, a * 3 + b) is G[i][a] * G[j][b] (Lavin and Gray, equation 15).
static Value filterTransform(OpBuilder &b, Location loc) {
  constexpr double g[6][3] = {{1.0 / 4, 0, 0},
                              {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                              {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                              {1.0 / 24, 1.0 / 12, 1.0 / 6},
                              {1.0 / 24, -1.0 / 12, 1.0 / 6},
                              {0, 0, 1}};
  SmallVector<float> values;
  for (int64_t e = 0; e < kElements; ++e)
    for (int64_t t = 0; t < 9; ++t)
      values.push_back(static_cast<float>(g[e / 6][t / 3] * g[e % 6][t % 3]));
  auto type = RankedTensorType::get({kElements, 9}, b.getF32Type());
  return ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, ArrayRef<float>(values)));
}

Value createWinograd(OpBuilder &b, ConvOp op, SizeAnalysis &sizes, ContractOp &product) {
  Location loc = op.getLoc();
  SizeContext &context = sizes.context();
  auto type = cast<RankedTensorType>(op.getFilter().getType());
  int64_t channels = type.getDimSize(2), outputs = type.getDimSize(3);
  int64_t panels = static_cast<int64_t>(llvm::divideCeil(outputs, kPanel));
  auto reshaped = [&](Value v, ArrayRef<int64_t> shape) {
    Dims dims;
    for (int64_t d : shape)
      dims.push_back(context.constant(d));
    return createReshape(b, loc, sizes, v, dims);
  };
  Value window = op.getFilter();
  if (!type.getElementType().isF32())
    window = CastOp::create(b, loc, type.clone(b.getF32Type()), window);
  window = reshaped(window, {9, channels * outputs});
  auto transformed = RankedTensorType::get({kElements, channels * outputs}, b.getF32Type());
  product = ContractOp::create(b, loc, transformed, filterTransform(b, loc), window, false);
  Value filter = reshaped(product, {kElements, channels, outputs});
  if (outputs % kPanel != 0) {
    SmallVector<Size> none(3, context.constant(0)), high = none;
    high.back() = context.constant(panels * kPanel - outputs);
    auto scalar = RankedTensorType::get({}, b.getF32Type());
    Value zero = ConstantOp::create(b, loc, scalar, DenseElementsAttr::get(scalar, 0.0F));
    filter = createPad(b, loc, sizes, filter, zero, none, high);
  }
  filter = reshaped(filter, {kElements, channels, panels, kPanel});
  auto packed = RankedTensorType::get({panels, kElements, channels, kPanel}, b.getF32Type());
  filter = TransposeOp::create(b, loc, packed, filter, ArrayRef<int64_t>{2, 0, 1, 3});
  return WinogradConvOp::create(b, loc, op.getType(), op.getInput(), filter, op.getLow(), op.getHigh());
}

} // namespace tenon::kernel

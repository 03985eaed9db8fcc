//===- PlanWindow.cpp - depthwise convolutions and pooling on the vector core --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/PlannedKernel.h"

#include "compiler/emit/mortise/segment/ByteTables.h"
#include "compiler/emit/mortise/segment/KernelReader.h"
#include "compiler/emit/mortise/segment/LaneCode.h"
#include "compiler/emit/mortise/segment/TensorShape.h"
#include "compiler/emit/mortise/tile/TileKernel.h"
#include "compiler/emit/mortise/tile/Window.h"

#include <limits>

using namespace mlir;

namespace tenon::npu {

namespace {

/// A window whose addresses are not known yet.
struct WindowCode {
  Window window;
  mlir::Operation *moving = nullptr;
  std::vector<uint32_t> words; ///< of the last table, which the kernel looks numbers up in; empty: none
  mlir::Value image;           ///< what the window moves over, in the region
  ChannelOperands operands;    ///< as window.tables has them
  int64_t channels = 0;        ///< that are computed together
  CompiledKernel kernel, last; ///< the last has fewer channels, or no code

  /// The vector core's, estimated.
  double cycles(const mortise::Hardware &hardware) const {
    std::vector<int64_t> arguments(window.tables.size() + 3, 0);
    arguments[2] = window.outputHeight();
    return double(estimateCycles(kernel, hardware, arguments)) * double(window.image.images) *
           double(window.channels) / double(channels);
  }
};

class WindowReader : KernelReader {
public:
  WindowReader(KernelOp kernel, const mortise::Hardware &hardware, std::string &why)
      : KernelReader(kernel, hardware, why) {}

  std::optional<WindowCode> make() {
    for (mlir::Operation &op : kernel.getBody().front()) {
      if (isa<ConvOp, ReduceWindowOp>(op)) {
        if (code.moving)
          return refuse("it has several windows");
        code.moving = &op;
      }
      if (!hasKnownSizes(op))
        return std::nullopt;
    }
    if (!code.moving)
      return refuse("it has no window over an image");
    auto conv = dyn_cast<ConvOp>(code.moving);
    if (!(conv ? readConv(conv) : readPooling(cast<ReduceWindowOp>(code.moving))) || !readImage() ||
        !collect())
      return std::nullopt;
    code.window.tables = code.operands.tables();
    tables.emplace(result(),
                   [this](mlir::Value v) { return v == code.moving->getResult(0) || isa<BlockArgument>(v); });
    code.words = tables->words();
    if (!code.words.empty()) {
      ChannelTable numbers{1, static_cast<int64_t>(code.words.size()), 4, false};
      numbers.lookUp = true;
      code.window.tables.push_back(numbers);
    }
    code.channels = windowChannels(code.window, hardware, bytesBesideAny(hardware));
    if (code.channels == 0)
      return refuse("a row of its output needs more scratchpad than there is");
    int64_t rest = code.window.channels % code.channels;
    if (!compile(code.channels, code.kernel) || (rest && !compile(rest, code.last)))
      return std::nullopt;
    return std::move(code);
  }

private:
  bool compile(int64_t channels, CompiledKernel &kernel) {
    std::optional<CompiledKernel> compiled =
        windowKernel(code.window.part(0, channels), body(), hardware, why);
    if (compiled)
      kernel = std::move(*compiled);
    return compiled.has_value();
  }

  bool readConv(ConvOp conv) {
    ArrayRef<int64_t> filter = shapeOf(conv.getFilter());
    int64_t channels = shapeOf(conv.getInput()).back(), rank = static_cast<int64_t>(conv.getStrides().size());
    if (static_cast<int64_t>(conv.getGroups()) != channels || filter.back() != channels)
      return decline("only convolutions with one filter for each channel run on the vector core");
    if (rank > 2)
      return decline("windows have at most two axes");
    if (llvm::any_of(conv.getInputDilations(), [](int64_t d) { return d != 1; }))
      return decline("the input is dilated");
    auto axis = [&](int64_t d) {
      auto i = static_cast<size_t>(d);
      return WindowAxis{filter[i], conv.getStrides()[i], conv.getDilations()[i], conv.getLow()[i],
                        conv.getHigh()[i]};
    };
    code.window.image.x = axis(rank - 1);
    if (rank == 2)
      code.window.image.y = axis(0);
    code.window.image.padValue = conv.getPadValue();
    code.window.weighted = true;
    return code.operands.addRows(conv.getFilter(), code.window.taps(), channels, why);
  }

  bool readPooling(ReduceWindowOp pool) {
    size_t rank = pool.getWindow().size();
    if (rank < 3 || rank > 4)
      return decline("windows have one or two axes");
    auto axis = [&](size_t d) {
      return WindowAxis{pool.getWindow()[d], pool.getStrides()[d], pool.getDilations()[d], pool.getLow()[d],
                        pool.getHigh()[d]};
    };
    for (size_t d : {size_t(0), rank - 1})
      if (WindowAxis a = axis(d); a.size != 1 || a.stride != 1 || a.low != 0 || a.high != 0)
        return decline("its window covers channels or images");
    code.window.image.x = axis(rank - 2);
    if (rank == 4)
      code.window.image.y = axis(1);
    std::optional<int64_t> neutral = neutralBits(pool);
    if (!neutral)
      return decline("the vector core does not combine the window's elements in this way");
    code.window.image.padValue = *neutral;
    return true;
  }

  /// What padding holds.
  static std::optional<int64_t> neutralBits(ReduceWindowOp pool) {
    Type type = elementOf(pool.getInput());
    if (pool.getKind() == ReduceKind::sum)
      return 0;
    bool max = pool.getKind() == ReduceKind::max;
    if (!max && pool.getKind() != ReduceKind::min)
      return std::nullopt;
    if (type.isF32())
      return max ? 0xff800000 : 0x7f800000;
    if (type.isBF16())
      return max ? 0xff80 : 0x7f80;
    if (!type.isInteger(8) && !type.isInteger(32))
      return std::nullopt;
    Range range = LaneCode::rangeOf(type);
    return static_cast<int64_t>(max ? range.low : range.high);
  }

  bool readImage() {
    code.image = code.moving->getOperand(0);
    std::optional<LaneCode::ElementAccess> from = LaneCode::accessOf(elementOf(code.image)),
                                           to = LaneCode::accessOf(elementOf(result()));
    Type sum = elementOf(code.moving->getResult(0));
    if (!from || !to || (!sum.isF32() && !sum.isBF16() && !sum.isInteger(32) && !sum.isInteger(8)))
      return decline("it computes a type that the vector core lacks");
    // Bytes would wrap around where the vector core's words do not.
    if (auto pool = dyn_cast<ReduceWindowOp>(code.moving);
        pool && pool.getKind() == ReduceKind::sum && sum.isInteger(8))
      return decline("it adds narrow integers");
    if (!isa<BlockArgument>(code.image))
      return decline("its image is computed within the kernel");
    if (shapeOf(result()) != shapeOf(code.moving->getResult(0)))
      return decline("its result has another shape than the window's");
    Window &w = code.window;
    ArrayRef<int64_t> shape = shapeOf(code.image);
    for (const WindowAxis &a : {w.image.x, w.image.y})
      if (a.low < 0 || a.high < 0)
        return decline("the window crops its input");
    w.image.images = shape.front();
    w.image.width = shape[shape.size() - 2];
    w.image.height = shape.size() == 4 ? shape[1] : 1;
    w.image.elementBytes = from->bytes;
    w.channels = w.allChannels = shape.back();
    w.image.pixelBytes = w.channels * from->bytes;
    w.load = from->load;
    w.store = to->store;
    w.resultBytes = to->bytes;
    return true;
  }

  /// Finds what is computed from the window's sums.
  bool collect() {
    return collectLeaves(
        result(), [this](mlir::Value value) { return value == code.moving->getResult(0); },
        [this](mlir::Value value) { return code.operands.add(value, code.window.channels, why); });
  }

  WindowBody body() {
    WindowBody body;
    Type type = elementOf(code.moving->getResult(0));
    bool real = type.isF32() || type.isBF16();
    auto pool = dyn_cast<ReduceWindowOp>(code.moving);
    ReduceKind kind = pool ? pool.getKind() : ReduceKind::sum;
    bool weighted = !pool;
    body.accumulate = [=](VectorBuilder &b, Value sum, Value pixel, Value weight) {
      if (weighted)
        return real ? b.op(Id::VfmaF, pixel, weight, sum.isValid() ? sum : b.splat(0.0F))
                    : b.op(Id::VmadI, pixel, weight, sum.isValid() ? sum : b.splatInt(0));
      if (!sum.isValid())
        return pixel;
      if (kind == ReduceKind::sum)
        return b.op(real ? Id::VaddF : Id::VaddI, sum, pixel);
      if (kind == ReduceKind::max)
        return b.op(real ? Id::VmaxF : Id::VmaxI, sum, pixel);
      return b.op(real ? Id::VminF : Id::VminI, sum, pixel);
    };
    body.finish = [this](VectorBuilder &b, Value sum, std::span<const Value> values) {
      LaneCode lane(b, [&](mlir::Value value) { return leaf(b, lane, value, sum, values); });
      Type stored = elementOf(result());
      return lane.stored(lane.valueOf(result()), stored);
    };
    return body;
  }

  LaneValue leaf(VectorBuilder &b, LaneCode &lane, mlir::Value value, Value sum,
                 std::span<const Value> values) {
    if (value == code.moving->getResult(0))
      return {sum, sumRange()};
    if (!code.words.empty())
      if (LaneValue found = tables->lookUp(value, b, lane, values.back()); found.value.isValid())
        return found;
    return code.operands.leaf(b, value, {values.data(), values.size()}, code.window.weighted ? 1 : 0);
  }

  Range sumRange() {
    Range image = LaneCode::rangeOf(elementOf(code.image)),
          all = LaneCode::rangeOf(elementOf(code.moving->getResult(0)));
    if (!image.integral || !all.integral)
      return {};
    auto taps = static_cast<double>(code.window.taps());
    double most = std::max(-image.low, image.high);
    if (auto pool = dyn_cast<ReduceWindowOp>(code.moving))
      return pool.getKind() == ReduceKind::sum ? Range{-most * taps, most * taps, true} : image;
    Range weight = LaneCode::rangeOf(elementOf(code.operands.values().front()));
    double bound = most * std::max(-weight.low, weight.high) * taps;
    return bound < all.high ? Range{-bound, bound, true} : all;
  }

  std::optional<ByteTables> tables;
  WindowCode code;
};

class PlannedWindow : public PlannedKernel {
public:
  PlannedWindow(KernelOp kernel, WindowCode code, const mortise::Hardware &hardware)
      : PlannedKernel(kernel), code(std::move(code)), hardware(hardware) {}

  llvm::SmallVector<OperandUse> uses() override {
    llvm::SmallVector<OperandUse> uses;
    bool whole = code.channels == code.window.channels;
    uses.push_back({code.image, whole ? std::optional(code.window.image.frame()) : std::nullopt});
    for (mlir::Value table : code.operands.values())
      uses.push_back({table, std::nullopt});
    return uses;
  }
  bool writes(const ResidentFrame &frame) override {
    return !frame.hasBorder() && code.channels == code.window.channels &&
           windowWritesInPlace(code.window, hardware);
  }
  std::optional<double> cycles(const KernelPlaces &places) override {
    Window window = code.window.part(0, code.channels);
    window.image.memory = places.addressOf(code.image);
    window.output = places.addressOf(kernel.getResult(0));
    if (!windowFits(window, hardware, std::min(places.room, bytesBesideAny(hardware))))
      return std::nullopt;
    return movedCycles(places, hardware);
  }

  Location location() override { return code.moving->getLoc(); }

  std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t>) override {
    Window &window = code.window;
    window.node = node;
    window.image.memory = program.addressOf(code.image);
    window.output = program.addressOf(kernel.getResult(0));
    program.locate(window.tables, code.operands);
    if (!code.words.empty())
      window.tables.back().memory = program.addTables(code.words);
    const mortise::Hardware &hardware = program.hardware;
    uint32_t whole = program.addKernel(code.kernel),
             last = code.last.code.empty() ? whole : program.addKernel(code.last);
    for (int64_t first = 0; first < window.channels; first += code.channels) {
      int64_t count = std::min(code.channels, window.channels - first);
      Window part = window.part(first, count);
      part.kernel = count == code.channels ? whole : last;
      int64_t bytes = program.room(bytesBesideAny(hardware));
      if (!program.emitPlaced(
              bytes, [&](int64_t start) { return emitWindow(part, hardware, start, bytes, program.stream); }))
        return "a row of its output does not fit the scratchpad";
    }
    program.report("window on the vector core, " + llvm::Twine(code.channels) + " channels together");
    return {};
  }

private:
  WindowCode code;
  const mortise::Hardware &hardware;
};

} // namespace

std::unique_ptr<PlannedKernel> planWindow(KernelOp kernel, const mortise::Hardware &hardware,
                                          const WeightBytes &weights, std::string &why) {
  std::optional<WindowCode> code = WindowReader(kernel, hardware, why).make();
  double onArray = 0;
  std::string whyNotOnArray;
  std::unique_ptr<PlannedKernel> array = planDepthwise(kernel, hardware, weights, onArray, whyNotOnArray);
  if (array && (!code || onArray < code->cycles(hardware)))
    return array;
  return code ? std::make_unique<PlannedWindow>(kernel, std::move(*code), hardware) : nullptr;
}

} // namespace tenon::npu

// Convolutions and products of matrices: for each tile of output rows, for each panel of output columns,
// weights in pieces; input, weights, accumulators and results are double-buffered, transfers are queued one
// step ahead.

#include "sim/workloads/Emitters.h"

namespace tenon::sim {

using mortise::Engine, mortise::Role, mortise::Type;

namespace {

constexpr unsigned kIn = unsigned(Engine::In0), kOut = unsigned(Engine::Out0),
                   kWeights = unsigned(Engine::Weights), kMatrix = unsigned(Engine::Matrix),
                   kDrain = unsigned(Engine::Drain);

// Semaphores: full and free of each pair of buffers.
constexpr unsigned kInputFull = 0, kInputFree = 1, kWeightFull = 2, kWeightFree = 3, kSumFull = 4,
                   kSumFree = 5, kResultFull = 6, kResultFree = 7, kScaleThere = 8;
// Descriptors.
constexpr unsigned kInput = 0, kPiece = 1, kTile = 2, kPixels = 3, kRequantize = 4, kResult = 5, kScale = 6;

class ConvolutionEmitter {
public:
  ConvolutionEmitter(const Layer &layer, const mortise::Hardware &hardware, Builder &to,
                     const std::string &prefix)
      : layer_(layer), h_(hardware), cut_(cutLayer(layer, hardware)), to_(to),
        columns_(hardware.matrix.columns), size_(layer.elementBytes()),
        weightChannel_(hardware.dma.inChannels > 1 ? kIn + 1 : kIn) {
    for (int64_t depth : cut_.depths)
      depthSum_ += depth;
    input_ = to_.tensor(prefix + "input", Role::Input, layer.type,
                        {layer.height, layer.width, layer.channels}, cut_.onChip);
    weights_ = to_.tensor(prefix + "weights", Role::Input, layer.type, {cut_.panels, depthSum_, columns_});
    scale_ = to_.tensor(prefix + "scale", Role::Input, Type::F32, {columns_});
    output_ = to_.tensor(prefix + "output", Role::Output, layer.type,
                         {layer.outputHeight(), layer.outputWidth(), layer.outputs}, cut_.onChip);
    int64_t next = cut_.inputBuffers * cut_.inputBytes;
    inputAt_[1] = next - cut_.inputBytes;
    for (auto [at, bytes] : {std::pair(weightAt_, cut_.weightBytes), std::pair(resultAt_, cut_.outputBytes)})
      for (int buffer = 0; buffer < 2; ++buffer, next += bytes)
        at[buffer] = next;
    scaleAt_ = next;
  }

  void emit() {
    setDescriptors();
    steps_ = stepsOf(cut_);
    loadScale();
    loadInput(steps_[0]);
    loadWeights(steps_[0]);
    for (const Step &step : steps_) {
      // Into a single buffer the next input comes behind everything that its channel owes this one.
      bool loadsInput = cut_.inputBuffers == 2 ? step.beginsInput : step.endsInput;
      if (loadsInput && step.nextInput >= 0)
        loadInput(steps_[size_t(step.nextInput)]);
      if (step.beginsWeights && step.nextWeights >= 0)
        loadWeights(steps_[size_t(step.nextWeights)]);
      multiply(step);
    }
  }

private:
  int64_t rowsOf(int64_t tile) const { return std::min(cut_.rows, layer_.outputHeight() - tile * cut_.rows); }
  int64_t columnsOf(int64_t panel) const { return std::min(columns_, layer_.outputs - panel * columns_); }
  int64_t line() const { return layer_.width * layer_.channels * size_; }

  void setDescriptors() {
    for (unsigned d : {kInput, kPiece, kResult, kScale})
      for (Field field : {Field::L0, Field::G0})
        to_.field(d, field, 1);
    to_.field(kInput, Field::N0, line());
    to_.field(kInput, Field::L1, line());
    to_.field(kInput, Field::G1, line());
    to_.field(kPiece, Field::N0, columns_ * size_);
    to_.field(kPiece, Field::L1, columns_ * size_);
    to_.field(kPiece, Field::G1, columns_ * size_);
    to_.field(kTile, Field::L0, columns_ * size_);
    for (unsigned d : {kTile, kPixels, kRequantize})
      to_.field(d, Field::Type, int64_t(layer_.type));
    to_.field(kPixels, Field::N0, layer_.outputWidth());
    to_.field(kPixels, Field::L0, layer_.stride * layer_.channels * size_);
    to_.field(kPixels, Field::L1, layer_.stride * line());
    to_.field(kRequantize, Field::L0, cut_.stored * columns_ * size_);
    // Accumulators hold integers or floats.
    to_.field(kRequantize, Field::Mode, layer_.type == Type::I8 ? 0 : 1);
    to_.field(kRequantize, Field::Scale, scaleAt_);
    to_.field(kResult, Field::L1, cut_.stored * columns_ * size_);
    to_.field(kResult, Field::G1, layer_.outputs * size_);
    to_.field(kScale, Field::N0, columns_ * 4);
  }

  void transfer(unsigned channel, unsigned descriptor, int64_t local, uint64_t global) {
    to_.constant(1, local);
    to_.constant(2, int64_t(global));
    to_.emit(Id::Dma, {channel, descriptor, 1, 2});
  }

  void loadScale() {
    transfer(kIn, kScale, scaleAt_, scale_);
    to_.release(kIn, kScaleThere);
    to_.acquire(kDrain, kScaleThere);
  }

  /// A single buffer takes both units of the semaphore.
  int64_t inputUnits() const { return 2 / cut_.inputBuffers; }
  void loadInput(const Step &step) {
    to_.acquire(kIn, kInputFree, inputUnits());
    to_.field(kInput, Field::N1, (rowsOf(step.tile) - 1) * layer_.stride + layer_.kernelHeight);
    transfer(kIn, kInput, inputAt_[step.input % 2],
             input_ + uint64_t(step.tile * cut_.rows * layer_.stride * line()));
    to_.release(kIn, kInputFull);
  }

  void loadWeights(const Step &step) {
    int64_t before = 0, depth = 0;
    for (int64_t t = 0; t < step.first + step.count; ++t)
      (t < step.first ? before : depth) += cut_.depths[size_t(t)];
    to_.acquire(weightChannel_, kWeightFree);
    to_.field(kPiece, Field::N1, depth);
    transfer(weightChannel_, kPiece, weightAt_[step.weights % 2],
             weights_ + uint64_t((step.panel * depthSum_ + before) * columns_ * size_));
    to_.release(weightChannel_, kWeightFull);
  }

  /// Where in the input tile the elements begin that a weight tile multiplies.
  int64_t inputOffset(int64_t tile) const {
    int64_t run = layer_.kernelWidth * layer_.channels, perRow = (run + h_.matrix.rows - 1) / h_.matrix.rows;
    return tile / perRow * line() + tile % perRow * h_.matrix.rows * size_;
  }

  void multiply(const Step &step) {
    int64_t bank = h_.accumulatorRows() / h_.accumulators.banks;
    sums_ = results_ % 2 * (h_.accumulators.banks >= 2 ? bank : bank / 2);
    if (step.beginsInput)
      to_.acquire(kMatrix, kInputFull);
    if (step.beginsWeights)
      to_.acquire(kWeights, kWeightFull);
    if (step.first == 0) {
      to_.acquire(kMatrix, kSumFree);
      to_.field(kTile, Field::N, columnsOf(step.panel));
      to_.field(kPixels, Field::N1, rowsOf(step.tile));
    }
    to_.constant(3, sums_);
    int64_t offset = weightAt_[step.weights % 2];
    for (int64_t t = step.first; t < step.first + step.count; ++t) {
      to_.field(kTile, Field::K, cut_.depths[size_t(t)]);
      to_.constant(1, offset);
      to_.emit(Id::MmLoad, {kTile, 1});
      to_.constant(2, inputAt_[step.input % 2] + inputOffset(t));
      to_.emit(Id::MmMul, {kPixels, 2, 3, mortise::kFlagSwap | (t ? mortise::kFlagAccumulate : 0)});
      offset += cut_.depths[size_t(t)] * columns_ * size_;
    }
    if (step.endsWeights)
      to_.release(kWeights, kWeightFree);
    if (step.first + step.count == int64_t(cut_.depths.size()))
      store(step);
  }

  /// Drains a panel; `cut_.stored` panels leave together.
  void store(const Step &step) {
    int64_t pixels = rowsOf(step.tile) * layer_.outputWidth(), within = step.panel % cut_.stored;
    to_.release(kMatrix, kSumFull);
    if (step.endsInput)
      to_.release(kMatrix, kInputFree, inputUnits());
    to_.acquire(kDrain, kSumFull);
    if (within == 0)
      to_.acquire(kDrain, kResultFree);
    to_.field(kRequantize, Field::N0, pixels);
    to_.field(kRequantize, Field::N, columnsOf(step.panel));
    to_.constant(1, resultAt_[stores_ % 2] + within * columns_ * size_);
    to_.emit(Id::Drain, {kRequantize, 3, 1});
    to_.release(kDrain, kSumFree);
    ++results_;
    if (within + 1 < cut_.stored && step.panel + 1 < cut_.panels)
      return;
    int64_t first = step.panel - within;
    to_.release(kDrain, kResultFull);
    to_.acquire(kOut, kResultFull);
    to_.field(kResult, Field::N0, (within * columns_ + columnsOf(step.panel)) * size_);
    to_.field(kResult, Field::N1, pixels);
    transfer(kOut, kResult, resultAt_[stores_ % 2],
             output_ +
                 uint64_t((step.tile * cut_.rows * layer_.outputWidth() * layer_.outputs + first * columns_) *
                          size_));
    to_.release(kOut, kResultFree);
    ++stores_;
  }

  const Layer &layer_;
  const mortise::Hardware &h_;
  Cut cut_;
  Builder &to_;
  int64_t columns_, size_;
  unsigned weightChannel_;
  uint64_t input_ = 0, weights_ = 0, scale_ = 0, output_ = 0;
  int64_t depthSum_ = 0, scaleAt_ = 0, results_ = 0, stores_ = 0, sums_ = 0;
  int64_t inputAt_[2]{}, weightAt_[2]{}, resultAt_[2]{};
  std::vector<Step> steps_;
};

} // namespace

void initialiseConvolution(Builder &to) {
  for (unsigned free : {kInputFree, kWeightFree, kSumFree, kResultFree})
    to.emit(Id::SemInit, {free, 2});
}

void emitConvolution(const Layer &layer, const mortise::Hardware &hardware, Builder &to,
                     const std::string &prefix) {
  ConvolutionEmitter(layer, hardware, to, prefix).emit();
}

} // namespace tenon::sim

#include "sim/analytic/Tier.h"

#include <algorithm>

namespace tenon::sim {

namespace {

/// When the k-th product from the start of the layer was issued; products of a step follow each other at one
/// pace.
class Products {
public:
  void add(double start, double pace, int64_t count) {
    steps_.push_back({total_, start, pace});
    total_ += count;
  }
  int64_t total() const { return total_; }
  double startOf(int64_t index) const {
    if (index < 0)
      return 0;
    for (size_t i = steps_.size(); i--;)
      if (steps_[i].first <= index)
        return steps_[i].start + double(index - steps_[i].first) * steps_[i].pace;
    return 0;
  }

private:
  struct Step {
    int64_t first;
    double start, pace;
  };
  std::vector<Step> steps_;
  int64_t total_ = 0;
};

class ConvolutionTier : public Tier {
public:
  using Tier::Tier;
  Estimate run() {
    std::vector<Step> steps = stepsOf(cut);
    control_ = 45; // descriptors
    scale_ = load(0, dram, control_, h.matrix.columns * 4);
    loadInput(steps[0]);
    loadWeights(steps[0]);
    for (const Step &step : steps) {
      bool loadsInput = step.nextInput >= 0 && (cut.inputBuffers == 2 ? step.beginsInput : step.endsInput);
      if (step.beginsInput && h.dma.inChannels > 1)
        inputReady_[step.input % 2] = arrived(0, activations());
      if (loadsInput && cut.inputBuffers == 2)
        loadInput(steps[size_t(step.nextInput)]);
      if (step.beginsWeights && step.nextWeights >= 0)
        loadWeights(steps[size_t(step.nextWeights)]);
      multiply(step);
      if (loadsInput && cut.inputBuffers == 1)
        loadInput(steps[size_t(step.nextInput)]);
    }
    double words = 0;
    for (int64_t depth : cut.depths)
      words += ceilDiv(depth * layer.elementBytes(), h.scratchpad.width);
    words *= double(layer.pixels() * cut.panels);
    double sums = double(layer.pixels() * layer.outputs) * double(cut.depths.size());
    std::string macAction = std::string("mac.") + mortise::typeName(unsigned(layer.type));
    finish(std::max(end_, arrayFree_), words, sums, double(layer.macs()) * action(macAction.c_str()));
    return result;
  }

private:
  void loadInput(const Step &step) {
    control_ += 6;
    double request = std::max(control_, inputFree_[step.input % cut.inputBuffers]);
    // Channels take turns; with one alone, what is asked for first comes first.
    if (h.dma.inChannels > 1)
      loadBeside(0, activations(), request, inputBytes(step.tile));
    else
      inputReady_[step.input % 2] = load(0, activations(), request, inputBytes(step.tile));
  }
  void loadWeights(const Step &step) {
    control_ += 6;
    int64_t depth = 0;
    for (int64_t t = step.first; t < step.first + step.count; ++t)
      depth += cut.depths[size_t(t)];
    weightReady_[step.weights % 2] =
        load(h.dma.inChannels > 1 ? 1 : 0, dram, std::max(control_, weightFree_[step.weights % 2]),
             depth * h.matrix.columns * layer.elementBytes());
  }
  void multiply(const Step &step) {
    int64_t pixels = rowsOf(step.tile) * layer.outputWidth();
    double rate = h.rate(layer.type);
    double stream = std::max(ceilDiv(pixels, h.matrix.positions) / rate, double(h.matrix.issueGap));
    double fetch = double(h.matrix.rows) + (h.matrix.weightTiles > 1 ? 0 : 1);
    constexpr double kInstructionsPerTile = 5;
    double pace = std::max({stream, fetch, kInstructionsPerTile});
    double tileLoaded =
        std::max({weightReady_[step.weights % 2] + double(h.matrix.rows), lastTaken_ + fetch, control_});
    double start = std::max({tileLoaded, arrayFree_, inputReady_[step.input % 2]});
    if (step.first == 0)
      start = std::max(start, sumFree_[results_ % 2]);
    products_.add(start, pace, step.count);
    // The control processor is ahead by what the queue holds, with the acquires and releases between.
    control_ = std::max(control_ + kInstructionsPerTile * double(step.count),
                        products_.startOf(products_.total() - h.queueDepth + 3));
    lastTaken_ = start + double(step.count - 1) * pace;
    arrayFree_ = lastTaken_ + stream;
    if (step.endsWeights)
      weightFree_[step.weights % 2] =
          std::max(lastTaken_, weightReady_[step.weights % 2] + double(h.matrix.rows));
    result.matrixBusy += stream * double(step.count);
    double done = arrayFree_ + double(h.matrix.rows + h.matrix.columns - 2);
    if (step.endsInput)
      inputFree_[step.input % cut.inputBuffers] = done;
    if (step.first + step.count == int64_t(cut.depths.size()))
      store(step.panel, pixels, done);
  }
  void store(int64_t panel, int64_t pixels, double done) {
    int64_t size = layer.elementBytes(), columns = h.matrix.columns, within = panel % cut.stored;
    double begin = std::max({done, drainFree_, resultFree_[stores_ % 2], scale_});
    drainFree_ = begin + ceilDiv(pixels, h.matrix.positions);
    sumFree_[results_++ % 2] = drainFree_ + 8;
    control_ += 8;
    if (within + 1 < cut.stored && panel + 1 < cut.panels)
      return;
    control_ += 8;
    int64_t together = within * columns + std::min(columns, layer.outputs - panel * columns);
    end_ = Tier::store(std::max(drainFree_ + 8, control_), pixels, together * size, layer.outputs * size,
                       cut.stored * columns * size);
    resultFree_[stores_++ % 2] = end_;
  }

  double control_ = 0, scale_ = 0, lastTaken_ = 0, arrayFree_ = 0, drainFree_ = 0, end_ = 0;
  double inputReady_[2] = {}, inputFree_[2] = {}, weightReady_[2] = {}, weightFree_[2] = {}, sumFree_[2] = {},
         resultFree_[2] = {};
  int64_t results_ = 0, stores_ = 0;
  Products products_;
};

} // namespace

Estimate estimateConvolution(const Layer &layer, const mortise::Hardware &hardware) {
  return ConvolutionTier(layer, hardware).run();
}

} // namespace tenon::sim

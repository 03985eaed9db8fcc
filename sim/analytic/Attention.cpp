#include "sim/workloads/Attention.h"
#include "sim/analytic/Tier.h"
#include "sim/analytic/VectorTime.h"

#include <algorithm>

namespace tenon::sim {

namespace {

/// One recurrence a step (a group of queries with a panel of keys), in the order of the program.
class AttentionTier : public Tier {
public:
  AttentionTier(const Layer &layer, const mortise::Hardware &h)
      : Tier(layer, h), groups_(cut.rows / h.matrix.columns) {
    double rate = h.rate(attentionType(h));
    auto product = [&](int64_t rows) {
      return std::max({ceilDiv(rows, h.matrix.positions) / rate, double(h.matrix.issueGap),
                       double(h.matrix.rows) + (h.matrix.weightTiles > 1 ? 0 : 1)});
    };
    scores_ = ceilDiv(layer.channels, h.matrix.rows) * product(cut.depth);
    sums_ = ceilDiv(cut.depth, h.matrix.rows) * product(layer.channels);
    timeKernels(0);
    // The array has precedence in a bank of accumulators: a row that the vector core wants there waits. How
    // often is known once both are; how long is fitted to the cycle tier.
    constexpr double kWait = 1;
    double array = scores_ + sums_;
    timeKernels(kWait * array / std::max(array, softmax_.cycles + update_.cycles));
  }

  Estimate run() {
    int64_t blocks = layer.width * cut.tiles, panels = blocks * cut.panels, steps = panels * groups_;
    control_ = 45;
    loadQueries(0);
    loadPanel(0);
    scores(0);
    for (int64_t i = 0; i < steps; ++i) {
      int64_t panel = i / groups_, block = panel / cut.panels;
      bool firstOfBlock = panel % cut.panels == 0;
      if (i % groups_ == 0 && (panel + 1) % cut.panels == 0 && block + 1 < blocks)
        loadQueries(block + 1);
      if (i % groups_ == 0 && panel + 1 < panels)
        loadPanel(panel + 1);
      if (firstOfBlock && groups_ == 1)
        updateUpTo(i);
      vectorFree_ = std::max(vectorFree_, scoresReady_[i % 2]);
      if (firstOfBlock)
        vector(begin_);
      vectorFree_ = std::max(vectorFree_, powersFree_[i % 2]);
      vector(softmax_);
      powersReady_[i % 2] = scoresFree_[i % 2] = vectorFree_;
      if (i + 1 < steps)
        scores(i + 1);
      weightedSum(i);
      updateUpTo(i);
    }
    updateUpTo(steps);
    auto macs = double(layer.macs());
    // Rows of the left operand, and all that the vector core moves, in words.
    double vectors = double(steps) * double(3 * layer.channels + cut.depth) * double(h.matrix.columns) * 4;
    double words =
        macs / double(h.matrix.rows * h.matrix.columns) * ceilDiv(h.matrix.rows * 2, h.scratchpad.width) +
        vectors / double(h.scratchpad.width);
    std::string type = mortise::typeName(unsigned(attentionType(h)));
    finish(std::max(end_, vectorFree_), words, macs / double(h.matrix.rows),
           macs * action(("mac." + type).c_str()) + picojoules_);
    return result;
  }

private:
  /// `wait`: cycles that a row of accumulators costs beyond its own.
  void timeKernels(double wait) {
    // A vector of accumulators is several rows of one bank.
    double extra = ceilDiv(h.vector.lanes, h.matrix.columns) * (1 + wait) - 1;
    auto time = [&](AttentionKernel kernel) {
      mortise::Program program;
      Builder to(program);
      emitAttentionKernel(kernel, layer, h, cut, to);
      VectorTime timer(h, [extra](const mortise::Instruction &i) {
        bool sums = i.id == mortise::Id::VldW && (i.operands[1] == 1 || i.operands[1] == 6);
        return sums ? extra : 0.0;
      });
      constexpr double kLaunch = 2;
      VectorCost cost = timer.issue(program.code, 0, program.code.size());
      cost.cycles += kLaunch;
      return cost;
    };
    begin_ = time(AttentionKernel::Begin);
    softmax_ = time(AttentionKernel::Softmax);
    update_ = time(AttentionKernel::Update);
    finish_ = time(AttentionKernel::Finish);
  }
  void vector(const VectorCost &cost) {
    vectorFree_ += cost.cycles;
    result.vectorBusy += cost.cycles;
    picojoules_ += cost.picojoules;
  }
  void loadQueries(int64_t block) {
    queriesReady_ =
        load(0, activations(), std::max(control_, queriesFree_[block % 2]), cut.rows * layer.channels * 2);
  }
  void loadPanel(int64_t panel) {
    int64_t bytes = cut.depth * layer.channels * 2;
    keysReady_[panel % 2] = load(0, activations(), std::max(control_, keysFree_[panel % 2]), bytes);
    unsigned channel = h.dma.inChannels > 1 ? 1 : 0;
    double bursts =
        burstsOf(layer.channels, cut.depth * 2, layer.height * 2, cut.depth * 2, activations().timing.burst);
    valuesReady_[panel % 2] = loadBursts(channel, activations(), std::max(control_, valuesFree_[panel % 2]),
                                         bursts, std::max(bursts, ceilDiv(bytes, h.scratchpad.width)));
  }
  void scores(int64_t i) {
    int64_t panel = i / groups_;
    double start = std::max({arrayFree_, queriesReady_ + double(h.matrix.rows), keysReady_[panel % 2],
                             scoresFree_[i % 2], control_});
    arrayFree_ = start + scores_;
    result.matrixBusy += scores_;
    scoresReady_[i % 2] = arrayFree_ + latency();
    if ((i + 1) % groups_ == 0) {
      keysFree_[panel % 2] = scoresReady_[i % 2];
      if ((panel + 1) % cut.panels == 0)
        queriesFree_[panel / cut.panels % 2] = arrayFree_;
    }
  }
  void weightedSum(int64_t i) {
    int64_t panel = i / groups_;
    double start = std::max({arrayFree_, powersReady_[i % 2] + double(h.matrix.rows) + 1,
                             valuesReady_[panel % 2], sumsFree_[i % 2]});
    arrayFree_ = start + sums_;
    result.matrixBusy += sums_;
    powersFree_[i % 2] = arrayFree_ - sums_ / (double(cut.depth) / double(h.matrix.rows));
    sumsReady_[i % 2] = arrayFree_ + latency();
    if ((i + 1) % groups_ == 0)
      valuesFree_[panel % 2] = sumsReady_[i % 2];
    control_ = std::max(control_, arrayFree_ - scores_ - sums_);
  }
  void updateUpTo(int64_t end) {
    for (; updated_ < end; ++updated_) {
      vectorFree_ = std::max(vectorFree_, sumsReady_[updated_ % 2]);
      vector(update_);
      sumsFree_[updated_ % 2] = vectorFree_;
      if ((updated_ / groups_ + 1) % cut.panels != 0)
        continue;
      int64_t slot = results_++ % 2, columns = h.matrix.columns;
      vectorFree_ = std::max(vectorFree_, outFree_[slot]);
      vector(finish_);
      outFree_[slot] = end_ = store(vectorFree_, layer.channels, columns * 2, layer.height * 2, columns * 2);
    }
  }
  double latency() const { return double(h.matrix.rows + h.matrix.columns - 2); }

  int64_t groups_, updated_ = 0, results_ = 0;
  VectorCost begin_, softmax_, update_, finish_;
  double scores_ = 0, sums_ = 0, picojoules_ = 0;
  double control_ = 0, arrayFree_ = 0, vectorFree_ = 0, end_ = 0, queriesReady_ = 0;
  double queriesFree_[2] = {}, keysReady_[2] = {}, keysFree_[2] = {}, valuesReady_[2] = {},
         valuesFree_[2] = {}, scoresReady_[2] = {}, scoresFree_[2] = {}, powersReady_[2] = {},
         powersFree_[2] = {}, sumsReady_[2] = {}, sumsFree_[2] = {}, outFree_[2] = {};
};

} // namespace

Estimate estimateAttention(const Layer &layer, const mortise::Hardware &hardware) {
  return AttentionTier(layer, hardware).run();
}

} // namespace tenon::sim

#include "sim/analytic/Estimate.h"

#include "sim/workloads/Emitters.h"

#include <cmath>
#include <map>
#include <numeric>

namespace tenon::sim {

namespace {

double ceilDiv(int64_t a, int64_t b) {
  int64_t whole = (a + b - 1) / b;
  return double(whole);
}

/// Bursts of `runs` runs of `bytes`, `stride` apart in memory and `local` in the scratchpad; contiguous ones
/// are one run.
double burstsOf(int64_t runs, int64_t bytes, int64_t stride, int64_t local, int64_t burst) {
  if (runs == 1 || (bytes == stride && bytes == local))
    return std::ceil(double(runs * bytes) / double(burst));
  // A run that begins anywhere in a burst touches (bytes - 1) / burst + 1 of them on average; aligned ones
  // fewer.
  if (stride % burst == 0)
    return double(runs) * ceilDiv(bytes, burst);
  int64_t unit = std::gcd(std::gcd(bytes, stride), burst);
  return double(runs) * (double(bytes - unit) / double(burst) + 1);
}

/// The channels and the memory behind them.
class Transfers {
public:
  explicit Transfers(const mortise::Hardware &h) : h_(h) {}
  /// When the last byte is there. `local`: words of the scratchpad that the channel moves one a cycle.
  double move(unsigned channel, double request, double bursts, double words) {
    double &setUp = setUp_[channel], &port = port_[channel];
    setUp = std::max(setUp, request) + double(h_.dma.setup);
    double cost = bursts * double(h_.dram.burst) / h_.dram.bytesPerCycle;
    double begin = std::max(setUp, port), end = take(begin, cost);
    busy += cost;
    port = std::max(end, begin + words);
    return port + double(h_.dram.latency) + 1;
  }
  double busy = 0;

private:
  /// Takes the memory for `cost` cycles from `begin` on; bursts of others that were asked for later, but come
  /// earlier in this program's order, leave gaps that are used. Returns the end.
  double take(double begin, double cost) {
    double end = begin;
    std::array<Gap, kGaps + 3> left;
    size_t count = 0;
    auto keep = [&](double from, double to) {
      if (count == left.size()) // the oldest is before every later request
        std::move(left.begin() + 1, left.end(), left.begin()), --count;
      left[count++] = {from, to};
    };
    for (size_t i = 0; i < gapCount_; ++i) {
      auto [from, to] = gaps_[i];
      double at = std::max(from, begin), used = std::clamp(to - at, 0.0, cost);
      if (used <= 0) {
        keep(from, to);
        continue;
      }
      cost -= used;
      end = at + used;
      if (at > from)
        keep(from, at);
      if (to > at + used)
        keep(at + used, to);
    }
    if (cost > 0) {
      double at = std::max(bus_, begin);
      if (at > bus_)
        keep(bus_, at);
      bus_ = end = at + cost;
    }
    size_t dropped = count > kGaps ? count - kGaps : 0;
    gapCount_ = count - dropped;
    std::copy_n(left.begin() + dropped, gapCount_, gaps_.begin());
    return end;
  }

  struct Gap {
    double from, to;
  };
  static constexpr size_t kGaps = 8;
  const mortise::Hardware &h_;
  double setUp_[3] = {}, port_[3] = {};
  double bus_ = 0;
  std::array<Gap, kGaps> gaps_{};
  size_t gapCount_ = 0;
};

struct Tier {
  Tier(const Layer &layer, const mortise::Hardware &h)
      : layer(layer), h(h), cut(cutLayer(layer, h)), transfers(h) {}
  int64_t rowsOf(int64_t tile) const { return std::min(cut.rows, layer.outputHeight() - tile * cut.rows); }
  int64_t inputBytes(int64_t tile) const {
    return ((rowsOf(tile) - 1) * layer.stride + layer.kernelHeight) * layer.width * layer.channels;
  }
  double load(unsigned channel, double request, int64_t bytes) {
    double bursts = std::ceil(double(bytes) / double(h.dram.burst));
    result.dramRead += bursts * double(h.dram.burst);
    return transfers.move(channel, request, bursts,
                          ceilDiv(bytes, std::min(h.scratchpad.width, h.dram.burst)));
  }
  double store(double request, int64_t runs, int64_t bytes, int64_t stride, int64_t local) {
    double bursts = burstsOf(runs, bytes, stride, local, h.dram.burst);
    result.dramWrite += bursts * double(h.dram.burst);
    return transfers.move(2, request, bursts, std::max(bursts, ceilDiv(runs * bytes, h.scratchpad.width)));
  }
  double action(const char *name) const {
    auto found = h.energy.actions.find(name);
    return found == h.energy.actions.end() ? 0 : found->second;
  }
  void finish(double end, double scratchpadWords, double sums);

  const Layer &layer;
  const mortise::Hardware &h;
  Cut cut;
  Transfers transfers;
  Estimate result;
};

void Tier::finish(double end, double scratchpadWords, double sums) {
  result.cycles = end;
  result.macs = double(layer.macs());
  result.dramBusy = transfers.busy;
  result.picojoules =
      result.dramRead * action("dram.read") + result.dramWrite * action("dram.write") +
      scratchpadWords * action("scratchpad.read") +
      (result.dramRead + result.dramWrite) / double(h.scratchpad.width) * action("scratchpad.write") +
      sums * (action("accumulator.read") + action("accumulator.write")) + end * h.energy.staticPerCycle +
      result.macs * (layer.kind == LayerKind::Depthwise ? action("vector.multiply") / double(h.vector.lanes)
                                                        : action("mac.i8"));
}

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
    auto pieces = int64_t((cut.depths.size() + size_t(cut.depth) - 1) / size_t(cut.depth));
    int64_t steps = cut.tiles * cut.panels * pieces;
    control_ = 45; // descriptors
    scale_ = load(0, control_, h.matrix.columns * 4);
    loadInput(0);
    loadWeights(0, pieces);
    for (int64_t step = 0; step < steps; ++step) {
      int64_t tile = step / (cut.panels * pieces);
      if (step % (cut.panels * pieces) == 0 && tile + 1 < cut.tiles)
        loadInput(tile + 1);
      if (step + 1 < steps)
        loadWeights(step + 1, pieces);
      multiply(step, pieces);
    }
    double words = 0;
    for (int64_t depth : cut.depths)
      words += ceilDiv(depth, h.scratchpad.width);
    words *= double(layer.pixels() * cut.panels);
    double sums = double(layer.pixels() * layer.outputs) * double(cut.depths.size());
    finish(std::max(end_, arrayFree_), words, sums);
    return result;
  }

private:
  int64_t depthSum(int64_t piece) const {
    int64_t sum = 0;
    for (int64_t t = piece * cut.depth;
         t < std::min<int64_t>((piece + 1) * cut.depth, int64_t(cut.depths.size())); ++t)
      sum += cut.depths[size_t(t)];
    return sum;
  }
  void loadInput(int64_t tile) {
    control_ += 6;
    inputReady_[tile % 2] = load(0, std::max(control_, inputFree_[tile % 2]), inputBytes(tile));
  }
  void loadWeights(int64_t step, int64_t pieces) {
    control_ += 6;
    weightReady_[step % 2] = load(h.dma.inChannels > 1 ? 1 : 0, std::max(control_, weightFree_[step % 2]),
                                  depthSum(step % pieces) * h.matrix.columns);
  }
  void multiply(int64_t step, int64_t pieces) {
    int64_t piece = step % pieces, panel = step / pieces % cut.panels, tile = step / (pieces * cut.panels);
    int64_t count = std::min<int64_t>(cut.depth, int64_t(cut.depths.size()) - piece * cut.depth);
    int64_t pixels = rowsOf(tile) * layer.outputWidth();
    double rate = h.rate(mortise::Type::I8);
    double stream = std::max(ceilDiv(pixels, h.matrix.positions) / rate, double(h.matrix.issueGap));
    double fetch = double(h.matrix.rows) + (h.matrix.weightTiles > 1 ? 0 : 1);
    constexpr double kInstructionsPerTile = 5;
    double pace = std::max({stream, fetch, kInstructionsPerTile});
    double tileLoaded =
        std::max({weightReady_[step % 2] + double(h.matrix.rows), lastTaken_ + fetch, control_});
    double start = std::max({tileLoaded, arrayFree_, inputReady_[tile % 2]});
    if (piece == 0)
      start = std::max(start, sumFree_[results_ % 2]);
    products_.add(start, pace, count);
    // The control processor is ahead by what the queue holds, with the acquires and releases between.
    control_ = std::max(control_ + kInstructionsPerTile * double(count),
                        products_.startOf(products_.total() - h.queueDepth + 3));
    lastTaken_ = start + double(count - 1) * pace;
    arrayFree_ = lastTaken_ + stream;
    weightFree_[step % 2] = std::max(lastTaken_, weightReady_[step % 2] + double(h.matrix.rows));
    result.matrixBusy += stream * double(count);
    double done = arrayFree_ + double(h.matrix.rows + h.matrix.columns - 2);
    if (panel + 1 == cut.panels && piece + 1 == pieces)
      inputFree_[tile % 2] = done;
    if (piece + 1 == pieces)
      store(panel, pixels, done);
  }
  void store(int64_t panel, int64_t pixels, double done) {
    double begin = std::max({done, drainFree_, resultFree_[results_ % 2], scale_});
    drainFree_ = begin + ceilDiv(pixels, h.matrix.positions);
    sumFree_[results_ % 2] = drainFree_ + 8;
    control_ += 16;
    int64_t columns = std::min(h.matrix.columns, layer.outputs - panel * h.matrix.columns);
    end_ = Tier::store(std::max(drainFree_ + 8, control_), pixels, columns, layer.outputs, h.matrix.columns);
    resultFree_[results_++ % 2] = end_;
  }

  double control_ = 0, scale_ = 0, lastTaken_ = 0, arrayFree_ = 0, drainFree_ = 0, end_ = 0;
  double inputReady_[2] = {}, inputFree_[2] = {}, weightReady_[2] = {}, weightFree_[2] = {}, sumFree_[2] = {},
         resultFree_[2] = {};
  int64_t results_ = 0;
  Products products_;
};

class DepthwiseTier : public Tier {
public:
  using Tier::Tier;
  Estimate run() {
    mortise::Program program;
    Builder to(program);
    emitDepthwiseKernel(layer, to);
    size_t columns = 0, afterColumns = 0;
    for (size_t i = 0; i < program.code.size(); ++i)
      if (program.code[i].id == Id::Loopi) {
        columns = i + 1;
        afterColumns = size_t(program.code[i].operands[1]);
      }
    double pixel = loopBodyCycles(program.code, columns, afterColumns, h);
    auto taps = double(layer.kernelHeight * layer.kernelWidth);
    double prologue = 6 + 2 * taps, perRow = double(layer.kernelHeight) + 8;
    double control = 25, vectorFree = 0, end = 0;
    double inputReady[2] = {}, inputFree[2] = {}, weightFree[2] = {}, resultFree[2] = {};
    int64_t lanes = h.vector.lanes, steps = cut.tiles * cut.panels;
    double weightReady[2] = {};
    int64_t weightBytes = int64_t(taps) * lanes;
    inputReady[0] = load(0, control, inputBytes(0));
    weightReady[0] = load(0, control, weightBytes);
    for (int64_t step = 0; step < steps; ++step) {
      int64_t tile = step / cut.panels, panel = step % cut.panels;
      if (step + 1 < steps && (step + 1) % cut.panels == 0)
        inputReady[(tile + 1) % 2] =
            load(0, std::max(control, inputFree[(tile + 1) % 2]), inputBytes(tile + 1));
      if (step + 1 < steps)
        weightReady[(step + 1) % 2] = load(0, std::max(control, weightFree[(step + 1) % 2]), weightBytes);
      double start = std::max(
          {vectorFree, inputReady[tile % 2], weightReady[step % 2], resultFree[step % 2], control + 20});
      // The queue holds about one and a half launches.
      control = std::max(control + 30, vectorFree);
      double busy = prologue + double(rowsOf(tile)) * (perRow + double(layer.outputWidth()) * pixel);
      result.vectorBusy += busy;
      vectorFree = start + busy;
      weightFree[step % 2] = vectorFree;
      if (panel + 1 == cut.panels)
        inputFree[tile % 2] = vectorFree;
      int64_t active = std::min(lanes, layer.channels - panel * lanes);
      end = store(vectorFree, rowsOf(tile) * layer.outputWidth(), active, layer.channels, lanes);
      resultFree[step % 2] = end;
    }
    double words =
        double(layer.pixels()) * (taps + 1) * double(cut.panels) * ceilDiv(lanes, h.scratchpad.width);
    finish(std::max(end, vectorFree), words, 0);
    return result;
  }
};

} // namespace

double loopBodyCycles(const std::vector<mortise::Instruction> &code, size_t begin, size_t end,
                      const mortise::Hardware &hardware) {
  std::map<std::pair<mortise::OperandKind, int>, double> ready;
  double issue = 0, specialFree = 0, previous = 0;
  constexpr int kIterations = 4;
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    previous = issue;
    for (size_t i = begin; i < end;) {
      size_t first = i;
      while (code[i++].chained) {
      }
      double at = issue;
      std::vector<std::pair<std::pair<mortise::OperandKind, int>, double>> results;
      for (size_t k = first; k < i; ++k) {
        const mortise::Row &row = code[k].row();
        auto changed = hardware.vector.latency.find(row.mnemonic);
        double latency = changed == hardware.vector.latency.end() ? row.latency : double(changed->second);
        bool special = std::string_view(row.action) == "vector.special";
        if (special)
          at = std::max(at, specialFree);
        for (unsigned o = 0; o < row.operandCount; ++o) {
          std::pair key(row.operands[o].kind, code[k].operands[o]);
          bool writes = row.operands[o].name == 'd' && row.unit != mortise::Unit::Store;
          if (writes)
            results.emplace_back(key, latency);
          else if (ready.contains(key))
            at = std::max(at, ready[key]);
        }
        if (special)
          specialFree = at + double(hardware.vector.specialCycles);
      }
      for (const auto &[key, latency] : results)
        ready[key] = at + latency;
      issue = at + 1;
    }
  }
  return issue - previous;
}

Estimate estimateLayer(const Layer &layer, const mortise::Hardware &hardware) {
  return layer.kind == LayerKind::Depthwise ? DepthwiseTier(layer, hardware).run()
                                            : ConvolutionTier(layer, hardware).run();
}

} // namespace tenon::sim

#include "sim/workloads/Attention.h"
#include "sim/workloads/Emitters.h"

namespace tenon::sim {

using mortise::Engine, mortise::Role, mortise::Type;

namespace {

constexpr unsigned kIn = unsigned(Engine::In0), kOut = unsigned(Engine::Out0),
                   kWeights = unsigned(Engine::Weights), kMatrix = unsigned(Engine::Matrix),
                   kVector = unsigned(Engine::Vector);
// Neither semaphores (they belong to pairs of engines) nor descriptors are those of other kinds.
constexpr unsigned kQueriesFull = 32, kQueriesFree = 33, kKeysFull = 34, kKeysFree = 35, kValuesFull = 36,
                   kValuesFree = 37, kScoresFull = 38, kScoresFree = 39, kPowersFull = 40, kPowersFree = 41,
                   kSumsFull = 42, kSumsFree = 43, kOutFull = 44, kOutFree = 45;
constexpr unsigned kRowsIn = 11, kValuesIn = 12, kTile = 13, kStream = 14, kResult = 15;

int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Where everything lies. Buffers of two are used in turn.
struct Places {
  Places(const Layer &layer, const mortise::Hardware &h, const Cut &cut) {
    int64_t depth = layer.channels, columns = h.matrix.columns, groups = cut.rows / columns;
    auto take = [&](int64_t *at, int count, int64_t size) {
      for (int i = 0; i < count; ++i, bytes += aligned(size))
        at[i] = bytes;
      return aligned(size);
    };
    take(queries, 2, cut.rows * depth * 2);
    take(keys, 2, cut.depth * depth * 2);
    take(values, 2, cut.depth * depth * 2);
    take(powers, 2, cut.depth * columns * 2);
    take(out, 2, depth * columns * 2);
    take(factors, 2, h.vector.lanes * 4);
    stateStride = 2 * h.vector.lanes * 4;
    resultStride = depth * columns * 4;
    take(&state, 1, groups * stateStride);
    take(&result, 1, groups * resultStride);
    int64_t bank = h.accumulatorRows() / h.accumulators.banks, second = cut.depth + depth;
    if (h.accumulators.banks > 1)
      second = (second + bank - 1) / bank * bank;
    scores[0] = 0;
    scores[1] = second;
    for (int i = 0; i < 2; ++i)
      sums[i] = scores[i] + cut.depth;
    accumulatorRows = second + cut.depth + depth;
  }
  int64_t queries[2], keys[2], values[2], powers[2], out[2], factors[2];
  int64_t state = 0, result = 0, stateStride = 0, resultStride = 0;
  int64_t scores[2], sums[2]; ///< rows of accumulators
  int64_t bytes = 0, accumulatorRows = 0;
};

class AttentionEmitter {
public:
  AttentionEmitter(const Layer &layer, const mortise::Hardware &h, Builder &to, const std::string &prefix,
                   AttentionRuns &runs)
      : layer_(layer), h_(h), cut_(cutLayer(layer, h)), at_(layer, h, cut_), to_(to), runs_(runs),
        columns_(h.matrix.columns), groups_(cut_.rows / columns_),
        valuesChannel_(h.dma.inChannels > 1 ? kIn + 1 : kIn) {
    Type type = attentionType(h);
    int64_t sequence = layer.height, heads = layer.width, depth = layer.channels;
    queries_ = to.tensor(prefix + "q", Role::Input, type, {heads, sequence, depth}, cut_.onChip);
    keys_ = to.tensor(prefix + "k", Role::Input, type, {heads, sequence, depth}, cut_.onChip);
    values_ = to.tensor(prefix + "v", Role::Input, type, {heads, depth, sequence}, cut_.onChip);
    output_ = to.tensor(prefix + "output", Role::Output, type, {heads, depth, sequence}, cut_.onChip);
    for (int64_t head = 0; head < heads; ++head)
      for (int64_t block = 0; block < cut_.tiles; ++block)
        for (int64_t panel = 0; panel < cut_.panels; ++panel)
          for (int64_t group = 0; group < groups_; ++group)
            steps_.push_back({head, block, panel, group});
  }

  void emit() {
    setDescriptors();
    loadQueries(0);
    loadKeysAndValues(0);
    scores(0);
    for (size_t i = 0; i < steps_.size(); ++i) {
      prefetch(i);
      if (steps_[i].panel == 0) {
        // A block of one group begins anew what the step before still updates.
        if (groups_ == 1)
          updateUpTo(i);
        launch(AttentionKernel::Begin, i);
      }
      softmax(i);
      if (i + 1 < steps_.size())
        scores(i + 1);
      weightedSum(i);
      updateUpTo(i);
    }
    updateUpTo(steps_.size());
  }

private:
  struct Step {
    int64_t head, block, panel, group;
  };
  int64_t blockOf(const Step &s) const { return s.head * cut_.tiles + s.block; }
  int64_t panelOf(const Step &s) const { return blockOf(s) * cut_.panels + s.panel; }

  void setDescriptors() {
    int64_t sequence = layer_.height, depth = layer_.channels, type = int64_t(attentionType(h_));
    auto set = [&](unsigned d, std::initializer_list<std::pair<Field, int64_t>> fields) {
      for (auto [field, value] : fields)
        to_.field(d, field, value);
    };
    set(kRowsIn, {{Field::N0, depth * 2}, {Field::L0, 1}, {Field::G0, 1}});
    set(kRowsIn, {{Field::L1, depth * 2}, {Field::G1, depth * 2}});
    set(kValuesIn, {{Field::N0, cut_.depth * 2}, {Field::L0, 1}, {Field::G0, 1}, {Field::N1, depth}});
    set(kValuesIn, {{Field::L1, cut_.depth * 2}, {Field::G1, sequence * 2}});
    set(kTile, {{Field::K, h_.matrix.rows}, {Field::N, columns_}, {Field::Type, type}});
    set(kStream, {{Field::Type, type}});
    set(kResult, {{Field::N0, columns_ * 2}, {Field::L0, 1}, {Field::G0, 1}, {Field::N1, depth}});
    set(kResult, {{Field::L1, columns_ * 2}, {Field::G1, sequence * 2}});
  }

  void transfer(unsigned channel, unsigned descriptor, int64_t local, int64_t global) {
    to_.constant(1, local);
    to_.constant(2, global);
    to_.emit(Id::Dma, {channel, descriptor, 1, 2});
  }

  void loadQueries(int64_t block) {
    to_.acquire(kIn, kQueriesFree);
    to_.field(kRowsIn, Field::N1, cut_.rows);
    transfer(kIn, kRowsIn, at_.queries[block % 2],
             int64_t(queries_) + block * cut_.rows * layer_.channels * 2);
    to_.release(kIn, kQueriesFull);
  }

  void loadKeysAndValues(int64_t number) {
    int64_t panel = number % cut_.panels, head = number / cut_.panels / cut_.tiles;
    int64_t sequence = layer_.height, depth = layer_.channels;
    to_.acquire(kIn, kKeysFree);
    to_.field(kRowsIn, Field::N1, cut_.depth);
    transfer(kIn, kRowsIn, at_.keys[number % 2],
             int64_t(keys_) + (head * sequence + panel * cut_.depth) * depth * 2);
    to_.release(kIn, kKeysFull);
    to_.acquire(valuesChannel_, kValuesFree);
    transfer(valuesChannel_, kValuesIn, at_.values[number % 2],
             int64_t(values_) + (head * sequence * depth + panel * cut_.depth) * 2);
    to_.release(valuesChannel_, kValuesFull);
  }

  /// With a panel's first group, the next panel; with a block's last panel, the next block.
  void prefetch(size_t i) {
    const Step &s = steps_[i];
    if (s.group != 0)
      return;
    if (s.panel + 1 == cut_.panels && blockOf(s) + 1 < layer_.width * cut_.tiles)
      loadQueries(blockOf(s) + 1);
    if (panelOf(s) + 1 < layer_.width * cut_.tiles * cut_.panels)
      loadKeysAndValues(panelOf(s) + 1);
  }

  /// `tiles` weight tiles, each times `rows` rows; both advance by a stride from tile to tile.
  void multiply(int64_t tiles, int64_t weights, int64_t weightStride, int64_t rows, int64_t rowStride,
                int64_t sums) {
    to_.constant(3, sums);
    for (int64_t t = 0; t < tiles; ++t) {
      to_.constant(1, weights + t * weightStride);
      to_.emit(Id::MmLoad, {kTile, 1});
      to_.constant(2, rows + t * rowStride);
      to_.emit(Id::MmMul, {kStream, 2, 3, mortise::kFlagSwap | (t ? mortise::kFlagAccumulate : 0)});
    }
  }

  void scores(size_t i) {
    const Step &s = steps_[i];
    int64_t depth = layer_.channels;
    if (s.panel == 0 && s.group == 0)
      to_.acquire(kWeights, kQueriesFull);
    if (s.group == 0)
      to_.acquire(kMatrix, kKeysFull);
    to_.acquire(kMatrix, kScoresFree);
    to_.field(kTile, Field::Mode, 1);
    to_.field(kTile, Field::L0, depth * 2);
    to_.field(kStream, Field::N0, cut_.depth);
    to_.field(kStream, Field::L0, depth * 2);
    multiply(depth / h_.matrix.rows, at_.queries[blockOf(s) % 2] + s.group * columns_ * depth * 2,
             h_.matrix.rows * 2, at_.keys[panelOf(s) % 2], h_.matrix.rows * 2, at_.scores[i % 2]);
    to_.release(kMatrix, kScoresFull);
    if (s.group + 1 == groups_) {
      to_.release(kMatrix, kKeysFree);
      if (s.panel + 1 == cut_.panels)
        to_.release(kWeights, kQueriesFree);
    }
  }

  void weightedSum(size_t i) {
    const Step &s = steps_[i];
    if (s.group == 0)
      to_.acquire(kMatrix, kValuesFull);
    to_.acquire(kWeights, kPowersFull);
    to_.acquire(kMatrix, kSumsFree);
    to_.field(kTile, Field::Mode, 0);
    to_.field(kTile, Field::L0, columns_ * 2);
    to_.field(kStream, Field::N0, layer_.channels);
    to_.field(kStream, Field::L0, cut_.depth * 2);
    multiply(cut_.depth / h_.matrix.rows, at_.powers[i % 2], h_.matrix.rows * columns_ * 2,
             at_.values[panelOf(s) % 2], h_.matrix.rows * 2, at_.sums[i % 2]);
    to_.release(kWeights, kPowersFree);
    to_.release(kMatrix, kSumsFull);
    if (s.group + 1 == groups_)
      to_.release(kMatrix, kValuesFree);
  }

  void launch(AttentionKernel kernel, size_t i) {
    const Step &s = steps_[i];
    int64_t row = columns_ * 4;
    auto set = [&](unsigned reg, int64_t value) {
      to_.constant(8, value);
      to_.emit(Id::Vset, {reg, 8});
    };
    set(3, at_.state + s.group * at_.stateStride);
    set(5, at_.result + s.group * at_.resultStride);
    if (kernel == AttentionKernel::Softmax) {
      set(1, mortise::kAccumulatorBase + at_.scores[i % 2] * row);
      set(2, at_.powers[i % 2]);
    }
    if (kernel == AttentionKernel::Update)
      set(6, mortise::kAccumulatorBase + at_.sums[i % 2] * row);
    if (kernel == AttentionKernel::Softmax || kernel == AttentionKernel::Update)
      set(4, at_.factors[i % 2]);
    if (kernel == AttentionKernel::Finish)
      set(7, at_.out[results_ % 2]);
    runs_[size_t(kernel)].push_back(to_.emit(Id::Vrun, {0}));
  }

  void softmax(size_t i) {
    to_.acquire(kVector, kScoresFull);
    to_.acquire(kVector, kPowersFree);
    launch(AttentionKernel::Softmax, i);
    to_.release(kVector, kScoresFree);
    to_.release(kVector, kPowersFull);
  }

  void updateUpTo(size_t end) {
    while (updated_ < end)
      update(updated_++);
  }

  void update(size_t i) {
    to_.acquire(kVector, kSumsFull);
    launch(AttentionKernel::Update, i);
    to_.release(kVector, kSumsFree);
    if (steps_[i].panel + 1 == cut_.panels)
      finish(i);
  }

  void finish(size_t i) {
    const Step &s = steps_[i];
    to_.acquire(kVector, kOutFree);
    launch(AttentionKernel::Finish, i);
    to_.release(kVector, kOutFull);
    to_.acquire(kOut, kOutFull);
    int64_t query = s.block * cut_.rows + s.group * columns_;
    transfer(kOut, kResult, at_.out[results_++ % 2],
             int64_t(output_) + (s.head * layer_.channels * layer_.height + query) * 2);
    to_.release(kOut, kOutFree);
  }

  const Layer &layer_;
  const mortise::Hardware &h_;
  Cut cut_;
  Places at_;
  Builder &to_;
  AttentionRuns &runs_;
  int64_t columns_, groups_, results_ = 0;
  size_t updated_ = 0;
  unsigned valuesChannel_;
  uint64_t queries_ = 0, keys_ = 0, values_ = 0, output_ = 0;
  std::vector<Step> steps_;
};

[[noreturn]] void refuse(const Layer &layer, const mortise::Hardware &h, const std::string &why) {
  throw mortise::Error("TN1221", "layer '" + layer.name + "' cannot be cut to fit " + h.name + ": " + why);
}

} // namespace

Cut cutAttention(const Layer &layer, const mortise::Hardware &h) {
  int64_t columns = h.matrix.columns, lanes = h.vector.lanes, sequence = layer.height, depth = layer.channels;
  if (h.rate(attentionType(h)) == 0)
    refuse(layer, h, "the array multiplies neither bf16 nor f16");
  if (lanes % columns != 0)
    refuse(layer, h, "lanes must be a multiple of the array's columns");
  // Kernels take eight vectors at least, four at a time; a vector is lanes / columns keys.
  int64_t unit = 4 * lanes / columns;
  auto divides = [&](int64_t size) {
    return size % h.matrix.rows == 0 && size % unit == 0 && size >= 2 * unit;
  };
  if (!divides(depth) || sequence % columns != 0)
    refuse(layer, h,
           "the depth must be a multiple of the array's rows and of " + std::to_string(unit) +
               ", at least twice that, and the sequence one of its columns");
  Cut cut;
  for (int64_t keys = std::min<int64_t>(sequence, 512); keys > 0; --keys) {
    if (sequence % keys != 0 || !divides(keys))
      continue;
    for (int64_t groups = std::min<int64_t>(sequence / columns, 16); groups > 0; --groups) {
      cut.rows = groups * columns;
      cut.depth = keys;
      Places places(layer, h, cut);
      bool fits = places.bytes <= h.scratchpad.bytes && places.accumulatorRows <= h.accumulatorRows() &&
                  sequence % cut.rows == 0;
      if (!fits)
        continue;
      cut.tiles = sequence / cut.rows;
      cut.panels = sequence / keys;
      cut.inputBytes = cut.rows * depth * 2;
      cut.weightBytes = keys * depth * 2;
      cut.outputBytes = keys * columns * 2;
      return cut;
    }
  }
  refuse(layer, h, "no block of keys divides the sequence and fits scratchpad and accumulators");
}

void initialiseAttention(Builder &to) {
  for (unsigned free : {kQueriesFree, kKeysFree, kValuesFree, kScoresFree, kPowersFree, kSumsFree, kOutFree})
    to.emit(Id::SemInit, {free, 2});
}

void emitAttention(const Layer &layer, const mortise::Hardware &hardware, Builder &to,
                   const std::string &prefix, AttentionRuns &runs) {
  AttentionEmitter(layer, hardware, to, prefix, runs).emit();
}

} // namespace tenon::sim

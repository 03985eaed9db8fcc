//===- UnfusedAttention.cpp - attention as three kernels, to compare with ----===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/attention/UnfusedAttention.h"

#include "compiler/emit/mortise/attention/ControlBuilder.h"
#include "compiler/emit/mortise/attention/UnfusedKernels.h"

#include <algorithm>
#include <cmath>

namespace tenon::npu {

namespace {

using mortise::Field, mortise::Hardware, mortise::Role, mortise::Type;

constexpr unsigned kIn = unsigned(mortise::Engine::In0), kOut = unsigned(mortise::Engine::Out0),
                   kWeights = unsigned(mortise::Engine::Weights), kMatrix = unsigned(mortise::Engine::Matrix),
                   kDrain = unsigned(mortise::Engine::Drain), kVector = unsigned(mortise::Engine::Vector);

enum Descriptor : unsigned {
  kRowsIn,
  kKeysIn,
  kKeyTile,
  kQueryRows,
  kDrainScores,
  kScoresOut,
  kSoftmaxBlock,
  kValueTile,
  kWeightsIn,
  kWeightRows,
  kDrainPartial,
  kPartialRows,
  kResultOut
};

class UnfusedEmitter {
public:
  UnfusedEmitter(const AttentionShape &shape, bool overlapped, const Hardware &hardware)
      : s_(shape), h_(hardware), overlapped_(overlapped), buffers_(overlapped ? 2 : 1) {}

  mortise::Program emit() {
    chooseTiles();
    declareTensors();
    setDescriptors();
    softmax_ =
        b_.kernel(compile(softmaxOfRows({softmaxRows_, s_.keys, scale(), h_.vector.lanes, row_}), h_, {}));
    add_ = b_.kernel(compile(npu::addPartialSums(resultRows_, s_.depth, columns_, h_.vector.lanes), h_, {}));
    for (Reg *r : {&accumulators_, &head_, &from_, &to_, &t_[0], &t_[1], &t_[2]})
      *r = b_.reg();
    b_.set(accumulators_, 0);
    loop(s_.heads, [&](Reg head) {
      b_.move(head_, head);
      scores();
      softmax();
      weightedSum(false);
      weightedSum(true);
    });
    return b_.finish();
  }

private:
  /// A buffer, or two that take turns, which one engine fills and another empties.
  struct Buffer {
    int64_t at = 0, bytes = 0, count = 1;
    unsigned full = 0, free = 0;
    Reg place;                 ///< of what is used
    std::optional<Reg> filled; ///< of what is loaded, where that runs ahead
  };

  double scale() const { return s_.scale > 0 ? s_.scale : 1 / std::sqrt(double(s_.depth)); }
  int64_t rowBytes() const { return s_.depth * 2; }
  int64_t scoreBytes() const { return s_.keys * 2; }

  void require(bool holds, const std::string &what, int64_t found) const {
    if (!holds)
      throw mortise::Error("TN1361", "unfused attention does not fit " + h_.name + ": " + what + ", found " +
                                         std::to_string(found));
  }

  void chooseTiles() {
    columns_ = h_.matrix.columns;
    tileRows_ = h_.matrix.rows;
    bankRows_ = h_.accumulatorRows() / 2;
    queryRows_ = std::min<int64_t>(s_.queries, (overlapped_ ? 2 : 4) * bankRows_);
    panel_ = (overlapped_ ? 1 : 2) * columns_;
    softmaxRows_ = overlapped_ ? 16 : 32;
    resultRows_ = bankRows_ / std::max<int64_t>(1, s_.depth / columns_);
    piece_ = s_.keys / (overlapped_ ? 8 : 2);
    require(s_.batch == 1, "there is one sequence", s_.batch);
    require(s_.kvHeads == s_.heads, "each head has keys of its own", s_.kvHeads);
    require(h_.rate(Type::Bf16) > 0, "the array multiplies bf16", 0);
    require(h_.dma.inChannels > 1, "two channels load", h_.dma.inChannels);
    require(h_.vector.lanes % columns_ == 0, "lanes are a multiple of the array's columns", h_.vector.lanes);
    require(s_.depth % std::max(tileRows_, columns_) == 0 && s_.depth / columns_ <= bankRows_,
            "the depth is a multiple of the array's sides", s_.depth);
    require(s_.queries % queryRows_ == 0 && queryRows_ % bankRows_ == 0 && s_.queries % resultRows_ == 0 &&
                s_.queries % softmaxRows_ == 0,
            "queries are a multiple of " + std::to_string(bankRows_) + ", or of " +
                std::to_string(4 * bankRows_),
            s_.queries);
    require(s_.keys % (8 * tileRows_) == 0 && s_.keys % (kSoftmaxVectors * h_.vector.lanes) == 0 &&
                s_.keys % panel_ == 0,
            "keys are a multiple of eight of the array's sides", s_.keys);
    placeBuffers();
    require(bytes_ <= h_.scratchpad.bytes, "buffers fit its scratchpad", bytes_);
  }

  /// Those of one kernel lie where those of another do: a fence is between them.
  void placeBuffers() {
    int64_t at = 0;
    auto take = [&](Buffer &buffer, int64_t bytes, int64_t count) {
      buffer = {at, (bytes + 63) / 64 * 64, count, b_.semaphore(0), b_.semaphore(count), b_.reg(), {}};
      at += buffer.bytes * count;
      bytes_ = std::max(bytes_, at);
      b_.set(buffer.place, buffer.at);
    };
    take(queries_, queryRows_ * rowBytes(), buffers_);
    take(keys_, panel_ * rowBytes(), buffers_);
    take(scores_, queryRows_ * panel_ * 2, buffers_);
    at = 0;
    row_ = at;
    at += kSoftmaxRows * s_.keys * 4;
    take(softmaxIn_, softmaxRows_ * scoreBytes(), buffers_);
    take(softmaxOut_, softmaxRows_ * scoreBytes(), buffers_);
    at = 0;
    take(values_, s_.keys / 2 * rowBytes(), 1);
    take(weights_, resultRows_ * piece_ * 2, buffers_);
    int64_t partialAt = at;
    take(partialOut_, bankRows_ * columns_ * 4, buffers_);
    at = partialAt;
    take(partialIn_, bankRows_ * columns_ * 4, buffers_);
    take(result_, resultRows_ * rowBytes(), buffers_);
    for (Buffer *buffer : {&queries_, &weights_}) {
      buffer->filled = b_.reg();
      b_.set(*buffer->filled, buffer->at);
    }
    for (auto *pair : {&drained_, &added_})
      *pair = {b_.semaphore(0), b_.semaphore(2)};
  }

  void declareTensors() {
    std::vector<int64_t> rows{1, s_.heads, s_.queries, s_.depth}, keys{1, s_.heads, s_.keys, s_.depth};
    q_ = b_.tensor("q", Role::Input, Type::Bf16, rows);
    k_ = b_.tensor("k", Role::Input, Type::Bf16, keys);
    v_ = b_.tensor("v", Role::Input, Type::Bf16, keys);
    s0_ = b_.tensor("scores", Role::Temporary, Type::Bf16, {s_.queries, s_.keys});
    p0_ = b_.tensor("weights", Role::Temporary, Type::Bf16, {s_.queries, s_.keys});
    partial0_ = b_.tensor("partial", Role::Temporary, Type::F32, {s_.queries, s_.depth});
    o_ = b_.tensor("output", Role::Output, Type::Bf16, rows);
  }

  void setDescriptors() {
    auto set = [&](unsigned d, std::initializer_list<std::pair<Field, int64_t>> fields) {
      for (auto [field, value] : fields)
        b_.field(d, field, value);
    };
    auto rows = [&](unsigned d, int64_t bytes, int64_t count, int64_t local, int64_t memory) {
      set(d, {{Field::N0, bytes}, {Field::L0, 1}, {Field::G0, 1}, {Field::N1, count}});
      set(d, {{Field::L1, local}, {Field::G1, memory}});
    };
    auto bf16 = int64_t(Type::Bf16);
    rows(kRowsIn, rowBytes(), queryRows_, rowBytes(), rowBytes());
    rows(kKeysIn, rowBytes(), panel_, rowBytes(), rowBytes());
    set(kKeyTile, {{Field::K, tileRows_}, {Field::N, columns_}, {Field::Type, bf16}});
    set(kKeyTile, {{Field::Mode, 1}, {Field::L0, rowBytes()}});
    set(kQueryRows, {{Field::N0, bankRows_}, {Field::L0, rowBytes()}, {Field::Type, bf16}});
    set(kDrainScores, {{Field::N0, bankRows_}, {Field::N, columns_}, {Field::L0, panel_ * 2}});
    set(kDrainPartial, {{Field::N0, bankRows_}, {Field::N, columns_}, {Field::L0, columns_ * 4}});
    for (auto [d, type] : {std::pair(kDrainScores, Type::Bf16), {kDrainPartial, Type::F32}})
      set(d, {{Field::Type, int64_t(type)}, {Field::Mode, 1}, {Field::Bias, -1}, {Field::Scale, -1}});
    rows(kScoresOut, panel_ * 2, queryRows_, panel_ * 2, scoreBytes());
    rows(kSoftmaxBlock, scoreBytes(), softmaxRows_, scoreBytes(), scoreBytes());
    set(kValueTile,
        {{Field::K, tileRows_}, {Field::N, columns_}, {Field::Type, bf16}, {Field::L0, rowBytes()}});
    rows(kWeightsIn, piece_ * 2, resultRows_, piece_ * 2, scoreBytes());
    set(kWeightRows, {{Field::N0, resultRows_}, {Field::L0, piece_ * 2}, {Field::Type, bf16}});
    rows(kPartialRows, columns_ * 4, bankRows_, columns_ * 4, columns_ * 4);
    rows(kResultOut, rowBytes(), resultRows_, rowBytes(), rowBytes());
  }

  void scores() {
    Reg query = t_[2];
    headRows(query, q_, s_.queries);
    b_.set(to_, s0_);
    int64_t blocks = s_.queries / queryRows_;
    auto loadQueries = [&] {
      load(kIn + 1, queries_, kRowsIn, query);
      b_.op(Id::Addi, query, query, queryRows_ * rowBytes());
    };
    if (overlapped_)
      loadQueries();
    loop(blocks, [&](Reg block) {
      b_.set(t_[0], blocks - 1);
      if (overlapped_)
        b_.when(Condition::Less, block, t_[0], loadQueries);
      else
        loadQueries();
      b_.acquire(kMatrix, queries_.full);
      headRows(from_, k_, s_.keys);
      loop(s_.keys / panel_, [&](Reg) {
        load(kIn, keys_, kKeysIn, from_);
        b_.op(Id::Addi, from_, from_, panel_ * rowBytes());
        turn();
        scoresOfPanel();
        turn();
        store(scores_, kScoresOut, to_);
        b_.op(Id::Addi, to_, to_, panel_ * 2);
        turn();
        advance(keys_);
        advance(scores_);
      });
      b_.release(kMatrix, queries_.free);
      advance(queries_);
      b_.addTo(to_, (queryRows_ - 1) * scoreBytes(), t_[0]);
    });
    b_.fence();
  }

  void scoresOfPanel() {
    Reg tile = t_[0], rows = t_[1];
    b_.acquire(kWeights, keys_.full);
    b_.acquire(kDrain, scores_.free);
    for (int64_t column = 0; column < panel_; column += columns_)
      for (int64_t row = 0; row < queryRows_; row += bankRows_) {
        b_.acquire(kMatrix, drained_.free);
        for (int64_t k = 0; k < s_.depth; k += tileRows_) {
          b_.op(Id::Addi, tile, keys_.place, column * rowBytes() + k * 2);
          b_.op(Id::Addi, rows, queries_.place, row * rowBytes() + k * 2);
          b_.loadTile(kKeyTile, tile);
          b_.multiply(kQueryRows, rows, accumulators_, k != 0);
        }
        b_.release(kMatrix, drained_.full);
        b_.acquire(kDrain, drained_.full);
        b_.op(Id::Addi, tile, scores_.place, row * panel_ * 2 + column * 2);
        b_.drain(kDrainScores, accumulators_, tile);
        b_.release(kDrain, drained_.free);
        otherBank();
      }
    b_.release(kWeights, keys_.free);
    b_.release(kDrain, scores_.full);
  }

  void softmax() {
    b_.set(from_, s0_);
    b_.set(to_, p0_);
    loop(s_.queries / softmaxRows_, [&](Reg) {
      load(kIn, softmaxIn_, kSoftmaxBlock, from_);
      turn();
      b_.acquire(kVector, softmaxIn_.full);
      b_.acquire(kVector, softmaxOut_.free);
      b_.run(softmax_, {softmaxIn_.place, softmaxOut_.place});
      b_.release(kVector, softmaxIn_.free);
      b_.release(kVector, softmaxOut_.full);
      turn();
      store(softmaxOut_, kSoftmaxBlock, to_);
      for (Reg r : {from_, to_})
        b_.addTo(r, softmaxRows_ * scoreBytes(), t_[0]);
      turn();
      advance(softmaxIn_);
      advance(softmaxOut_);
    });
    b_.fence();
  }

  /// Of half of the keys: their values stay.
  void weightedSum(bool second) {
    int64_t half = s_.keys / 2, blocks = s_.queries / resultRows_;
    loadValues(second ? half : 0);
    b_.set(from_, p0_ + (second ? half * 2 : 0));
    second ? headRows(to_, o_, s_.queries) : b_.set(to_, partial0_);
    b_.set(t_[2], partial0_);
    if (overlapped_)
      loadWeights(0);
    loop(blocks, [&](Reg block) {
      if (second) {
        load(kIn, partialIn_, kPartialRows, t_[2]);
        b_.op(Id::Addi, t_[2], t_[2], partialIn_.bytes);
      }
      b_.acquire(kMatrix, (second ? added_ : drained_).free);
      for (int64_t first = 0; first < half; first += piece_)
        multiplyPiece(block, blocks, first);
      b_.release(kMatrix, (second ? added_ : drained_).full);
      second ? addPartialSums() : drainPartialSums();
      turn();
      store(second ? result_ : partialOut_, second ? kResultOut : kPartialRows, to_);
      b_.op(Id::Addi, to_, to_, second ? resultRows_ * rowBytes() : partialOut_.bytes);
      b_.addTo(from_, resultRows_ * scoreBytes(), t_[0]);
      turn();
      advance(second ? result_ : partialOut_);
      if (second)
        advance(partialIn_);
      otherBank();
    });
    b_.fence();
  }

  void loadValues(int64_t firstKey) {
    Reg from = t_[1];
    headRows(from, v_, s_.keys);
    b_.addTo(from, firstKey * rowBytes(), t_[0]);
    b_.field(kRowsIn, Field::N1, piece_);
    b_.acquire(kIn, values_.free);
    for (int64_t first = 0; first < s_.keys / 2; first += piece_) {
      b_.op(Id::Addi, t_[0], values_.place, first * rowBytes());
      b_.dma(kIn, kRowsIn, t_[0], from);
      b_.release(kIn, values_.full);
      b_.op(Id::Addi, from, from, piece_ * rowBytes());
    }
    b_.field(kRowsIn, Field::N1, queryRows_);
    turn();
  }

  /// Weights of a block of queries and a piece of the half of the keys, `ahead` bytes from from_ on.
  void loadWeights(int64_t ahead) {
    Reg from = t_[0], spare = t_[1];
    b_.move(from, from_);
    b_.addTo(from, ahead, spare);
    load(kIn + 1, weights_, kWeightsIn, from);
  }

  void multiplyPiece(Reg block, int64_t blocks, int64_t first) {
    int64_t half = s_.keys / 2, next = first + piece_;
    if (!overlapped_) {
      loadWeights(first * 2);
    } else if (next < half) {
      loadWeights(next * 2);
    } else {
      b_.set(t_[0], blocks - 1);
      b_.when(Condition::Less, block, t_[0], [&] { loadWeights(resultRows_ * scoreBytes()); });
    }
    turn();
    Reg tile = t_[0], rows = t_[1];
    b_.acquire(kMatrix, weights_.full);
    b_.when(Condition::Equal, block, b_.zero(), [&] { b_.acquire(kWeights, values_.full); });
    b_.op(Id::Addi, tile, values_.place, first * rowBytes());
    b_.move(rows, weights_.place);
    multiplyTiles(tile, rows, first != 0);
    Reg count = count_ ? *count_ : *(count_ = b_.reg());
    b_.set(count, piece_ / tileRows_ - 1);
    b_.repeat(count, [&] {
      b_.op(Id::Addi, tile, tile, tileRows_ * rowBytes() - (s_.depth - columns_) * 2);
      b_.op(Id::Addi, rows, rows, tileRows_ * 2);
      multiplyTiles(tile, rows, true);
    });
    b_.release(kMatrix, weights_.free);
    if (next == half) {
      b_.set(count, blocks - 1);
      b_.when(Condition::Equal, block, count, [&] { b_.release(kWeights, values_.free); });
    }
    advance(weights_);
  }

  /// A tile of keys against all columns of values; `tile` ends at the last of these.
  void multiplyTiles(Reg tile, Reg rows, bool accumulate) {
    for (int64_t column = 0; column < s_.depth; column += columns_) {
      if (column) {
        b_.op(Id::Addi, tile, tile, columns_ * 2);
        b_.op(Id::Addi, accumulators_, accumulators_, resultRows_);
      }
      b_.loadTile(kValueTile, tile);
      b_.multiply(kWeightRows, rows, accumulators_, accumulate);
    }
    b_.op(Id::Addi, accumulators_, accumulators_, -(s_.depth / columns_ - 1) * resultRows_);
  }

  void drainPartialSums() {
    b_.acquire(kDrain, drained_.full);
    b_.acquire(kDrain, partialOut_.free);
    b_.drain(kDrainPartial, accumulators_, partialOut_.place);
    b_.release(kDrain, drained_.free);
    b_.release(kDrain, partialOut_.full);
  }

  void addPartialSums() {
    Reg sums = t_[0];
    turn();
    b_.op(Id::Muli, sums, accumulators_, columns_ * 4);
    b_.addTo(sums, mortise::kAccumulatorBase, t_[1]);
    b_.acquire(kVector, added_.full);
    b_.acquire(kVector, partialIn_.full);
    b_.acquire(kVector, result_.free);
    b_.run(add_, {sums, partialIn_.place, result_.place});
    b_.release(kVector, added_.free);
    b_.release(kVector, partialIn_.free);
    b_.release(kVector, result_.full);
  }

  /// to = where the rows of the head are.
  void headRows(Reg to, int64_t tensor, int64_t rows) {
    b_.op(Id::Muli, to, head_, rows * rowBytes());
    b_.addTo(to, tensor, t_[0]);
  }
  void load(unsigned channel, const Buffer &to, unsigned descriptor, Reg from) {
    b_.acquire(channel, to.free);
    b_.dma(channel, descriptor, to.filled.value_or(to.place), from);
    b_.release(channel, to.full);
    if (to.filled)
      otherOf(to, *to.filled);
  }
  void store(const Buffer &from, unsigned descriptor, Reg to) {
    b_.acquire(kOut, from.full);
    b_.dma(kOut, descriptor, from.place, to);
    b_.release(kOut, from.free);
  }
  /// Ends an engine's turn.
  void turn() {
    if (!overlapped_)
      b_.fence();
  }
  void otherOf(const Buffer &buffer, Reg place) {
    if (buffer.count == 1)
      return;
    b_.set(t_[0], 2 * buffer.at + buffer.bytes);
    b_.sub(place, t_[0], place);
  }
  void advance(const Buffer &buffer) { otherOf(buffer, buffer.place); }
  void otherBank() {
    b_.set(t_[0], bankRows_);
    b_.sub(accumulators_, t_[0], accumulators_);
  }
  /// The body for each number below `count`.
  template <typename Body> void loop(int64_t count, Body &&body) {
    Reg number = b_.reg();
    Label again = b_.label();
    b_.set(number, 0);
    b_.place(again);
    body(number);
    b_.op(Id::Addi, number, number, 1);
    b_.set(t_[0], count);
    b_.jumpIf(Condition::Less, number, t_[0], again);
  }

  const AttentionShape &s_;
  const Hardware &h_;
  bool overlapped_;
  int64_t buffers_;
  ControlBuilder b_;
  int64_t columns_ = 0, tileRows_ = 0, bankRows_ = 0;
  int64_t queryRows_ = 0;   ///< queries that stay while all keys pass
  int64_t panel_ = 0;       ///< keys at a time
  int64_t softmaxRows_ = 0; ///< at a time
  int64_t resultRows_ = 0;  ///< whose sums fill a bank of accumulators
  int64_t piece_ = 0;       ///< keys whose weights are loaded at once
  int64_t bytes_ = 0, row_ = 0;
  int64_t q_ = 0, k_ = 0, v_ = 0, s0_ = 0, p0_ = 0, partial0_ = 0, o_ = 0;
  Buffer queries_, keys_, scores_, softmaxIn_, softmaxOut_, values_, weights_, partialOut_, partialIn_,
      result_;
  struct {
    unsigned full = 0, free = 0;
  } drained_, added_; ///< accumulators
  KernelId softmax_, add_;
  Reg accumulators_; ///< the first row of the bank
  Reg head_, from_, to_;
  std::optional<Reg> count_;
  Reg t_[3];
};

} // namespace

mortise::Program unfusedAttention(const AttentionShape &shape, bool overlapped, const Hardware &hardware) {
  return UnfusedEmitter(shape, overlapped, hardware).emit();
}

} // namespace tenon::npu

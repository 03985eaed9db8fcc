// Engines that walk over rows of the scratchpad at a steady pace: the weight loader, the array, the drain.
#pragma once

#include "sim/timing/Simulation.h"

namespace tenon::sim {

class RowEngine : public Unit {
public:
  using Unit::Unit;
  void step(uint64_t now) override;
  uint64_t quietAt() const override {
    return queue.empty() && !streaming_ ? std::max(busyUntil_, complete_) : kNever;
  }
  /// The first cycle in which nothing is under way, whatever is queued; kNever while rows are being issued.
  uint64_t drainedAt() const { return streaming_ ? kNever : std::max(busyUntil_, complete_); }

protected:
  struct Stream {
    Region rows;
    int64_t perStep = 1; ///< rows that enter together
    uint64_t cyclesPerStep = 1;
    int64_t accumulator = -1;    ///< first accumulator row, -1: none
    unsigned action = 0;         ///< what a word of a bank costs
    uint64_t *traffic = nullptr; ///< bytes
  };
  /// The front command may start now; else it says what is waited for and sets `wake`.
  virtual bool ready(const Command &command, uint64_t now) = 0;
  /// Checks and executes; the stream of rows that it takes.
  virtual Stream start(const Command &command, uint64_t now) = 0;
  /// All rows are issued: the cycle from which the engine is free, and that by which the results are there.
  virtual std::pair<uint64_t, uint64_t> finishAt(uint64_t started, uint64_t issued) = 0;

  /// Words that the first step needs besides.
  PendingWords pending_;
  Command current_;

private:
  bool issueRows(uint64_t now);
  void loadStep();

  Stream stream_;
  std::array<int64_t, 3> at_{};
  int64_t left_ = 0, row_ = 0;
  int accumulatorBank_ = -1;
  bool streaming_ = false, loaded_ = false;
  uint64_t started_ = 0, issued_ = 0;

protected:
  uint64_t busyUntil_ = 0, complete_ = 0;
};

class MatrixArray;

class WeightLoader : public RowEngine {
public:
  WeightLoader(Simulation &simulation, unsigned core);
  /// The array has taken a tile.
  void tileTaken(uint64_t now);
  /// When the oldest tile can be taken; kNever where none is loaded or loading to a known end.
  uint64_t readyAt() const { return tiles_.empty() ? kNever : tiles_.front(); }

protected:
  bool ready(const Command &command, uint64_t now) override;
  Stream start(const Command &command, uint64_t now) override;
  std::pair<uint64_t, uint64_t> finishAt(uint64_t started, uint64_t issued) override;

private:
  std::deque<uint64_t> tiles_; ///< when each loaded tile is usable
  int64_t held_ = 0;           ///< loaded or loading
  unsigned byteAction_, readAction_;
};

class MatrixArray : public RowEngine {
public:
  MatrixArray(Simulation &simulation, unsigned core);

protected:
  bool ready(const Command &command, uint64_t now) override;
  Stream start(const Command &command, uint64_t now) override;
  std::pair<uint64_t, uint64_t> finishAt(uint64_t started, uint64_t issued) override;

private:
  void check(const Command &command);
  uint64_t least_ = 0; ///< cycles that the product takes at least
  unsigned readAction_, accumulatorRead_, accumulatorWrite_;
  std::array<unsigned, mortise::kTypes> macAction_{};
  int64_t depth_ = 0, columns_ = 0; ///< of the tile in the array
  Type weightType_ = Type::I8;
  friend class WeightLoader;
  struct Shape {
    int64_t depth, columns;
    Type type;
  };
  std::deque<Shape> shapes_; ///< of the shadow tiles
};

class DrainUnit : public RowEngine {
public:
  DrainUnit(Simulation &simulation, unsigned core);

protected:
  bool ready(const Command &command, uint64_t now) override { return true; }
  Stream start(const Command &command, uint64_t now) override;
  std::pair<uint64_t, uint64_t> finishAt(uint64_t started, uint64_t issued) override;

private:
  void check(const Command &command);
  unsigned writeAction_, readAction_, accumulatorRead_, elementAction_;
};

} // namespace tenon::sim

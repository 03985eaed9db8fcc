// What a machine holds: memories and the state of the array. Knows nothing of time.
#pragma once

#include "sim/Command.h"

#include <deque>
#include <memory>

namespace tenon::sim {

/// The memory beyond the cores: the tensors of the program.
class TensorMemory {
public:
  /// `allocate`: whether data is held (functional execution).
  TensorMemory(const mortise::Program &program, bool allocate);

  /// The tensor that holds all of [low, high), or -1.
  int find(int64_t low, int64_t high) const;
  const mortise::Tensor &tensor(int index) const { return program_.tensors[size_t(index)]; }
  /// The bytes of a tensor; empty where data is not held.
  std::span<uint8_t> bytes(int index);
  /// Uses the caller's memory for a tensor; it must stay alive. Where it is smaller than the tensor, only so
  /// many bytes are there.
  void bind(int index, std::span<uint8_t> memory) {
    bytes_[size_t(index)] = memory;
    sizes_[size_t(index)] = memory.size();
    bound_[size_t(index)] = true;
  }
  /// Gives memory to the tensors that are not bound.
  void allocate();
  uint8_t *at(int64_t address);

private:
  const mortise::Program &program_;
  std::vector<std::vector<uint8_t>> owned_;
  std::vector<std::span<uint8_t>> bytes_;
  std::vector<uint64_t> sizes_; ///< what is there of each tensor
  std::vector<bool> bound_;
  bool holdsData_;
};

/// A core's scratchpad and accumulators. Addresses from kAccumulatorBase on are accumulators.
class LocalMemory {
public:
  LocalMemory(const mortise::Hardware &hardware, bool allocate);
  /// Whether all of [low, high) is one memory's.
  bool contains(int64_t low, int64_t high) const;
  /// The same of [address, address + bytes), for any address.
  bool holds(int64_t address, int64_t bytes) const {
    return isNear(address) && contains(address, address + bytes);
  }
  uint8_t *at(int64_t address) {
    return address >= mortise::kAccumulatorBase ? &accumulators_[size_t(address - mortise::kAccumulatorBase)]
                                                : &scratchpad_[size_t(address)];
  }
  uint8_t *accumulatorRow(int64_t row) { return &accumulators_[size_t(row * rowBytes_)]; }

private:
  int64_t scratchpadBytes_, accumulatorBytes_, rowBytes_;
  std::vector<uint8_t> scratchpad_, accumulators_;
};

/// A weight tile in the array, as the numbers that it multiplies with.
struct WeightTile {
  int64_t rows = 0, columns = 0;
  bool isFloat = false;
  std::vector<int32_t> integers;
  std::vector<float> floats;
};

struct VectorRegisters {
  static constexpr unsigned kMaxLanes = 128;
  alignas(64) int32_t vectors[mortise::kRegisters + 1][kMaxLanes] =
      {}; ///< the last one: of a load, until its bundle ends
  uint8_t predicates[mortise::kPredicates][kMaxLanes] = {};
};

/// One core's state, as far as data goes.
struct CoreState {
  CoreState(const mortise::Hardware &hardware, bool allocate);
  LocalMemory local;
  std::deque<WeightTile> tiles; ///< shadow tiles, oldest first
  WeightTile tile;              ///< the one that multiplies
  std::unique_ptr<VectorRegisters> vectors;
};

void executeDma(const Command &command, bool isInput, CoreState &core, TensorMemory &memory);
/// The row numbers of a gather, from the scratchpad.
std::vector<int64_t> gatherIndices(const Command &command, CoreState &core);
WeightTile readTile(const Command &command, CoreState &core);
void executeMultiply(const Command &command, CoreState &core);
void executeDrain(const Command &command, CoreState &core);

} // namespace tenon::sim

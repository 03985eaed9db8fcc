// The matrix unit: weight loader, array and drain. Timing of the array, overlapped: a product of m rows takes
// max(m, issue gap) cycles, results are there rows + columns - 2 cycles later, a tile takes `rows` cycles to
// load (what ONNXim and Gemmini do). Serial: a tile loads when the array is empty, a product follows when the
// one before is complete; load, stream and drain then add up to SCALE-Sim's m + 2 rows + columns - 2.

#include "sim/timing/Rows.h"

#include <cmath>

namespace tenon::sim {

namespace {

using mortise::ArrayTiming, mortise::Dataflow, mortise::Engine;

/// Cycles from the accumulator to the scratchpad through scaling and conversion.
constexpr uint64_t kDrainLatency = 8;

void checkRows(Simulation &simulation, const Unit &unit, const Command &command) {
  const Descriptor &d = command.descriptor;
  constexpr int64_t kMaxRows = 1 << 20;
  for (Field field : {Field::N0, Field::N1, Field::N2})
    if (d[field] < 1 || d[field] > kMaxRows)
      simulation.fail("TN1205", unit, command.instruction,
                      std::string("field ") + mortise::fieldName(unsigned(field)) + " must be from 1 to " +
                          std::to_string(kMaxRows) + ", found " + std::to_string(d[field]));
  constexpr int64_t kMaxStride = int64_t(1) << 40;
  for (Field field : {Field::L0, Field::L1, Field::L2})
    if (d[field] < -kMaxStride || d[field] > kMaxStride)
      simulation.fail("TN1205", unit, command.instruction, "a stride is beyond 2^40");
}

void checkTile(Simulation &simulation, const Unit &unit, const Command &command, bool needsDepth) {
  const Descriptor &d = command.descriptor;
  const auto &matrix = simulation.hardware.matrix;
  if ((needsDepth && (d[Field::K] < 1 || d[Field::K] > matrix.rows)) || d[Field::N] < 1 ||
      d[Field::N] > matrix.columns || d[Field::Type] < 0 || d[Field::Type] >= mortise::kTypes)
    simulation.fail("TN1205", unit, command.instruction,
                    "k must be from 1 to " + std::to_string(matrix.rows) + ", n from 1 to " +
                        std::to_string(matrix.columns) + " and type a type; found k " +
                        std::to_string(d[Field::K]) + ", n " + std::to_string(d[Field::N]) + ", type " +
                        std::to_string(d[Field::Type]));
}

void checkAccumulators(Simulation &simulation, const Unit &unit, const Command &command, int64_t first) {
  int64_t rows = command.descriptor.rows(), available = simulation.hardware.accumulatorRows();
  simulation.requireNear(unit, command.instruction, first);
  if (first < 0 || rows > available || first > available - rows)
    simulation.fail("TN1204", unit, command.instruction,
                    "accumulator rows " + std::to_string(first) + " to " + std::to_string(first + rows - 1) +
                        " are used, the machine has " + std::to_string(available));
}

/// The accumulators of `rows` rows from `first`, `columns` wide.
Region accumulatorRegion(const Simulation &simulation, int64_t first, int64_t rows, int64_t columns) {
  int64_t bytes = simulation.hardware.matrix.columns * 4;
  return {mortise::kAccumulatorBase + first * bytes, columns * 4, {rows, 1, 1}, {bytes, 0, 0}};
}

bool isFloat(Type type) { return type == Type::Bf16 || type == Type::F16; }

} // namespace

WeightLoader::WeightLoader(Simulation &simulation, unsigned core)
    : RowEngine(simulation, core, unsigned(Engine::Weights), size_t(simulation.hardware.queueDepth)),
      byteAction_(simulation.actions.number("weights.byte")),
      readAction_(simulation.actions.number("scratchpad.read")) {}

void WeightLoader::tileTaken(uint64_t now) {
  tiles_.pop_front();
  --held_;
  wakeAt(now + 1);
}

bool WeightLoader::ready(const Command &command, uint64_t now) {
  const auto &matrix = simulation.hardware.matrix;
  if (matrix.timing == ArrayTiming::Serial) {
    // There is no shadow: the tile goes into the array, which must be empty.
    uint64_t drained = simulation.cores[core]->matrix->drainedAt();
    if (held_ == 0 && drained <= now)
      return true;
    become(Activity::Shadow, now);
    if (held_ == 0 && drained != kNever)
      wake = drained;
    return false;
  }
  if (held_ < matrix.weightTiles)
    return true;
  become(Activity::Shadow, now);
  return false;
}

RowEngine::Stream WeightLoader::start(const Command &command, uint64_t now) {
  checkTile(simulation, *this, command, true);
  const Descriptor &d = command.descriptor;
  auto type = Type(d[Field::Type]);
  if (type == Type::I16 || type == Type::I32 || type == Type::F32 || simulation.hardware.rate(type) == 0)
    simulation.fail("TN1205", *this, command.instruction,
                    std::string("the machine has no weights of type ") + mortise::typeName(unsigned(type)));
  bool transposed = d[Field::Mode] == 1;
  int64_t rows = transposed ? d[Field::N] : d[Field::K];
  Region region{
      command.a, rowBytes(d, transposed ? d[Field::K] : d[Field::N]), {rows, 1, 1}, {d[Field::L0], 0, 0}};
  simulation.touchLocal(*this, command.instruction, region, false, now);
  CoreState &state = simulation.cores[core]->state;
  if (simulation.options.functional)
    state.tiles.push_back(readTile(command, state));
  simulation.cores[core]->matrix->shapes_.push_back({d[Field::K], d[Field::N], type});
  simulation.count(byteAction_, uint64_t(rows * region.run));
  simulation.count(simulation.loadAction);
  ++held_;
  return {region, 1, 1, -1, readAction_, &simulation.statistics.l1.read};
}

std::pair<uint64_t, uint64_t> WeightLoader::finishAt(uint64_t started, uint64_t issued) {
  uint64_t end = std::max(issued, started + uint64_t(simulation.hardware.matrix.rows));
  tiles_.push_back(end);
  simulation.cores[core]->matrix->wakeAt(end);
  return {end, end};
}

MatrixArray::MatrixArray(Simulation &simulation, unsigned core)
    : RowEngine(simulation, core, unsigned(Engine::Matrix), size_t(simulation.hardware.queueDepth)),
      readAction_(simulation.actions.number("scratchpad.read")),
      accumulatorRead_(simulation.actions.number("accumulator.read")),
      accumulatorWrite_(simulation.actions.number("accumulator.write")) {
  for (Type type : {Type::I8, Type::I4, Type::I16, Type::Bf16, Type::F16})
    macAction_[size_t(type)] =
        simulation.actions.number(std::string("mac.") + mortise::typeName(unsigned(type)));
  macAction_[size_t(Type::U8)] = macAction_[size_t(Type::I8)];
}

bool MatrixArray::ready(const Command &command, uint64_t now) {
  if (simulation.hardware.matrix.timing == ArrayTiming::Serial && now < complete_) {
    become(Activity::Pipeline, now);
    wake = complete_;
    return false;
  }
  if ((command.flags & mortise::kFlagSwap) && simulation.cores[core]->weights->readyAt() > now) {
    become(Activity::Weights, now);
    wake = simulation.cores[core]->weights->readyAt();
    return false;
  }
  return true;
}

void MatrixArray::check(const Command &command) {
  const Descriptor &d = command.descriptor;
  checkRows(simulation, *this, command);
  checkAccumulators(simulation, *this, command, command.b);
  int64_t type = d[Field::Type];
  if (type < 0 || type > int64_t(Type::F16) || type == int64_t(Type::I4) ||
      simulation.hardware.rate(Type(type)) == 0)
    simulation.fail("TN1205", *this, command.instruction,
                    "the machine cannot multiply rows of type " + std::to_string(type));
  if (depth_ == 0)
    simulation.fail("TN1205", *this, command.instruction,
                    "no weight tile has been taken: the first product needs swap");
  bool floats = isFloat(Type(type));
  if (floats ? weightType_ != Type(type) : isFloat(weightType_))
    simulation.fail("TN1205", *this, command.instruction,
                    std::string("rows of type ") + mortise::typeName(unsigned(type)) +
                        " cannot be multiplied with weights of type " +
                        mortise::typeName(unsigned(weightType_)));
}

RowEngine::Stream MatrixArray::start(const Command &command, uint64_t now) {
  Core &here = *simulation.cores[core];
  if (command.flags & mortise::kFlagSwap) {
    depth_ = shapes_.front().depth;
    columns_ = shapes_.front().columns;
    weightType_ = shapes_.front().type;
    shapes_.pop_front();
    here.weights->tileTaken(now);
    if (simulation.options.functional) {
      here.state.tile = std::move(here.state.tiles.front());
      here.state.tiles.pop_front();
    }
  }
  check(command);
  const Descriptor &d = command.descriptor;
  const auto &matrix = simulation.hardware.matrix;
  auto type = Type(d[Field::Type]);
  int64_t rows = d.rows();
  Region region = rowsOf(d, command.a, rowBytes(d, depth_));
  simulation.touchLocal(*this, command.instruction, region, false, now);
  simulation.touchLocal(*this, command.instruction, accumulatorRegion(simulation, command.b, rows, columns_),
                        true, now);
  if (simulation.options.functional)
    executeMultiply(command, here.state);
  auto macs = uint64_t(rows * depth_ * columns_);
  simulation.statistics.macs += macs;
  if (NodeCost *cost = simulation.nodeCost(command.instruction))
    cost->macs += macs;
  simulation.count(macAction_[size_t(weightType_ == Type::I4 ? Type::I4 : type)], macs);
  simulation.count(accumulatorWrite_, uint64_t(rows * columns_));
  if (command.flags & mortise::kFlagAccumulate)
    simulation.count(accumulatorRead_, uint64_t(rows * columns_));
  simulation.count(simulation.issueAction);
  double rate = simulation.hardware.rate(weightType_ == Type::I4 ? Type::I4 : type);
  int64_t perStep = matrix.positions * (rate >= 1 ? int64_t(rate) : 1);
  auto cycles = uint64_t(rate >= 1 ? 1 : std::llround(1 / rate));
  least_ = uint64_t(matrix.issueGap);
  if (matrix.dataflow == Dataflow::OutputStationary) {
    // Outputs of `rows` x positions rows stay in the array while the depth streams by.
    int64_t block = matrix.rows * matrix.positions;
    least_ = std::max(least_, uint64_t((rows + block - 1) / block * depth_) * cycles);
  }
  uint64_t busy = std::max(least_, uint64_t((rows + perStep - 1) / perStep) * cycles);
  simulation.statistics.arrayCells += busy * uint64_t(matrix.rows * matrix.columns * matrix.positions);
  return {region, perStep, cycles, command.b, readAction_, &simulation.statistics.l1.read};
}

std::pair<uint64_t, uint64_t> MatrixArray::finishAt(uint64_t started, uint64_t issued) {
  const auto &matrix = simulation.hardware.matrix;
  uint64_t end = std::max(issued, started + least_);
  uint64_t complete = end + uint64_t(matrix.rows + matrix.columns - 2);
  if (matrix.timing == ArrayTiming::Serial)
    simulation.cores[core]->weights->wakeAt(complete);
  return {end, complete};
}

DrainUnit::DrainUnit(Simulation &simulation, unsigned core)
    : RowEngine(simulation, core, unsigned(Engine::Drain), size_t(simulation.hardware.queueDepth)),
      writeAction_(simulation.actions.number("scratchpad.write")),
      readAction_(simulation.actions.number("scratchpad.read")),
      accumulatorRead_(simulation.actions.number("accumulator.read")),
      elementAction_(simulation.actions.number("drain.element")) {}

void DrainUnit::check(const Command &command) {
  checkRows(simulation, *this, command);
  checkTile(simulation, *this, command, false);
  checkAccumulators(simulation, *this, command, command.a);
  auto type = Type(command.descriptor[Field::Type]);
  if (type == Type::I4 || (command.descriptor[Field::Mode] == 1 && type == Type::I32))
    simulation.fail("TN1205", *this, command.instruction,
                    std::string("accumulators cannot be drained to ") + mortise::typeName(unsigned(type)));
}

RowEngine::Stream DrainUnit::start(const Command &command, uint64_t now) {
  check(command);
  const Descriptor &d = command.descriptor;
  Core &here = *simulation.cores[core];
  int64_t rows = d.rows(), columns = d[Field::N];
  for (Field field : {Field::Bias, Field::Scale}) {
    if (d[field] < 0)
      continue;
    simulation.touchLocal(*this, command.instruction, {d[field], columns * 4}, false, now);
    pending_.add(here.banks, d[field], columns * 4);
    simulation.count(readAction_, uint64_t(columns * 4 / here.banks.width() + 1));
    simulation.statistics.l1.read += uint64_t(columns * 4);
  }
  simulation.touchLocal(*this, command.instruction, accumulatorRegion(simulation, command.a, rows, columns),
                        false, now);
  Region region = rowsOf(d, command.b, rowBytes(d, columns));
  simulation.touchLocal(*this, command.instruction, region, true, now);
  if (simulation.options.functional)
    executeDrain(command, here.state);
  simulation.count(accumulatorRead_, uint64_t(rows * columns));
  simulation.count(elementAction_, uint64_t(rows * columns));
  simulation.count(simulation.drainAction);
  return {region,       simulation.hardware.matrix.positions, 1, command.a,
          writeAction_, &simulation.statistics.l1.write};
}

std::pair<uint64_t, uint64_t> DrainUnit::finishAt(uint64_t started, uint64_t issued) {
  return {issued, issued + kDrainLatency};
}

} // namespace tenon::sim

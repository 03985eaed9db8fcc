// Depthwise convolutions on the vector core: lanes are channels; tiles of output rows, panels of channels.

#include "sim/workloads/Emitters.h"

#include <bit>

namespace tenon::sim {

using mortise::Engine, mortise::Role, mortise::Type;

namespace {

constexpr unsigned kIn = unsigned(Engine::In0), kOut = unsigned(Engine::Out0),
                   kVector = unsigned(Engine::Vector);
// Neither semaphores (they belong to pairs of engines) nor descriptors are those of convolutions.
constexpr unsigned kInputFull = 16, kInputFree = 17, kWeightFull = 18, kWeightFree = 19, kResultFull = 20,
                   kResultFree = 21;
constexpr unsigned kInput = 8, kPiece = 9, kResult = 10;

// Registers of the kernel: pointers to input rows follow kRows.
constexpr unsigned kWeightAt = 2, kScaleBits = 3, kResultAt = 4, kRowCount = 5, kLanes = 7, kRows = 10;
// Vector registers: weights from 0, inputs in turn, three sums.
constexpr unsigned kInputs = 25, kInputCount = 3, kSums = 28;

} // namespace

void initialiseDepthwise(Builder &to) {
  for (unsigned free : {kInputFree, kWeightFree, kResultFree})
    to.emit(Id::SemInit, {free, 2});
}

void emitDepthwise(const Layer &layer, const mortise::Hardware &h, Builder &to, const std::string &prefix,
                   std::vector<uint32_t> &runs) {
  Cut cut = cutLayer(layer, h);
  int64_t lanes = h.vector.lanes, taps = layer.kernelHeight * layer.kernelWidth,
          line = layer.width * layer.channels;
  uint64_t input = to.tensor(prefix + "input", Role::Input, Type::I8,
                             {layer.height, layer.width, layer.channels}, cut.onChip);
  uint64_t weights = to.tensor(prefix + "weights", Role::Input, Type::I8, {cut.panels, taps, lanes});
  uint64_t output = to.tensor(prefix + "output", Role::Output, Type::I8,
                              {layer.outputHeight(), layer.outputWidth(), layer.channels}, cut.onChip);
  int64_t buffers = cut.inputBuffers, weightAt = buffers * cut.inputBytes,
          resultAt = weightAt + 2 * cut.weightBytes;
  for (unsigned d : {kInput, kPiece, kResult})
    for (Field field : {Field::L0, Field::G0})
      to.field(d, field, 1);
  to.field(kInput, Field::N0, line);
  to.field(kInput, Field::L1, line);
  to.field(kInput, Field::G1, line);
  to.field(kPiece, Field::N0, taps * lanes);
  to.field(kResult, Field::L1, lanes);
  to.field(kResult, Field::G1, layer.channels);
  auto transfer = [&](unsigned channel, unsigned descriptor, int64_t local, uint64_t global) {
    to.constant(1, local);
    to.constant(2, int64_t(global));
    to.emit(Id::Dma, {channel, descriptor, 1, 2});
  };
  auto rowsOf = [&](int64_t tile) { return std::min(cut.rows, layer.outputHeight() - tile * cut.rows); };
  auto loadInput = [&](int64_t tile) {
    to.acquire(kIn, kInputFree, 2 / buffers);
    to.field(kInput, Field::N1, (rowsOf(tile) - 1) * layer.stride + layer.kernelHeight);
    transfer(kIn, kInput, tile % buffers * cut.inputBytes,
             input + uint64_t(tile * cut.rows * layer.stride * line));
    to.release(kIn, kInputFull);
  };
  auto loadWeights = [&](int64_t step) {
    to.acquire(kIn, kWeightFree);
    transfer(kIn, kPiece, weightAt + step % 2 * cut.weightBytes,
             weights + uint64_t(step % cut.panels * taps * lanes));
    to.release(kIn, kWeightFull);
  };
  loadInput(0);
  loadWeights(0);
  int64_t steps = cut.tiles * cut.panels;
  for (int64_t step = 0; step < steps; ++step) {
    int64_t tile = step / cut.panels, panel = step % cut.panels,
            result = resultAt + step % 2 * cut.outputBytes;
    int64_t active = std::min(lanes, layer.channels - panel * lanes);
    if (step + 1 < steps && (step + 1) % cut.panels == 0)
      loadInput(tile + 1);
    if (step + 1 < steps)
      loadWeights(step + 1);
    if (panel == 0)
      to.acquire(kVector, kInputFull);
    to.acquire(kVector, kWeightFull);
    to.acquire(kVector, kResultFree);
    auto set = [&](unsigned reg, int64_t value) {
      to.constant(8, value);
      to.emit(Id::Vset, {reg, 8});
    };
    for (int64_t r = 0; r < layer.kernelHeight; ++r)
      set(unsigned(kRows + r), tile % buffers * cut.inputBytes + panel * lanes + r * line);
    set(kWeightAt, weightAt + step % 2 * cut.weightBytes);
    set(kResultAt, result);
    set(kRowCount, rowsOf(tile));
    set(kLanes, active);
    runs.push_back(to.emit(Id::Vrun, {0}));
    if (panel + 1 == cut.panels)
      to.release(kVector, kInputFree, 2 / buffers);
    to.release(kVector, kWeightFree);
    to.release(kVector, kResultFull);
    to.acquire(kOut, kResultFull);
    to.field(kResult, Field::N0, active);
    to.field(kResult, Field::N1, rowsOf(tile) * layer.outputWidth());
    transfer(kOut, kResult, result,
             output + uint64_t(tile * cut.rows * layer.outputWidth() * layer.channels + panel * lanes));
    to.release(kOut, kResultFree);
  }
}

void emitDepthwiseKernel(const Layer &layer, Builder &to) {
  int64_t taps = layer.kernelHeight * layer.kernelWidth, channels = layer.channels;
  constexpr float scale = 1.0F / 128;
  to.emit(Id::Li, {kScaleBits, std::bit_cast<int32_t>(scale)});
  to.emit(Id::Vbc, {31, kScaleBits});
  to.emit(Id::Lanes, {9});
  to.emit(Id::Ptail, {1, kLanes});
  for (int64_t t = 0; t < taps; ++t) {
    to.emit(Id::VldB, {t, kWeightAt, 0, 0, 1});
    to.emit(Id::Add, {kWeightAt, kWeightAt, 9});
  }
  uint32_t rows = to.emit(Id::Loop, {kRowCount, 0});
  uint32_t columns = to.emit(Id::Loopi, {layer.outputWidth(), 0});
  // Loads run ahead of the products by as many inputs as there are registers.
  for (int64_t t = 0; t < taps + int64_t(kInputCount); ++t) {
    int64_t used = t - int64_t(kInputCount);
    if (t < taps) {
      int64_t r = t / layer.kernelWidth, s = t % layer.kernelWidth;
      bool last = s + 1 == layer.kernelWidth;
      int64_t base = int64_t(kRows) + r;
      uint32_t load = to.emit(
          Id::VldB, {kInputs + t % kInputCount, base, s * channels, last ? layer.stride * channels : 0, 1});
      if (used >= 0)
        to.chain(load);
    }
    if (used < 0)
      continue;
    unsigned from = unsigned(kInputs + used % kInputCount), sum = unsigned(kSums + used % 3);
    if (used < 3)
      to.emit(Id::VmulI, {sum, from, used});
    else
      to.emit(Id::VmadI, {sum, from, used, sum});
  }
  for (unsigned other = 1; other < 3 && int64_t(other) < taps; ++other)
    to.emit(Id::VaddI, {kSums, kSums, kSums + other});
  to.emit(Id::VcvtIf, {kSums, kSums});
  to.emit(Id::VmulF, {kSums, kSums, 31});
  to.emit(Id::VcvtFi, {kSums, kSums});
  to.emit(Id::VstB, {kResultAt, 0, kSums, 0, 1});
  to.emit(Id::Add, {kResultAt, kResultAt, 9});
  to.label(columns);
  for (int64_t r = 0; r < layer.kernelHeight; ++r)
    to.emit(Id::Addi, {int64_t(kRows) + r, int64_t(kRows) + r,
                       (layer.width - layer.outputWidth()) * layer.stride * channels});
  to.label(rows);
  to.emit(Id::Ret, {});
}

} // namespace tenon::sim

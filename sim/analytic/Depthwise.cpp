#include "sim/analytic/Tier.h"
#include "sim/analytic/VectorTime.h"
#include "sim/workloads/Emitters.h"

namespace tenon::sim {

namespace {

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
    VectorCost body = loopBody(program.code, columns, afterColumns, h);
    double pixel = body.cycles;
    auto taps = double(layer.kernelHeight * layer.kernelWidth);
    double prologue = 6 + 2 * taps, perRow = double(layer.kernelHeight) + 8;
    double control = 25, vectorFree = 0, end = 0;
    double inputReady[2] = {}, inputFree[2] = {}, weightFree[2] = {}, resultFree[2] = {};
    int64_t lanes = h.vector.lanes, steps = cut.tiles * cut.panels;
    double weightReady[2] = {};
    int64_t weightBytes = int64_t(taps) * lanes;
    inputReady[0] = load(0, activations(), control, inputBytes(0));
    weightReady[0] = load(0, dram, control, weightBytes);
    for (int64_t step = 0; step < steps; ++step) {
      int64_t tile = step / cut.panels, panel = step % cut.panels;
      if (panel == 0 && tile > 0 && cut.inputBuffers == 1)
        inputReady[tile % 2] = load(0, activations(), std::max(control, inputFree[0]), inputBytes(tile));
      if (step + 1 < steps && (step + 1) % cut.panels == 0 && cut.inputBuffers == 2)
        inputReady[(tile + 1) % 2] =
            load(0, activations(), std::max(control, inputFree[(tile + 1) % 2]), inputBytes(tile + 1));
      if (step + 1 < steps)
        weightReady[(step + 1) % 2] =
            load(0, dram, std::max(control, weightFree[(step + 1) % 2]), weightBytes);
      double start = std::max(
          {vectorFree, inputReady[tile % 2], weightReady[step % 2], resultFree[step % 2], control + 20});
      // The queue holds about one and a half launches.
      control = std::max(control + 30, vectorFree);
      double busy = prologue + double(rowsOf(tile)) * (perRow + double(layer.outputWidth()) * pixel);
      result.vectorBusy += busy;
      vectorFree = start + busy;
      weightFree[step % 2] = vectorFree;
      if (panel + 1 == cut.panels)
        inputFree[tile % cut.inputBuffers] = vectorFree;
      int64_t active = std::min(lanes, layer.channels - panel * lanes);
      end = store(vectorFree, rowsOf(tile) * layer.outputWidth(), active, layer.channels, lanes);
      resultFree[step % 2] = end;
    }
    double words =
        double(layer.pixels()) * (taps + 1) * double(cut.panels) * ceilDiv(lanes, h.scratchpad.width);
    finish(std::max(end, vectorFree), words, 0, double(layer.pixels() * cut.panels) * body.picojoules);
    return result;
  }
};

} // namespace

Estimate estimateDepthwise(const Layer &layer, const mortise::Hardware &hardware) {
  return DepthwiseTier(layer, hardware).run();
}

} // namespace tenon::sim

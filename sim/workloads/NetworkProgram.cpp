#include "sim/workloads/Emitters.h"

namespace tenon::sim {

namespace {

void emitLayer(const Layer &layer, const mortise::Hardware &hardware, Builder &to, const std::string &prefix,
               std::vector<uint32_t> &kernels) {
  if (layer.kind == LayerKind::Depthwise)
    emitDepthwise(layer, hardware, to, prefix, kernels);
  else
    emitConvolution(layer, hardware, to, prefix);
}

} // namespace

mortise::Program networkProgram(const std::vector<Layer> &layers, const mortise::Hardware &hardware) {
  mortise::Program program;
  Builder to(program);
  auto has = [&](bool depthwise) {
    return std::any_of(layers.begin(), layers.end(), [depthwise](const Layer &layer) {
      return (layer.kind == LayerKind::Depthwise) == depthwise;
    });
  };
  if (has(false))
    initialiseConvolution(to);
  if (has(true))
    initialiseDepthwise(to);
  std::vector<std::vector<uint32_t>> kernels(layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    program.origins.push_back({to.here(), uint32_t(i)});
    program.nodes.push_back(layers[i].name);
    std::string prefix = layers.size() > 1 ? "l" + std::to_string(i) + "." : "";
    emitLayer(layers[i], hardware, to, prefix, kernels[i]);
    to.emit(Id::Fence, {});
  }
  to.emit(Id::Halt, {});
  for (size_t i = 0; i < layers.size(); ++i) {
    if (kernels[i].empty())
      continue;
    program.origins.push_back({to.here(), uint32_t(i)});
    for (uint32_t run : kernels[i])
      to.label(run);
    emitDepthwiseKernel(layers[i], to);
  }
  mortise::verify(program);
  return program;
}

mortise::Program layerProgram(const Layer &layer, const mortise::Hardware &hardware) {
  return networkProgram({layer}, hardware);
}

} // namespace tenon::sim

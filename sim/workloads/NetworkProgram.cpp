#include "sim/workloads/Emitters.h"

namespace tenon::sim {

namespace {

/// Launches that wait for the places of their layer's kernels.
struct Launches {
  std::vector<uint32_t> depthwise;
  AttentionRuns attention;
};

void emitLayer(const Layer &layer, const mortise::Hardware &hardware, Builder &to, const std::string &prefix,
               Launches &launches) {
  switch (layer.kind) {
  case LayerKind::Depthwise:
    return emitDepthwise(layer, hardware, to, prefix, launches.depthwise);
  case LayerKind::Attention:
    return emitAttention(layer, hardware, to, prefix, launches.attention);
  default:
    return emitConvolution(layer, hardware, to, prefix);
  }
}

void emitKernels(const Layer &layer, const mortise::Hardware &hardware, Builder &to,
                 const Launches &launches) {
  auto place = [&](const std::vector<uint32_t> &runs) {
    for (uint32_t run : runs)
      to.label(run);
  };
  if (layer.kind == LayerKind::Depthwise) {
    place(launches.depthwise);
    emitDepthwiseKernel(layer, to);
  }
  for (size_t i = 0; layer.kind == LayerKind::Attention && i < launches.attention.size(); ++i) {
    place(launches.attention[i]);
    emitAttentionKernel(AttentionKernel(i), layer, hardware, cutAttention(layer, hardware), to);
  }
}

} // namespace

mortise::Program networkProgram(const std::vector<Layer> &layers, const mortise::Hardware &hardware) {
  mortise::Program program;
  Builder to(program);
  auto has = [&](auto... kinds) {
    return std::any_of(layers.begin(), layers.end(),
                       [=](const Layer &layer) { return ((layer.kind == kinds) || ...); });
  };
  if (has(LayerKind::Gemm, LayerKind::Convolution))
    initialiseConvolution(to);
  if (has(LayerKind::Depthwise))
    initialiseDepthwise(to);
  if (has(LayerKind::Attention))
    initialiseAttention(to);
  if (layers.size() > 1 && hardware.l2.bytes)
    to.shareL2(hardware.l2.bytes);
  std::vector<Launches> launches(layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    program.origins.push_back({to.here(), uint32_t(i)});
    program.nodes.push_back(layers[i].name);
    std::string prefix = layers.size() > 1 ? "l" + std::to_string(i) + "." : "";
    to.reuseL2();
    emitLayer(layers[i], hardware, to, prefix, launches[i]);
    to.emit(Id::Fence, {});
  }
  to.emit(Id::Halt, {});
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].kind != LayerKind::Depthwise && layers[i].kind != LayerKind::Attention)
      continue;
    program.origins.push_back({to.here(), uint32_t(i)});
    emitKernels(layers[i], hardware, to, launches[i]);
  }
  std::sort(program.tensors.begin(), program.tensors.end(),
            [](const mortise::Tensor &a, const mortise::Tensor &b) { return a.address < b.address; });
  mortise::verify(program);
  return program;
}

mortise::Program layerProgram(const Layer &layer, const mortise::Hardware &hardware) {
  return networkProgram({layer}, hardware);
}

} // namespace tenon::sim

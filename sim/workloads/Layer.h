// Programs for single layers: what the analytic tier is calibrated with, and what benchmarks run. It is no
// compiler: a layer's data lies in memory as the program wants it (input padded, weights in panels of the
// array's width).
#pragma once

#include "isa/mortise/Hardware.h"
#include "isa/mortise/Program.h"

namespace tenon::sim {

enum class LayerKind : uint8_t { Gemm, Convolution, Depthwise, Attention };

/// Depthwise layers are int8; attention is bf16 or f16, what the machine has. A product of matrices is a
/// convolution of 1 x 1 over m x 1 pixels; attention has `height` queries and keys, `width` heads of
/// `channels` numbers.
struct Layer {
  std::string name;
  LayerKind kind = LayerKind::Convolution;
  int64_t height = 1, width = 1; ///< of the padded input
  int64_t channels = 1, outputs = 1;
  int64_t kernelHeight = 1, kernelWidth = 1, stride = 1;
  mortise::Type type = mortise::Type::I8; ///< of convolutions and products: i8, bf16 or f16

  static Layer gemm(std::string name, int64_t m, int64_t n, int64_t k) {
    return {std::move(name), LayerKind::Gemm, m, 1, k, n, 1, 1, 1, mortise::Type::I8};
  }
  static Layer attention(std::string name, int64_t sequence, int64_t heads, int64_t depth) {
    return {std::move(name), LayerKind::Attention, sequence, heads, depth, depth, 1, 1, 1, mortise::Type::I8};
  }
  int64_t outputHeight() const { return (height - kernelHeight) / stride + 1; }
  int64_t outputWidth() const { return (width - kernelWidth) / stride + 1; }
  int64_t pixels() const { return outputHeight() * outputWidth(); }
  int64_t elementBytes() const { return type == mortise::Type::I8 ? 1 : 2; }
  int64_t macs() const;
};

/// Layers of a CSV file with the columns name, kind (gemm, conv, depthwise, attention), h, w, cin, cout, r,
/// s, stride; for gemm h, cin and cout are m, k and n, for attention h, w and cin are sequence, heads and
/// depth. After the stride may come the type (of conv and gemm). TN1220 with the line.
std::vector<Layer> parseLayers(std::string_view csv, const std::string &file);

/// How a layer is cut for a machine. The program and the analytic tier read the same cut. Attention: `rows`
/// queries and `depth` keys at a time, in `tiles` blocks of queries and `panels` blocks of keys; input,
/// weights and output are the queries, the keys and the weights after softmax.
struct Cut {
  int64_t rows = 1;            ///< output rows of a tile; its pixels fit one bank of accumulators
  int64_t depth = 1;           ///< multiply-accumulate tiles whose weights are loaded together
  int64_t tiles = 0;           ///< of rows
  int64_t panels = 0;          ///< of output columns (depthwise: of lanes)
  std::vector<int64_t> depths; ///< rows of each weight tile
  int64_t stored = 1;          ///< panels of results that leave together, so that they fill bursts
  int64_t inputBytes = 0, weightBytes = 0, outputBytes = 0; ///< of one buffer; there are two of each
  int64_t inputBuffers = 2;                                 ///< but where only one input fits
  /// Convolutions: panels are outermost, all weights of a panel stay for every tile; else tiles are
  /// outermost, and weights come anew for each. What moves less data is taken.
  bool weightsOnce = false;
  bool onChip = false; ///< the machine has a second level that holds input and output
};
/// TN1221 where the layer cannot be cut to fit the machine.
Cut cutLayer(const Layer &layer, const mortise::Hardware &hardware);

/// A step of a convolution: `count` weight tiles, from `first` on, of a panel, times a tile of rows.
struct Step {
  int64_t tile = 0, panel = 0, first = 0, count = 0;
  int64_t input = 0, weights = 0; ///< numbers of the loads that it needs
  bool beginsInput = false, endsInput = false, beginsWeights = false, endsWeights = false;
  int64_t nextInput = -1, nextWeights = -1; ///< the step that begins the next load; -1: none
};
/// The steps in the order of the program.
std::vector<Step> stepsOf(const Cut &cut);

/// The program; its tensors are input, weights, scale and output; of attention q, k [heads, sequence, depth]
/// and v, output [heads, depth, sequence].
mortise::Program layerProgram(const Layer &layer, const mortise::Hardware &hardware);
/// One program for several layers, one after the other, each a node. Their tensors are named l0.input and so
/// on; what lies in the second level has no names and is overwritten by the next layer.
mortise::Program networkProgram(const std::vector<Layer> &layers, const mortise::Hardware &hardware);

} // namespace tenon::sim

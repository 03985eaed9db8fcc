// The layers of a model that the analytic tier can estimate.
#pragma once

#include "sim/workloads/Layer.h"

#include <string>
#include <vector>

namespace tenon::command {

/// A layer that occurs `count` times (images of a batch, heads, groups).
struct CountedLayer {
  sim::Layer layer;
  int64_t count = 1;
};

/// Products and convolutions of an .onnx model, with every size fixed by the model or by `shapes`
/// ("NAME=1x3x224x224"). A convolution keeps its output size, window and first stride; dilations are left
/// out. Loads the compiler. TN0515 where a size depends on an input, or where nothing is left to estimate.
std::vector<CountedLayer> layersOfModel(const std::string &model, const std::vector<std::string> &shapes,
                                        mortise::Type type);

} // namespace tenon::command

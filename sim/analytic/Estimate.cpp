#include "sim/analytic/Estimate.h"

#include "sim/analytic/Tier.h"

namespace tenon::sim {

Estimate estimateLayer(const Layer &layer, const mortise::Hardware &hardware) {
  switch (layer.kind) {
  case LayerKind::Depthwise:
    return estimateDepthwise(layer, hardware);
  case LayerKind::Attention:
    return estimateAttention(layer, hardware);
  default:
    return estimateConvolution(layer, hardware);
  }
}

} // namespace tenon::sim

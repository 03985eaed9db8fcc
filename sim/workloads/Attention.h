// Attention of one head after the other, fused: scores, online softmax and weighted sums stay on the core.
//
// Everything is computed transposed, so that a lane belongs to a query and softmax needs nothing across lanes
// but one exchange: the array holds a group of queries (as many as it has columns) and keys stream by, then
// it holds the weights of that group and rows of the transposed values stream by. A vector covers lanes /
// columns keys. A block of queries is several groups, which share the keys and values that are loaded. The
// array works on one block's scores while the vector core exponentiates the ones before (FLAT,
// FlashAttention-2).
#pragma once

#include "sim/workloads/Builder.h"
#include "sim/workloads/Layer.h"

namespace tenon::sim {

/// TN1221 where it cannot be cut: the machine has no bf16 or f16, lanes are no multiple of columns, the
/// sequence or depth do not divide, or a group of queries does not fit.
Cut cutAttention(const Layer &layer, const mortise::Hardware &hardware);

/// bf16 where the machine has it.
mortise::Type attentionType(const mortise::Hardware &hardware);

/// Kernels of the vector core.
enum class AttentionKernel : uint8_t {
  Begin,   ///< clears a group's maximum, sum and result
  Softmax, ///< scores to weights; keeps maximum, sum and the factor for the result so far
  Update,  ///< result = result x factor + the block's weighted sum
  Finish,  ///< result / sum, to the output
  Count
};
void emitAttentionKernel(AttentionKernel kernel, const Layer &layer, const mortise::Hardware &hardware,
                         const Cut &cut, Builder &to);

} // namespace tenon::sim

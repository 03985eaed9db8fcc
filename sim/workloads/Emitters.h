// The parts of a layer's program (networkProgram puts them together).
#pragma once

#include "sim/workloads/Attention.h"
#include "sim/workloads/Builder.h"
#include "sim/workloads/Layer.h"

#include <algorithm>
#include <array>

namespace tenon::sim {

using mortise::Field, mortise::Id;

/// Semaphores of the parts; once in a program.
void initialiseConvolution(Builder &to);
void initialiseDepthwise(Builder &to);
void initialiseAttention(Builder &to);

void emitConvolution(const Layer &layer, const mortise::Hardware &hardware, Builder &to,
                     const std::string &prefix);
/// `runs`: the vrun instructions, which wait for the place of the layer's kernel.
void emitDepthwise(const Layer &layer, const mortise::Hardware &hardware, Builder &to,
                   const std::string &prefix, std::vector<uint32_t> &runs);
/// The vrun instructions of each kernel.
using AttentionRuns = std::array<std::vector<uint32_t>, size_t(AttentionKernel::Count)>;
void emitAttention(const Layer &layer, const mortise::Hardware &hardware, Builder &to,
                   const std::string &prefix, AttentionRuns &runs);
void emitDepthwiseKernel(const Layer &layer, Builder &to);

} // namespace tenon::sim

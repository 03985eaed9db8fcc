//===- Cascades.cpp - which tensors of a segment stay in the scratchpad --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/Cascades.h"

#include <algorithm>
#include <numeric>

namespace tenon::npu {

namespace {

class Chooser {
public:
  Chooser(const std::vector<CascadeTensor> &tensors, size_t kernels, int64_t ceiling,
          const mortise::Hardware &hardware, const CascadeCycles &cycles)
      : tensors(tensors), hardware(hardware), ceiling(ceiling), cycles(cycles) {
    chosen.places.resize(tensors.size());
    chosen.room.assign(kernels, hardware.scratchpad.bytes);
    for (size_t kernel = 0; kernel < kernels; ++kernel)
      known.push_back(cycles(kernel, chosen.places, chosen.room[kernel]));
  }

  Cascades choose() {
    std::vector<size_t> order(tensors.size());
    std::iota(order.begin(), order.end(), 0);
    auto worth = [&](size_t t) {
      const CascadeTensor &tensor = tensors[t];
      return static_cast<double>(tensor.traffic) / static_cast<double>(tensor.bytes) /
             static_cast<double>(tensor.last - tensor.first + 1);
    };
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return worth(a) != worth(b) ? worth(a) > worth(b) : a < b; });
    for (size_t tensor : order)
      consider(tensor);
    return std::move(chosen);
  }

private:
  bool meets(size_t a, size_t b) const {
    return tensors[a].first <= tensors[b].last && tensors[b].first <= tensors[a].last;
  }

  /// The highest place that is free while a tensor lives.
  std::optional<int64_t> placeOf(size_t tensor) const {
    std::vector<std::pair<int64_t, int64_t>> taken; // to, from: those whose lives do not meet may overlap
    for (size_t other = 0; other < tensors.size(); ++other)
      if (chosen.places[other] && meets(tensor, other))
        taken.emplace_back(*chosen.places[other] + tensors[other].bytes, *chosen.places[other]);
    std::sort(taken.rbegin(), taken.rend());
    // Words and banks as at the scratchpad's beginning.
    int64_t alignment = hardware.scratchpad.banks * hardware.scratchpad.width, end = ceiling;
    auto below = [&](int64_t top) { return (top - tensors[tensor].bytes) / alignment * alignment; };
    for (auto [to, from] : taken) {
      if (end - tensors[tensor].bytes >= 0 && below(end) >= to)
        break;
      end = std::min(end, from);
    }
    if (end < tensors[tensor].bytes)
      return std::nullopt;
    return below(end);
  }

  void consider(size_t t) {
    std::optional<int64_t> place = placeOf(t);
    if (!place)
      return;
    const CascadeTensor &tensor = tensors[t];
    chosen.places[t] = place;
    double before = 0, after = 0;
    std::vector<double> now;
    bool fits = true;
    for (size_t kernel = tensor.first; fits && kernel <= tensor.last; ++kernel) {
      std::optional<double> cost = cycles(kernel, chosen.places, std::min(chosen.room[kernel], *place));
      fits = cost && known[kernel];
      if (fits) {
        before += *known[kernel];
        after += *cost;
        now.push_back(*cost);
      }
    }
    if (!fits || after >= before) {
      chosen.places[t].reset();
      return;
    }
    for (size_t kernel = tensor.first; kernel <= tensor.last; ++kernel) {
      chosen.room[kernel] = std::min(chosen.room[kernel], *place);
      known[kernel] = now[kernel - tensor.first];
    }
  }

  const std::vector<CascadeTensor> &tensors;
  const mortise::Hardware &hardware;
  int64_t ceiling;
  const CascadeCycles &cycles;
  Cascades chosen;
  std::vector<std::optional<double>> known; ///< of kernels, as things stand
};

} // namespace

Cascades chooseCascades(const std::vector<CascadeTensor> &tensors, size_t kernels, int64_t ceiling,
                        const mortise::Hardware &hardware, const CascadeCycles &cycles) {
  return Chooser(tensors, kernels, ceiling, hardware, cycles).choose();
}

} // namespace tenon::npu

//===- EmitMovement.cpp - the commands of results whose elements are moved --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/Movement.h"

#include "compiler/emit/mortise/tile/Commands.h"
#include "compiler/emit/mortise/tile/Transfers.h"

#include <algorithm>
#include <functional>

namespace tenon::npu {

namespace {

MovedBox common(const MovedBox &a, const MovedBox &b) {
  MovedBox box = a;
  for (size_t i = 0; i < a.low.size(); ++i) {
    box.low[i] = std::max(a.low[i], b.low[i]);
    box.high[i] = std::min(a.high[i], b.high[i]);
  }
  return box;
}

bool isEmpty(const MovedBox &box) {
  for (size_t i = 0; i < box.low.size(); ++i)
    if (box.low[i] >= box.high[i])
      return true;
  return false;
}

template <typename Visit> void forEachBox(Movement &m, Visit &&visit) {
  for (MovedSource &source : m.sources)
    for (MovedPart &part : source.parts)
      visit(part.box, &part);
  for (MovedBox &box : m.filled)
    visit(box, nullptr);
}

/// Axes that continue each other everywhere become one.
void joinAxes(Movement &m) {
  for (size_t inner = m.extents.size(); inner-- > 1;) {
    size_t outer = inner - 1;
    int64_t extent = m.extents[inner];
    bool joins = true;
    forEachBox(m, [&](const MovedBox &box, const MovedPart *part) {
      joins &= box.low[inner] == 0 && box.high[inner] == extent;
      joins &= !part || m.extents[outer] == 1 || part->strides[outer] == part->strides[inner] * extent ||
               extent == 1;
    });
    if (!joins)
      continue;
    forEachBox(m, [&](MovedBox &box, MovedPart *part) {
      box.low[outer] *= extent;
      box.high[outer] *= extent;
      box.low.erase(box.low.begin() + int64_t(inner));
      box.high.erase(box.high.begin() + int64_t(inner));
      if (part)
        part->strides.erase(part->strides.begin() + int64_t(extent == 1 ? inner : outer));
    });
    m.extents[outer] *= extent;
    m.extents.erase(m.extents.begin() + int64_t(inner));
  }
}

/// Loops of a transfer.
struct Loop {
  int64_t count, local, memory; ///< bytes
};

class MovementEmitter {
public:
  MovementEmitter(Movement &m, const mortise::Hardware &h, Stream &stream)
      : m_(m), h_(h), commands_(stream, h, m.node),
        dimensions_(size_t(std::min<int64_t>(4, h.dma.dimensions))) {}

  bool emit(int64_t scratchpad, int64_t bytes) {
    int64_t elementBytes = m_.kernel ? m_.resultBytes : 0, uniforms = 0;
    for (const MovedSource &source : m_.sources)
      (source.uniform ? uniforms : elementBytes) += source.uniform ? 64 : source.bytes;
    int64_t slack = 64 * int64_t(m_.sources.size() + 1) + h_.vector.lanes * elementBytes;
    int64_t room = ((bytes - uniforms) / kBuffers - slack) / elementBytes;
    if (room < h_.vector.lanes)
      return false;
    chooseTile(room);
    placeBuffers(scratchpad);
    MovedBox tile{std::vector<int64_t>(m_.extents.size(), 0), {}};
    do {
      tile.high = tile.low;
      for (size_t a = 0; a < tile.low.size(); ++a)
        tile.high[a] = std::min(m_.extents[a], tile.low[a] + tile_[a]);
      emitTile(tile);
    } while (advance(tile));
    return true;
  }

private:
  static constexpr int64_t kBuffers = 2;

  /// Long runs on both sides first, then as much as lets loading, computing and storing overlap.
  void chooseTile(int64_t room) {
    constexpr int64_t kTiles = 4, kLeast = 4096, kMost = 32768, kRunBytes = 256;
    size_t axes = m_.extents.size();
    int64_t total = 1, elements = 1;
    for (int64_t extent : m_.extents)
      total *= extent;
    int64_t most = std::min(room, std::clamp(ceilDiv(total, kTiles), kLeast, kMost));
    tile_.assign(axes, 1);
    auto grow = [&](size_t axis, int64_t limit) {
      int64_t others = elements / tile_[axis];
      tile_[axis] = std::max(tile_[axis], std::min({m_.extents[axis], limit, most / others}));
      elements = others * tile_[axis];
    };
    for (size_t a = axes; a-- > 0 && elements * m_.resultBytes < kRunBytes;)
      grow(a, ceilDiv(kRunBytes, m_.resultBytes * (elements / tile_[a])));
    for (const MovedSource &source : m_.sources)
      for (const MovedPart &part : source.parts)
        for (size_t a = 0; a < axes; ++a)
          if (part.strides[a] == 1)
            grow(a, kRunBytes / source.bytes);
    for (size_t a = axes; a-- > 0;)
      grow(a, m_.extents[a]);
    tileElements_ = elements;
  }

  void placeBuffers(int64_t at) {
    for (const MovedSource &source : m_.sources) {
      uniformAt_.push_back(at);
      if (!source.uniform)
        continue;
      const MovedPart &part = source.parts.front();
      commands_.loadBytes(commands_.inputChannel(), at, part.memory + part.offset * source.bytes,
                          source.bytes);
      at += 64;
    }
    buffersAt_ = at;
    int64_t elements = tileElements_ + h_.vector.lanes;
    for (const MovedSource &source : m_.sources) {
      offsets_.push_back(bufferBytes_);
      bufferBytes_ += source.uniform ? 0 : alignedBytes(elements * source.bytes);
    }
    resultOffset_ = m_.kernel ? bufferBytes_ : 0;
    bufferBytes_ += m_.kernel ? alignedBytes(elements * m_.resultBytes) : 0;
  }

  bool advance(MovedBox &tile) const {
    for (size_t a = tile.low.size(); a-- > 0;) {
      tile.low[a] += tile_[a];
      if (tile.low[a] < m_.extents[a])
        return true;
      tile.low[a] = 0;
    }
    return false;
  }

  void emitTile(const MovedBox &tile) {
    int64_t at = buffersAt_ + tiles_++ % kBuffers * bufferBytes_, elements = 1;
    // Elements from one index of an axis to the next, in the buffers.
    std::vector<int64_t> pitch(tile.low.size());
    for (size_t a = pitch.size(); a-- > 0;) {
      pitch[a] = elements;
      elements *= tile.high[a] - tile.low[a];
    }
    for (size_t s = 0; s < m_.sources.size(); ++s)
      if (!m_.sources[s].uniform)
        load(m_.sources[s], at + offsets_[s], tile, pitch, elements);
    if (m_.kernel)
      compute(at, elements);
    for (const MovedBox &filled : m_.filled)
      fill(at + resultOffset_, tile, common(filled, tile), pitch);
    std::vector<int64_t> strides(tile.low.size(), 1);
    for (size_t a = strides.size(); a-- > 1;)
      strides[a - 1] = strides[a] * m_.extents[a];
    move(at + resultOffset_, m_.result, tile, tile, pitch, strides, m_.resultBytes, true);
  }

  void load(const MovedSource &source, int64_t at, const MovedBox &tile, const std::vector<int64_t> &pitch,
            int64_t elements) {
    if (source.fill) {
      int64_t covered = 0;
      for (const MovedPart &part : source.parts)
        covered += elementsOf(common(part.box, tile));
      if (covered < elements)
        commands_.fill(commands_.inputChannel(), at, elements * source.bytes, 1, 0, *source.fill,
                       source.bytes);
    }
    for (const MovedPart &part : source.parts)
      if (MovedBox box = common(part.box, tile); !isEmpty(box))
        move(at, part.memory + part.offset * source.bytes, tile, box, pitch, part.strides, source.bytes,
             false);
  }

  static int64_t elementsOf(const MovedBox &box) {
    int64_t elements = 1;
    for (size_t a = 0; a < box.low.size(); ++a)
      elements *= std::max<int64_t>(0, box.high[a] - box.low[a]);
    return elements;
  }

  void compute(int64_t at, int64_t elements) {
    int64_t lanes = h_.vector.lanes, vectors = ceilDiv(elements, lanes);
    std::vector<int64_t> arguments;
    std::vector<Commands::Range> ranges;
    for (size_t s = 0; s < m_.sources.size(); ++s) {
      const MovedSource &source = m_.sources[s];
      arguments.push_back(source.uniform ? uniformAt_[s] : at + offsets_[s]);
      ranges.push_back({arguments.back(), source.uniform ? 64 : vectors * lanes * source.bytes, false});
    }
    arguments.push_back(at + resultOffset_);
    arguments.push_back(vectors);
    ranges.push_back({at + resultOffset_, vectors * lanes * m_.resultBytes, true});
    commands_.run(*m_.kernel, std::move(arguments), ranges);
  }

  /// Loops over a box of a tile, innermost first, without those that run once.
  static std::vector<Loop> loopsOver(const MovedBox &box, const std::vector<int64_t> &pitch,
                                     const std::vector<int64_t> &strides, int64_t size) {
    std::vector<Loop> loops;
    for (size_t a = box.low.size(); a-- > 0;)
      if (box.high[a] - box.low[a] > 1)
        loops.push_back({box.high[a] - box.low[a], pitch[a] * size, strides[a] * size});
    return loops;
  }

  static void join(std::vector<Loop> &loops, int64_t most) {
    for (size_t i = 1; i < loops.size();) {
      Loop &inner = loops[i - 1], &outer = loops[i];
      if (outer.local == inner.local * inner.count && outer.memory == inner.memory * inner.count &&
          inner.count * outer.count <= most) {
        inner.count *= outer.count;
        loops.erase(loops.begin() + int64_t(i));
      } else {
        ++i;
      }
    }
  }

  /// Calls `visit(local, memory)` for what a descriptor's dimensions do not hold; those stay in `loops`.
  void overOuter(std::vector<Loop> &loops, int64_t local, int64_t memory,
                 const std::function<void(int64_t, int64_t)> &visit) const {
    if (loops.size() <= dimensions_) {
      visit(local, memory);
      return;
    }
    Loop outer = loops.back();
    loops.pop_back();
    for (int64_t i = 0; i < outer.count; ++i)
      overOuter(loops, local + i * outer.local, memory + i * outer.memory, visit);
    loops.push_back(outer);
  }

  void move(int64_t at, int64_t memory, const MovedBox &tile, const MovedBox &box,
            const std::vector<int64_t> &pitch, const std::vector<int64_t> &strides, int64_t size, bool out) {
    for (size_t a = 0; a < box.low.size(); ++a) {
      at += (box.low[a] - tile.low[a]) * pitch[a] * size;
      memory += box.low[a] * strides[a] * size;
    }
    std::vector<Loop> loops = loopsOver(box, pitch, strides, size);
    // In the memory's order: whole bursts; what repeats comes last.
    auto order = [](const Loop &loop) {
      return std::pair(loop.memory == 0 ? INT64_MAX : std::abs(loop.memory), loop.local);
    };
    std::sort(loops.begin(), loops.end(), [&](const Loop &a, const Loop &b) { return order(a) < order(b); });
    join(loops, h_.dma.maxCount);
    overOuter(loops, at, memory, [&](int64_t local, int64_t from) {
      ElementBlock block = blockOf(loops, size);
      if (out)
        commands_.storeElements(commands_.outputChannel(), local, from, block);
      else
        commands_.loadElements(commands_.inputChannel(), local, from, block);
    });
  }

  void fill(int64_t at, const MovedBox &tile, const MovedBox &box, const std::vector<int64_t> &pitch) {
    if (isEmpty(box))
      return;
    for (size_t a = 0; a < box.low.size(); ++a)
      at += (box.low[a] - tile.low[a]) * pitch[a] * m_.resultBytes;
    std::vector<Loop> loops = loopsOver(box, pitch, pitch, m_.resultBytes);
    join(loops, h_.dma.maxCount);
    overOuter(loops, at, 0, [&](int64_t local, int64_t) {
      commands_.fillElements(commands_.inputChannel(), local, m_.fill, blockOf(loops, m_.resultBytes));
    });
  }

  static ElementBlock blockOf(const std::vector<Loop> &loops, int64_t size) {
    ElementBlock block;
    block.size = size;
    for (size_t i = 0; i < std::min<size_t>(4, loops.size()); ++i) {
      block.count[i] = loops[i].count;
      block.local[i] = loops[i].local;
      block.memory[i] = loops[i].memory;
    }
    return block;
  }

  Movement &m_;
  const mortise::Hardware &h_;
  Commands commands_;
  size_t dimensions_;
  std::vector<int64_t> tile_, offsets_, uniformAt_;
  int64_t tileElements_ = 0, buffersAt_ = 0, bufferBytes_ = 0, resultOffset_ = 0, tiles_ = 0;
};

} // namespace

bool emitMovement(Movement movement, const mortise::Hardware &hardware, int64_t scratchpad,
                  int64_t scratchpadBytes, Stream &stream) {
  joinAxes(movement);
  return MovementEmitter(movement, hardware, stream).emit(scratchpad, scratchpadBytes);
}

} // namespace tenon::npu

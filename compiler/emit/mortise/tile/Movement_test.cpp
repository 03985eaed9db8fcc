// Moved elements on the simulator against loops.
#include "compiler/emit/mortise/tile/Movement.h"

#include "compiler/emit/mortise/tile/TileKernel.h"
#include "compiler/emit/mortise/vector/VectorBuilder.h"
#include "sim/Machine.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace tenon;
using namespace tenon::npu;
using mortise::Hardware, mortise::Role, mortise::Type;

namespace {

class Random {
public:
  explicit Random(unsigned seed) : random_(seed) {}
  int64_t below(int64_t limit) { return int64_t(random_() % uint64_t(limit)); }
  int64_t from(int64_t low, int64_t high) { return low + below(high - low + 1); }
  std::vector<uint8_t> bytes(int64_t count) {
    std::vector<uint8_t> result;
    for (int64_t i = 0; i < count; ++i)
      result.push_back(uint8_t(random_()));
    return result;
  }
  /// Axes in some order.
  std::vector<size_t> order(size_t count) {
    std::vector<size_t> axes;
    for (size_t a = 0; a < count; ++a)
      axes.push_back(a);
    std::shuffle(axes.begin(), axes.end(), random_);
    return axes;
  }

private:
  std::mt19937 random_;
};

/// A tensor of whose elements each part reads some: axes permuted, with steps that may go backwards.
struct Operand {
  std::vector<uint8_t> bytes;
  std::string name;
};

class Case {
public:
  explicit Case(unsigned seed) : random(seed) {
    size_t axes = size_t(random.from(1, 5));
    for (size_t a = 0; a < axes; ++a)
      movement.extents.push_back(random.from(1, axes > 3 ? 9 : 40));
    movement.resultBytes = int64_t(1) << random.below(3);
    elements = 1;
    for (int64_t extent : movement.extents)
      elements *= extent;
  }

  int64_t tensor(Role role, std::vector<uint8_t> bytes) {
    std::string name = "b" + std::to_string(operands.size());
    stream.tensors.push_back({name, role, Type::U8, {int64_t(bytes.size())}, next, {}});
    next += (bytes.size() + 127) / 128 * 128;
    operands.push_back({std::move(bytes), name});
    return int64_t(stream.tensors.back().address);
  }

  /// The result cut at an index of one axis; each piece comes from a tensor of its own, one may be filled.
  MovedSource source(int64_t bytes) {
    MovedSource result;
    result.bytes = bytes;
    size_t axes = movement.extents.size(), axis = size_t(random.below(int64_t(axes)));
    int64_t cut = random.below(2) ? random.below(movement.extents[axis]) : 0;
    for (auto [low, high] : {std::pair(int64_t(0), cut), std::pair(cut, movement.extents[axis])}) {
      if (low == high)
        continue;
      if (cut && random.below(3) == 0 && !result.fill) {
        result.fill = random.below(128);
        continue;
      }
      MovedPart part;
      part.box = {std::vector<int64_t>(axes, 0), movement.extents};
      part.box.low[axis] = low;
      part.box.high[axis] = high;
      part.strides.assign(axes, 0);
      int64_t size = 1;
      for (size_t a : random.order(axes)) {
        int64_t extent = part.box.high[a] - part.box.low[a], step = random.below(4) ? 1 : 2;
        if (random.below(8) == 0)
          continue; // repeats
        part.strides[a] = size * step;
        if (random.below(8) == 0) {
          part.offset += (part.box.high[a] - 1 + part.box.low[a]) * part.strides[a];
          part.strides[a] = -part.strides[a];
        }
        part.offset -= part.box.low[a] * size * step;
        size *= extent * step;
      }
      part.memory = tensor(Role::Input, random.bytes(size * bytes));
      result.parts.push_back(part);
    }
    return result;
  }

  /// The element of a source at an index of the result.
  uint32_t read(const MovedSource &source, const std::vector<int64_t> &index) const {
    uint32_t value = uint32_t(source.fill.value_or(0));
    for (const MovedPart &part : source.parts) {
      bool inside = true;
      int64_t at = part.offset;
      for (size_t a = 0; a < index.size(); ++a) {
        inside &= index[a] >= part.box.low[a] && index[a] < part.box.high[a];
        at += index[a] * part.strides[a];
      }
      if (!inside)
        continue;
      for (size_t i = 0; i < stream_tensors.size(); ++i)
        if (int64_t(stream_tensors[i]) == part.memory)
          std::memcpy(&value, operands[i].bytes.data() + at * source.bytes, size_t(source.bytes));
    }
    return value;
  }

  void run(const Hardware &h) {
    movement.result = tensor(Role::Output, std::vector<uint8_t>(size_t(elements * movement.resultBytes)));
    stream.nodes = {"layer"};
    for (const mortise::Tensor &t : stream.tensors)
      stream_tensors.push_back(t.address);
    ASSERT_TRUE(emitMovement(movement, h, 0, h.scratchpad.bytes, stream));
    FinishedStream finished = finishStream(std::move(stream), h, {});
    ASSERT_EQ(finished.error, "");
    sim::Machine machine(h, finished.program, {});
    for (Operand &operand : operands)
      machine.bind(operand.name, operand.bytes);
    cycles = machine.run().cycles;
  }

  /// Calls `visit(index, element)` for all elements of the result.
  template <typename Visit> void forEach(Visit &&visit) const {
    std::vector<int64_t> index(movement.extents.size(), 0);
    for (int64_t i = 0; i < elements; ++i) {
      uint32_t value = 0;
      std::memcpy(&value, operands.back().bytes.data() + i * movement.resultBytes,
                  size_t(movement.resultBytes));
      visit(index, value);
      for (size_t a = index.size(); a-- > 0 && ++index[a] == movement.extents[a];)
        index[a] = 0;
    }
  }

  Random random;
  Movement movement;
  Stream stream;
  std::vector<Operand> operands;
  std::vector<uint64_t> stream_tensors;
  int64_t elements = 1;
  uint64_t next = 0, cycles = 0;
};

const char *const kPresets[] = {"edge-512k", "u55-256", "gemmini"};

TEST(Movement, putsElementsWhereLoopsDo) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    Case c(seed);
    c.movement.sources.push_back(c.source(c.movement.resultBytes));
    c.run(mortise::loadHardware(kPresets[seed % 3]));
    if (HasFatalFailure())
      FAIL() << "seed " << seed;
    c.forEach([&](const std::vector<int64_t> &index, uint32_t found) {
      ASSERT_EQ(found, c.read(c.movement.sources[0], index)) << "seed " << seed;
    });
  }
}

TEST(Movement, computesOnWhatIsMoved) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    Case c(seed);
    Hardware h = mortise::loadHardware(kPresets[seed % 3]);
    c.movement.resultBytes = 4;
    for (int i = 0; i < 2; ++i)
      c.movement.sources.push_back(c.source(1));
    VectorFunction function("sum");
    VectorBuilder b(function);
    std::vector<Value> at = {b.parameter("x"), b.parameter("y"), b.parameter("z")};
    Value count = b.parameter("count");
    ObjectId x = b.object("x"), y = b.object("y"), z = b.object("z", true);
    auto lanes = int32_t(h.vector.lanes);
    b.loop(count, at, [&](std::span<const Value> in) -> std::vector<Value> {
      Address first{in[0], x}, second{in[1], y}, to{in[2], z};
      Value left = b.loadAdvance(Id::VldUb, first, lanes), right = b.loadAdvance(Id::VldUb, second, lanes);
      b.storeAdvance(Id::VstW, to, b.op(Id::VaddI, left, right), lanes * 4);
      return {first.base, second.base, to.base};
    });
    std::string why;
    std::optional<CompiledKernel> kernel = compileForTiles(function, h, why);
    ASSERT_TRUE(kernel) << why;
    c.stream.kernels.push_back({kernel->code, spillArea(*kernel, h)});
    c.movement.kernel = 0;
    std::vector<int64_t> low(c.movement.extents.size(), 0), high = c.movement.extents;
    low[0] = high[0] / 2;
    c.movement.filled = {{low, high}};
    c.movement.fill = 77;
    c.run(h);
    if (HasFatalFailure())
      FAIL() << "seed " << seed;
    c.forEach([&](const std::vector<int64_t> &index, uint32_t found) {
      uint32_t sum = c.read(c.movement.sources[0], index) + c.read(c.movement.sources[1], index);
      ASSERT_EQ(found, index[0] >= low[0] ? 77 : sum) << "seed " << seed;
    });
  }
}

} // namespace

// Windows on the simulator against loops over all of their elements.
#include "compiler/emit/mortise/tile/TileKernel.h"
#include "compiler/emit/mortise/tile/Window.h"

#include "sim/Machine.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace tenon;
using namespace tenon::npu;
using mortise::Hardware, mortise::Role, mortise::Type;

namespace {

/// Depthwise: the sum of bytes times weights, plus a channel's bias, times a factor for all, as 32 bits.
/// Pooling: the largest byte.
struct Case {
  Window window;
  std::vector<uint8_t> input, output;
  std::vector<int8_t> weights;
  std::vector<int32_t> bias;
  int32_t factor = 3;
};

Case randomCase(std::mt19937 &random) {
  auto from = [&](int64_t low, int64_t high) { return low + int64_t(random() % uint64_t(high - low + 1)); };
  Case c;
  Window &w = c.window;
  w.weighted = from(0, 3) != 0;
  const int64_t even[] = {1, 2, 4, 8, 16, 32, 64};
  w.channels = w.allChannels = from(0, 1) ? even[from(0, 6)] : from(1, 150);
  ImageLines &image = w.image;
  for (WindowAxis *axis : {&image.y, &image.x})
    *axis = {from(1, 5), from(1, 2), from(0, 3) ? 1 : 2, from(0, 2), from(0, 2)};
  image.images = from(1, 2);
  image.height = std::max(image.y.extent(), from(1, 14));
  image.width = std::max(image.x.extent(), from(1, 20));
  image.pixelBytes = w.channels;
  image.padValue = w.weighted ? from(0, 255) : 0;
  w.load = Id::VldUb;
  w.store = w.weighted ? Id::VstW : Id::VstUb;
  w.resultBytes = w.weighted ? 4 : 1;
  c.input.resize(size_t(image.images * image.height * image.width * w.channels));
  for (uint8_t &x : c.input)
    x = uint8_t(random());
  c.output.resize(size_t(image.images * w.outputHeight() * w.outputWidth() * w.channels * w.resultBytes));
  if (!w.weighted)
    return c;
  w.tables = {{w.taps(), w.channels, 1, true, Id::VldB, 0},
              {1, w.channels, 4, true, Id::VldW, 0},
              {1, 1, 4, false, Id::VlbW, 0}};
  for (int64_t i = 0; i < w.taps() * w.channels; ++i)
    c.weights.push_back(int8_t(random()));
  for (int64_t i = 0; i < w.channels; ++i)
    c.bias.push_back(int32_t(from(-1000, 1000)));
  return c;
}

WindowBody bodyOf(const Case &c) {
  WindowBody body;
  bool weighted = c.window.weighted;
  body.accumulate = [=](VectorBuilder &b, Value sum, Value pixel, Value weight) {
    if (weighted)
      return b.op(Id::VmadI, pixel, weight, sum.isValid() ? sum : b.splatInt(0));
    return sum.isValid() ? b.op(Id::VmaxI, sum, pixel) : pixel;
  };
  body.finish = [=](VectorBuilder &b, Value sum, std::span<const Value> values) {
    return weighted ? b.op(Id::VmulI, b.op(Id::VaddI, sum, values[0]), values[1]) : sum;
  };
  return body;
}

int32_t expected(const Case &c, int64_t n, int64_t oy, int64_t ox, int64_t channel) {
  const ImageLines &image = c.window.image;
  int32_t sum = 0;
  for (int64_t r = 0; r < image.y.size; ++r)
    for (int64_t s = 0; s < image.x.size; ++s) {
      int64_t y = oy * image.y.stride - image.y.low + r * image.y.dilation,
              x = ox * image.x.stride - image.x.low + s * image.x.dilation;
      bool inside = y >= 0 && y < image.height && x >= 0 && x < image.width;
      size_t at = size_t(((n * image.height + y) * image.width + x) * c.window.channels + channel);
      int32_t pixel = inside ? c.input[at] : int32_t(image.padValue);
      if (c.window.weighted)
        sum += pixel * c.weights[size_t((r * image.x.size + s) * c.window.channels + channel)];
      else
        sum = std::max(sum, pixel);
    }
  return c.window.weighted ? (sum + c.bias[size_t(channel)]) * c.factor : sum;
}

Stream streamOf(Case &c, const Hardware &h, int64_t together, bool &fits) {
  Window &w = c.window;
  Stream stream;
  stream.nodes = {"layer"};
  uint64_t next = 0;
  auto tensor = [&](const char *name, Role role, size_t bytes) {
    mortise::Tensor t{name, role, Type::U8, {int64_t(bytes)}, next, {}};
    next += (bytes + 63) / 64 * 64;
    stream.tensors.push_back(t);
    return int64_t(t.address);
  };
  w.image.memory = tensor("b0", Role::Input, c.input.size());
  if (w.weighted) {
    w.tables[0].memory = tensor("b1", Role::Input, c.weights.size());
    w.tables[1].memory = tensor("b2", Role::Input, c.bias.size() * 4);
    w.tables[2].memory = tensor("b3", Role::Input, 4);
  }
  w.output = tensor("b4", Role::Output, c.output.size());
  fits = true;
  for (int64_t first = 0; first < w.channels; first += together) {
    Window part = w.part(first, std::min(together, w.channels - first));
    std::string why;
    std::optional<CompiledKernel> kernel = windowKernel(part, bodyOf(c), h, why);
    EXPECT_TRUE(kernel) << why;
    if (!kernel)
      return stream;
    part.kernel = uint32_t(stream.kernels.size());
    stream.kernels.push_back({kernel->code, spillArea(*kernel, h)});
    fits &= emitWindow(part, h, 0, bytesBeside(*kernel, h), stream);
  }
  return stream;
}

TEST(Window, computesWhatLoopsDo) {
  std::mt19937 random(11);
  const char *presets[] = {"edge-512k", "u55-256", "gemmini"};
  int ran = 0;
  for (int i = 0; i < 60; ++i) {
    Hardware h = mortise::loadHardware(presets[i % 3]);
    Case c = randomCase(random);
    std::string what = "case " + std::to_string(i) + " on " + h.name;
    bool fits = false;
    int64_t together = i % 2 ? c.window.channels : (c.window.channels + 1) / 2;
    FinishedStream finished = finishStream(streamOf(c, h, together, fits), h, {});
    if (!fits)
      continue;
    ++ran;
    ASSERT_EQ(finished.error, "") << what;
    std::vector<uint8_t> weights(c.weights.begin(), c.weights.end()), bias(c.bias.size() * 4), factor(4);
    std::memcpy(bias.data(), c.bias.data(), bias.size());
    std::memcpy(factor.data(), &c.factor, 4);
    sim::Machine machine(h, finished.program, {});
    machine.bind("b0", c.input);
    if (c.window.weighted) {
      machine.bind("b1", weights);
      machine.bind("b2", bias);
      machine.bind("b3", factor);
    }
    machine.bind("b4", c.output);
    machine.run();
    size_t at = 0;
    for (int64_t n = 0; n < c.window.image.images; ++n)
      for (int64_t y = 0; y < c.window.outputHeight(); ++y)
        for (int64_t x = 0; x < c.window.outputWidth(); ++x)
          for (int64_t channel = 0; channel < c.window.channels; ++channel, ++at) {
            int32_t found = c.output[at * size_t(c.window.resultBytes)];
            if (c.window.resultBytes == 4)
              std::memcpy(&found, c.output.data() + 4 * at, 4);
            ASSERT_EQ(found, expected(c, n, y, x, channel)) << what << " at " << at;
          }
  }
  EXPECT_GT(ran, 50);
}

TEST(Window, saysWhyItDoesNotFit) {
  Hardware h = mortise::loadHardware("edge-512k");
  Window w;
  w.channels = w.allChannels = 20000;
  w.image = {1, 8, 8, 20000, 1, {3, 1, 1, 1, 1}, {3, 1, 1, 1, 1}, 0, 0};
  Case c;
  c.window = w;
  std::string why;
  EXPECT_FALSE(windowKernel(w, bodyOf(c), h, why));
  EXPECT_NE(why.find("too far apart"), std::string::npos) << why;
  // Three lines of ten pixels twice, and the results.
  int64_t some = windowChannels(w, h, h.scratchpad.bytes);
  EXPECT_EQ(some % h.vector.lanes, 0);
  EXPECT_GT(some * (2 * 3 * 10 + 2 * 8), h.scratchpad.bytes / 2);
  EXPECT_LE(some * (2 * 3 * 10 + 2 * 8), h.scratchpad.bytes);
  EXPECT_EQ(windowChannels(w, h, 1024), 0);
}

} // namespace

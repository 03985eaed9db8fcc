// Work on rows, on the simulator, against loops.
#include "compiler/emit/mortise/tile/Rowwise.h"
#include "compiler/emit/mortise/tile/TileKernel.h"

#include "sim/Machine.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace tenon;
using namespace tenon::npu;
using mortise::Hardware, mortise::Role, mortise::Type;

namespace {

/// A number x of f32, a row of a table t and one number n for each row: y = x + t and z = (y - max y)^2 n.
/// The result is z / sum z, or the sum for each row.
class TestCode : public RowCode {
public:
  TestCode(VectorBuilder &builder, RowSource from, size_t passes)
      : b(builder), source(std::move(from)), passes(passes) {}
  Value pass(size_t pass) override {
    if (pass == 0)
      return y();
    if (pass == 1)
      return z();
    if (passes == 1)
      return source.total(1);
    return b.op(Id::VmulF, z(), b.op(Id::VrcpF, source.total(1)));
  }
  Value kept(size_t) override { return z(); }

private:
  Value y() {
    if (!known[0].isValid())
      known[0] = b.op(Id::VaddF, source.operand(0), source.operand(1));
    return known[0];
  }
  Value z() {
    if (!known[1].isValid())
      known[1] = source.kept(0);
    if (!known[1].isValid()) {
      Value apart = b.op(Id::VsubF, y(), source.total(0));
      known[1] = b.op(Id::VmulF, b.op(Id::VmulF, apart, apart), source.operand(2));
    }
    return known[1];
  }

  VectorBuilder &b;
  RowSource source;
  size_t passes;
  Value known[2];
};

RowBody bodyOfTest(bool isRow) {
  RowBody body;
  body.begin = [isRow](VectorBuilder &b, const RowSource &source) {
    return std::make_unique<TestCode>(b, source, isRow ? 2 : 1);
  };
  body.keptBy = {1};
  return body;
}

/// Memory of a test: floats, and the tensors that are bound to them.
struct Bench {
  Stream stream;
  uint64_t next = 0;
  std::vector<std::vector<float>> data;

  int64_t tensor(Role role, std::vector<float> values) {
    auto bytes = int64_t(values.size()) * 4;
    stream.tensors.push_back({"b" + std::to_string(data.size()), role, Type::U8, {bytes}, next, {}});
    next += uint64_t(bytes + 63) / 64 * 64;
    data.push_back(std::move(values));
    return int64_t(stream.tensors.back().address);
  }
  void run(const Hardware &h) {
    FinishedStream finished = finishStream(std::move(stream), h, {});
    ASSERT_EQ(finished.error, "");
    sim::Machine machine(h, finished.program, {});
    for (size_t i = 0; i < data.size(); ++i)
      machine.bind("b" + std::to_string(i),
                   {reinterpret_cast<uint8_t *>(data[i].data()), data[i].size() * 4});
    machine.run();
  }
};

std::vector<float> numbers(int64_t count, std::mt19937 &random) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float &x : values)
    x = float(random() % 2001) / 500.0F - 2.0F;
  return values;
}

void check(int64_t outer, int64_t inner, int64_t length, bool isRow, const Hardware &h, std::mt19937 &random,
           const std::string &what) {
  Rowwise w;
  w.rows = outer * inner;
  w.length = length;
  w.totals = {RowTotal::MaxF, RowTotal::SumF};
  w.isRow = isRow;
  Bench bench;
  // The table has a row for each inner number, and repeats; the factor one for each outer number.
  w.operands = {
      {{{w.rows, length}}, true, Id::VldW, 4, bench.tensor(Role::Input, numbers(w.rows * length, random))},
      {{{outer, 0}, {inner, length}},
       true,
       Id::VldW,
       4,
       bench.tensor(Role::Input, numbers(inner * length, random))},
      {{{outer, 1}, {inner, 0}}, false, Id::VlbW, 4, bench.tensor(Role::Input, numbers(outer, random))}};
  w.output = bench.tensor(Role::Output, std::vector<float>(size_t(isRow ? w.rows * length : w.rows)));
  std::string why;
  std::optional<CompiledKernel> kernel = rowwiseKernel(w, bodyOfTest(isRow), h, why);
  ASSERT_TRUE(kernel) << what << ": " << why;
  bench.stream.nodes = {"rows"};
  bench.stream.kernels.push_back({kernel->code, spillArea(*kernel, h)});
  emitRowwise(w, h, 0, bench.stream);
  bench.run(h);
  for (int64_t row = 0; row < w.rows; ++row) {
    std::vector<double> z(static_cast<size_t>(length));
    for (int64_t i = 0; i < length; ++i)
      z[size_t(i)] =
          bench.data[0][size_t(row * length + i)] + bench.data[1][size_t(row % inner * length + i)];
    double most = *std::max_element(z.begin(), z.end()), sum = 0;
    for (double &x : z)
      sum += x = (x - most) * (x - most) * bench.data[2][size_t(row / inner)];
    for (int64_t i = 0; i < (isRow ? length : 1); ++i) {
      double expected = isRow ? z[size_t(i)] / sum : sum,
             found = bench.data[3][size_t(isRow ? row * length + i : row)];
      if (std::isnan(expected))
        EXPECT_TRUE(std::isnan(found)) << what;
      else
        ASSERT_NEAR(found, expected, 1e-5 * std::max(1.0, std::fabs(sum)))
            << what << ", row " << row << ", element " << i;
    }
  }
}

TEST(Rowwise, computesWhatLoopsDo) {
  std::mt19937 random(7);
  const char *presets[] = {"edge-512k", "u55-256", "gemmini"};
  const int64_t lengths[] = {1, 2, 7, 15, 16, 63, 64, 65, 120, 128, 200, 384, 500, 777, 900};
  for (int i = 0; i < 45; ++i) {
    Hardware h = mortise::loadHardware(presets[i % 3]);
    int64_t length = lengths[i / 3], outer = 1 + int64_t(random() % 4), inner = 1 + int64_t(random() % 40);
    check(outer, inner, length, i % 2, h, random,
          std::to_string(outer) + " x " + std::to_string(inner) + " rows of " + std::to_string(length) +
              " on " + h.name);
  }
}

/// Sums, maxima and minima of one operand, one number for each row.
class TotalCode : public RowCode {
public:
  explicit TotalCode(RowSource from) : source(std::move(from)) {}
  Value pass(size_t pass) override { return pass == 0 ? source.operand(0) : source.total(0); }
  Value kept(size_t) override { return {}; }

private:
  RowSource source;
};

TEST(Rowwise, combinesIntegersExactly) {
  std::mt19937 random(11);
  Hardware h = mortise::loadHardware("edge-512k");
  RowBody body;
  body.begin = [](VectorBuilder &, const RowSource &source) { return std::make_unique<TotalCode>(source); };
  for (RowTotal total : {RowTotal::SumI, RowTotal::MaxI, RowTotal::MinI, RowTotal::MinF}) {
    for (int64_t length : {1, 31, 64, 77, 900}) {
      Rowwise w;
      w.rows = 37;
      w.length = length;
      w.totals = {total};
      w.isRow = false;
      Bench bench;
      std::vector<float> values = numbers(w.rows * length, random);
      if (total != RowTotal::MinF)
        for (float &x : values) {
          int32_t bits = int32_t(random());
          std::memcpy(&x, &bits, 4);
        }
      w.operands = {{{{w.rows, length}}, true, Id::VldW, 4, bench.tensor(Role::Input, values)}};
      w.output = bench.tensor(Role::Output, std::vector<float>(size_t(w.rows)));
      std::string why;
      std::optional<CompiledKernel> kernel = rowwiseKernel(w, body, h, why);
      ASSERT_TRUE(kernel) << why;
      bench.stream.nodes = {"rows"};
      bench.stream.kernels.push_back({kernel->code, spillArea(*kernel, h)});
      emitRowwise(w, h, 0, bench.stream);
      bench.run(h);
      for (int64_t row = 0; row < w.rows; ++row) {
        const float *from = values.data() + row * length;
        if (total == RowTotal::MinF) {
          EXPECT_EQ(bench.data[1][size_t(row)], *std::min_element(from, from + length));
          continue;
        }
        std::vector<int32_t> bits(static_cast<size_t>(length));
        std::memcpy(bits.data(), from, bits.size() * 4);
        int32_t expected = bits[0], found = 0;
        for (size_t i = 1; i < bits.size(); ++i)
          expected = total == RowTotal::SumI   ? int32_t(uint32_t(expected) + uint32_t(bits[i]))
                     : total == RowTotal::MaxI ? std::max(expected, bits[i])
                                               : std::min(expected, bits[i]);
        std::memcpy(&found, &bench.data[1][size_t(row)], 4);
        ASSERT_EQ(found, expected) << int(total) << " of " << length;
      }
    }
  }
}

TEST(Rowwise, saysThatARowIsTooLong) {
  Hardware h = mortise::loadHardware("edge-512k");
  RowBody body;
  body.begin = [](VectorBuilder &, const RowSource &source) { return std::make_unique<TotalCode>(source); };
  Rowwise w;
  w.rows = 2;
  w.length = 200000;
  w.totals = {RowTotal::SumI};
  w.isRow = false;
  w.operands = {{{{2, 200000}}, true, Id::VldW, 4, 0}};
  std::string why;
  EXPECT_FALSE(rowwiseKernel(w, body, h, why));
  EXPECT_NE(why.find("more scratchpad"), std::string::npos) << why;
}

} // namespace

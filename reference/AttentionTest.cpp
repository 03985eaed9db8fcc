//===- AttentionTest.cpp - attention's decomposition against direct computation -===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/ReferenceTest.h"
#include <cmath>
#include <functional>
#include <random>

using namespace tenon::reference;

namespace {

class AttentionTest : public ReferenceTest {
protected:
  static constexpr int64_t B = 2, H = 4, G = 2, M = 3, N = 5, D = 4, E = 2;

  Tensor random(llvm::ArrayRef<int64_t> dims) {
    std::vector<double> v(Tensor(DType::F32, dims).size());
    for (double &x : v)
      x = std::normal_distribution<double>()(engine);
    return f32(dims, v);
  }

  struct Options {
    double scale = 0.5, softcap = 0;
    /// Added to a logit; minus infinity hides the key.
    std::function<double(int64_t b, int64_t h, int64_t m, int64_t n)> bias = [](auto...) { return 0.0; };
    /// The extra logit of a head, if any.
    std::function<double(int64_t h)> sink;
  };

  std::vector<double> expected(const Options &o) const {
    std::vector<double> q = query.doubles(), k = key.doubles(), v = this->v.doubles(), y;
    for (int64_t b = 0; b < B; ++b)
      for (int64_t h = 0; h < H; ++h)
        for (int64_t m = 0; m < M; ++m) {
          int64_t g = b * G + h / (H / G);
          double sum = o.sink ? std::exp(o.sink(h)) : 0;
          std::vector<double> weights;
          for (int64_t n = 0; n < N; ++n) {
            double logit = 0;
            for (int64_t d = 0; d < D; ++d)
              logit += q[((b * H + h) * M + m) * D + d] * k[(g * N + n) * D + d] * o.scale;
            if (o.softcap > 0)
              logit = o.softcap * std::tanh(logit / o.softcap);
            weights.push_back(std::exp(logit + o.bias(b, h, m, n)));
            sum += weights.back();
          }
          for (int64_t e = 0; e < E; ++e) {
            double out = 0;
            for (int64_t n = 0; n < N; ++n)
              out += sum == 0 ? 0 : weights[n] / sum * v[(g * N + n) * E + e];
            y.push_back(out);
          }
        }
    return y;
  }

  void check(const std::string &arguments, const std::string &clauses, const std::string &attributes,
             llvm::ArrayRef<Tensor> more, const Options &o) {
    const std::string q = "tensor<?x4x?x4xf32>", k = "tensor<?x2x?x4xf32>", w = "tensor<?x2x?x2xf32>",
                      y = "tensor<?x4x?x2xf32>";
    Tensors values{query, key, v};
    values.append(more.begin(), more.end());
    Tensor result = value("%q: " + q + ", %k: " + k + ", %v: " + w + arguments,
                          "tenon.attention %q, %k, %v " + clauses + " {" + attributes + "} : " + q + ", " +
                              k + ", " + w + " -> " + y,
                          y, values);
    expectFloats(result, {B, H, M, E}, expected(o), 1e-5);
  }

  std::mt19937 engine{3};
  Tensor query = random({B, H, M, D}), key = random({B, G, N, D}), v = random({B, G, N, E});
};

constexpr double kHidden = -std::numeric_limits<double>::infinity();

TEST_F(AttentionTest, GroupedHeadsAndDefaultScale) { check("", "", "", {}, {}); }

TEST_F(AttentionTest, Scale) {
  Options o;
  o.scale = 0.125;
  check("", "", "scale = 0.125 : f64", {}, o);
}

TEST_F(AttentionTest, AddedMask) {
  Tensor mask = random({B, 1, 1, N});
  std::vector<double> m = mask.doubles();
  Options o;
  o.bias = [&](int64_t b, int64_t, int64_t, int64_t n) { return m[b * N + n]; };
  check(", %m: tensor<?x1x1x?xf32>", "mask(%m : tensor<?x1x1x?xf32>)", "", mask, o);
}

TEST_F(AttentionTest, BooleanMask) {
  std::vector<int64_t> keep = {1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 0};
  Options o;
  o.bias = [&](int64_t, int64_t, int64_t m, int64_t n) { return keep[m * N + n] ? 0 : kHidden; };
  check(", %m: tensor<1x1x?x?xi1>", "mask(%m : tensor<1x1x?x?xi1>)", "", boolean({1, 1, M, N}, keep), o);
}

TEST_F(AttentionTest, Causal) {
  Options o; // the last query meets the last key
  o.bias = [](int64_t, int64_t, int64_t m, int64_t n) { return n <= m + N - M ? 0 : kHidden; };
  check("", "", "causal", {}, o);
}

TEST_F(AttentionTest, CausalWindow) {
  Options o;
  o.bias = [](int64_t, int64_t, int64_t m, int64_t n) {
    int64_t at = m + N - M;
    return n <= at && n > at - 2 ? 0 : kHidden;
  };
  check("", "", "causal, window = 2 : i64", {}, o);
}

TEST_F(AttentionTest, LengthsAndRowsWithoutKeys) {
  Options o;
  o.bias = [](int64_t b, int64_t, int64_t, int64_t n) { return n < (b == 0 ? 3 : 0) ? 0 : kHidden; };
  check(", %l: tensor<?xi64>", "lengths(%l : tensor<?xi64>)", "", i64({B}, {3, 0}), o);
}

TEST_F(AttentionTest, SoftcapAndSinks) {
  Options o;
  o.softcap = 2;
  o.sink = [](int64_t h) { return h * 0.5 - 1; };
  check(", %s: tensor<4xf32>", "sinks(%s : tensor<4xf32>)", "softcap = 2.0 : f64",
        f32({H}, {-1, -0.5, 0, 0.5}), o);
}

} // namespace

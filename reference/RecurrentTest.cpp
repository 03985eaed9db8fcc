//===- RecurrentTest.cpp - recurrent layers against direct computation ---===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/ReferenceTest.h"
#include <cmath>
#include <random>

using namespace tenon::reference;

namespace {

using Numbers = std::vector<double>;
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

class RecurrentTest : public ReferenceTest {
protected:
  static constexpr int64_t T = 3, B = 2, I = 2, H = 2;

  Tensor random(llvm::ArrayRef<int64_t> dims) {
    Numbers v(Tensor(DType::F32, dims).size());
    for (double &x : v)
      x = std::normal_distribution<double>(0, 0.7)(engine);
    return f32(dims, v);
  }

  /// The pre-activation of gate `g` of `gates`: w x + r h + both biases.
  static double gate(int64_t g, int64_t gates, int64_t j, const double *x, const double *h, const Numbers &w,
                     const Numbers &r, const Numbers &bias) {
    double sum = bias.empty() ? 0 : bias[g * H + j] + bias[gates * H + g * H + j];
    for (int64_t i = 0; i < I; ++i)
      sum += w[(g * H + j) * I + i] * x[i];
    for (int64_t i = 0; i < H; ++i)
      sum += r[(g * H + j) * H + i] * h[i];
    return sum;
  }

  mlir::FailureOr<Tensors> run(const std::string &arguments, const std::string &op,
                               const std::string &results, llvm::ArrayRef<Tensor> values, int count) {
    std::string names = count == 3 ? "%y, %h, %c" : "%y, %h";
    parse("func.func @main(" + arguments + ") -> (" + results + ") {\n  " + names + " = " + op + " -> " +
          results + "\n  return " + names + " : " + results + "\n}");
    Interpreter interpreter(*module);
    auto out = runMain(interpreter, values);
    EXPECT_TRUE(mlir::succeeded(out)) << errors;
    return out;
  }

  std::mt19937 engine{5};
  Tensor x = random({T, B, I});
};

const std::string kX = "tensor<?x?x2xf32>", kState = "tensor<?x2xf32>";

TEST_F(RecurrentTest, Lstm) {
  Tensor w = random({4 * H, I}), r = random({4 * H, H}), bias = random({8 * H}), h0 = random({B, H}),
         c0 = random({B, H}), p = random({3 * H});
  Numbers W = w.doubles(), R = r.doubles(), bs = bias.doubles(), h = h0.doubles(), c = c0.doubles(),
          P = p.doubles(), X = x.doubles(), y;
  for (int64_t t = 0; t < T; ++t)
    for (int64_t b = 0; b < B; ++b) {
      Numbers next(H);
      for (int64_t j = 0; j < H; ++j) {
        auto pre = [&](int64_t g) { return gate(g, 4, j, &X[(t * B + b) * I], &h[b * H], W, R, bs); };
        double &cell = c[b * H + j];
        double in = sigmoid(pre(0) + P[j] * cell), forget = sigmoid(pre(2) + P[2 * H + j] * cell);
        cell = forget * cell + in * std::tanh(pre(3));
        next[j] = sigmoid(pre(1) + P[H + j] * cell) * std::tanh(cell);
      }
      std::copy(next.begin(), next.end(), h.begin() + b * H);
      y.insert(y.end(), next.begin(), next.end());
    }
  auto out =
      run("%x: " + kX + ", %w: tensor<8x2xf32>, %r: tensor<8x2xf32>, %b: tensor<16xf32>, %h0: " + kState +
              ", %c0: " + kState + ", %p: tensor<6xf32>",
          "tenon.lstm %x, %w, %r bias(%b : tensor<16xf32>) initial_h(%h0 : " + kState + ") initial_c(%c0 : " +
              kState + ") peephole(%p : tensor<6xf32>) : " + kX + ", tensor<8x2xf32>, tensor<8x2xf32>",
          kX + ", " + kState + ", " + kState, {x, w, r, bias, h0, c0, p}, 3);
  ASSERT_TRUE(mlir::succeeded(out));
  expectFloats((*out)[0], {T, B, H}, y, 1e-5);
  expectFloats((*out)[1], {B, H}, h, 1e-5);
  expectFloats((*out)[2], {B, H}, c, 1e-5);
}

TEST_F(RecurrentTest, ReversedLstmWithLengths) {
  // As ONNX has it: each sequence runs backwards over its own length; beyond it the output is zero.
  Tensor w = random({4 * H, I}), r = random({4 * H, H});
  Numbers W = w.doubles(), R = r.doubles(), h(B * H), c(B * H), X = x.doubles(), y(T * B * H);
  const int64_t lengths[] = {3, 2};
  for (int64_t b = 0; b < B; ++b)
    for (int64_t t = lengths[b] - 1; t >= 0; --t) {
      Numbers next(H);
      for (int64_t j = 0; j < H; ++j) {
        auto pre = [&](int64_t g) { return gate(g, 4, j, &X[(t * B + b) * I], &h[b * H], W, R, {}); };
        double &cell = c[b * H + j];
        cell = sigmoid(pre(2)) * cell + sigmoid(pre(0)) * std::tanh(pre(3));
        next[j] = sigmoid(pre(1)) * std::tanh(cell);
      }
      std::copy(next.begin(), next.end(), h.begin() + b * H);
      std::copy(next.begin(), next.end(), y.begin() + (t * B + b) * H);
    }
  auto out =
      run("%x: " + kX + ", %w: tensor<8x2xf32>, %r: tensor<8x2xf32>, %l: tensor<?xi32>",
          "tenon.lstm %x, %w, %r lengths(%l : tensor<?xi32>) {reverse} : " + kX +
              ", tensor<8x2xf32>, tensor<8x2xf32>",
          kX + ", " + kState + ", " + kState, {x, w, r, Tensor::fromInts(DType::I32, {B}, lengths)}, 3);
  ASSERT_TRUE(mlir::succeeded(out));
  expectFloats((*out)[0], {T, B, H}, y, 1e-5);
  expectFloats((*out)[1], {B, H}, h, 1e-5);
  expectFloats((*out)[2], {B, H}, c, 1e-5);
}

TEST_F(RecurrentTest, Gru) {
  Tensor w = random({3 * H, I}), r = random({3 * H, H}), bias = random({6 * H}), h0 = random({B, H});
  for (bool linearBeforeReset : {false, true}) {
    SCOPED_TRACE(linearBeforeReset);
    Numbers W = w.doubles(), R = r.doubles(), bs = bias.doubles(), h = h0.doubles(), X = x.doubles(), y,
            none(H);
    for (int64_t t = 0; t < T; ++t)
      for (int64_t b = 0; b < B; ++b) {
        Numbers next(H), reset(H), gated(H);
        const double *in = &X[(t * B + b) * I], *hidden = &h[b * H];
        for (int64_t j = 0; j < H; ++j) {
          reset[j] = sigmoid(gate(1, 3, j, in, hidden, W, R, bs));
          gated[j] = reset[j] * hidden[j];
        }
        for (int64_t j = 0; j < H; ++j) {
          double z = sigmoid(gate(0, 3, j, in, hidden, W, R, bs));
          double candidate = gate(2, 3, j, in, gated.data(), W, R, bs);
          if (linearBeforeReset) {
            double recurrent = bs[5 * H + j];
            for (int64_t i = 0; i < H; ++i)
              recurrent += R[(2 * H + j) * H + i] * hidden[i];
            candidate = gate(2, 3, j, in, none.data(), W, R, bs) - bs[5 * H + j] + reset[j] * recurrent;
          }
          next[j] = (1 - z) * std::tanh(candidate) + z * hidden[j];
        }
        std::copy(next.begin(), next.end(), h.begin() + b * H);
        y.insert(y.end(), next.begin(), next.end());
      }
    auto out =
        run("%x: " + kX + ", %w: tensor<6x2xf32>, %r: tensor<6x2xf32>, %b: tensor<12xf32>, %h0: " + kState,
            "tenon.gru %x, %w, %r bias(%b : tensor<12xf32>) initial_h(%h0 : " + kState + ") " +
                (linearBeforeReset ? "{linear_before_reset}" : "") + " : " + kX +
                ", tensor<6x2xf32>, tensor<6x2xf32>",
            kX + ", " + kState, {x, w, r, bias, h0}, 2);
    ASSERT_TRUE(mlir::succeeded(out));
    expectFloats((*out)[0], {T, B, H}, y, 1e-5);
    expectFloats((*out)[1], {B, H}, h, 1e-5);
  }
}

TEST_F(RecurrentTest, Rnn) {
  Tensor w = random({H, I}), r = random({H, H}), bias = random({2 * H});
  Numbers W = w.doubles(), R = r.doubles(), bs = bias.doubles(), h(B * H), X = x.doubles(), y;
  for (int64_t t = 0; t < T; ++t)
    for (int64_t b = 0; b < B; ++b) {
      Numbers next(H);
      for (int64_t j = 0; j < H; ++j)
        next[j] = std::max(0.0, gate(0, 1, j, &X[(t * B + b) * I], &h[b * H], W, R, bs));
      std::copy(next.begin(), next.end(), h.begin() + b * H);
      y.insert(y.end(), next.begin(), next.end());
    }
  auto out = run("%x: " + kX + ", %w: tensor<2x2xf32>, %r: tensor<2x2xf32>, %b: tensor<4xf32>",
                 "tenon.rnn %x, %w, %r bias(%b : tensor<4xf32>) {activations = [\"Relu\"]} : " + kX +
                     ", tensor<2x2xf32>, tensor<2x2xf32>",
                 kX + ", " + kState, {x, w, r, bias}, 2);
  ASSERT_TRUE(mlir::succeeded(out));
  expectFloats((*out)[0], {T, B, H}, y, 1e-5);
  expectFloats((*out)[1], {B, H}, h, 1e-5);
}

} // namespace

#include "sim/workloads/Attention.h"

#include <bit>
#include <cmath>
#include <numbers>

namespace tenon::sim {

using mortise::Id, mortise::Type;

namespace {

// Scalar registers that a launch sets, then those that kernels use.
constexpr unsigned kScores = 1, kWeights = 2, kState = 3, kFactor = 4, kResult = 5, kSums = 6, kOut = 7,
                   kRead = 8, kBits = 9;
// Four vectors are under way at once: the latencies of load, multiply and exponential are hidden that way.
constexpr unsigned kUnroll = 4;
constexpr unsigned kLoaded = 8, kShifted = 12, kPowers = 16, kTotals = 20, kMaxima = 24;

class Kernels {
public:
  Kernels(const Layer &layer, const mortise::Hardware &h, const Cut &cut, Builder &to)
      : to_(to), lanes_(h.vector.lanes), columns_(h.matrix.columns),
        scores_(cut.depth * columns_ / lanes_ / kUnroll),
        depth_(layer.channels * columns_ / lanes_ / kUnroll),
        scale_(float(std::numbers::log2e / std::sqrt(double(layer.channels)))),
        store_(attentionType(h) == Type::Bf16 ? Id::VstBf : Id::VstHf) {}

  void begin() {
    constant(0, -1e30F);
    constant(1, 0);
    storeWord(kState, 0, 0);
    storeWord(kState, lanes_ * 4, 1);
    uint32_t loop = to_.emit(Id::Loopi, {depth_ * kUnroll, 0});
    to_.emit(Id::VstW, {kResult, 0, 1, lanes_ * 4, 0});
    to_.label(loop);
    to_.emit(Id::Ret, {});
  }

  void softmax() {
    loadWord(0, kState, 0);
    loadWord(1, kState, lanes_ * 4);
    constant(2, scale_);
    maxima();
    // The new maximum, the factor exp2(old - new), and what is subtracted from scores.
    to_.emit(Id::VmulF, {kMaxima, kMaxima, 2});
    to_.emit(Id::VmaxF, {3, 0, kMaxima});
    to_.emit(Id::VsubF, {5, 0, 3});
    to_.emit(Id::Vexp2F, {5, 5});
    to_.emit(Id::VnegF, {6, 3});
    storeWord(kState, 0, 3);
    storeWord(kFactor, 0, 5);
    exponentials();
    to_.emit(Id::VaddF, {kTotals, kTotals, kTotals + 1});
    to_.emit(Id::VaddF, {kTotals + 2, kTotals + 2, kTotals + 3});
    to_.emit(Id::VaddF, {kTotals, kTotals, kTotals + 2});
    to_.emit(Id::VfmaF, {1, 1, 5, kTotals});
    storeWord(kState, lanes_ * 4, 1);
    to_.emit(Id::Ret, {});
  }

  void update() {
    loadWord(5, kFactor, 0);
    to_.emit(Id::Mov, {kRead, kResult});
    updateStage(false);
    uint32_t loop = to_.emit(Id::Loopi, {depth_ - 1, 0});
    updateStage(true);
    to_.label(loop);
    for (unsigned i = 0; i < kUnroll; ++i)
      to_.emit(Id::VstW, {kResult, 0, kPowers + i, lanes_ * 4, 0});
    to_.emit(Id::Ret, {});
  }

  void finish() {
    loadWord(1, kState, lanes_ * 4);
    exchange(Id::VaddF, 1);
    to_.emit(Id::VrcpF, {2, 1});
    uint32_t loop = to_.emit(Id::Loopi, {depth_, 0});
    for (unsigned i = 0; i < kUnroll; ++i)
      to_.emit(Id::VldW, {kLoaded + i, kResult, 0, lanes_ * 4, 0});
    for (unsigned i = 0; i < kUnroll; ++i)
      to_.emit(Id::VmulF, {kShifted + i, kLoaded + i, 2});
    for (unsigned i = 0; i < kUnroll; ++i)
      to_.emit(store_, {kOut, 0, kShifted + i, lanes_ * 2, 0});
    to_.label(loop);
    to_.emit(Id::Ret, {});
  }

private:
  void constant(unsigned reg, float value) {
    to_.emit(Id::Li, {kBits, std::bit_cast<int32_t>(value)});
    to_.emit(Id::Vbc, {reg, kBits});
  }
  void loadWord(unsigned reg, unsigned base, int64_t offset) {
    to_.emit(Id::VldW, {reg, base, offset, 0, 0});
  }
  void storeWord(unsigned base, int64_t offset, unsigned reg) {
    to_.emit(Id::VstW, {base, offset, reg, 0, 0});
  }

  /// Combines the lanes of a query: those `columns` apart.
  void exchange(Id combine, unsigned reg) {
    for (int64_t distance = columns_; distance < lanes_; distance *= 2) {
      to_.emit(Id::Vslide, {7, reg, distance});
      to_.emit(combine, {reg, reg, 7});
    }
  }

  void maxima() {
    constant(kMaxima, -1e30F);
    for (unsigned i = 1; i < kUnroll; ++i)
      to_.emit(Id::Vmov, {kMaxima + i, kMaxima});
    to_.emit(Id::Mov, {kRead, kScores});
    for (unsigned i = 0; i < kUnroll; ++i)
      to_.emit(Id::VldW, {kLoaded + i, kRead, 0, lanes_ * 4, 0});
    uint32_t loop = to_.emit(Id::Loopi, {scores_ - 1, 0});
    for (unsigned i = 0; i < kUnroll; ++i) {
      to_.chain(to_.emit(Id::VldW, {kLoaded + i, kRead, 0, lanes_ * 4, 0}));
      to_.emit(Id::VmaxF, {kMaxima + i, kMaxima + i, kLoaded + i});
    }
    to_.label(loop);
    for (unsigned i = 0; i < kUnroll; ++i)
      to_.emit(Id::VmaxF, {kMaxima + i, kMaxima + i, kLoaded + i});
    to_.emit(Id::VmaxF, {kMaxima, kMaxima, kMaxima + 1});
    to_.emit(Id::VmaxF, {kMaxima + 2, kMaxima + 2, kMaxima + 3});
    to_.emit(Id::VmaxF, {kMaxima, kMaxima, kMaxima + 2});
    exchange(Id::VmaxF, kMaxima);
  }

  /// While four vectors are exponentiated, the four before are stored and the four after are loaded.
  void exponentialStage(bool loads, bool stores) {
    for (unsigned i = 0; i < kUnroll; ++i) {
      if (loads)
        to_.chain(to_.emit(Id::VldW, {kLoaded + i, kScores, 0, lanes_ * 4, 0}));
      if (stores)
        to_.chain(to_.emit(store_, {kWeights, 0, kPowers + i, lanes_ * 2, 0}));
      to_.emit(Id::VfmaF, {kShifted + i, kLoaded + i, 2, 6});
    }
    for (unsigned i = 0; stores && i < kUnroll; ++i)
      to_.emit(Id::VaddF, {kTotals + i, kTotals + i, kPowers + i});
    for (unsigned i = 0; i < kUnroll; ++i)
      to_.emit(Id::Vexp2F, {kPowers + i, kShifted + i});
  }

  void exponentials() {
    constant(kTotals, 0);
    for (unsigned i = 1; i < kUnroll; ++i)
      to_.emit(Id::Vmov, {kTotals + i, kTotals});
    for (unsigned i = 0; i < kUnroll; ++i)
      to_.emit(Id::VldW, {kLoaded + i, kScores, 0, lanes_ * 4, 0});
    exponentialStage(true, false);
    uint32_t loop = to_.emit(Id::Loopi, {scores_ - 2, 0});
    exponentialStage(true, true);
    to_.label(loop);
    exponentialStage(false, true);
    for (unsigned i = 0; i < kUnroll; ++i) {
      to_.chain(to_.emit(store_, {kWeights, 0, kPowers + i, lanes_ * 2, 0}));
      to_.emit(Id::VaddF, {kTotals + i, kTotals + i, kPowers + i});
    }
  }

  void updateStage(bool stores) {
    for (unsigned i = 0; i < kUnroll; ++i)
      to_.emit(Id::VldW, {kLoaded + i, kSums, 0, lanes_ * 4, 0});
    for (unsigned i = 0; i < kUnroll; ++i) {
      uint32_t load = to_.emit(Id::VldW, {kShifted + i, kRead, 0, lanes_ * 4, 0});
      if (!stores)
        continue;
      to_.chain(load);
      to_.emit(Id::VstW, {kResult, 0, kPowers + i, lanes_ * 4, 0});
    }
    for (unsigned i = 0; i < kUnroll; ++i)
      to_.emit(Id::VfmaF, {kPowers + i, kShifted + i, 5, kLoaded + i});
  }

  Builder &to_;
  int64_t lanes_, columns_, scores_, depth_; ///< the last two: groups of four vectors
  float scale_;
  Id store_;
};

} // namespace

Type attentionType(const mortise::Hardware &h) { return h.rate(Type::Bf16) > 0 ? Type::Bf16 : Type::F16; }

void emitAttentionKernel(AttentionKernel kernel, const Layer &layer, const mortise::Hardware &hardware,
                         const Cut &cut, Builder &to) {
  Kernels kernels(layer, hardware, cut, to);
  switch (kernel) {
  case AttentionKernel::Begin:
    return kernels.begin();
  case AttentionKernel::Softmax:
    return kernels.softmax();
  case AttentionKernel::Update:
    return kernels.update();
  default:
    return kernels.finish();
  }
}

} // namespace tenon::sim

// What the control processor puts into the queues of the engines, with everything that registers held at that
// time.
#pragma once

#include "isa/mortise/Hardware.h"
#include "isa/mortise/Program.h"

#include <limits>

namespace tenon::sim {

using mortise::Field, mortise::Id, mortise::Type;

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();
/// Addresses beyond are out of range whatever is added to them. Registers hold any number.
constexpr int64_t kFarthest = int64_t(1) << 60;
inline bool isNear(int64_t address) { return address > -kFarthest && address < kFarthest; }
inline int64_t wrapping(int64_t a, int64_t b) { return int64_t(uint64_t(a) + uint64_t(b)); }
/// `low` and `high` of a descriptor that does not clamp.
constexpr int64_t kNoLow = std::numeric_limits<int64_t>::min(), kNoHigh = std::numeric_limits<int64_t>::max();

/// A descriptor register.
struct Descriptor {
  std::array<int64_t, mortise::kFields> values{};

  Descriptor() {
    for (Field field : {Field::N0, Field::N1, Field::N2, Field::N3, Field::Esize})
      (*this)[field] = 1;
    (*this)[Field::Bias] = (*this)[Field::Scale] = -1;
    (*this)[Field::Low] = kNoLow;
    (*this)[Field::High] = kNoHigh;
  }
  int64_t &operator[](Field field) { return values[size_t(field)]; }
  int64_t operator[](Field field) const { return values[size_t(field)]; }
  int64_t rows() const { return (*this)[Field::N0] * (*this)[Field::N1] * (*this)[Field::N2]; }
};

struct Command {
  Id id = Id::Nop; ///< Acq, Rel, Dma, MmLoad, MmMul, Drain, Vset, Vrun
  uint32_t instruction = 0;
  uint32_t knowledge = 0; ///< what the control processor had seen (Clocks), for happens-before
  int32_t flags = 0;      ///< MmMul: flags; Acq, Rel: semaphore; Vset: register; Vrun: label
  int64_t a = 0, b = 0;   ///< registers; Acq, Rel: a is the count
  Descriptor descriptor;
};

/// Bytes at base + i s0 + j s1 + k s2 + [0, run), for all i < n0, j < n1, k < n2.
struct Region {
  int64_t base = 0, run = 0;
  std::array<int64_t, 3> count{1, 1, 1}, stride{0, 0, 0};

  /// Merges dimensions that continue the run.
  void collapse() {
    while (count[0] == 1 ? count[1] != 1 || count[2] != 1 : stride[0] == run) {
      run *= count[0];
      count = {count[1], count[2], 1};
      stride = {stride[1], stride[2], 0};
    }
  }
  /// The first byte and the byte after the last.
  std::pair<int64_t, int64_t> bounds() const {
    int64_t low = base, high = base + run;
    for (int d = 0; d < 3; ++d) {
      int64_t reach = (count[d] - 1) * stride[d];
      (reach < 0 ? low : high) += reach;
    }
    return {low, high};
  }
  template <typename Visit> void forEachRun(Visit &&visit) const {
    for (int64_t k = 0; k < count[2]; ++k)
      for (int64_t j = 0; j < count[1]; ++j)
        for (int64_t i = 0; i < count[0]; ++i)
          visit(base + i * stride[0] + j * stride[1] + k * stride[2]);
  }
};

/// Rows of a matrix operand or result of `rowBytes` each, at `address`.
inline Region rowsOf(const Descriptor &d, int64_t address, int64_t rowBytes) {
  return {address,
          rowBytes,
          {d[Field::N0], d[Field::N1], d[Field::N2]},
          {d[Field::L0], d[Field::L1], d[Field::L2]}};
}

/// The address of row `index` of such a region.
inline int64_t rowAddress(const Descriptor &d, int64_t address, int64_t index) {
  int64_t n0 = d[Field::N0], n1 = d[Field::N1];
  return address + index % n0 * d[Field::L0] + index / n0 % n1 * d[Field::L1] +
         index / (n0 * n1) * d[Field::L2];
}

inline int64_t rowBytes(const Descriptor &d, int64_t elements) {
  return (elements * mortise::typeBits(Type(d[Field::Type])) + 7) / 8;
}

} // namespace tenon::sim

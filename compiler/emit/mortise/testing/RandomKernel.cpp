#include "compiler/emit/mortise/testing/RandomKernel.h"

#include <random>

namespace tenon::npu {

namespace {

// Objects: one that is only read, one for everything, one whose iterations are independent.
constexpr int32_t kRead = 0, kBoth = 0x4000, kOwn = 0x8000;

class Generator {
public:
  Generator(VectorFunction &function, uint64_t seed, int64_t lanes)
      : b_(function), random_(seed), lanes_(int32_t(lanes)) {}

  /// `live`: vectors that are loaded first and stored last.
  void run(int32_t live) {
    for (const char *name : {"n", "m"})
      counts_.push_back(b_.parameter(name));
    read_ = b_.object("read");
    both_ = b_.object("both");
    own_ = b_.object("own", true);
    scalars_ = {b_.scalar(kRead), b_.scalar(64)};
    vectors_ = {b_.splatInt(3), b_.splat(0.5F), b_.op(Id::Viota)};
    predicates_ = {kAlways, b_.op(Id::Ptail, counts_[0])};
    for (int32_t i = 0; i < live; ++i)
      vectors_.push_back(b_.load(Id::VldW, {scalars_[0], read_, 4 * i}));
    statements(0, 3 + pick(5));
    Address end{b_.scalar(kBoth), both_};
    for (Value value : vectors_)
      b_.storeAdvance(Id::VstW, end, value, 4 * lanes_);
  }

private:
  using Values = std::vector<Value>;
  int32_t pick(int32_t below) { return int32_t(random_() % uint64_t(below)); }
  template <typename T> T any(const std::vector<T> &from) { return from[size_t(pick(int32_t(from.size())))]; }

  void statements(unsigned depth, int32_t count) {
    for (int32_t i = 0; i < count; ++i) {
      int32_t kind = pick(16);
      if (kind < 2 && depth < 3)
        loop(depth);
      else if (kind < 9)
        compute();
      else if (kind < 11)
        compare();
      else if (kind < 13)
        scalar();
      else
        access();
    }
  }

  void compute() {
    static const std::vector<Id> binary{Id::VaddI, Id::VsubI, Id::VmulI, Id::VmaxI, Id::Vand, Id::Vxor,
                                        Id::Vshl,  Id::Vsar,  Id::VaddI, Id::VmulI, Id::Vperm};
    static const std::vector<Id> unary{Id::VredsumI, Id::Vmov, Id::VabsF, Id::VnegF};
    switch (pick(8)) {
    case 0:
      return vectors_.push_back(b_.op(any(unary), any(vectors_)));
    case 1:
      return vectors_.push_back(b_.op(Id::VmadI, any(vectors_), any(vectors_), any(vectors_)));
    case 2:
      return vectors_.push_back(b_.select(any(predicates_), any(vectors_), any(vectors_)));
    case 3: {
      Value a = b_.op(Id::VcvtIf, any(vectors_));
      Value scaled = b_.op(Id::VmulF, a, b_.splat(0.25F));
      return vectors_.push_back(b_.op(Id::VcvtFi, b_.op(Id::VaddF, scaled, b_.op(Id::VtanhF, a))));
    }
    case 4:
      return vectors_.push_back(b_.op(Id::Vbc, any(scalars_)));
    case 5:
      return vectors_.push_back(b_.op(Id::Vslide, any(vectors_), Immediate{pick(256)}));
    default:
      return vectors_.push_back(b_.op(any(binary), any(vectors_), any(vectors_)));
    }
  }

  void compare() {
    if (predicates_.size() > 4)
      predicates_.erase(predicates_.begin() + 1);
    switch (pick(4)) {
    case 0:
      return predicates_.push_back(b_.op(Id::Ptail, any(scalars_)));
    case 1:
      return predicates_.push_back(b_.op(Id::Pnot, any(predicates_)));
    case 2:
      return predicates_.push_back(b_.op(Id::Por, any(predicates_), any(predicates_)));
    default:
      return predicates_.push_back(b_.op(Id::VltI, any(vectors_), any(vectors_)));
    }
  }

  void scalar() {
    static const std::vector<Id> binary{Id::Add, Id::Sub, Id::Mul, Id::Min,
                                        Id::Xor, Id::Shr, Id::Slt, Id::Rem};
    if (scalars_.size() > 8)
      scalars_.erase(scalars_.begin());
    switch (pick(5)) {
    case 0:
      return scalars_.push_back(b_.add(any(scalars_), pick(1000)));
    case 1:
      return scalars_.push_back(b_.op(Id::Vlane, any(vectors_), Immediate{pick(64)}));
    case 2:
      return scalars_.push_back(b_.load(Id::Slds, {b_.scalar(kRead), read_, 4 * pick(100)}));
    case 3:
      return scalars_.push_back(b_.scalar(int64_t(random_()) >> pick(60)));
    default:
      return scalars_.push_back(b_.op(any(binary), any(scalars_), any(scalars_)));
    }
  }

  /// Where the loop stands at, or a fixed place.
  Address place() {
    Address at = moving_.empty() || pick(3) == 0
                     ? (pick(2) ? Address{b_.scalar(kRead), read_} : Address{b_.scalar(kBoth), both_})
                     : any(moving_);
    return at.plus(4 * pick(40));
  }

  void access() {
    static const std::vector<Id> loads{Id::VldW, Id::VldB, Id::VldUb, Id::VldH, Id::VlbW, Id::VldBf};
    static const std::vector<Id> stores{Id::VstW, Id::VstB, Id::VstUb, Id::VstH};
    Address at = place();
    if (pick(2) && at.object == both_)
      return b_.store(any(stores), at, any(vectors_), any(predicates_));
    if (pick(6) == 0) {
      Value bytes = b_.op(Id::Vand, any(vectors_), b_.splatInt(0x1fc));
      return vectors_.push_back(b_.gather({b_.scalar(kRead), read_, 16}, bytes, any(predicates_)));
    }
    if (at.object != own_)
      vectors_.push_back(b_.load(any(loads), at, any(predicates_)));
  }

  void loop(unsigned depth) {
    TripCount count = pick(2) ? TripCount(int64_t(pick(9))) : TripCount(any(counts_));
    Values initial{b_.scalar(kRead + 64 * pick(4)),
                   b_.scalar(kBoth + 64 * pick(4)),
                   any(vectors_),
                   any(vectors_),
                   any(scalars_),
                   b_.scalar(kOwn + int32_t(depth) * 0x1000)};
    if (pick(3) == 0)
      initial.push_back(predicates_.back());
    auto vectors = vectors_, scalars = scalars_, predicates = predicates_;
    auto moving = moving_;
    Values results = b_.loop(count, initial, [&](std::span<const Value> in) -> Values {
      vectors_.insert(vectors_.end(), {in[2], in[3]});
      scalars_.push_back(in[4]);
      if (in.size() > 6)
        predicates_.push_back(in[6]);
      Address reading{in[0], read_}, writing{in[1], both_}, own{in[5], own_};
      moving_ = {reading, writing};
      statements(depth + 1, 2 + pick(8));
      vectors_.push_back(b_.loadAdvance(Id::VldW, reading, 4 * pick(32)));
      if (pick(2))
        b_.storeAdvance(Id::VstH, writing, any(vectors_), 2 * lanes_);
      else
        writing.base = b_.add(writing.base, 8 * pick(8));
      b_.storeAdvance(Id::VstW, own, any(vectors_), 4 * lanes_);
      Value swap = pick(3) ? vectors_.back() : in[3];
      Values out{reading.base, writing.base, swap, pick(2) ? in[2] : any(vectors_), any(scalars_), own.base};
      if (in.size() > 6)
        out.push_back(any(predicates_));
      return out;
    });
    vectors_ = vectors;
    scalars_ = scalars;
    predicates_ = predicates;
    moving_ = moving;
    vectors_.insert(vectors_.end(), {results[2], results[3]});
    scalars_.push_back(results[4]);
  }

  VectorBuilder b_;
  std::mt19937_64 random_;
  int32_t lanes_;
  Values counts_, scalars_, vectors_, predicates_;
  std::vector<Address> moving_;
  ObjectId read_ = 0, both_ = 0, own_ = 0;
};

} // namespace

VectorFunction randomKernel(uint64_t seed, int64_t lanes) {
  VectorFunction function("random");
  // Some need more registers than there are.
  Generator(function, seed, lanes).run(seed % 4 == 3 ? 38 : 0);
  return function;
}

} // namespace tenon::npu

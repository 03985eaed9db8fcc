#include "sim/testing/RandomProgram.h"

#include "sim/workloads/Builder.h"

#include <array>
#include <map>
#include <random>

namespace tenon::sim {

using mortise::Engine, mortise::Field, mortise::Id, mortise::Role, mortise::Type;

namespace {

constexpr unsigned kWeights = unsigned(Engine::Weights), kMatrix = unsigned(Engine::Matrix),
                   kDrain = unsigned(Engine::Drain), kVector = unsigned(Engine::Vector),
                   kIn = unsigned(Engine::In0), kOut = unsigned(Engine::Out0);
constexpr int64_t kBuffers = 6, kBytes = 2048, kSums = kBuffers, kResources = kBuffers + 1;
constexpr int64_t kRows = 16; ///< of a product

class Writer {
public:
  Writer(uint64_t seed, bool broken) : random_(seed), to_(program_) {
    source_ = to_.tensor("x", Role::Input, Type::I8, {8, kBytes});
    result_ = to_.tensor("y", Role::Output, Type::I8, {kBuffers + 4, kBytes});
    setDescriptors();
    for (int64_t b = 0; b < kBuffers; ++b)
      load(b);
    if (broken)
      countdown_ = int64_t(pick(20));
    size_t pieces = 1 + pick(4);
    for (size_t i = 0; i < pieces; ++i)
      pick(3) ? steps(1 + pick(6)) : repeated();
    countdown_ = -1;
    for (int64_t b = 0; b < kBuffers; ++b)
      store(b, b);
    to_.emit(Id::Halt, {});
    for (uint32_t run : kernels_) {
      to_.label(run);
      kernel();
    }
  }
  mortise::Program take() { return std::move(program_); }

private:
  uint64_t pick(uint64_t count) { return random_() % count; }
  int64_t buffer() { return int64_t(pick(kBuffers)); }

  void setDescriptors() {
    auto set = [&](unsigned d, std::initializer_list<std::pair<Field, int64_t>> fields) {
      for (auto [field, value] : fields)
        to_.field(d, field, value);
    };
    set(0, {{Field::N0, kBytes}, {Field::L0, 1}, {Field::G0, 1}});
    // Rows of 64 bytes, strided in memory.
    set(1,
        {{Field::N0, 64}, {Field::N1, 16}, {Field::L0, 1}, {Field::L1, 64}, {Field::G0, 1}, {Field::G1, 96}});
    set(2, {{Field::K, 32}, {Field::N, 32}, {Field::L0, 32}, {Field::Type, int64_t(Type::I8)}});
    set(3, {{Field::N0, kRows}, {Field::L0, 64}, {Field::Type, int64_t(Type::I8)}});
    set(4, {{Field::N0, kRows}, {Field::N, 32}, {Field::L0, 64}, {Field::Type, int64_t(Type::I8)}});
    to_.emit(Id::SemInit, {63, 0});
  }

  void steps(size_t count) {
    for (; count; --count)
      switch (pick(4)) {
      case 0:
        load(buffer());
        break;
      case 1:
        store(buffer(), kBuffers + int64_t(pick(4)));
        break;
      case 2:
        compute(buffer(), buffer());
        break;
      default:
        multiply(buffer(), buffer(), buffer());
        break;
      }
  }

  /// A loop of the control processor. Its iterations are kept apart by a fence.
  void repeated() {
    to_.emit(Id::Fence, {});
    accesses_ = {};
    uint32_t loop = to_.emit(Id::Loopi, {int64_t(1 + pick(4)), 0});
    steps(1 + pick(4));
    to_.emit(Id::Fence, {});
    accesses_ = {};
    to_.label(loop);
  }

  void skipOr(Id id, unsigned engine, unsigned semaphore) {
    if (countdown_ >= 0 && countdown_-- == 0)
      return;
    to_.emit(id, {engine, semaphore, 1});
  }

  /// What `other` did so far comes before what `engine` does next.
  void order(unsigned other, unsigned engine) {
    if (other == engine)
      return;
    auto [at, isNew] = semaphores_.try_emplace({other, engine}, unsigned(semaphores_.size()));
    skipOr(Id::Rel, other, at->second);
    skipOr(Id::Acq, engine, at->second);
  }

  void use(unsigned engine, int64_t resource, bool writes) {
    auto &[writer, readers] = accesses_[size_t(resource)];
    if (writer)
      order(writer, engine);
    if (!writes) {
      readers |= 1U << engine;
      return;
    }
    for (unsigned reader = 0; reader < mortise::kEngines; ++reader)
      if (readers >> reader & 1 && reader != writer)
        order(reader, engine);
    writer = engine;
    readers = 0;
  }

  void load(int64_t to) {
    unsigned channel = kIn + unsigned(pick(2));
    use(channel, to, true);
    to_.constant(1, to * kBytes);
    to_.constant(2, int64_t(source_ + pick(7) * kBytes + pick(64)));
    to_.emit(Id::Dma, {channel, pick(2) ? 0 : 1, 1, 2});
  }

  void store(int64_t from, int64_t slot) {
    use(kOut, from, false);
    to_.constant(1, from * kBytes);
    to_.constant(2, int64_t(result_) + slot * kBytes);
    to_.emit(Id::Dma, {kOut, 0, 1, 2});
  }

  void compute(int64_t from, int64_t to) {
    use(kVector, from, false);
    use(kVector, to, true);
    to_.constant(5, from * kBytes);
    to_.emit(Id::Vset, {1, 5});
    to_.constant(5, to * kBytes);
    to_.emit(Id::Vset, {2, 5});
    to_.constant(5, int64_t(pick(70)));
    to_.emit(Id::Vset, {3, 5});
    kernels_.push_back(to_.emit(Id::Vrun, {0}));
  }

  void multiply(int64_t weights, int64_t rows, int64_t to) {
    use(kWeights, weights, false);
    to_.constant(5, weights * kBytes);
    to_.emit(Id::MmLoad, {2, 5});
    use(kMatrix, rows, false);
    use(kMatrix, kSums, true);
    to_.constant(5, rows * kBytes);
    to_.constant(6, int64_t(pick(4)) * kRows);
    to_.emit(Id::MmMul,
             {3, 5, 6, pick(2) ? mortise::kFlagSwap : mortise::kFlagSwap | mortise::kFlagAccumulate});
    use(kDrain, kSums, false);
    use(kDrain, to, true);
    to_.constant(5, to * kBytes);
    to_.emit(Id::Drain, {4, 6, 5});
  }

  /// r1 source, r2 destination, r3 active lanes. Three rows, arithmetic on anything, in loops and bundles.
  void kernel() {
    to_.emit(Id::Ptail, {1, 3});
    uint32_t loop = to_.emit(Id::Loopi, {int64_t(1 + pick(6)), 0});
    for (int64_t v = 0; v < 3; ++v)
      to_.emit(Id::VldW, {v, 1, 256 * v, 0, int64_t(pick(2))});
    for (size_t n = 2 + pick(12); n; --n)
      arithmetic();
    uint32_t store = to_.emit(Id::VstW, {2, 0, int64_t(pick(8)), 256, int64_t(pick(2))});
    if (pick(2)) {
      to_.chain(store);
      to_.emit(Id::VaddI, {9, 4, 5});
    }
    to_.label(loop);
    to_.emit(Id::Ret, {});
  }

  /// An instruction of the vector slot whose operands are all registers.
  void arithmetic() {
    for (;;) {
      const mortise::Row &row = mortise::rows()[pick(mortise::rows().size())];
      if (row.unit != mortise::Unit::Vector)
        continue;
      mortise::Instruction instruction;
      instruction.id = row.id;
      bool usable = true;
      for (unsigned i = 0; i < row.operandCount; ++i) {
        mortise::OperandKind kind = row.operands[i].kind;
        usable &= kind != mortise::OperandKind::Register;
        instruction.operands[i] = int32_t(kind == mortise::OperandKind::Predicate ? 1 + pick(3) : pick(8));
      }
      if (!usable)
        continue;
      if (pick(2)) // beside a scalar instruction
        to_.chain(to_.emit(Id::Addi, {int64_t(8 + pick(4)), int64_t(8 + pick(4)), int64_t(pick(100))}));
      program_.code.push_back(instruction);
      return;
    }
  }

  struct Accesses {
    unsigned writer = 0, readers = 0;
  };
  mortise::Program program_;
  std::mt19937_64 random_;
  Builder to_;
  uint64_t source_ = 0, result_ = 0;
  int64_t countdown_ = -1; ///< semaphore instructions until one is left out
  std::map<std::pair<unsigned, unsigned>, unsigned> semaphores_;
  std::array<Accesses, kResources> accesses_{};
  std::vector<uint32_t> kernels_;
};

} // namespace

mortise::Program randomProgram(uint64_t seed, bool broken) {
  mortise::Program program = Writer(seed, broken).take();
  mortise::verify(program);
  return program;
}

} // namespace tenon::sim

// A forward data-flow analysis over the plan: which late slots are written on every path to a command.

#include "package/expr.h"
#include "package/plan_visitor.h"
#include "package/verify_plan.h"

namespace tenon::package {

namespace {

class Flow {
public:
  Flow(const PlanFacts &facts, const fb::Manifest &manifest)
      : facts_(facts), function_(*facts.function), manifest_(manifest), symbols_(function_.symbols()->size()),
        words_((facts.slots - facts.statics + 63) / 64) {}

  Status run(const Allocator &allocator);

private:
  Status allocate(const Allocator &allocator);
  void markLeaders();
  /// One pass in command order; returns whether a set at the target of a jump shrank. `check`: report the
  /// first read of an unwritten slot.
  bool pass(bool check);
  void visit(uint32_t index, bool check);
  void evaluate(uint32_t index, const fb::EvalSymbols &body, bool check);

  bool meet(uint32_t target) {
    uint64_t *set = sets_.data() + size_t{leader_[target]} * words_;
    bool changed = false;
    for (size_t w = 0; w < words_; ++w) {
      changed |= (set[w] & ~current_[w]) != 0;
      set[w] &= current_[w];
    }
    return changed;
  }
  void unreachable() {
    for (uint64_t &word : current_)
      word = ~uint64_t{0};
  }
  void write(uint32_t slot) {
    current_[(slot - facts_.statics) / 64] |= uint64_t{1} << ((slot - facts_.statics) % 64);
  }
  void read(uint32_t index, uint32_t slot) {
    if (slot < facts_.statics || !failure_.ok())
      return;
    uint32_t bit = slot - facts_.statics;
    if (!(current_[bit / 64] >> (bit % 64) & 1))
      failure_ = Status::error(Code::SlotNotWritten,
                               "function %s, command %u: slot %u may be read before it is written",
                               function_.name()->c_str(), index, slot);
  }
  void readBuffer(uint32_t index, uint32_t buffer) {
    for (uint32_t b = buffer; facts_.late[b]; b = function_.buffers()->Get(b)->base()) {
      read(index, function_.buffers()->Get(b)->size());
      read(index, function_.buffers()->Get(b)->offset());
    }
  }

  const PlanFacts &facts_;
  const fb::Function &function_;
  const fb::Manifest &manifest_;
  uint32_t symbols_;
  size_t words_;
  Array<uint32_t> leader_; // per command and one past the end: index of its set, or kNone
  uint32_t leaders_ = 0;
  Array<uint64_t> sets_;
  Array<uint64_t> current_;
  Status failure_;
};

void Flow::markLeaders() {
  uint32_t count = function_.commands()->size();
  for (uint32_t i = 0; i <= count; ++i)
    leader_[i] = kNone;
  leader_[0] = leader_[count] = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const fb::Command *command = function_.commands()->Get(i);
    if (const fb::Branch *branch = command->body_as_Branch())
      leader_[branch->target()] = 0;
    if (const fb::Jump *jump = command->body_as_Jump())
      leader_[jump->target()] = 0;
  }
  for (uint32_t i = 0; i <= count; ++i)
    if (leader_[i] != kNone)
      leader_[i] = leaders_++;
}

Status Flow::allocate(const Allocator &allocator) {
  if (!leader_.allocate(allocator, size_t{function_.commands()->size()} + 1))
    return Status::error(Code::OutOfMemory, "no memory to check function %s", function_.name()->c_str());
  markLeaders();
  constexpr size_t maxWords = size_t{1} << 23; // 64 MiB
  if (words_ != 0 && leaders_ > maxWords / words_)
    return Status::error(Code::TooLarge, "function %s has too many jumps and late slots",
                         function_.name()->c_str());
  if (!sets_.allocate(allocator, leaders_ * words_) || !current_.allocate(allocator, words_))
    return Status::error(Code::OutOfMemory, "no memory to check function %s", function_.name()->c_str());
  for (uint64_t &word : sets_)
    word = ~uint64_t{0};
  for (size_t w = 0; w < words_; ++w) // nothing is written at the entry
    sets_[w] = 0;
  return {};
}

void Flow::evaluate(uint32_t index, const fb::EvalSymbols &body, bool check) {
  for (uint32_t i = body.first(); i < body.first() + body.count(); ++i) {
    const fb::Expr *expr = function_.exprs()->Get(i);
    uint32_t operands[] = {expr->a(), expr->b(), expr->c()};
    if (check)
      for (uint32_t k = 0; k < operandCount(static_cast<ExprOp>(expr->op())); ++k)
        read(index, operands[k]);
    write(symbols_ + i);
  }
}

void Flow::visit(uint32_t index, bool check) {
  const fb::Command &command = *function_.commands()->Get(index);
  if (check) {
    visitSlotReads(command, [&](uint32_t slot) { read(index, slot); });
    visitBuffers(command, manifest_, [&](uint32_t buffer, bool, bool) { readBuffer(index, buffer); });
  }
  if (const fb::EvalSymbols *eval = command.body_as_EvalSymbols())
    evaluate(index, *eval, check);
  visitSlotWrites(command, [&](uint32_t slot) { write(slot); });
}

bool Flow::pass(bool check) {
  uint32_t count = function_.commands()->size();
  bool changed = false;
  unreachable();
  for (uint32_t i = 0;; ++i) {
    if (leader_[i] != kNone) {
      meet(i);
      std::memcpy(current_.data(), sets_.data() + size_t{leader_[i]} * words_, words_ * sizeof(uint64_t));
    }
    if (i == count)
      return changed;
    visit(i, check);
    const fb::Command &command = *function_.commands()->Get(i);
    if (const fb::Branch *branch = command.body_as_Branch())
      changed |= meet(branch->target());
    if (const fb::Jump *jump = command.body_as_Jump()) {
      changed |= meet(jump->target());
      unreachable();
    }
  }
}

Status Flow::run(const Allocator &allocator) {
  if (words_ == 0)
    return {};
  TENON_TRY(allocate(allocator));
  constexpr int maxRounds = 64; // loops of a compiled plan nest far less deep
  int round = 0;
  while (pass(false))
    if (++round == maxRounds)
      return Status::error(Code::TooLarge, "function %s: loops nest too deep", function_.name()->c_str());
  pass(true);
  TENON_TRY(failure_);
  for (const fb::TensorArg *output : *function_.outputs())
    for (uint32_t slot : *output->dims())
      read(function_.commands()->size(), slot);
  return failure_;
}

} // namespace

Status verifyFlow(const PlanFacts &facts, const fb::Manifest &manifest, const Allocator &allocator) {
  return Flow(facts, manifest).run(allocator);
}

} // namespace tenon::package

// Walks a kernel's code as the vector core does, but computes scalars only.

#include "compiler/emit/mortise/vector/Combine.h"
#include "compiler/emit/mortise/vector/CompileKernel.h"
#include "compiler/emit/mortise/vector/IssueModel.h"

namespace tenon::npu {

using mortise::Error, mortise::Instruction;

namespace {

constexpr RegisterId kFirstOfClass =
    64; // a place for each register of each class, none of them the constant one

class Run {
public:
  Run(const CompiledKernel &kernel, const mortise::Hardware &hardware, std::span<const int64_t> parameters)
      : kernel_(kernel), hardware_(hardware), model_(hardware, (kRegisterClasses + 1) * kFirstOfClass) {
    if (parameters.size() != kernel.parameters.size())
      throw Error("TN1353", "kernel '" + kernel.name + "' has " + std::to_string(kernel.parameters.size()) +
                                " parameters, found " + std::to_string(parameters.size()) + " values");
    for (size_t i = 0; i < parameters.size(); ++i)
      scalars_[i + 1] = parameters[i];
    for (size_t at = 0; at < kernel.code.size(); at = ends_.back()) {
      starts_.resize(at + 1, 0);
      starts_[at] = ends_.size();
      size_t end = at;
      while (kernel.code[end].chained)
        ++end;
      ends_.push_back(end + 1);
      Bundle bundle;
      for (size_t i = at; i <= end; ++i)
        bundle.push_back(timed(kernel.code[i]));
      bundles_.push_back(std::move(bundle));
    }
  }

  uint64_t run() {
    for (size_t at = 0;;) {
      size_t bundle = starts_[at];
      model_.issue(bundles_[bundle]);
      if (kernel_.code[at].id == Id::Ret)
        return model_.now();
      at = next(at, ends_[bundle]);
    }
  }

private:
  struct ActiveLoop {
    size_t begin, end;
    int64_t left;
  };

  /// Registers of all classes numbered apart.
  static MachineOp timed(const Instruction &instruction) {
    MachineOp op;
    op.id = instruction.id;
    op.operands = instruction.operands;
    for (unsigned k = 0; k < op.row().operandCount; ++k)
      if (auto c = classOf(op.row().operands[k].kind))
        op.operands[k] = *c == RegisterClass::Predicate && op.operands[k] == 0
                             ? int32_t(kAlwaysRegister)
                             : int32_t((unsigned(*c) + 1) * kFirstOfClass) + op.operands[k];
    return op;
  }

  size_t next(size_t at, size_t end) {
    std::optional<int64_t> count;
    size_t target = 0;
    std::vector<std::pair<size_t, std::optional<int64_t>>> results;
    for (size_t i = at; i < end; ++i) {
      const Instruction &word = kernel_.code[i];
      if (word.id == Id::Loop || word.id == Id::Loopi) {
        count = word.id == Id::Loopi ? word.operands[0] : scalar(size_t(word.operands[0]), true);
        target = size_t(word.operands[1]);
      } else {
        scalarResults(word, results);
      }
    }
    for (auto &[index, value] : results)
      scalars_[index] = value;
    if (count && *count <= 0) {
      model_.pass(1); // a loop that is skipped is a branch taken
      return leave(target);
    }
    if (count) {
      loops_.push_back({end, target, *count});
      return end;
    }
    return leave(end);
  }

  size_t leave(size_t at) {
    while (!loops_.empty() && at == loops_.back().end) {
      if (--loops_.back().left > 0)
        return loops_.back().begin;
      loops_.pop_back();
    }
    return at;
  }

  std::optional<int64_t> scalar(size_t index, bool needed) const {
    if (needed && !scalars_[index])
      throw Error("TN1353", "kernel '" + kernel_.name +
                                "': a trip count depends on data, so that its cycles cannot be estimated");
    return scalars_[index];
  }

  void scalarResults(const Instruction &word,
                     std::vector<std::pair<size_t, std::optional<int64_t>>> &results) const {
    const mortise::Row &row = word.row();
    if (isMemory(word.id)) {
      if (hasOffset(word.id) && word.operand('j'))
        if (auto base = scalars_[size_t(word.operand('a'))])
          results.emplace_back(word.operand('a'), *base + word.operand('j'));
      if (word.id == Id::Slds)
        results.emplace_back(word.operand('d'), std::nullopt);
      return;
    }
    bool writesScalar = row.operandCount && row.operands[0].name == 'd' &&
                        row.operands[0].kind == mortise::OperandKind::Register;
    if (!writesScalar)
      return;
    std::array<int64_t, 3> values{};
    bool known = word.id != Id::Vlane;
    int64_t immediate = 0;
    for (unsigned k = 1; k < row.operandCount; ++k) {
      if (row.operands[k].kind != mortise::OperandKind::Register) {
        immediate = word.operands[k];
        continue;
      }
      std::optional<int64_t> value = scalars_[size_t(word.operands[k])];
      known &= value.has_value();
      values[size_t(row.operands[k].name - 'a')] = value.value_or(0);
    }
    std::optional<int64_t> result;
    if (word.id == Id::Lanes)
      result = hardware_.vector.lanes;
    else if (known)
      result = evaluate(word.id, values[0], values[1], values[2], immediate);
    results.emplace_back(size_t(word.operands[0]), result);
  }

  const CompiledKernel &kernel_;
  const mortise::Hardware &hardware_;
  IssueModel model_;
  std::array<std::optional<int64_t>, mortise::kRegisters> scalars_{};
  std::vector<size_t> starts_, ends_;
  std::vector<Bundle> bundles_;
  std::vector<ActiveLoop> loops_;
};

} // namespace

uint64_t estimateCycles(const CompiledKernel &kernel, const mortise::Hardware &hardware,
                        std::span<const int64_t> parameters) {
  return Run(kernel, hardware, parameters).run();
}

} // namespace tenon::npu

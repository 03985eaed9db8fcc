// Walks and substitutions that the combiner's parts share.
#pragma once

#include "compiler/emit/mortise/vector/VectorFunction.h"

namespace tenon::npu {

/// How often each value is read: by operations, as a loop's count, initial or yielded value.
std::vector<unsigned> countUses(const VectorFunction &function);

/// Values to take the place of others.
class Replacement {
public:
  explicit Replacement(size_t values) : by_(values) {}
  void set(Value from, Value to) { by_[from.index] = to; }
  /// The last of a chain of replacements; values made later stand for themselves.
  Value find(Value value) const;
  /// In every use of the function.
  void apply(VectorFunction &function) const;

private:
  void apply(VectorBlock &block) const;
  std::vector<Value> by_;
};

/// The constant of that class and value, made where there is none.
Value constantOf(VectorFunction &function, RegisterClass registerClass, int64_t bits);

} // namespace tenon::npu

//===- KernelSpec.cpp - a kernel region in its own terms
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/KernelSpec.h"
#include "compiler/dialect/tenon/BufferTable.h"

#include "llvm/Support/raw_ostream.h"

#include <numeric>

using namespace mlir;

namespace tenon::cpu {
namespace {

/// What a kernel may know of the divisors of its sizes: more would only make fewer kernels equal.
constexpr int64_t largestMultiple = 16;

/// Rebuilds an expression in another context. Handles index a list of expressions, shifted by one so that no
/// handle is null.
class Substitution : public SizeVisitor {
public:
  Substitution(SizeContext &into, ArrayRef<Size> values) : into(into), values(values) {}
  Size get(Handle h) const { return built[reinterpret_cast<uintptr_t>(h) - 1]; }

  Handle constant(int64_t v) override { return put(into.constant(v)); }
  Handle symbol(StringRef name) override {
    unsigned i = 0;
    [[maybe_unused]] bool bad = name.drop_front().getAsInteger(10, i);
    assert(!bad && name.front() == 's' && i < values.size() && "a local symbol of the kernel");
    return put(values[i]);
  }
  Handle add(Handle a, Handle b) override { return put(get(a) + get(b)); }
  Handle mul(Handle a, Handle b) override { return put(get(a) * get(b)); }
  Handle floorDiv(Handle a, Handle b) override { return put(get(a).floorDiv(get(b))); }
  Handle mod(Handle a, Handle b) override { return put(get(a).mod(get(b))); }
  Handle min(Handle a, Handle b) override { return put(get(a).min(get(b))); }
  Handle max(Handle a, Handle b) override { return put(get(a).max(get(b))); }

private:
  Handle put(Size s) {
    built.push_back(s);
    return reinterpret_cast<Handle>(static_cast<uintptr_t>(built.size()));
  }
  SizeContext &into;
  ArrayRef<Size> values;
  std::vector<Size> built;
};

} // namespace

Size substitute(Size e, SizeContext &into, ArrayRef<Size> values) {
  Substitution visitor(into, values);
  return visitor.get(visitSize(e, visitor));
}

KernelSpec::KernelSpec(KernelOp op, SizeAnalysis &outer)
    : kernel(op), local(std::make_unique<SizeContext>()), outerContext(&outer.context()) {
  llvm::raw_string_ostream text(keyText);
  Block &body = op.getBody().front();
  auto note = [&](Value v) {
    if (v.getType().isIndex()) {
      Size s = localOf(outer.index(v));
      indexSizes[v] = s;
      text << s.str() << ";";
      return;
    }
    Dims mapped;
    for (Size s : outer.dims(v)) {
      mapped.push_back(localOf(s));
      text << mapped.back().str() << ",";
    }
    text << ";";
    tensorDims[v] = std::move(mapped);
  };
  for (Value arg : body.getArguments())
    note(arg);
  for (Operation &nested : body)
    for (Value result : nested.getResults())
      note(result);
  for (NamedAttribute attribute : op->getAttrs())
    if (attribute.getName() != kBuffersAttr) // where the results lie is the plan's business
      text << attribute.getName() << attribute.getValue();
  // The region alone: the operands' names outside do not matter.
  llvm::DenseMap<Value, unsigned> number;
  for (Value arg : body.getArguments()) {
    number[arg] = number.size();
    text << arg.getType() << ",";
  }
  for (Operation &nested : body) {
    text << "\n" << nested.getName() << "(";
    for (Value v : nested.getOperands())
      text << number.lookup(v) << ",";
    text << ")" << nested.getAttrDictionary() << ":";
    for (Value r : nested.getResults()) {
      number[r] = number.size();
      text << r.getType() << ",";
    }
  }
}

ArrayRef<Size> KernelSpec::dims(Value tensor) const {
  auto it = tensorDims.find(tensor);
  assert(it != tensorDims.end() && "a tensor of the region");
  return it->second;
}

Size KernelSpec::index(Value value) const {
  auto it = indexSizes.find(value);
  assert(it != indexSizes.end() && "an index value of the region");
  return it->second;
}

Size KernelSpec::localOf(Size outerSize) {
  if (auto c = outerSize.constant())
    return local->constant(*c);
  // A size that is a multiple or a fraction of another one stays so, which reshapes inside the kernel rely
  // on.
  for (auto [i, known] : llvm::enumerate(outerSizes)) {
    Size symbol = local->symbol("s" + std::to_string(i));
    if (known == outerSize)
      return symbol;
    if (auto factor = outerSize.exactDiv(known); factor && factor->constant())
      return symbol * *factor;
    if (auto factor = known.exactDiv(outerSize); factor && factor->constant() && *factor->constant() > 0)
      return symbol.floorDiv(*factor);
  }
  outerSizes.push_back(outerSize);
  SymbolInfo info;
  info.name = "s" + std::to_string(outerSizes.size() - 1);
  info.min = 0;
  info.multipleOf = std::gcd<int64_t>(outerSize.knownDivisor(), largestMultiple);
  keyText += info.name + " multiple of " + std::to_string(info.multipleOf) + ";";
  return local->declare(info);
}

unsigned KernelSpec::scalar(Size e) {
  for (size_t i = 0; i < scalarList.size(); ++i)
    if (scalarList[i] == e)
      return i;
  scalarList.push_back(e);
  return scalarList.size() - 1;
}

Size KernelSpec::outer(Size e) const { return substitute(e, *outerContext, outerSizes); }

} // namespace tenon::cpu

//===- EinsumHandler.cpp - Einsum as transposes, reshapes and contractions --===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeContext.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

/// A label is a letter, or -k for the k-th dimension from the end of an ellipsis.
using Labels = SmallVector<int>;

struct Term {
  Tensor value;
  Labels labels;
};

class Einsum {
public:
  explicit Einsum(NodeContext &n) : n(n), g(n.g) {}
  LogicalResult run();

private:
  LogicalResult parse(std::string equation);
  FailureOr<Labels> expand(StringRef text, int64_t ellipsis);
  LogicalResult unifySizes();
  void takeDiagonals(Term &t);
  void sumOut(Term &t, llvm::function_ref<bool(int)> keep);
  Term multiply(const Term &a, const Term &b, llvm::function_ref<bool(int)> keep);
  Tensor arrange(const Term &t, ArrayRef<int> order);

  NodeContext &n;
  GraphBuilder &g;
  std::vector<Term> terms;
  Labels output;
  std::map<int, Size> sizes;
};

FailureOr<Labels> Einsum::expand(StringRef text, int64_t ellipsis) {
  Labels labels;
  while (!text.empty()) {
    if (text.consume_front("...")) {
      for (int64_t i = ellipsis; i > 0; --i)
        labels.push_back(static_cast<int>(-i));
      continue;
    }
    if (!llvm::isAlpha(text[0]))
      return n.invalid("expected letters and '...' in the equation, found '" + text.take_front(1) + "'");
    labels.push_back(text[0]);
    text = text.drop_front();
  }
  return labels;
}

LogicalResult Einsum::parse(std::string equation) {
  llvm::erase(equation, ' ');
  auto [left, right] = StringRef(equation).split("->");
  bool explicitOutput = StringRef(equation).contains("->");
  SmallVector<StringRef> parts;
  left.split(parts, ',');
  if (static_cast<int64_t>(parts.size()) != n.inputCount())
    return n.invalid("expected one term for each input, found '" + left + "' for " + Twine(n.inputCount()) +
                     " inputs");
  int64_t widest = 0;
  std::map<int, int> count;
  for (auto [part, value] : llvm::zip_equal(parts, n.inputs)) {
    size_t letters = llvm::count_if(part, [](char c) { return llvm::isAlpha(c); });
    int64_t ellipsis = part.contains("...") ? value.rank() - static_cast<int64_t>(letters) : 0;
    ONNX_TRY(labels, expand(part, std::max<int64_t>(ellipsis, 0)));
    if (static_cast<int64_t>(labels.size()) != value.rank())
      return n.invalid("expected " + Twine(labels.size()) + " dimensions for '" + part + "', found " +
                       describe(value));
    widest = std::max(widest, ellipsis);
    for (int label : labels)
      ++count[label];
    terms.push_back({value, labels});
  }
  if (!explicitOutput) {
    for (int64_t i = widest; i > 0; --i)
      output.push_back(static_cast<int>(-i));
    for (auto [label, times] : count)
      if (label > 0 && times == 1)
        output.push_back(label);
    return success();
  }
  ONNX_TRY(labels, expand(right, widest));
  output = labels;
  for (auto [i, label] : llvm::enumerate(output))
    if (!count.count(label) || llvm::is_contained(ArrayRef(output).take_front(i), label))
      return n.invalid("expected labels of the inputs in the result, each once, found '" + right + "'");
  return success();
}

LogicalResult Einsum::unifySizes() {
  for (const Term &t : terms)
    for (auto [label, size] : llvm::zip_equal(t.labels, t.value.dims)) {
      auto [it, isNew] = sizes.try_emplace(label, size);
      if (isNew || size.isConstant(1))
        continue;
      if (it->second.isConstant(1)) {
        it->second = size;
        continue;
      }
      ONNX_TRY(common, n.sameSize(it->second, size, "a label of the equation"));
      it->second = common;
    }
  for (Term &t : terms) {
    Dims dims;
    for (int label : t.labels)
      dims.push_back(sizes.at(label));
    t.value = g.broadcast(t.value, dims);
  }
  return success();
}

/// "ii" keeps the elements whose two positions are equal: the others become 0 and are summed away.
void Einsum::takeDiagonals(Term &t) {
  for (size_t i = 0; i < t.labels.size(); ++i) {
    for (size_t j = i + 1; j < t.labels.size(); ++j) {
      if (t.labels[i] != t.labels[j])
        continue;
      Type i64 = n.i64();
      const Tensor &x = t.value;
      Tensor same = g.compare(CmpPredicate::eq, g.iota(x.dims, i, i64), g.iota(x.dims, j, i64));
      Tensor diagonal = g.select(same, x, g.fullInt(0, x.element, x.dims));
      t.value = g.squeeze(g.reduce(ReduceKind::sum, diagonal, {static_cast<int64_t>(j)}), j);
      t.labels.erase(t.labels.begin() + j--);
    }
  }
}

void Einsum::sumOut(Term &t, llvm::function_ref<bool(int)> keep) {
  for (size_t i = 0; i < t.labels.size();) {
    if (keep(t.labels[i])) {
      ++i;
      continue;
    }
    t.value = g.squeeze(g.reduce(ReduceKind::sum, t.value, {static_cast<int64_t>(i)}), i);
    t.labels.erase(t.labels.begin() + i);
  }
}

Tensor Einsum::arrange(const Term &t, ArrayRef<int> order) {
  SmallVector<int64_t> permutation;
  for (int label : order)
    permutation.push_back(llvm::find(t.labels, label) - t.labels.begin());
  return g.transpose(t.value, permutation);
}

Term Einsum::multiply(const Term &a, const Term &b, llvm::function_ref<bool(int)> keep) {
  Labels batch, contracted, freeA, freeB;
  for (int label : a.labels) {
    bool shared = llvm::is_contained(b.labels, label);
    (!shared ? freeA : keep(label) ? batch : contracted).push_back(label);
  }
  for (int label : b.labels)
    if (!llvm::is_contained(a.labels, label))
      freeB.push_back(label);
  auto join = [](std::initializer_list<ArrayRef<int>> lists) {
    Labels all;
    for (ArrayRef<int> l : lists)
      llvm::append_range(all, l);
    return all;
  };
  auto product = [&](ArrayRef<int> labels) {
    Size p = g.size(1);
    for (int label : labels)
      p = p * sizes.at(label);
    return p;
  };
  Dims batchDims;
  for (int label : batch)
    batchDims.push_back(sizes.at(label));
  auto matrix = [&](const Term &t, ArrayRef<int> order, Size rows, Size columns) {
    Dims dims = batchDims;
    dims.append({rows, columns});
    return g.reshape(arrange(t, order), dims);
  };
  Size m = product(freeA), k = product(contracted), columns = product(freeB);
  Tensor left = matrix(a, join({batch, freeA, contracted}), m, k);
  Tensor right = matrix(b, join({batch, contracted, freeB}), k, columns);
  Term result;
  result.labels = join({batch, freeA, freeB});
  Dims dims;
  for (int label : result.labels)
    dims.push_back(sizes.at(label));
  result.value = g.reshape(g.contract(left, right), dims);
  return result;
}

LogicalResult Einsum::run() {
  if (failed(n.needInputs(1)) || failed(parse(n.stringAttr("equation", ""))))
    return failure();
  for (const Tensor &t : n.inputs)
    if (t.element != n.in(0).element || t.element.isInteger(1))
      return n.invalid("expected numbers of one type, found " + describe(t));
  if (failed(unifySizes()))
    return failure();
  for (Term &t : terms)
    takeDiagonals(t);
  while (true) {
    for (size_t i = 0; i < terms.size(); ++i)
      sumOut(terms[i], [&](int label) {
        bool elsewhere = false;
        for (size_t j = 0; j < terms.size(); ++j)
          elsewhere |= j != i && llvm::is_contained(terms[j].labels, label);
        return elsewhere || llvm::is_contained(output, label);
      });
    if (terms.size() == 1)
      break;
    Term product = multiply(terms[0], terms[1], [&](int label) {
      bool later = llvm::is_contained(output, label);
      for (const Term &t : ArrayRef(terms).drop_front(2))
        later |= llvm::is_contained(t.labels, label);
      return later;
    });
    terms.erase(terms.begin());
    terms[0] = product;
  }
  return n.out(arrange(terms[0], output));
}

LogicalResult einsum(NodeContext &n) { return Einsum(n).run(); }

} // namespace

void tenon::importer::registerEinsum(OpTable &t) { t.add("Einsum", einsum); }

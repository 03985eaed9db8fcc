//===- SequenceHandlers.cpp - sequences, resolved at import -----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A sequence of known length is a list of tensors while a model is imported; no operation is left of it.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeContext.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

constexpr size_t kMaxSequence = 4096;

LogicalResult outSequence(NodeContext &n, std::vector<Tensor> list) {
  if (list.size() > kMaxSequence)
    return n.fail(113, "expected sequences of at most " + Twine(kMaxSequence) + " tensors, found " +
                           Twine(list.size()));
  Tensor t;
  t.sequence = std::make_shared<std::vector<Tensor>>(std::move(list));
  return n.out(t);
}

LogicalResult needSequence(NodeContext &n) {
  if (n.has(0) && n.in(0).sequence)
    return success();
  return n.unsupported("expected a sequence that is made in the same graph");
}

LogicalResult sequenceConstruct(NodeContext &n) {
  if (failed(n.needInputs(n.inputCount())))
    return failure();
  return outSequence(n, n.inputs);
}

LogicalResult sequenceEmpty(NodeContext &n) { return outSequence(n, {}); }

/// A constant position that counts from the end when negative.
FailureOr<int64_t> position(NodeContext &n, int64_t input, int64_t count) {
  ONNX_TRY(list, n.constantInts(input, "a position in a sequence"));
  if (list.size() != 1 || list[0] < -count || list[0] >= count)
    return n.invalid("expected a position from " + Twine(-count) + " to " + Twine(count - 1));
  return list[0] < 0 ? list[0] + count : list[0];
}

LogicalResult sequenceAt(NodeContext &n) {
  if (failed(needSequence(n)) || !n.has(1))
    return failure();
  ONNX_TRY(at, position(n, 1, n.in(0).sequence->size()));
  return n.out((*n.in(0).sequence)[at]);
}

LogicalResult sequenceLength(NodeContext &n) {
  if (failed(needSequence(n)))
    return failure();
  return n.out(n.g.fromSize(n.g.size(n.in(0).sequence->size()), n.i64()));
}

LogicalResult sequenceInsert(NodeContext &n) {
  if (failed(needSequence(n)) || !n.has(1))
    return n.invalid("expected a sequence and a tensor");
  std::vector<Tensor> list = *n.in(0).sequence;
  auto at = static_cast<int64_t>(list.size());
  if (n.has(2)) {
    // The end is a position, too; those that count from the end count tensors.
    ONNX_TRY(where, n.constantInts(2, "a position in a sequence"));
    if (where.size() != 1 || where[0] < -at || where[0] > at)
      return n.invalid("expected a position from " + Twine(-at) + " to " + Twine(at));
    at = where[0] < 0 ? where[0] + at : where[0];
  }
  list.insert(list.begin() + at, n.in(1));
  return outSequence(n, std::move(list));
}

LogicalResult sequenceErase(NodeContext &n) {
  if (failed(needSequence(n)))
    return failure();
  std::vector<Tensor> list = *n.in(0).sequence;
  if (list.empty())
    return n.invalid("expected a sequence that is not empty");
  int64_t at = static_cast<int64_t>(list.size()) - 1;
  if (n.has(1)) {
    ONNX_TRY(where, position(n, 1, list.size()));
    at = where;
  }
  list.erase(list.begin() + at);
  return outSequence(n, std::move(list));
}

LogicalResult splitToSequence(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 1)))
    return failure();
  GraphBuilder &g = n.g;
  const Tensor &x = n.in(0);
  ONNX_TRY(axis, n.axis(n.intAttr("axis", 0), x.rank()));
  SmallVector<int64_t> lengths;
  bool keep = true;
  auto total = x.dims[axis].constant();
  if (n.has(1) && n.in(1).rank() == 1) {
    ONNX_TRY(list, n.constantInts(1, "the lengths"));
    lengths = list;
  } else {
    int64_t each = 1;
    if (n.has(1)) {
      ONNX_TRY(list, n.constantInts(1, "the length"));
      each = list.empty() ? 0 : list[0];
    } else {
      keep = n.intAttr("keepdims", 1);
    }
    if (!total || each < 1 || *total / each > static_cast<int64_t>(kMaxSequence))
      return n.unsupported("expected a constant size to split into at most " + Twine(kMaxSequence) +
                           " parts, found " + describe(x));
    for (int64_t at = 0; at < *total; at += each)
      lengths.push_back(std::min(each, *total - at));
  }
  std::vector<Tensor> list;
  Size offset = g.size(0);
  for (int64_t length : lengths) {
    if (length < 0)
      return n.invalid("expected lengths that are not negative, found " + Twine(length));
    Tensor part = g.sliceAxis(x, axis, offset, g.size(length));
    list.push_back(keep ? part : g.squeeze(part, axis));
    offset = offset + length;
  }
  if (failed(n.sameSize(offset, x.dims[axis], "the sum of the lengths and the dimension that is split")))
    return failure();
  return outSequence(n, std::move(list));
}

LogicalResult concatFromSequence(NodeContext &n) {
  if (failed(needSequence(n)))
    return failure();
  GraphBuilder &g = n.g;
  std::vector<Tensor> list = *n.in(0).sequence;
  if (list.empty() || list[0].sequence)
    return n.invalid("expected a sequence of tensors that is not empty");
  bool isNew = n.intAttr("new_axis", 0);
  ONNX_TRY(axis, n.axis(n.intAttr("axis", 0), list[0].rank() + (isNew ? 1 : 0)));
  for (Tensor &t : list) {
    if (t.rank() != list[0].rank() + (isNew && &t != &list[0] ? -1 : 0) || t.element != list[0].element)
      return n.invalid("expected tensors of one rank and type, found " + describe(list[0]) + " and " +
                       describe(t));
    if (isNew)
      t = g.unsqueeze(t, axis);
    for (int64_t i = 0; i < t.rank(); ++i)
      if (i != axis && failed(n.sameSize(t.dims[i], list[0].dims[i], "joining a sequence")))
        return failure();
  }
  return n.out(g.concat(list, axis));
}

} // namespace

void tenon::importer::registerSequences(OpTable &t) {
  t.add("SequenceConstruct", sequenceConstruct);
  t.add("SequenceEmpty", sequenceEmpty);
  t.add("SequenceAt", sequenceAt);
  t.add("SequenceLength", sequenceLength);
  t.add("SequenceInsert", sequenceInsert);
  t.add("SequenceErase", sequenceErase);
  t.add("SplitToSequence", splitToSequence);
  t.add("ConcatFromSequence", concatFromSequence);
}

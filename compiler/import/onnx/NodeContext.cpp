//===- NodeContext.cpp - inputs, attributes and shapes of a node ------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeContext.h"
#include "compiler/import/onnx/GraphImporter.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

/// Elements of a tensor that are read one by one when the model runs.
static constexpr int64_t kMaxRead = 64;

NodeContext::NodeContext(GraphImporter &importer, GraphBuilder &g, const ::onnx::NodeProto &node,
                         Scope &scope, int64_t opset)
    : importer(importer), g(g), node(node), scope(scope), opset(opset) {
  outputs.resize(node.output_size());
}

LogicalResult NodeContext::needInputs(int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if (!has(i))
      return invalid("expected at least " + Twine(count) + " inputs, but input " + Twine(i) + " is missing");
    if (in(i).sequence)
      return invalid("expected a tensor as input " + Twine(i) + ", found a sequence");
  }
  return success();
}

LogicalResult NodeContext::out(Tensor t, int64_t i) {
  if (i < outputCount())
    outputs[i] = std::move(t);
  return success();
}

const ::onnx::AttributeProto *NodeContext::attr(StringRef name) const {
  for (const auto &a : node.attribute()) {
    if (StringRef(a.name()) != name)
      continue;
    return a.ref_attr_name().empty() ? &a : importer.resolveAttribute(scope, a.ref_attr_name());
  }
  return nullptr;
}

int64_t NodeContext::intAttr(StringRef name, int64_t otherwise) const {
  const auto *a = attr(name);
  return a && a->has_i() ? a->i() : otherwise;
}

double NodeContext::floatAttr(StringRef name, double otherwise) const {
  const auto *a = attr(name);
  return a && a->has_f() ? a->f() : otherwise;
}

std::string NodeContext::stringAttr(StringRef name, StringRef otherwise) const {
  const auto *a = attr(name);
  return a && a->has_s() ? a->s() : otherwise.str();
}

std::optional<SmallVector<int64_t>> NodeContext::intsAttr(StringRef name) const {
  const auto *a = attr(name);
  if (!a)
    return std::nullopt;
  return SmallVector<int64_t>(a->ints().begin(), a->ints().end());
}

std::optional<SmallVector<double>> NodeContext::floatsAttr(StringRef name) const {
  const auto *a = attr(name);
  if (!a)
    return std::nullopt;
  return SmallVector<double>(a->floats().begin(), a->floats().end());
}

std::optional<SmallVector<std::string>> NodeContext::stringsAttr(StringRef name) const {
  const auto *a = attr(name);
  if (!a)
    return std::nullopt;
  return SmallVector<std::string>(a->strings().begin(), a->strings().end());
}

LogicalResult NodeContext::fail(int code, const Twine &message) {
  if (!failureCode) {
    failureCode = code;
    failureMessage = message.str();
  }
  return failure();
}

SmallVector<int64_t> NodeContext::declaredShape(int64_t output) const {
  if (!wants(output))
    return {};
  auto it = scope.declared.find(node.output(output));
  if (it == scope.declared.end())
    return {};
  SmallVector<int64_t> shape;
  for (const auto &d : it->second->dim()) {
    if (!d.has_dim_value() || d.dim_value() < 0)
      return {};
    shape.push_back(d.dim_value());
  }
  return shape;
}

FailureOr<SmallVector<Size>> NodeContext::sizesOf(int64_t input, std::optional<int64_t> min,
                                                  ArrayRef<int64_t> most) {
  const Tensor &t = in(input);
  SmallVector<Size> list;
  if (t.content) {
    for (const SizeFraction &f : *t.content) {
      if (!f.isInteger())
        return invalid("expected integers as input " + Twine(input) + ", found a fraction");
      list.push_back(f.num);
    }
    return list;
  }
  auto count = elementCount(t.dims);
  if (!isa<IntegerType>(t.element) || !count || *count > kMaxRead)
    return unsupported("input " + Twine(input) + " holds sizes that only the run knows; expected at most " +
                       Twine(kMaxRead) + " integers of a known count, found " + describe(t));
  bool bounded = static_cast<int64_t>(most.size()) == *count;
  for (int64_t i = 0; i < *count; ++i)
    list.push_back(g.readScalar(t, i, min, bounded ? std::optional(most[i]) : std::nullopt));
  return list;
}

FailureOr<SmallVector<int64_t>> NodeContext::constantInts(int64_t input, StringRef what) {
  SmallVector<int64_t> list;
  const Tensor &t = in(input);
  if (!t.content)
    return unsupported(what + " must be constant, found a value that is computed when the model runs");
  for (const SizeFraction &f : *t.content) {
    auto c = f.constant();
    if (!c)
      return unsupported(what + " must be constant, found " + f.num.str());
    list.push_back(*c);
  }
  return list;
}

FailureOr<double> NodeContext::constantNumber(int64_t input, StringRef what) {
  const Tensor &t = in(input);
  if (t.constant && t.constant.getNumElements() == 1) {
    if (isa<FloatType>(t.element))
      return (*t.constant.getValues<APFloat>().begin()).convertToDouble();
    APInt v = *t.constant.getValues<APInt>().begin();
    return t.element.isUnsignedInteger() ? v.roundToDouble(false) : v.roundToDouble(true);
  }
  if (t.content && t.content->size() == 1) {
    auto num = (*t.content)[0].num.constant(), den = (*t.content)[0].den.constant();
    if (num && den && *den)
      return static_cast<double>(*num) / static_cast<double>(*den);
  }
  return unsupported(what + " must be a constant number");
}

FailureOr<int64_t> NodeContext::axis(int64_t value, int64_t rank) {
  if (value < -rank || value >= rank)
    return invalid("expected an axis from " + Twine(-rank) + " to " + Twine(rank - 1) + ", found " +
                   Twine(value));
  return value < 0 ? value + rank : value;
}

FailureOr<SmallVector<int64_t>> NodeContext::axes(StringRef attribute, int64_t input, int64_t rank,
                                                  bool &given) {
  SmallVector<int64_t> list;
  given = true;
  if (has(input)) {
    ONNX_TRY(values, constantInts(input, "the axes"));
    list = values;
  } else if (auto values = intsAttr(attribute)) {
    list = *values;
  } else {
    given = false;
  }
  for (int64_t &a : list) {
    ONNX_TRY(normal, axis(a, rank));
    a = normal;
  }
  llvm::sort(list);
  if (std::adjacent_find(list.begin(), list.end()) != list.end())
    return invalid("an axis is given twice");
  return list;
}

FailureOr<Size> NodeContext::sameSize(Size a, Size b, StringRef what) {
  if (a.constant() && b.constant() && a != b)
    return invalid(what + ": expected equal sizes, found " + a.str() + " and " + b.str());
  return g.require(a, b);
}

FailureOr<Dims> NodeContext::broadcastDims(ArrayRef<Tensor> tensors) {
  int64_t rank = 0;
  for (const Tensor &t : tensors)
    rank = std::max(rank, t.rank());
  Dims dims(rank, g.size(1));
  for (const Tensor &t : tensors) {
    for (int64_t i = 0; i < t.rank(); ++i) {
      Size &to = dims[rank - t.rank() + i];
      Size from = t.dims[i];
      if (from.isConstant(1) || from == to)
        continue;
      if (to.isConstant(1)) {
        to = from;
        continue;
      }
      if (g.mayClamp && !(from.constant() && to.constant()) && !g.sameSize(from, to)) {
        to = from.max(to);
        continue;
      }
      ONNX_TRY(common,
               sameSize(to, from, "broadcasting " + describe(tensors.front()) + " and " + describe(t)));
      to = common;
    }
  }
  return dims;
}

FailureOr<SmallVector<Tensor>> NodeContext::broadcastAll(ArrayRef<Tensor> tensors) {
  ONNX_TRY(dims, broadcastDims(tensors));
  SmallVector<Tensor> list;
  for (const Tensor &t : tensors)
    list.push_back(g.broadcast(g.toRank(t, dims.size()), dims));
  return list;
}

FailureOr<Tensor> NodeContext::broadcastTo(const Tensor &t, ArrayRef<Size> dims, StringRef what) {
  if (t.rank() > static_cast<int64_t>(dims.size()))
    return invalid(what + ": expected at most " + Twine(dims.size()) + " dimensions, found " + describe(t));
  Tensor x = g.toRank(t, dims.size());
  for (auto [from, to] : llvm::zip_equal(x.dims, dims))
    if (!from.isConstant(1) && failed(sameSize(to, from, what)))
      return failure();
  return g.broadcast(x, dims);
}

LogicalResult NodeContext::needRank(int64_t input, int64_t least) {
  if (in(input).rank() >= least)
    return success();
  return invalid("expected input " + Twine(input) + " to have at least " + Twine(least) +
                 " dimensions, found " + describe(in(input)));
}

LogicalResult NodeContext::needFloat(int64_t input) {
  if (isa<FloatType>(in(input).element))
    return success();
  return invalid("expected a floating-point tensor as input " + Twine(input) + ", found " +
                 describe(in(input)));
}

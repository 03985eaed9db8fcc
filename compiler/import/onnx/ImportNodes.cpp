//===- ImportNodes.cpp - nodes, constants and local functions ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/GraphImporter.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

/// Subgraphs in subgraphs and calls in calls.
static constexpr int kMaxDepth = 32;
/// Constants up to this size live in the IR.
static constexpr int64_t kInlineBytes = 1024;
/// Scales and zero points, which passes compare and combine, do so up to this size.
static constexpr int64_t kInlineParameterBytes = 1 << 16;
/// Dimensions above this are taken for nonsense; it keeps size arithmetic far from overflow.
static constexpr int64_t kMaxDim = int64_t(1) << 40, kMaxElements = int64_t(1) << 46;
static constexpr int64_t kOldestOpset = 7; // with numpy's broadcasting

const Tensor *GraphImporter::find(const Scope &scope, StringRef name, bool &broken) const {
  broken = false;
  for (const Scope *s = &scope; s; s = s->parent) {
    auto it = s->values.find(name);
    if (it != s->values.end())
      return &it->second;
    if (s->broken.contains(name)) {
      broken = true;
      return nullptr;
    }
  }
  return nullptr;
}

const ::onnx::AttributeProto *GraphImporter::resolveAttribute(const Scope &scope, StringRef name) const {
  auto it = scope.frame->attributes.find(name);
  return it == scope.frame->attributes.end() ? nullptr : it->second;
}

int64_t GraphImporter::opsetFor(const Scope &scope, StringRef domain) const {
  auto it = scope.frame->opsets.find(domain);
  if (it != scope.frame->opsets.end())
    return it->second;
  auto main = mainFrame.opsets.find(domain);
  return main != mainFrame.opsets.end() ? main->second : domain.empty() ? 0 : 1;
}

FailureOr<Tensor> GraphImporter::importTensor(const ::onnx::TensorProto &tensor, StringRef name,
                                              NodeContext *node) {
  TensorData data;
  ModelFile::Error e;
  if (!file.load(*builder.getContext(), tensor, data, e)) {
    if (node)
      return node->fail(e.code, e.message);
    return error(e.code, "initializer '" + name + "': " + e.message);
  }
  auto type = RankedTensorType::get(data.dims, data.elementType);
  StringRef bytes = data.inSource ? data.bytes : StringRef(data.owned);
  bool forShapes = isa<IntegerType>(data.elementType) && data.elements <= kMaxContent;
  int64_t most = quantizationParameters.contains(name) ? kInlineParameterBytes : kInlineBytes;
  if (static_cast<int64_t>(bytes.size()) <= most || forShapes) {
    if (data.elements == 0)
      return g.fromConstant(DenseElementsAttr::get(type, ArrayRef<Attribute>()));
    if (data.elementType.isInteger(1)) {
      SmallVector<bool> flags = llvm::map_to_vector(bytes, [](char c) { return c != 0; });
      return g.fromConstant(DenseElementsAttr::get(type, flags));
    }
    return g.fromConstant(DenseElementsAttr::getFromRawBuffer(type, ArrayRef(bytes.data(), bytes.size())));
  }
  WeightOp weight = state.weight(name, data, g.loc);
  OpBuilder entry = OpBuilder::atBlockBegin(&function.getBody().front());
  if (lastEntryOp)
    entry.setInsertionPointAfter(lastEntryOp);
  auto op = GetWeightOp::create(entry, g.loc, type, weight.getSymName());
  lastEntryOp = op;
  return g.wrap(op, g.dimsOf(data.dims));
}

LogicalResult GraphImporter::importInitializers(const ::onnx::GraphProto &graph, Scope &scope) {
  bool ok = true;
  for (const auto &node : graph.node())
    if (node.op_type() == "QuantizeLinear" || node.op_type() == "DequantizeLinear")
      for (int i = 1; i < std::min(node.input_size(), 3); ++i)
        quantizationParameters.insert(node.input(i));
  for (const auto &t : graph.initializer()) {
    if (t.name().empty() || scope.values.count(t.name())) {
      ok = succeeded(
          error(115, "expected initializers with names of their own, found '" + t.name() + "' again"));
      continue;
    }
    g.loc = NameLoc::get(builder.getStringAttr("initializer:" + t.name()));
    auto value = importTensor(t, t.name(), nullptr);
    if (succeeded(value)) {
      scope.values[t.name()] = *value;
      continue;
    }
    scope.broken.insert(t.name());
    ok = false;
  }
  for (const auto &t : graph.sparse_initializer()) {
    ok = succeeded(error(102, "initializer '" + t.values().name() +
                                  "': sparse initializers are not supported; store it dense"));
    scope.broken.insert(t.values().name());
  }
  return success(ok);
}

LogicalResult GraphImporter::importGraph(const ::onnx::GraphProto &graph, Scope &scope) {
  if (depth >= kMaxDepth)
    return error(113, "graph '" + graph.name() + "': expected at most " + Twine(kMaxDepth) +
                          " nested subgraphs and calls");
  ++depth;
  for (const auto *list : {&graph.value_info(), &graph.output()})
    for (const auto &v : *list)
      if (v.type().tensor_type().has_shape())
        scope.declared[v.name()] = &v.type().tensor_type().shape();
  LogicalResult initializers = importInitializers(graph, scope);
  LogicalResult nodes = importNodes(graph.node(), scope);
  --depth;
  return success(succeeded(initializers) && succeeded(nodes));
}

FailureOr<std::vector<Tensor>> GraphImporter::graphOutputs(const ::onnx::GraphProto &graph, Scope &scope) {
  std::vector<Tensor> values;
  for (const auto &output : graph.output()) {
    bool broken;
    const Tensor *t = find(scope, output.name(), broken);
    if (!t && !broken)
      return error(114, "output '" + output.name() + "' of graph '" + graph.name() + "' is made by no node");
    if (!t)
      return failure();
    values.push_back(*t);
  }
  return values;
}

void GraphImporter::nodeError(const NodeContext &n, StringRef name, int code, const Twine &message) {
  ImportDiagnostic d;
  d.code = code;
  d.message = message.str();
  d.node = name.str();
  d.op = n.node.op_type();
  d.domain = n.node.domain().empty() ? "ai.onnx" : n.node.domain();
  d.opset = n.opset;
  diagnostics.push_back(std::move(d));
}

LogicalResult GraphImporter::gatherInputs(NodeContext &n, bool &broken) {
  broken = false;
  for (const auto &name : n.node.input()) {
    if (name.empty()) {
      n.inputs.emplace_back();
      continue;
    }
    bool isBroken;
    const Tensor *t = find(n.scope, name, isBroken);
    if (!t && !isBroken)
      return n.fail(114, "input '" + name +
                             "' is made by no earlier node, input or initializer; the graph is not sorted, "
                             "has a cycle, or lacks a node");
    broken |= isBroken;
    n.inputs.push_back(t ? *t : Tensor());
  }
  return success();
}

LogicalResult GraphImporter::checkOutputs(NodeContext &n) {
  for (auto [i, t] : llvm::enumerate(n.outputs)) {
    if (!n.wants(i))
      continue;
    if (!t)
      return n.unsupported("output " + Twine(i) + " of this operation is not supported");
    int64_t elements = 1;
    for (Size s : t.dims) {
      int64_t d = s.constant().value_or(1);
      bool overflow = llvm::MulOverflow(elements, std::max<int64_t>(d, 1), elements);
      if (d < 0 || d > kMaxDim || overflow || elements > kMaxElements)
        return n.fail(113, "expected a result of sensible size, found " + describe(t.dims));
    }
    if (t.rank() > 16)
      return n.fail(113, "expected a result of at most 16 dimensions, found " + Twine(t.rank()));
  }
  return success();
}

/// Before opset 7 some operations had attributes for what shapes say now: broadcasting along an axis,
/// training.
static bool hasOldForm(const NodeContext &n) {
  return n.intAttr("broadcast", 0) != 0 || (n.attr("is_test") && n.intAttr("is_test", 0) == 0) ||
         n.attr("consumed_inputs");
}

LogicalResult GraphImporter::dispatch(NodeContext &n, const OpEntry *entry) {
  if (!entry)
    return n.fail(101,
                  "there is no import of this operation; replace it when exporting, or see docs/errors.md");
  bool own = n.node.domain().empty() || n.node.domain() == "ai.onnx";
  int64_t oldest = std::max(hasOldForm(n) ? kOldestOpset : 1, entry->firstOpset);
  if (own && n.opset < oldest)
    return n.fail(103, "expected opset " + Twine(oldest) +
                           " or newer for this form of the operation; convert the model "
                           "with onnx.version_converter");
  bool known = entry->onContent && !n.inputs.empty();
  for (const Tensor &t : n.inputs)
    known &= !t.sequence && (!t || t.content.has_value());
  if (known) {
    if (succeeded(entry->onContent(n)))
      return success();
    n.failureCode = 0; // elements that the rules cannot follow: an ordinary operation
    n.outputs.assign(n.outputCount(), Tensor());
  }
  return entry->handler ? entry->handler(n)
                        : n.unsupported("the inputs must be known when the model is imported");
}

LogicalResult GraphImporter::importNode(const ::onnx::NodeProto &node, Scope &scope) {
  std::string domain = node.domain() == "ai.onnx" ? "" : node.domain();
  NodeContext n(*this, g, node, scope, opsetFor(scope, domain));
  std::string name = scope.frame->prefix;
  name += !node.name().empty() ? node.name() : node.output_size() ? node.output(0) : "";
  int64_t id = state.addNode(name, node.op_type(), domain);
  Location outer = g.loc;
  g.loc = NameLoc::get(builder.getStringAttr("node:" + Twine(id) + ":" + node.op_type() + ":" + name));
  size_t row = rows.size();
  rows.push_back({name, node.op_type(), domain.empty() ? "ai.onnx" : domain, true, "", id});
  auto function = functions.find(domain + ":" + node.op_type() + ":" + node.overload());
  const OpEntry *entry = OpTable::instance().find(domain, node.op_type());
  bool broken = false;
  LogicalResult result = gatherInputs(n, broken);
  if (succeeded(result)) {
    if (function != functions.end())
      result = broken ? failure() : callFunction(n, *function->second);
    else if (!broken)
      result = dispatch(n, entry);
    else
      result = entry ? failure() : dispatch(n, nullptr);
  }
  if (succeeded(result))
    result = checkOutputs(n);
  if (failed(result) && n.failureCode) {
    nodeError(n, name, n.failureCode, n.failureMessage);
    rows[row].supported = false;
    rows[row].reason = diagnostics.back().str();
  }
  for (auto [i, output] : llvm::enumerate(node.output())) {
    if (output.empty())
      continue;
    if (scope.values.count(output)) {
      nodeError(n, name, 115, "output '" + output + "' is already the name of another value");
      result = failure();
    } else if (succeeded(result)) {
      scope.values[output] = n.outputs[i];
    } else {
      scope.broken.insert(output);
    }
  }
  g.loc = outer;
  return result;
}

template <typename Nodes> LogicalResult GraphImporter::importNodes(const Nodes &nodes, Scope &scope) {
  bool ok = true;
  for (const auto &node : nodes) {
    if (++importedNodes > options.maxNodes) {
      if (!limitReported)
        (void)error(113, "expected at most " + Twine(options.maxNodes) + " nodes after inlining functions");
      limitReported = true;
      return failure();
    }
    ok &= succeeded(importNode(node, scope));
  }
  return success(ok);
}

LogicalResult GraphImporter::callFunction(NodeContext &n, const ::onnx::FunctionProto &f) {
  if (n.scope.frame->depth >= kMaxDepth || depth >= kMaxDepth)
    return n.fail(113, "expected at most " + Twine(kMaxDepth) +
                           " nested calls; functions may not call themselves");
  if (n.inputCount() > f.input_size() || n.outputCount() > f.output_size())
    return n.invalid("expected at most " + Twine(f.input_size()) + " inputs and " + Twine(f.output_size()) +
                     " outputs, found " + Twine(n.inputCount()) + " and " + Twine(n.outputCount()));
  FunctionFrame frame;
  frame.function = &f;
  frame.depth = n.scope.frame->depth + 1;
  frame.prefix = n.scope.frame->prefix + (n.node.name().empty() ? f.name() : n.node.name()) + "/";
  for (const auto &import : f.opset_import())
    frame.opsets[import.domain() == "ai.onnx" ? "" : import.domain()] = import.version();
  for (const auto &a : f.attribute_proto())
    frame.attributes[a.name()] = &a;
  for (const auto &a : n.node.attribute())
    if (const auto *value = n.attr(a.name()))
      frame.attributes[a.name()] = value;
  Scope scope;
  scope.frame = &frame;
  for (int i = 0; i < f.input_size(); ++i)
    if (n.has(i))
      scope.values[f.input(i)] = n.in(i);
    else
      scope.values[f.input(i)] = Tensor(); // an absent optional input stays absent for the body's nodes
  // What the caller declares holds for what the body makes.
  for (int i = 0; i < std::min(f.output_size(), n.node.output_size()); ++i)
    if (auto it = n.scope.declared.find(n.node.output(i)); it != n.scope.declared.end())
      scope.declared[f.output(i)] = it->second;
  ++depth;
  LogicalResult body = importNodes(f.node(), scope);
  --depth;
  if (failed(body))
    return failure();
  for (int64_t i = 0; i < n.outputCount(); ++i) {
    auto it = scope.values.find(f.output(i));
    if (it == scope.values.end())
      return n.fail(114, "output '" + f.output(i) + "' of the function is made by no node");
    (void)n.out(it->second, i);
  }
  return success();
}

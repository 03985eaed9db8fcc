//===- GraphImporter.cpp - inputs, outputs and states of a model ------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/GraphImporter.h"

#include "compiler/dialect/tenon/SizeRules.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

GraphImporter::GraphImporter(ModuleState &state, ModelFile &file, const ImportOptions &options,
                             SymbolFacts &facts, std::vector<ImportDiagnostic> &diagnostics)
    : facts(facts), state(state), file(file), options(options), diagnostics(diagnostics),
      builder(state.module.getContext()), g(builder, sizes) {
  g.mayClamp = facts.mayClamp;
  mainScope.frame = &mainFrame;
  for (const auto &import : file.proto().opset_import())
    mainFrame.opsets[import.domain() == "ai.onnx" ? "" : import.domain()] = import.version();
  for (const auto &f : file.proto().functions())
    functions[f.domain() + ":" + f.name() + ":" + f.overload()] = &f;
}

LogicalResult GraphImporter::error(int code, const Twine &message) {
  ImportDiagnostic d;
  d.code = code;
  d.message = message.str();
  diagnostics.push_back(std::move(d));
  return failure();
}

void GraphImporter::warn(NodeContext &n, int code, const Twine &message) {
  nodeError(n, n.node.name(), code, message);
  diagnostics.back().severity = ImportDiagnostic::Severity::Warning;
}

void GraphImporter::excuseRows(const Mark &from, StringRef why) {
  for (CheckRow &row : MutableArrayRef(rows).drop_front(from.rows))
    if (!row.supported) {
      row.supported = true;
      row.reason = why.str();
    }
}

bool GraphImporter::onlySizesFailed(size_t from) const {
  return llvm::all_of(ArrayRef(diagnostics).drop_front(from), [](const ImportDiagnostic &d) {
    return d.severity != ImportDiagnostic::Severity::Error || d.code == 102 || d.code == 105;
  });
}

std::vector<ImportDiagnostic> GraphImporter::takeDiagnostics(size_t from) {
  std::vector<ImportDiagnostic> taken(diagnostics.begin() + from, diagnostics.end());
  diagnostics.resize(from);
  return taken;
}

void GraphImporter::declareSymbol(StringRef name) {
  if (g.symbols.count(name.str()))
    return;
  SymbolInfo info;
  bool zeroAllowed = false; // 1 is only the default of the minimum
  info.name = name.str();
  inputSymbols.push_back(info.name);
  // Symbols that turned out to be equal have the range that all of them allow.
  for (auto &[given, range] : options.symbols) {
    if (facts.resolve(given).symbol != info.name)
      continue;
    info.min = std::max(info.min, range.min);
    if (range.max)
      info.max = info.max ? std::min(*info.max, *range.max) : *range.max;
    info.multipleOf = std::max(info.multipleOf, range.multipleOf);
    if (info.likely.empty() || given == info.name)
      info.likely.assign(range.likely.begin(), range.likely.end());
    zeroAllowed |= range.min == 0;
  }
  if (zeroAllowed && info.min == 1)
    info.min = 0;
  if (info.max && *info.max < info.min)
    info.max = info.min;
  if (auto it = facts.multiples.find(info.name);
      it != facts.multiples.end() && it->second > info.multipleOf) {
    info.multipleOf = it->second;
    info.min = llvm::alignTo(std::max<int64_t>(info.min, 1), info.multipleOf);
  }
  if (auto it = facts.minima.find(info.name); it != facts.minima.end())
    info.min = std::max<int64_t>(info.min, llvm::alignTo(it->second, info.multipleOf));
  sizes.declare(info);
  OpBuilder entry = OpBuilder::atBlockBegin(&function.getBody().front());
  if (lastEntryOp)
    entry.setInsertionPointAfter(lastEntryOp);
  auto max = info.max ? entry.getI64IntegerAttr(*info.max) : IntegerAttr();
  auto op = SymbolOp::create(entry, g.loc, entry.getIndexType(), entry.getStringAttr(name),
                             entry.getI64IntegerAttr(info.min), max, entry.getI64IntegerAttr(info.multipleOf),
                             entry.getDenseI64ArrayAttr(info.likely));
  lastEntryOp = op;
  g.symbols[info.name] = op;
}

FailureOr<Dims> GraphImporter::inputDims(const ::onnx::ValueInfoProto &input) {
  const auto &type = input.type().tensor_type();
  auto given = options.shapes.find(input.name());
  bool isGiven = given != options.shapes.end();
  if (!type.has_shape() && !isGiven)
    return error(120, "input '" + input.name() +
                          "': expected a shape, but the model gives none; state it with --shape " +
                          input.name() + "=...");
  int64_t rank = isGiven ? given->second.size() : type.shape().dim_size();
  if (isGiven && type.has_shape() && type.shape().dim_size() != rank)
    return error(120, "input '" + input.name() + "': expected " + Twine(type.shape().dim_size()) +
                          " dimensions in --shape, found " + Twine(rank));
  if (rank > 16)
    return error(113, "input '" + input.name() + "': expected at most 16 dimensions, found " + Twine(rank));
  Dims dims;
  for (int64_t i = 0; i < rank; ++i) {
    DimSpec spec;
    if (type.has_shape()) {
      const auto &d = type.shape().dim(i);
      if (d.has_dim_value() && d.dim_value() >= 0)
        spec.value = d.dim_value();
      else if (d.has_dim_param() && d.dim_param() != "?")
        spec.symbol = d.dim_param();
    }
    if (isGiven && (given->second[i].value || !given->second[i].symbol.empty())) {
      const DimSpec &wanted = given->second[i];
      if (spec.value && wanted.value && *spec.value != *wanted.value)
        return error(120, "input '" + input.name() + "': expected size " + Twine(*spec.value) +
                              " for dimension " + Twine(i) + ", which the model fixes, found " +
                              Twine(*wanted.value) + " in --shape");
      spec = wanted.value || !spec.value ? wanted : spec;
    }
    if (!spec.value) {
      if (spec.symbol.empty())
        spec.symbol = input.name() + "." + std::to_string(i);
      spec = facts.resolve(spec.symbol);
    }
    if (spec.value) {
      dims.push_back(sizes.constant(*spec.value));
      continue;
    }
    declareSymbol(spec.symbol);
    dims.push_back(sizes.symbol(spec.symbol));
  }
  return dims;
}

LogicalResult GraphImporter::checkOptions() {
  const auto &graph = file.proto().graph();
  llvm::StringSet<> inputs, outputs, initializers;
  for (const auto &t : graph.initializer())
    initializers.insert(t.name());
  for (const auto &o : graph.output())
    if (!outputs.insert(o.name()).second)
      return error(115, "output '" + o.name() + "' is listed twice");
  for (const auto &i : graph.input())
    if (!inputs.insert(i.name()).second || i.name().empty())
      return error(115,
                   "expected inputs with names of their own, found '" + i.name() + "' twice or nameless");
  for (auto &[input, output] : options.states)
    if (inputs.contains(input) && !outputs.contains(output))
      return error(119,
                   "--state " + Twine(input) + "=" + output + ": the model has no output '" + output + "'");
  return success();
}

LogicalResult GraphImporter::importInputs() {
  llvm::StringSet<> initializers;
  for (const auto &t : file.proto().graph().initializer())
    initializers.insert(t.name());
  Block &entry = function.getBody().front();
  bool ok = true;
  for (const auto &input : file.proto().graph().input()) {
    if (initializers.contains(input.name()))
      continue; // an initializer with a default that could be overridden: it is a constant here
    Type element = input.type().has_tensor_type()
                       ? elementTypeOf(*builder.getContext(), input.type().tensor_type().elem_type())
                       : Type();
    if (!element) {
      std::string found = input.type().has_tensor_type()
                              ? "a tensor of " + nameOfElementType(input.type().tensor_type().elem_type())
                              : "a value that is no tensor";
      ok &= succeeded(error(104, "input '" + input.name() +
                                     "': expected a tensor of numbers or booleans, found " + found));
      continue;
    }
    auto dims = inputDims(input);
    if (failed(dims)) {
      ok = false;
      continue;
    }
    auto type = g.type(element, *dims);
    if (options.states.count(input.name())) {
      if (failed(importState(input.name(), element, *dims)))
        ok = false;
      continue;
    }
    Value argument = entry.addArgument(type, g.loc);
    Tensor &t = mainScope.values[input.name()] = g.wrap(argument, *dims);
    if (elementCount(*dims) == 0)
      t.content.emplace(); // no elements are known elements: the axes of a reduction over all of them
    arguments.push_back({input.name(), *dims});
  }
  return success(ok);
}

LogicalResult GraphImporter::importState(StringRef name, Type element, Dims &dims) {
  for (Size &d : dims) {
    if (d.constant())
      continue;
    // A session allocates its states before the first call: their sizes cannot depend on the call.
    const SymbolInfo *info = sizes.info(d.symbol());
    DimSpec pinned;
    pinned.value = !info->likely.empty() ? info->likely.front() : info->min;
    std::string symbol = d.symbol().str();
    facts.replaced[symbol] = pinned;
    ImportDiagnostic warning;
    warning.severity = ImportDiagnostic::Severity::Warning;
    warning.code = 121;
    warning.message =
        ("state '" + name + "' has the symbolic size '" + symbol + "', which a session must fix: it is " +
         Twine(*pinned.value) + " here; choose another with --shape or --symbol " + symbol +
         "=MIN:MAX:MULTIPLE:LIKELY")
            .str();
    diagnostics.push_back(std::move(warning));
    learned = true;
    d = sizes.constant(*pinned.value);
  }
  auto type = g.type(element, dims);
  StateOp op = state.state(name, type, g.loc);
  if (!op)
    return error(120, "state '" + name.str() + "': expected the same type in every model, found sizes " +
                          describe(dims) + " here");
  mainScope.values[name] = g.wrap(ReadStateOp::create(builder, g.loc, type, op.getSymName()), dims);
  return success();
}

LogicalResult GraphImporter::importOutputs() {
  ONNX_TRY(values, graphOutputs(file.proto().graph(), mainScope));
  SmallVector<Value> results;
  SmallVector<std::string> names;
  std::map<std::string, std::string> stateOf; // output -> input
  for (const auto &input : file.proto().graph().input())
    if (auto it = options.states.find(input.name()); it != options.states.end())
      stateOf[it->second] = it->first;
  for (auto [i, output] : llvm::enumerate(file.proto().graph().output())) {
    if (values[i].sequence)
      return error(104, "output '" + output.name() + "': expected a tensor, found a sequence");
    auto isState = stateOf.find(output.name());
    if (isState == stateOf.end()) {
      results.push_back(g.value(values[i]));
      names.push_back(output.name());
      continue;
    }
    StateOp op = state.existingState(isState->second);
    auto type = cast<RankedTensorType>(op.getType());
    if (type.getElementType() != values[i].element || type.getRank() != values[i].rank())
      return error(120, "state '" + isState->second + "': expected output '" + output.name() +
                            "' to have its type, found " + describe(values[i]));
    for (auto [d, size] : llvm::enumerate(values[i].dims)) {
      if (size.constant() && *size.constant() != type.getDimSize(d))
        return error(120, "state '" + isState->second + "': expected output '" + output.name() +
                              "' to have its sizes, found " + describe(values[i]));
      if (!size.constant())
        g.require(size, sizes.constant(type.getDimSize(d)));
    }
    WriteStateOp::create(builder, g.loc, op.getSymName(), g.conform(g.value(values[i]), type));
  }
  func::ReturnOp::create(builder, g.loc, results);
  SmallVector<Type> argumentTypes(function.getBody().front().getArgumentTypes());
  SmallVector<Type> resultTypes = llvm::map_to_vector(results, [](Value v) { return v.getType(); });
  function.setFunctionType(builder.getFunctionType(argumentTypes, resultTypes));
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    SmallVector<Attribute> dims;
    for (Size s : argument.dims)
      dims.push_back(s.constant() ? Attribute(builder.getI64IntegerAttr(*s.constant()))
                                  : Attribute(builder.getStringAttr(s.symbol())));
    function.setArgAttr(i, kNameAttr, builder.getStringAttr(argument.name));
    function.setArgAttr(i, kDimsAttr, builder.getArrayAttr(dims));
  }
  for (auto [i, name] : llvm::enumerate(names))
    function.setResultAttr(i, kNameAttr, builder.getStringAttr(name));
  return success();
}

LogicalResult GraphImporter::run(StringRef name) {
  size_t before = diagnostics.size();
  if (failed(checkOptions()))
    return failure();
  builder.setInsertionPointToEnd(state.module.getBody());
  function = func::FuncOp::create(builder, g.loc, name, builder.getFunctionType({}, {}));
  builder.setInsertionPointToStart(function.addEntryBlock());
  LogicalResult inputs = importInputs();
  // Inputs that failed are reported; the nodes are still looked at, so that everything is said at once.
  if (failed(inputs))
    for (const auto &input : file.proto().graph().input())
      if (!mainScope.values.count(input.name()))
        mainScope.broken.insert(input.name());
  LogicalResult body = importGraph(file.proto().graph(), mainScope);
  bool clean = llvm::none_of(ArrayRef(diagnostics).drop_front(before), [](const ImportDiagnostic &d) {
    return d.severity == ImportDiagnostic::Severity::Error;
  });
  if (failed(inputs) || failed(body) || !clean || failed(importOutputs())) {
    function.erase();
    return failure();
  }
  SmallVector<Attribute> ranges;
  for (const std::string &symbol : inputSymbols)
    ranges.push_back(symbolAttr(builder.getContext(), *sizes.info(symbol)));
  if (!ranges.empty())
    function->setAttr(kSymbolsAttr, builder.getArrayAttr(ranges));
  return success();
}

bool GraphImporter::relearn() {
  bool equal = facts.learn(g.unproven, sizes, inputSymbols);
  bool larger = facts.learnMinima(g.bounds, sizes, inputSymbols);
  return equal || larger || learned;
}

bool GraphImporter::visible(ArrayRef<Size> dims) const {
  for (Size s : dims)
    for (StringRef name : s.symbols())
      if (!g.symbols.count(name.str()))
        return false;
  return true;
}

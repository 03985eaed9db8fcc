//===- PackageBuilder.cpp - what the functions of a package share ----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/BufferTable.h"
#include "compiler/emit/plan/BuildPlan.h"
#include "package/writer.h"

#include "mlir/IR/Location.h"
#include <set>

using namespace mlir;

namespace tenon::plan {

PackageBuilder::PackageBuilder(ModuleOp module, package::Package &package, KernelAdder addKernel,
                               WeightFinder findWeight)
    : module(module), package(package), kernels(std::move(addKernel)), weights(std::move(findWeight)) {
  readNodes();
}

/// The importer's table of source nodes: [name, operation, domain] each.
void PackageBuilder::readNodes() {
  auto rows = module->getAttrOfType<ArrayAttr>("tenon.nodes");
  if (!rows)
    return;
  for (Attribute attribute : rows) {
    package::SourceNode &node = package.debug.nodes.emplace_back();
    auto row = dyn_cast<ArrayAttr>(attribute);
    if (!row || row.size() < 2)
      continue;
    if (auto name = dyn_cast<StringAttr>(row[0]))
      node.name = name.str();
    if (auto type = dyn_cast<StringAttr>(row[1]))
      node.opType = type.str();
  }
}

static FailureOr<package::DType> storedType(Operation *user, RankedTensorType type) {
  if (std::optional<package::DType> dtype = dtypeOf(type.getElementType()))
    return *dtype;
  return user->emitError() << "TN0612: expected elements that a package can hold, found "
                           << type.getElementType();
}

FailureOr<uint32_t> PackageBuilder::weight(Operation *user, StringRef symbol) {
  auto known = weightIndices.find(symbol);
  if (known != weightIndices.end())
    return known->second;
  auto op = module.lookupSymbol<WeightOp>(symbol);
  if (!op)
    return user->emitError() << "TN0611: there is no weight @" << symbol;
  auto type = cast<RankedTensorType>(op.getType());
  FailureOr<package::DType> dtype = storedType(op, type);
  FailureOr<package::WeightSource> source = weights(op);
  if (failed(dtype) || failed(source))
    return failure();
  package::Weight weight;
  weight.name = symbol.str();
  weight.dtype = *dtype;
  weight.dims.assign(type.getShape().begin(), type.getShape().end());
  weight.size = static_cast<uint64_t>(op.getLength());
  weight.source = std::move(*source);
  auto index = static_cast<uint32_t>(package.weights.size());
  package.weights.push_back(std::move(weight));
  weightIndices[symbol] = index;
  return index;
}

FailureOr<uint32_t> PackageBuilder::constant(Operation *user, ElementsAttr value) {
  auto known = constantIndices.find(value);
  if (known != constantIndices.end())
    return known->second;
  auto type = cast<RankedTensorType>(value.getShapedType());
  FailureOr<package::DType> dtype = storedType(user, type);
  std::optional<std::vector<uint8_t>> bytes = bytesOf(value);
  if (failed(dtype))
    return failure();
  if (!bytes)
    return user->emitError() << "TN0612: the elements of a constant of type " << type << " are not at hand";
  auto index = static_cast<uint32_t>(package.weights.size());
  package::Weight weight;
  weight.name = "constant." + std::to_string(constantIndices.size());
  weight.dtype = *dtype;
  weight.dims.assign(type.getShape().begin(), type.getShape().end());
  weight.size = bytes->size();
  weight.source = package::fromBytes(std::move(*bytes));
  package.weights.push_back(std::move(weight));
  constantIndices[value] = index;
  return index;
}

FailureOr<uint32_t> PackageBuilder::state(Operation *user, StringRef symbol) {
  auto known = stateIndices.find(symbol);
  if (known != stateIndices.end())
    return known->second;
  auto op = module.lookupSymbol<StateOp>(symbol);
  if (!op)
    return user->emitError() << "TN0611: there is no state @" << symbol;
  auto type = cast<RankedTensorType>(op.getType());
  FailureOr<package::DType> dtype = storedType(op, type);
  if (failed(dtype))
    return failure();
  package::State state;
  state.name = symbol.str();
  state.dtype = *dtype;
  for (int64_t dim : type.getShape())
    state.dims.push_back(ShapedType::isDynamic(dim) ? -1 : dim);
  if (type.hasStaticShape())
    state.sizeBound = static_cast<uint64_t>(type.getNumElements() * storageBytes(type.getElementType()));
  if (op.getInitial()) {
    FailureOr<uint32_t> initial = weight(op, *op.getInitial());
    if (failed(initial))
      return failure();
    state.initialWeight = *initial;
  }
  auto index = static_cast<uint32_t>(package.states.size());
  package.states.push_back(std::move(state));
  stateIndices[symbol] = index;
  return index;
}

uint32_t PackageBuilder::origin(Location location) {
  std::set<uint32_t> nodes;
  location->walk([&](Location part) {
    auto name = dyn_cast<NameLoc>(part);
    StringRef text = name ? name.getName().getValue() : StringRef();
    uint32_t id = 0;
    if (text.consume_front("node:") && !text.consumeInteger(10, id) && id < package.debug.nodes.size())
      nodes.insert(id);
    return WalkResult::advance();
  });
  if (nodes.empty())
    return package::kNone;
  std::vector<uint32_t> key(nodes.begin(), nodes.end());
  auto [it, inserted] = origins.try_emplace(key, static_cast<uint32_t>(package.debug.origins.size()));
  if (inserted)
    package.debug.origins.push_back({key});
  return it->second;
}

void PackageBuilder::tie(uint32_t kernel, uint32_t first, uint32_t second) {
  auto &pairs = tied[kernel];
  if (!llvm::is_contained(pairs, std::pair(first, second)))
    pairs.emplace_back(first, second);
}

} // namespace tenon::plan

//===- Products.cpp - the products and convolutions of a model --------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Products.h"

#include "compiler/pipeline/NodeCosts.h"

using namespace mlir;

namespace tenon::pipeline {

static llvm::json::Value asJson(Size size) {
  if (auto number = size.constant())
    return *number;
  return size.str();
}

static llvm::json::Array asJson(ArrayRef<Size> list) {
  llvm::json::Array result;
  for (Size size : list)
    result.push_back(asJson(size));
  return result;
}

/// A right operand without batch serves all rows of all batches: one product.
static llvm::json::Object describe(ContractOp product, SizeAnalysis &sizes) {
  ArrayRef<Size> left = sizes.dims(product.getLhs()), right = sizes.dims(product.getRhs()),
                 result = sizes.dims(product.getResult());
  Size batch = productOf(sizes.context(), result.drop_back(2)), rows = result[result.size() - 2];
  bool shared = right.size() == 2;
  return llvm::json::Object{{"kind", "product"},
                            {"count", asJson(shared ? sizes.context().constant(1) : batch)},
                            {"m", asJson(shared ? batch * rows : rows)},
                            {"n", asJson(result.back())},
                            {"k", asJson(left.back())}};
}

static llvm::json::Object describe(ConvOp conv, SizeAnalysis &sizes) {
  ArrayRef<Size> filter = sizes.dims(conv.getFilter()), result = sizes.dims(conv.getResult());
  return llvm::json::Object{{"kind", "convolution"},
                            {"count", asJson(result.front())},
                            {"groups", int64_t(conv.getGroups())},
                            {"channels", asJson(sizes.dims(conv.getInput()).back())},
                            {"outputs", asJson(result.back())},
                            {"result", asJson(result.drop_front().drop_back())},
                            {"window", asJson(filter.drop_back(2))},
                            {"stride", llvm::json::Array(conv.getStrides())}};
}

llvm::json::Array listProducts(func::FuncOp function, SizeAnalysis &sizes,
                               const std::map<int64_t, std::string> &names) {
  llvm::json::Array list;
  function.walk([&](Operation *op) {
    llvm::json::Object entry;
    if (auto product = dyn_cast<ContractOp>(op))
      entry = describe(product, sizes);
    else if (auto conv = dyn_cast<ConvOp>(op))
      entry = describe(conv, sizes);
    else
      return;
    auto name = names.find(nodeNumber(op->getLoc()));
    entry["node"] = name == names.end() ? "" : name->second;
    list.push_back(std::move(entry));
  });
  return list;
}

} // namespace tenon::pipeline

//===- Products.h - the products and convolutions of a model ----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "llvm/Support/JSON.h"
#include <map>
#include <string>

namespace tenon::pipeline {

/// Every matrix product and convolution of a function of core operations, in program order, for tools that
/// estimate hardware: {"node", "kind": "product", "count", "m", "n", "k"} or {"node", "kind": "convolution",
/// "count" (images), "groups", "channels", "outputs", "result", "window", "stride"}, the last three with one
/// entry for each spatial axis. Sizes are numbers, or texts over the symbols of the inputs. `names`: of the
/// model's nodes, by number.
llvm::json::Array listProducts(mlir::func::FuncOp function, SizeAnalysis &sizes,
                               const std::map<int64_t, std::string> &names);

} // namespace tenon::pipeline

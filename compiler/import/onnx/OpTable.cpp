//===- OpTable.cpp - the table of ONNX operations ---------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeContext.h"

using namespace tenon::importer;

const OpEntry *OpTable::find(llvm::StringRef domain, llvm::StringRef op) const {
  auto it = entries.find(domain.empty() ? op.str() : (domain + ":" + op).str());
  return it == entries.end() ? nullptr : &it->second;
}

const OpTable &OpTable::instance() {
  static const OpTable *table = [] {
    auto *t = new OpTable();
    registerElementwise(*t);
    registerActivations(*t);
    registerReductions(*t);
    registerContractions(*t);
    registerEinsum(*t);
    registerConvolutions(*t);
    registerPooling(*t);
    registerNormalizations(*t);
    registerMovement(*t);
    registerSlicing(*t);
    registerIndexing(*t);
    registerResize(*t);
    registerRecurrent(*t);
    registerAttention(*t);
    registerGenerators(*t);
    registerSequences(*t);
    registerControlFlow(*t);
    registerLoops(*t);
    registerLosses(*t);
    registerContent(*t);
    registerQuantization(*t);
    registerQuantizedProducts(*t);
    return t;
  }();
  return *table;
}

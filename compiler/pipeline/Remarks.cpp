//===- Remarks.cpp - why something was fused, or not --------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Remarks.h"

#include "mlir/IR/Remarks.h"
#include "llvm/Remarks/RemarkSerializer.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace tenon::pipeline {

namespace {

/// MLIR's own streamer writes to a file, and ends the process when that is full.
class YamlText : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit YamlText(std::string &text) : stream(text) {
    auto made = llvm::remarks::createRemarkSerializer(llvm::remarks::Format::YAML, stream);
    serializer = llvm::cantFail(std::move(made)); // fails for unknown formats only
  }
  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    llvm::remarks::Remark entry = remark.generateRemark();
    if (!isa<FileLineColLoc>(remark.getLocation()))
      entry.Loc.reset(); // models have nodes, not lines
    serializer->emit(entry);
  }

private:
  llvm::raw_string_ostream stream;
  std::unique_ptr<llvm::remarks::RemarkSerializer> serializer;
};

} // namespace

void collectRemarks(MLIRContext &context, std::string &yaml) {
  remark::RemarkCategories all;
  all.passed = all.missed = all.analysis = all.failed = ".*";
  LogicalResult enabled = remark::enableOptimizationRemarks(
      context, std::make_unique<YamlText>(yaml), std::make_unique<remark::RemarkEmittingPolicyAll>(), all);
  assert(succeeded(enabled) && "the pattern of categories is a good one");
  (void)enabled;
}

} // namespace tenon::pipeline

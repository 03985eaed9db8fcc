//===- SegmentProgram.cpp - the program that a segment's kernels write --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/SegmentProgram.h"

#include "compiler/emit/mortise/tile/ImageLines.h"
#include "compiler/emit/mortise/tile/TileKernel.h"

#include <cstring>

namespace tenon::npu {

uint32_t SegmentProgram::beginKernel(std::string name, KernelOp kernel) {
  stream.nodes.push_back(std::move(name));
  auto node = static_cast<uint32_t>(stream.nodes.size()) - 1;
  resultStays = false;
  if (const ResidentTensor *result = residents.find(kernel.getResult(0))) {
    resultStays = true;
    Commands commands(stream, hardware, node);
    fillBorder(commands, result->address, result->frame);
  }
  return node;
}

ResidentFrame SegmentProgram::frameOf(KernelOp kernel) const {
  const ResidentTensor *result = residents.find(kernel.getResult(0));
  return result ? result->frame : ResidentFrame();
}

void SegmentProgram::report(const llvm::Twine &how) {
  reported +=
      (stream.nodes.back() + ": " + how + (resultStays ? ", its result stays in the scratchpad" : "") + "\n")
          .str();
}

uint32_t SegmentProgram::addKernel(const CompiledKernel &kernel) {
  stream.kernels.push_back({kernel.code, spillArea(kernel, hardware)});
  return static_cast<uint32_t>(stream.kernels.size()) - 1;
}

void SegmentProgram::locate(std::vector<ChannelTable> &tables, const ChannelOperands &operands) const {
  for (auto [table, value] : llvm::zip(tables, operands.values()))
    table.memory = addressOf(value);
}

int64_t SegmentProgram::addTables(const std::vector<uint32_t> &words) {
  std::vector<uint8_t> bytes(words.size() * sizeof(uint32_t));
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return addConstant("l" + std::to_string(lookUps++), std::move(bytes));
}

MapStage SegmentProgram::located(const MapCode &code) {
  MapStage stage = code.stage();
  stage.kernel = addKernel(code.kernel);
  if (!code.tables.empty())
    stage.tables = addTables(code.tables);
  for (auto [operand, from] : llvm::zip_equal(stage.operands, code.operands))
    operand.memory = addressOf(from.value);
  return stage;
}

bool SegmentProgram::emitPlaced(int64_t bytes, llvm::function_ref<bool(int64_t start)> emit) {
  size_t before = stream.commands.size();
  if (!emit(0))
    return false;
  int64_t start =
      buffers.place(usedBytes(std::span(stream.commands).subspan(before), bytes, hardware), bytes);
  if (start == 0)
    return true;
  stream.commands.resize(before);
  return emit(start);
}

FinishedStream SegmentProgram::finish(std::string &schedule) {
  schedule = std::move(reported);
  stream.tensors = memory.tensors();
  return finishStream(std::move(stream), hardware, {});
}

} // namespace tenon::npu

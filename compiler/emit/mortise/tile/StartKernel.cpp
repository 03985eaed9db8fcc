//===- StartKernel.cpp - what sums begin with --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/Matrices.h"
#include "compiler/emit/mortise/tile/TileKernel.h"

#include <bit>

namespace tenon::npu {

namespace {

class StartBuilder {
public:
  StartBuilder(const std::vector<StartOperand> &operands,
               const std::function<Value(VectorBuilder &, std::span<const Value>)> &body,
               const mortise::Hardware &hardware)
      : operands(operands), body(body), lanes(hardware.vector.lanes), columns(hardware.matrix.columns),
        b(function) {}

  VectorFunction build() {
    Value sums = b.parameter("sums");
    for (size_t i = 0; i < operands.size(); ++i) {
      std::string name = "operand" + std::to_string(i);
      Value base = b.parameter(name);
      addresses.push_back({base, b.object(name)});
    }
    Value count = b.parameter("count");
    ObjectId to = b.object("sums", true);
    std::vector<std::vector<Value>> perColumn = loadColumns();
    Value rowOfLane = columns < lanes ? bytesOf(Id::Vshr, std::countr_zero(uint64_t(columns))) : Value();
    std::vector<Value> initial = {sums};
    for (size_t i = 0; i < operands.size(); ++i)
      if (operands[i].perRow)
        initial.push_back(addresses[i].base);
    int64_t rows = std::max<int64_t>(1, lanes / columns);
    b.loop(count, initial, [&](std::span<const Value> at) {
      std::vector<Value> next = {b.add(at[0], int32_t(rows * columns * 4))}, values(operands.size());
      for (size_t i = 0; i < operands.size(); ++i)
        if (operands[i].perRow) {
          Address from{at[next.size()], addresses[i].object};
          values[i] = columns < lanes ? b.gather(from, rowOfLane) : b.load(Id::VlbW, from);
          next.push_back(b.add(from.base, int32_t(rows * 4)));
        }
      for (size_t part = 0; part < perColumn.size(); ++part) {
        for (size_t i = 0; i < operands.size(); ++i)
          if (!operands[i].perRow)
            values[i] = perColumn[part][i];
        b.store(Id::VstW, {at[0], to, int32_t(int64_t(part) * lanes * 4)}, body(b, values));
      }
      return next;
    });
    return std::move(function);
  }

private:
  /// Bytes of words, by lanes shifted or masked.
  Value bytesOf(Id id, int64_t by) {
    return b.op(Id::Vshl, b.op(id, b.op(Id::Viota), b.splatInt(int32_t(by))), b.splatInt(2));
  }

  /// The operands of columns, for each vector of a row (or of several).
  std::vector<std::vector<Value>> loadColumns() {
    std::vector<std::vector<Value>> parts(size_t(std::max<int64_t>(1, columns / lanes)));
    Value columnOfLane = columns < lanes ? bytesOf(Id::Vand, columns - 1) : Value();
    for (size_t part = 0; part < parts.size(); ++part)
      for (size_t i = 0; i < operands.size(); ++i) {
        const Address &from = addresses[i];
        parts[part].push_back(operands[i].perRow ? Value()
                              : columns < lanes
                                  ? b.gather(from, columnOfLane)
                                  : b.load(Id::VldW, from.plus(int32_t(int64_t(part) * lanes * 4))));
      }
    return parts;
  }

  const std::vector<StartOperand> &operands;
  const std::function<Value(VectorBuilder &, std::span<const Value>)> &body;
  int64_t lanes, columns;
  VectorFunction function{"start"};
  VectorBuilder b;
  std::vector<Address> addresses;
};

} // namespace

int64_t startRows(const mortise::Hardware &hardware) {
  return std::max<int64_t>(1, hardware.vector.lanes / hardware.matrix.columns);
}

std::optional<CompiledKernel>
startKernel(const std::vector<StartOperand> &operands,
            const std::function<Value(VectorBuilder &, std::span<const Value>)> &body,
            const mortise::Hardware &hardware, std::string &why) {
  auto isPower = [](int64_t n) { return std::has_single_bit(uint64_t(n)); };
  if (!isPower(hardware.vector.lanes) || !isPower(hardware.matrix.columns)) {
    why = "rows of its accumulators do not begin at the vector core's first lane";
    return std::nullopt;
  }
  return compileForTiles(StartBuilder(operands, body, hardware).build(), hardware, why);
}

} // namespace tenon::npu

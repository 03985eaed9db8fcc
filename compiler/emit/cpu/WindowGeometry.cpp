//===- WindowGeometry.cpp - positions under a sliding window
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/WindowGeometry.h"

#include "compiler/defects/PlantedDefect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tenon::cpu {

TypedAttr paddingElement(KernelBuilder &k, Type element, int64_t value) {
  if (planted(Defect::PadValueIgnored))
    value = 0;
  Type storage = k.storageType(element);
  if (isa<FloatType>(storage))
    return k.builder().getFloatAttr(storage, static_cast<double>(value));
  return k.builder().getIntegerAttr(storage, value);
}

SmallVector<Value> windowOrigin(KernelBuilder &k, const WindowGeometry &g, ArrayRef<Value> out) {
  SmallVector<Value> origin;
  for (unsigned d = 0; d < g.rank(); ++d)
    origin.push_back(k.sub(k.mul(out[d], k.constant(g.strides[d])), k.constant(g.low[d])));
  return origin;
}

WindowTap windowTap(KernelBuilder &k, const WindowGeometry &g, ArrayRef<Value> origin, ArrayRef<Value> tap) {
  OpBuilder &b = k.builder();
  WindowTap result;
  result.pixel = k.constant(0);
  for (unsigned d = 0; d < g.rank(); ++d) {
    Value at =
        k.add(origin[d], k.mul(tap[d], k.constant(planted(Defect::DilationIgnored) ? 1 : g.dilations[d])));
    Value extent = k.size(g.in[d]);
    Value here;
    if (g.inputDilations[d] != 1) {
      // Only every n-th position of the dilated input holds an element. Offsets are made positive for the
      // division.
      Value step = k.constant(g.inputDilations[d]);
      Value nonNegative =
          b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::sge, at, k.constant(0));
      Value safe = k.max(at, k.constant(0));
      Value exact =
          b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::eq, k.rem(safe, step), k.constant(0));
      at = k.div(safe, step);
      here = planted(Defect::DilatedInputRepeats)
                 ? nonNegative
                 : b.createOrFold<arith::AndIOp>(k.loc(), nonNegative, exact);
      here = b.createOrFold<arith::AndIOp>(k.loc(), here, k.less(at, extent));
    } else if (g.low[d] > 0 || g.high[d] > 0) {
      // One unsigned comparison covers both ends.
      here = b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::ult, at, extent);
    }
    if (here)
      result.inside = result.inside ? b.createOrFold<arith::AndIOp>(k.loc(), result.inside, here) : here;
    result.pixel = k.add(k.mul(result.pixel, extent), at);
  }
  return result;
}

} // namespace tenon::cpu

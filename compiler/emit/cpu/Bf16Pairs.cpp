//===- Bf16Pairs.cpp - f32 rounded to bf16 in groups of two
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/Bf16Pairs.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tenon::cpu {

Value bf16Pairs(KernelBuilder &k, Value even, Value odd, unsigned lanes) {
  OpBuilder &b = k.builder();
  Location loc = k.loc();
  Type i32 = k.vectorOf(b.getI32Type(), lanes);
  auto bits = [&](Value v) -> Value {
    Value rounded = arith::TruncFOp::create(b, loc, k.vectorOf(b.getBF16Type(), lanes), v);
    Value narrow = arith::BitcastOp::create(b, loc, k.vectorOf(b.getI16Type(), lanes), rounded);
    return arith::ExtUIOp::create(b, loc, i32, narrow);
  };
  Value half = k.splat(arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(16)), lanes);
  return arith::OrIOp::create(b, loc, bits(even), arith::ShLIOp::create(b, loc, bits(odd), half));
}

} // namespace tenon::cpu

//===- ExpandNonZero.cpp - positions of what is not zero ------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/kernel/ExpandNonZero.h"

#include "compiler/dialect/tenon/CoreBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tenon::kernel {

void expandNonZero(NonZeroOp op) {
  OpBuilder builder(op);
  CoreBuilder b(builder, op.getLoc());
  Type i64 = builder.getI64Type();
  CoreBuilder::Values sizes = b.dims(op.getInput());
  Value all = b.product(sizes);
  Value flat = b.reshape(op.getInput(), {all});
  bool isFlag = cast<RankedTensorType>(flat.getType()).getElementType().isInteger(1);
  Value kept = isFlag ? flat : b.compare(CmpPredicate::ne, flat, 0);
  Value ones = b.cast(kept, i64);
  Value before = ScanOp::create(builder, op.getLoc(), ones.getType(), ReduceKind::sum, ones, /*axis=*/0,
                                /*exclusive=*/true, /*reverse=*/false);
  // Elements that are zero go to a column behind the others, which is cut off.
  Value behind = b.broadcast(b.fromIndex(all, i64, 1), {all});
  Value column = b.select(kept, before, behind);
  Value room = b.broadcast(b.constant(0, i64, 1), {b.addIndex(all, b.index(1))});
  Value numbers = ScatterElementsOp::create(builder, op.getLoc(), room.getType(), ScatterKind::none, room,
                                            column, b.iota(i64, {all}, 0), /*axis=*/0);
  numbers = b.slice(numbers, 0, b.index(0), all);
  SmallVector<Value> rows;
  Value rest = numbers;
  for (Value size : llvm::reverse(sizes)) {
    Value extent = b.broadcast(b.fromIndex(size, i64, 1), {all});
    rows.push_back(b.reshape(b.binary<RemOp>(rest, extent), {b.index(1), all}));
    rest = b.div(rest, extent);
  }
  std::reverse(rows.begin(), rows.end());
  Value positions = rows.size() == 1 ? rows.front() : b.concat(rows, 0);
  IntegerAttr most;
  APInt known;
  if (matchPattern(all, m_ConstantInt(&known)))
    most = builder.getI64IntegerAttr(known.getSExtValue());
  Value count =
      ReadScalarOp::create(builder, op.getLoc(), builder.getIndexType(), b.reduce(ReduceKind::sum, ones, {0}),
                           builder.getI64IntegerAttr(0), builder.getI64IntegerAttr(0), most);
  op.getCount().replaceAllUsesWith(b.minIndex(count, all)); // which bounds it where `most` is not known
  op.getPositions().replaceAllUsesWith(b.refine(positions, op.getPositions().getType()));
  op.erase();
}

} // namespace tenon::kernel

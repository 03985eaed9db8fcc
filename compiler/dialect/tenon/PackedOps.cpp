//===- PackedOps.cpp - products with packed operands ------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

static constexpr int64_t kPanelColumns = 16;

int64_t tenon::productGroup(Type left, Type right, Type result) {
  if (left.isUnsignedInteger(8) && right.isSignlessInteger(8) && result.isSignlessInteger(32))
    return 4;
  return left.isBF16() && right.isBF16() ? 2 : 1;
}

/// Panels without groups end in their columns, others in the group.
static int64_t groupOf(ArrayRef<int64_t> panels) {
  return panels.empty() || panels.back() == kPanelColumns ? 1 : panels.back();
}

/// Checks that panels end in 16 columns, or in 16 columns of a group of `expected` elements.
static LogicalResult verifyPanel(Operation *op, ArrayRef<int64_t> panels, int64_t expected) {
  int64_t group = groupOf(panels);
  if (group == 1)
    return success();
  if (panels[panels.size() - 2] != kPanelColumns)
    return op->emitOpError() << "expected panels of 16 columns, found " << panels[panels.size() - 2];
  if (group != expected)
    return op->emitOpError() << "expected groups of " << expected
                             << " elements in panels of these types, found " << group;
  return success();
}

int64_t PackedContractOp::getGroup() { return groupOf(tensorType(getRhs()).getShape()); }
int64_t PackedConvOp::getGroup() { return groupOf(tensorType(getFilter()).getShape()); }

LogicalResult PackedContractOp::verify() {
  ArrayRef<int64_t> lhs = tensorType(getLhs()).getShape(), rhs = tensorType(getRhs()).getShape();
  ArrayRef<int64_t> result = getType().getShape();
  unsigned panelRank = getPanelRank();
  if (lhs.size() < 2 || rhs.size() < panelRank || rhs.size() > lhs.size() - 2 + panelRank)
    return emitOpError() << "expected rhs [panels, K, 16] or, in groups, [panels, ceil(K / group), 16, "
                            "group], with batch dimensions of lhs or without any, found rank "
                         << rhs.size() << " for an lhs of rank " << lhs.size();
  if (failed(verifyPanel(*this, rhs,
                         productGroup(tensorType(getLhs()).getElementType(),
                                      tensorType(getRhs()).getElementType(), getType().getElementType()))))
    return failure();
  for (auto [own, batch] : llvm::zip(rhs.drop_back(panelRank), lhs))
    if (failed(verifyDim(*this, "a batch dimension of rhs", own, batch)))
      return failure();
  rhs = rhs.drop_back(panelRank - 3); // without the group
  int64_t group = getGroup(), depth = lhs.back();
  if (depth != kDynamic)
    depth = (depth + group - 1) / group;
  if (failed(verifyDim(*this, "the summed dimension of rhs", rhs[rhs.size() - 2], depth)))
    return failure();
  int64_t n = result.back(), panels = rhs[rhs.size() - 3];
  if (n != kDynamic && panels != kDynamic && (n + 15) / 16 != panels)
    return emitOpError() << "expected " << (n + 15) / 16 << " panels for " << n << " columns, found "
                         << panels;
  if (getColumns().size() != static_cast<size_t>(n == kDynamic))
    return emitOpError() << "expected one size when the number of columns is dynamic, found "
                         << getColumns().size();
  return verifyInferred(*this);
}

LogicalResult PackedContractOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn index,
                                           SmallVectorImpl<Dims> &results) {
  Dims dims = operands[0];
  if (dims.empty())
    return failure();
  int64_t n = getType().getShape().empty() ? kDynamic : getType().getShape().back();
  if (getColumns().empty() && n == kDynamic)
    return failure();
  dims.back() = getColumns().empty() ? context.constant(n) : index(getColumns().front());
  results.push_back(dims);
  return success();
}

LogicalResult PackedConvOp::verify() {
  ArrayRef<int64_t> input = tensorType(getInput()).getShape(), filter = tensorType(getFilter()).getShape();
  if (input.size() < 3)
    return emitOpError() << "expected rank 3 or more for the input, [batch, spatial..., channels], found "
                         << input.size();
  size_t spatial = input.size() - 2;
  int64_t group = getGroup();
  if (failed(verifyRank(*this, "the filter", filter.size(), input.size() + (group == 1 ? 2 : 3))) ||
      failed(verifyLength(*this, "strides", getStrides().size(), spatial)) ||
      failed(verifyLength(*this, "dilations", getDilations().size(), spatial)) ||
      failed(verifyLength(*this, "low", getLow().size(), spatial)) ||
      failed(verifyLength(*this, "high", getHigh().size(), spatial)) ||
      failed(verifyLength(*this, "input_dilations", getInputDilations().size(), spatial)))
    return failure();
  if (!tensorType(getFilter()).hasStaticShape())
    return emitOpError() << "expected a filter of static shape, found " << getFilter().getType();
  if (failed(verifyPanel(*this, filter,
                         productGroup(tensorType(getInput()).getElementType(),
                                      tensorType(getFilter()).getElementType(), getType().getElementType()))))
    return failure();
  int64_t outputs = getType().getShape().back(), groups = filter[0];
  if (outputs == kDynamic || outputs % groups != 0 || (outputs / groups + 15) / 16 != filter[1])
    return emitOpError() << "expected output channels that fill " << filter[1] << " panels in each of "
                         << groups << " groups, found " << outputs;
  return verifyInferred(*this);
}

LogicalResult PackedConvOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn,
                                       SmallVectorImpl<Dims> &results) {
  const Dims &input = operands[0], &filter = operands[1];
  size_t spatial = getStrides().size();
  if (input.size() != spatial + 2 || filter.size() < spatial + 4 || getType().getRank() == 0)
    return failure();
  Dims dims = {input[0]};
  for (size_t d = 0; d < spatial; ++d) {
    Size spread = (input[d + 1] - 1) * getInputDilations()[d] + 1;
    dims.push_back(windowPositions(spread, filter[d + 2], getStrides()[d], getDilations()[d], getLow()[d],
                                   getHigh()[d],
                                   /*ceilMode=*/false));
  }
  dims.push_back(context.constant(getType().getShape().back()));
  results.push_back(dims);
  return success();
}

LogicalResult WinogradConvOp::verify() {
  ArrayRef<int64_t> input = tensorType(getInput()).getShape(), filter = tensorType(getFilter()).getShape();
  if (input.size() != 4)
    return emitOpError() << "expected an input [batch, height, width, channels], found rank " << input.size();
  if (failed(verifyRank(*this, "the filter", filter.size(), 4)) ||
      failed(verifyLength(*this, "low", getLow().size(), 2)) ||
      failed(verifyLength(*this, "high", getHigh().size(), 2)) ||
      failed(verifyDim(*this, "the channels of the filter", filter[2], input.back())))
    return failure();
  int64_t outputs = getType().getShape().back();
  if (!tensorType(getFilter()).hasStaticShape() || filter[1] != 36 || filter[3] != 16 ||
      outputs == kDynamic || (outputs + 15) / 16 != filter[0])
    return emitOpError() << "expected a filter [ceil(outputs / 16), 36, channels, 16] of static shape, found "
                         << getFilter().getType() << " for " << outputs << " outputs";
  for (Type t : {Type(getFilter().getType()), Type(getType())})
    if (!getElementTypeOrSelf(t).isF32())
      return emitOpError() << "expected f32, found " << t;
  Type element = getElementTypeOrSelf(getInput());
  if (!element.isF32() && !element.isBF16())
    return emitOpError() << "expected an input of f32 or bf16, found " << getInput().getType();
  return verifyInferred(*this);
}

LogicalResult WinogradConvOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn,
                                         SmallVectorImpl<Dims> &results) {
  const Dims &input = operands[0];
  if (input.size() != 4 || getLow().size() != 2 || getHigh().size() != 2 || getType().getRank() != 4)
    return failure();
  Dims dims = {input[0]};
  for (size_t d = 0; d < 2; ++d)
    dims.push_back(windowPositions(input[d + 1], context.constant(3), 1, 1, getLow()[d], getHigh()[d],
                                   /*ceilMode=*/false));
  dims.push_back(context.constant(getType().getShape().back()));
  results.push_back(dims);
  return success();
}

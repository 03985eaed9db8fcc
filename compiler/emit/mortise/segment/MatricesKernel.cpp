//===- MatricesKernel.cpp - a product of computed matrices as the machine sees it --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/MatricesKernel.h"

#include "compiler/emit/mortise/segment/DrainChain.h"
#include "compiler/emit/mortise/segment/KernelReader.h"
#include "compiler/emit/mortise/segment/LaneCode.h"
#include "compiler/emit/mortise/segment/TensorShape.h"
#include "llvm/ADT/SetVector.h"

#include <cstring>

using namespace mlir;

namespace tenon::npu {

namespace {

/// The product of a region, its right operand in the CPU's panels or as it is.
struct Contraction {
  mlir::Operation *op = nullptr;
  mlir::Value left, right;
  unsigned rightAxes = 2; ///< behind those of the batch
};

Contraction contractionOf(KernelOp kernel) {
  Contraction found;
  kernel.getBody().walk([&](mlir::Operation *op) {
    if (auto packed = dyn_cast<PackedContractOp>(op))
      found = {op, packed.getLhs(), packed.getRhs(), packed.getPanelRank()};
    else if (auto plain = dyn_cast<ContractOp>(op))
      found = {op, plain.getLhs(), plain.getRhs(), 2};
  });
  return found;
}

class MatricesReader : KernelReader {
public:
  MatricesReader(KernelOp kernel, const mortise::Hardware &hardware, const WeightBytes &weights,
                 std::string &why)
      : KernelReader(kernel, hardware, why), constants(weights) {}

  std::optional<MatricesKernel> read() {
    for (mlir::Operation &op : kernel.getBody().front())
      if (!hasKnownSizes(op))
        return std::nullopt;
    Contraction contract = contractionOf(kernel);
    if (!readShapes(contract) || !readTypes(contract))
      return std::nullopt;
    mlir::Value product = contract.op->getResult(0);
    found.product = contract.op;
    found.left = contract.left;
    found.right = contract.right;
    if (!isa<BlockArgument>(found.left) || !isa<BlockArgument>(found.right))
      return refuse("an operand of the product is computed in its own kernel");
    mlir::Value begun = begin(product);
    if (begun != product && !makeStart(begun, product))
      return std::nullopt;
    DrainChain chain = drainChain(begun, constants);
    found.matrices.layer.drain = chain.form;
    found.drained = chain.result;
    found.bias = std::move(chain.bias);
    found.scale = std::move(chain.scale);
    return std::move(found);
  }

private:
  bool readShapes(const Contraction &contract) {
    ArrayRef<int64_t> left = shapeOf(contract.left), right = shapeOf(contract.right);
    unsigned batch = right.size() - contract.rightAxes;
    Product &p = found.matrices.layer;
    p.channels = left.back();
    p.outputs = shapeOf(contract.op->getResult(0)).back();
    for (auto [axis, extent] : llvm::enumerate(left.drop_back()))
      (axis < batch && axis + 2 < left.size() ? p.images : p.height) *= extent;
    if (batch && (batch + 2 != left.size() || left.take_front(batch) != right.take_front(batch)))
      return decline("matrices of the batch share right operands");
    RightMatrices &layout = found.matrices.right;
    if (auto plain = dyn_cast<ContractOp>(contract.op)) {
      layout.width = plain.getTransposeRhs() ? 1 : p.outputs;
      layout.group = plain.getTransposeRhs() ? p.channels : 1;
    } else {
      layout.width = 16;
      layout.group = cast<PackedContractOp>(contract.op).getGroup();
    }
    return true;
  }

  bool readTypes(const Contraction &contract) {
    Product &p = found.matrices.layer;
    if (!readFactors(elementOf(contract.left), elementOf(contract.right), p))
      return false;
    auto packed = dyn_cast<PackedContractOp>(contract.op);
    int64_t group = packed ? packed.getGroup() * p.leftBytes() : 1;
    return group == p.leftBytes() || group == 1 || group == 2 || group == 4 ||
           decline("groups of its right operand are no elements for DMA");
  }

  /// The sum with all that is added or subtracted right behind it and has a number for each row or column.
  /// Integers wrap, so that the order does not matter.
  mlir::Value begin(mlir::Value product) {
    mlir::Value value = product, begun = product;
    while (elementOf(value).isInteger(32) && value.hasOneUse()) {
      mlir::Operation *op = *value.getUsers().begin();
      bool takes = isa<AddOp>(op) || (isa<SubOp>(op) && op->getOperand(0) == value);
      if (!takes)
        break;
      mlir::Value other = op->getOperand(0) == value ? op->getOperand(1) : op->getOperand(0);
      llvm::SetVector<mlir::Value> leaves;
      if (other == value || !collect(other, leaves))
        break;
      value = op->getResult(0);
      // What the drain adds is free.
      if (!constants.perChannel<int32_t>(other))
        begun = value;
    }
    return begun;
  }

  /// The operands that a number is computed from; false where it is not one for each row or column.
  bool collect(mlir::Value root, llvm::SetVector<mlir::Value> &leaves) {
    llvm::SetVector<mlir::Value> open;
    open.insert(root);
    for (size_t i = 0; i < open.size(); ++i) {
      mlir::Value value = open[i];
      if (isa<BlockArgument>(value)) {
        if (!operandOf(value))
          return false;
        leaves.insert(value);
        continue;
      }
      mlir::Operation *op = value.getDefiningOp();
      // Axes keep their places, so that the shapes of operands say what they repeat along.
      if (isa<ReshapeOp>(op) || !LaneCode::whyNot(op).empty())
        return false;
      if (!isa<ConstantOp>(op))
        for (mlir::Value operand : op->getOperands())
          if (isa<RankedTensorType>(operand.getType()))
            open.insert(operand);
    }
    return true;
  }

  std::optional<StartOperand> operandOf(mlir::Value value) const {
    const Product &p = found.matrices.layer;
    ArrayRef<int64_t> shape = shapeOf(value);
    int64_t count = elementsOf(value), rows = p.images * p.height;
    bool isWord = elementOf(value).isInteger(32) && shape.size() == shapeOf(found.left).size();
    if (!isWord)
      return std::nullopt;
    if (shape.back() == 1 && count == rows)
      return StartOperand{true, true, 0};
    if (shape.back() == p.outputs && count == p.outputs)
      return StartOperand{false, false, 0};
    if (shape.back() == p.outputs && count == p.images * p.outputs && shape[shape.size() - 2] == 1)
      return StartOperand{false, true, 0};
    return std::nullopt;
  }

  bool makeStart(mlir::Value begun, mlir::Value product) {
    llvm::SetVector<mlir::Value> leaves;
    for (mlir::Value value = product; value != begun;) {
      mlir::Operation *op = *value.getUsers().begin();
      collect(op->getOperand(0) == value ? op->getOperand(1) : op->getOperand(0), leaves);
      value = op->getResult(0);
    }
    StartStage stage;
    for (mlir::Value leaf : leaves)
      stage.operands.push_back(*operandOf(leaf));
    found.startOperands.assign(leaves.begin(), leaves.end());
    auto body = [&](VectorBuilder &b, std::span<const Value> values) {
      LaneCode lane(b, [&](mlir::Value value) -> LaneValue {
        if (value == product)
          return {b.splatInt(0), {0, 0, true}};
        for (auto [leaf, number] : llvm::zip_equal(leaves, values))
          if (leaf == value)
            return {number, LaneCode::rangeOf(elementOf(value))};
        return {};
      });
      return lane.valueOf(begun).value;
    };
    found.startKernel = npu::startKernel(stage.operands, body, hardware, why);
    found.matrices.start = std::move(stage);
    return found.startKernel.has_value();
  }

  KernelConstants constants;
  MatricesKernel found;
};

} // namespace

std::vector<uint8_t> MatricesKernel::tables(const mortise::Hardware &hardware) const {
  int64_t columns = hardware.matrix.columns, outputs = matrices.layer.outputs,
          panels = (outputs + columns - 1) / columns,
          words = columns * (static_cast<int64_t>(!bias.empty()) + static_cast<int64_t>(!scale.empty()));
  std::vector<uint8_t> bytes(static_cast<size_t>(panels * words * 4));
  int64_t at = 0;
  for (const std::vector<uint32_t> *table : {&bias, &scale}) {
    if (table->empty())
      continue;
    for (int64_t o = 0; o < outputs; ++o) {
      uint32_t word = (*table)[table->size() == 1 ? 0 : static_cast<size_t>(o)];
      std::memcpy(bytes.data() + (o / columns * words + at + o % columns) * 4, &word, 4);
    }
    at += columns;
  }
  return bytes;
}

bool hasComputedRight(KernelOp kernel, const WeightBytes &weights) {
  Contraction contract = contractionOf(kernel);
  if (!contract.op)
    return false;
  if (cast<RankedTensorType>(contract.right.getType()).getRank() != contract.rightAxes)
    return true;
  std::vector<uint8_t> storage;
  return !KernelConstants(weights).bytes(contract.right, storage);
}

std::optional<MatricesKernel> readMatrices(KernelOp kernel, const mortise::Hardware &hardware,
                                           const WeightBytes &weights, std::string &why) {
  return MatricesReader(kernel, hardware, weights, why).read();
}

} // namespace tenon::npu

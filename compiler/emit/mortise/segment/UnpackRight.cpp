//===- UnpackRight.cpp - computed right operands without the CPU's panels --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/UnpackRight.h"

#include "compiler/emit/mortise/segment/MovementKernel.h"
#include "compiler/emit/mortise/segment/PlannedKernel.h"
#include "compiler/emit/mortise/segment/TensorShape.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace tenon::npu {

namespace {

RankedTensorType typeOf(mlir::Value value) { return cast<RankedTensorType>(value.getType()); }

RankedTensorType swapped(RankedTensorType type) {
  llvm::SmallVector<int64_t> shape(type.getShape());
  std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
  return RankedTensorType::get(shape, type.getElementType());
}

/// A matrix that panels hold: [batch..., K, N], or [batch..., N, K].
struct Matrix {
  mlir::Value value; ///< in the region of the kernel that packs, or outside of it
  bool transposed = false;
};

/// How the panels of a product are written: see the Kernel phase's packing of products.
class PanelMatcher {
public:
  explicit PanelMatcher(PackedContractOp contract)
      : lead(static_cast<int64_t>(shapeOf(contract.getLhs()).size()) - 2), group(contract.getGroup()),
        depth(shapeOf(contract.getLhs()).back()), columns(shapeOf(contract.getResult()).back()),
        batch(shapeOf(contract.getLhs()).drop_back(2)) {}

  /// The matrix behind the kernel's result.
  std::optional<Matrix> match(KernelOp kernel) const {
    auto transpose = yieldedBy(kernel).getDefiningOp<TransposeOp>();
    if (!transpose)
      return std::nullopt;
    mlir::Value split = transpose.getInput();
    if (auto argument = dyn_cast<BlockArgument>(split))
      split = kernel.getInputs()[argument.getArgNumber()];
    auto reshape = split.getDefiningOp<ReshapeOp>();
    if (!reshape)
      return std::nullopt;
    for (bool transposed : {false, true}) {
      if (transpose.getPermutation() != ArrayRef(order(transposed)) ||
          shapeOf(split) != ArrayRef(splitShape(transposed)))
        continue;
      mlir::Value value = reshape.getInput();
      if (shapeOf(value) == ArrayRef(shape(transposed, true)) &&
          shapeOf(value) != ArrayRef(shape(transposed, false)))
        value = withoutPad(value);
      if (value && shapeOf(value) == ArrayRef(shape(transposed, false)))
        return Matrix{value, transposed};
    }
    return std::nullopt;
  }

private:
  static constexpr int64_t kPanel = 16;
  int64_t panels() const { return (columns + kPanel - 1) / kPanel; }
  int64_t groups() const { return (depth + group - 1) / group; }

  static mlir::Value withoutPad(mlir::Value value) {
    auto pad = value.getDefiningOp<PadOp>();
    bool isBehind = pad && pad.getLow().empty() && pad.getHigh().empty() &&
                    llvm::all_of(pad.getStaticLow(), [](int64_t low) { return low == 0; });
    return isBehind ? pad.getInput() : mlir::Value();
  }
  llvm::SmallVector<int64_t> shape(bool transposed, bool padded) const {
    llvm::SmallVector<int64_t> shape(batch);
    int64_t n = padded ? panels() * kPanel : columns, k = padded ? groups() * group : depth;
    shape.append({transposed ? n : k, transposed ? k : n});
    return shape;
  }
  llvm::SmallVector<int64_t> splitShape(bool transposed) const {
    llvm::SmallVector<int64_t> shape(batch);
    if (transposed)
      shape.append({panels(), kPanel, groups()});
    else
      shape.push_back(groups());
    if (group > 1)
      shape.push_back(group);
    if (!transposed)
      shape.append({panels(), kPanel});
    return shape;
  }
  llvm::SmallVector<int64_t> order(bool transposed) const {
    llvm::SmallVector<int64_t> order(llvm::to_vector(llvm::seq<int64_t>(lead)));
    if (transposed)
      order.append({lead, lead + 2, lead + 1});
    else if (group == 1)
      order.append({lead + 1, lead, lead + 2});
    else
      order.append({lead + 2, lead, lead + 3});
    if (group > 1)
      order.push_back(transposed ? lead + 3 : lead + 1);
    return order;
  }

  int64_t lead, group, depth, columns;
  llvm::SmallVector<int64_t> batch;
};

/// New kernels in place of others, which stay until all is known to fit.
class Rewriting {
public:
  Rewriting(const mortise::Hardware &hardware, const WeightBytes &weights)
      : hardware(hardware), weights(weights) {}

  bool run(KernelOp product, PackedContractOp contract) {
    if (build(product, contract) && fits()) {
      for (auto [from, to] : replaced)
        from.replaceAllUsesWith(to);
      for (mlir::Operation *op : old)
        eraseUnused(op);
      return true;
    }
    for (mlir::Operation *op : llvm::reverse(made))
      op->erase();
    return false;
  }

private:
  bool build(KernelOp product, PackedContractOp contract) {
    auto argument = dyn_cast<BlockArgument>(contract.getRhs());
    if (!argument || !argument.hasOneUse() || contract.getRhs() == contract.getLhs() ||
        shapeOf(argument).size() != contract.getPanelRank() + shapeOf(contract.getLhs()).size() - 2)
      return false;
    mlir::Value panels = product.getInputs()[argument.getArgNumber()];
    while (auto reshape = panels.getDefiningOp<ReshapeOp>())
      panels = reshape.getInput();
    auto packing = panels.getDefiningOp<KernelOp>();
    if (!packing || packing->getNumResults() != 1 || !packing.getSizes().empty())
      return false;
    std::optional<Matrix> matrix = PanelMatcher(contract).match(packing);
    if (!matrix)
      return false;
    old = {product, packing};
    mlir::Value right = outside(packing, matrix->value);
    auto writer = right.getDefiningOp<KernelOp>();
    if (writer && isAcross(writer)) {
      KernelOp turned = yielding(writer, yieldedBy(writer), true);
      if (!isAcross(turned) && readSums(writer, turned, product)) {
        right = turned->getResult(0);
        matrix->transposed = !matrix->transposed;
        old.push_back(writer);
      } else {
        while (made.back() != turned)
          made.pop_back_val()->erase();
        made.pop_back();
        turned->erase();
        replaced.clear();
        old.resize(2);
      }
    }
    KernelOp changed = multiply(product, contract, right, matrix->transposed);
    replaced.emplace_back(product->getResult(0), changed->getResult(0));
    return true;
  }

  /// The value beside the kernels: an operand of the kernel, or what a new one computes.
  mlir::Value outside(KernelOp packing, mlir::Value matrix) {
    if (matrix.getParentRegion() != &packing.getBody())
      return matrix;
    if (auto argument = dyn_cast<BlockArgument>(matrix))
      return packing.getInputs()[argument.getArgNumber()];
    return yielding(packing, matrix, false)->getResult(0);
  }

  KernelOp create(KernelOp like, RankedTensorType type, ValueRange inputs, StringRef family) {
    OpBuilder b(like);
    auto kernel = KernelOp::create(b, like.getLoc(), TypeRange(type), inputs, ValueRange(), ValueRange(),
                                   family, DictionaryAttr());
    mlir::Block *block = b.createBlock(&kernel.getBody());
    for (mlir::Value input : inputs)
      block->addArgument(input.getType(), input.getLoc());
    made.push_back(kernel);
    return kernel;
  }

  /// The kernel with another value of its region as the result, its last two axes `swapped` if need be.
  KernelOp yielding(KernelOp kernel, mlir::Value value, bool swap) {
    RankedTensorType type = swap ? swapped(typeOf(value)) : typeOf(value);
    KernelOp copy = create(kernel, type, kernel.getInputs(), kernel.getFamily());
    mlir::Block &body = kernel.getBody().front(), &block = copy.getBody().front();
    IRMapping map;
    map.map(body.getArguments(), block.getArguments());
    OpBuilder b = OpBuilder::atBlockEnd(&block);
    for (mlir::Operation &op : body.without_terminator())
      b.clone(op, map);
    mlir::Value yielded = map.lookup(value);
    if (swap) {
      llvm::SmallVector<int64_t> order(llvm::to_vector(llvm::seq<int64_t>(type.getRank())));
      std::swap(order[order.size() - 1], order[order.size() - 2]);
      yielded = TransposeOp::create(b, kernel.getLoc(), type, yielded, order);
    }
    YieldOp::create(b, kernel.getLoc(), yielded);
    for (mlir::Operation *op = block.getTerminator()->getPrevNode(); op;) {
      mlir::Operation *before = op->getPrevNode();
      if (op->use_empty())
        op->erase();
      op = before;
    }
    return copy;
  }

  /// Whether a kernel moves elements that lie apart to neighbouring places.
  bool isAcross(KernelOp kernel) const {
    std::string why;
    if (kernel.getFamily() != "map" || !movesElements(kernel))
      return false;
    std::optional<MovementKernel> movement = readMovement(kernel, hardware, why);
    if (!movement)
      return true;
    for (const MovedSource &source : movement->movement.sources)
      for (const MovedPart &part : source.parts)
        if (!source.uniform && part.strides.back() != 1 && movement->movement.extents.back() > 1)
          return true;
    return false;
  }

  /// Everything else that reads `writer` sums its columns; it sums the rows of `turned` instead.
  bool readSums(KernelOp writer, KernelOp turned, KernelOp product) {
    for (mlir::Operation *user : llvm::to_vector(writer->getResult(0).getUsers())) {
      if (user == product || llvm::is_contained(old, user) || leadsToOld(user))
        continue;
      auto sums = dyn_cast<KernelOp>(user);
      if (!sums || !sumRows(sums, turned))
        return false;
      old.push_back(sums);
    }
    return true;
  }
  bool leadsToOld(mlir::Operation *op) const {
    return isa<ReshapeOp>(op) &&
           llvm::all_of(op->getUsers(), [&](mlir::Operation *user) { return llvm::is_contained(old, user); });
  }

  bool sumRows(KernelOp sums, KernelOp turned) {
    if (sums.getInputs().size() != 1 || sums->getNumResults() != 1)
      return false;
    auto reduce = yieldedBy(sums).getDefiningOp<ReduceOp>();
    int64_t rank = typeOf(turned->getResult(0)).getRank();
    if (!reduce || reduce.getAxes() != ArrayRef<int64_t>{rank - 2})
      return false;
    mlir::Value summed = reduce.getInput();
    auto cast = summed.getDefiningOp<CastOp>();
    if (!isa<BlockArgument>(cast ? cast.getInput() : summed))
      return false;
    KernelOp changed =
        create(sums, swapped(typeOf(sums->getResult(0))), turned->getResults(), sums.getFamily());
    OpBuilder b = OpBuilder::atBlockEnd(&changed.getBody().front());
    mlir::Value value = changed.getBody().front().getArgument(0);
    if (cast)
      value = CastOp::create(b, cast.getLoc(), swapped(typeOf(summed)), value);
    value = ReduceOp::create(b, reduce.getLoc(), changed.getResultTypes().front(), reduce.getKind(), value,
                             ArrayRef<int64_t>{rank - 1});
    YieldOp::create(b, reduce.getLoc(), value);
    b.setInsertionPoint(sums);
    auto reshaped = ReshapeOp::create(b, sums.getLoc(), sums.getResultTypes().front(), changed->getResult(0),
                                      ValueRange());
    made.push_back(reshaped);
    replaced.emplace_back(sums->getResult(0), reshaped.getResult());
    return true;
  }

  KernelOp multiply(KernelOp product, PackedContractOp contract, mlir::Value right, bool transposed) {
    llvm::SmallVector<mlir::Value> inputs(product.getInputs());
    unsigned number = cast<BlockArgument>(contract.getRhs()).getArgNumber();
    inputs[number] = right;
    KernelOp copy = create(product, typeOf(product->getResult(0)), inputs, product.getFamily());
    mlir::Block &body = product.getBody().front(), &block = copy.getBody().front();
    IRMapping map;
    map.map(body.getArguments(), block.getArguments());
    OpBuilder b = OpBuilder::atBlockEnd(&block);
    for (mlir::Operation &op : body) {
      if (&op != contract) {
        b.clone(op, map);
        continue;
      }
      auto plain = ContractOp::create(b, contract.getLoc(), contract.getType(), map.lookup(contract.getLhs()),
                                      block.getArgument(number), transposed);
      plain->setDiscardableAttrs(contract->getDiscardableAttrDictionary());
      map.map(contract.getResult(), plain.getResult());
    }
    return copy;
  }

  bool fits() const {
    std::string why;
    return llvm::all_of(made, [&](mlir::Operation *op) {
      auto kernel = dyn_cast<KernelOp>(op);
      return !kernel || planOf(kernel, hardware, weights, why);
    });
  }

  static void eraseUnused(mlir::Operation *op) {
    if (!op->use_empty())
      return;
    llvm::SmallVector<mlir::Value> operands(op->getOperands());
    op->erase();
    for (mlir::Value operand : operands)
      if (auto reshape = operand.getDefiningOp<ReshapeOp>())
        eraseUnused(reshape);
  }

  const mortise::Hardware &hardware;
  const WeightBytes &weights;
  llvm::SmallVector<mlir::Operation *> made, old;
  llvm::SmallVector<std::pair<mlir::Value, mlir::Value>> replaced;
};

} // namespace

void unpackRight(KernelOp segment, const mortise::Hardware &hardware, const WeightBytes &weights) {
  llvm::SmallVector<std::pair<KernelOp, PackedContractOp>> products;
  segment.getBody().walk([&](PackedContractOp contract) {
    auto kernel = contract->getParentOfType<KernelOp>();
    if (kernel != segment && kernel->getNumResults() == 1 && kernel.getSizes().empty())
      products.emplace_back(kernel, contract);
  });
  for (auto [kernel, contract] : products)
    Rewriting(hardware, weights).run(kernel, contract);
}

} // namespace tenon::npu

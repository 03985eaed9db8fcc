//===- GraphBuilder.cpp - sizes, constants and elementwise operations -------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/GraphBuilder.h"
#include "compiler/import/onnx/SymbolFacts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

std::optional<int64_t> tenon::importer::elementCount(ArrayRef<Size> dims) {
  int64_t count = 1;
  for (Size s : dims) {
    auto c = s.constant();
    if (!c || llvm::MulOverflow(count, *c, count))
      return std::nullopt;
  }
  return count;
}

std::string tenon::importer::describe(ArrayRef<Size> dims) {
  std::string s = "[";
  for (auto [i, d] : llvm::enumerate(dims))
    s += (i ? ", " : "") + d.str();
  return s + "]";
}

std::string tenon::importer::describe(const Tensor &tensor) {
  std::string s;
  llvm::raw_string_ostream os(s);
  if (tensor.sequence)
    return "a sequence";
  os << tensor.element << describe(tensor.dims);
  return s;
}

namespace {

/// Lowers size expressions to arith operations on index values.
class IndexVisitor : public SizeVisitor {
public:
  explicit IndexVisitor(GraphBuilder &g) : g(g) {}
  Handle constant(int64_t v) override { return wrap(arith::ConstantIndexOp::create(g.builder, g.loc, v)); }
  Handle symbol(StringRef name) override {
    auto it = g.symbols.find(name);
    assert(it != g.symbols.end() && "a size uses a symbol that has no value here");
    return it->second.getAsOpaquePointer();
  }
  Handle add(Handle a, Handle b) override { return make<arith::AddIOp>(a, b); }
  Handle mul(Handle a, Handle b) override { return make<arith::MulIOp>(a, b); }
  Handle floorDiv(Handle a, Handle b) override { return make<arith::FloorDivSIOp>(a, b); }
  Handle min(Handle a, Handle b) override { return make<arith::MinSIOp>(a, b); }
  Handle max(Handle a, Handle b) override { return make<arith::MaxSIOp>(a, b); }
  Handle mod(Handle a, Handle b) override {
    // a - floordiv(a, b) * b: arith's remainder has the sign of the dividend.
    Handle product = mul(floorDiv(a, b), b);
    return make<arith::SubIOp>(a, product);
  }

private:
  static Handle wrap(Value v) { return v.getAsOpaquePointer(); }
  template <typename Op> Handle make(Handle a, Handle b) {
    return wrap(Op::create(g.builder, g.loc, Value::getFromOpaquePointer(a), Value::getFromOpaquePointer(b)));
  }
  GraphBuilder &g;
};

TypedAttr numberAttr(Type element, double v) {
  if (auto f = dyn_cast<FloatType>(element))
    return FloatAttr::get(f, v);
  return IntegerAttr::get(element, static_cast<int64_t>(v));
}

} // namespace

Dims GraphBuilder::dimsOf(ArrayRef<int64_t> shape) {
  Dims dims;
  for (int64_t d : shape)
    dims.push_back(size(d));
  return dims;
}

Value GraphBuilder::index(Size s) {
  IndexVisitor visitor(*this);
  return Value::getFromOpaquePointer(visitSize(s, visitor));
}

SmallVector<Value> GraphBuilder::indices(ArrayRef<Size> list) {
  return llvm::map_to_vector(list, [&](Size s) { return index(s); });
}

SmallVector<Value> GraphBuilder::dynamic(ArrayRef<Size> dims) {
  SmallVector<Value> values;
  for (Size s : dims)
    if (!s.constant())
      values.push_back(index(s));
  return values;
}

RankedTensorType GraphBuilder::type(Type element, ArrayRef<Size> dims) {
  SmallVector<int64_t> shape;
  for (Size s : dims)
    shape.push_back(s.constant().value_or(ShapedType::kDynamic));
  return RankedTensorType::get(shape, element);
}

bool GraphBuilder::sameSize(Size a, Size b) {
  if (a == b)
    return true;
  if (a.constant() && b.constant())
    return false;
  return equalAtSamples(sizes, a, b, {});
}

Size GraphBuilder::require(Size a, Size b) {
  if (!sameSize(a, b))
    unproven.push_back({a, b});
  return a.constant() ? a : b.constant() ? b : a;
}

Value GraphBuilder::conform(Value v, Type type) {
  if (v.getType() == type)
    return v;
  return tensor::CastOp::create(builder, loc, type, v);
}

Tensor GraphBuilder::wrap(Value v, ArrayRef<Size> dims) {
  Tensor t;
  t.element = cast<RankedTensorType>(v.getType()).getElementType();
  t.dims.assign(dims.begin(), dims.end());
  t.value = v;
  return t;
}

Tensor GraphBuilder::fromContent(Content content, Type element, ArrayRef<Size> dims) {
  Tensor t;
  t.element = element;
  t.dims.assign(dims.begin(), dims.end());
  t.content = std::move(content);
  return t;
}

Tensor GraphBuilder::scalar(double v, Type element) {
  auto t = RankedTensorType::get({}, element);
  return fromConstant(DenseElementsAttr::get(t, cast<Attribute>(numberAttr(element, v))));
}

Tensor GraphBuilder::scalarInt(int64_t v, Type element) {
  if (isa<FloatType>(element))
    return scalar(static_cast<double>(v), element);
  auto t = RankedTensorType::get({}, element);
  return fromConstant(DenseElementsAttr::get(t, Attribute(IntegerAttr::get(element, v))));
}

Tensor GraphBuilder::integers(ArrayRef<int64_t> values, Type element) {
  auto t = RankedTensorType::get({static_cast<int64_t>(values.size())}, element);
  SmallVector<Attribute> attrs;
  for (int64_t v : values)
    attrs.push_back(IntegerAttr::get(element, v));
  return fromConstant(DenseElementsAttr::get(t, attrs));
}

Tensor GraphBuilder::full(double v, Type element, ArrayRef<Size> dims) {
  return broadcast(toRank(scalar(v, element), dims.size()), dims);
}

Tensor GraphBuilder::fullInt(int64_t v, Type element, ArrayRef<Size> dims) {
  return broadcast(toRank(scalarInt(v, element), dims.size()), dims);
}

Tensor GraphBuilder::fromSize(Size s, Type element) {
  Content content{SizeFraction{s, size(1)}};
  return fromContent(std::move(content), element, {});
}

Size GraphBuilder::readScalar(const Tensor &t, int64_t position, std::optional<int64_t> min,
                              std::optional<int64_t> max) {
  auto attr = [&](std::optional<int64_t> v) { return v ? builder.getI64IntegerAttr(*v) : IntegerAttr(); };
  Size s = sizes.fresh("read", min.value_or(INT32_MIN), max);
  Value v = ReadScalarOp::create(builder, loc, builder.getIndexType(), value(t),
                                 builder.getI64IntegerAttr(position), attr(min), attr(max));
  symbols[s.symbol().str()] = v;
  return s;
}

Size GraphBuilder::checked(Size s, int64_t min, int64_t max) {
  auto c = s.constant();
  return c && *c >= min && *c <= max ? s : readScalar(fromSize(s, builder.getI64Type()), 0, min, max);
}

Tensor GraphBuilder::compare(CmpPredicate predicate, const Tensor &a, const Tensor &b) {
  Value l = value(a), r = conform(value(b), l.getType());
  return wrap(CmpOp::create(builder, loc, type(builder.getI1Type(), a.dims), predicate, l, r), a.dims);
}

Tensor GraphBuilder::select(const Tensor &c, const Tensor &a, const Tensor &b) {
  Value l = value(a), r = conform(value(b), l.getType());
  Value condition = conform(value(c), cast<RankedTensorType>(l.getType()).clone(builder.getI1Type()));
  return wrap(SelectOp::create(builder, loc, l.getType(), condition, l, r), a.dims);
}

Tensor GraphBuilder::convert(const Tensor &x, Type element) {
  if (x.element == element)
    return x;
  Value v = value(x);
  return wrap(CastOp::create(builder, loc, mlir::cast<RankedTensorType>(v.getType()).clone(element), v),
              x.dims);
}

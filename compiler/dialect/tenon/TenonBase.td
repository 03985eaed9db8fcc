//===- TenonBase.td - the dialect, its types, enums and interfaces
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef TENON_BASE_TD
#define TENON_BASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Tenon_Dialect : Dialect {
  let name = "tenon";
  let cppNamespace = "::tenon";
  let summary = "neural-network graphs on tensors with value semantics";
  let description = [{
    Core operations are few and plain: the operands of an elementwise operation have equal shapes (broadcasting is the
    operation `tenon.broadcast`), axes are non-negative, images are channels-last. Composites (norms, activations,
    attention, pooling variants, recurrent cells) each decompose into core operations.

    A dimension of a tensor type is static exactly when its size is a known constant. A dynamic dimension has a
    symbolic size: an expression over the function's symbols, found by the size analysis (`SizeAnalysis`), never part
    of the type. Operations whose result sizes do not follow from their operands take one `index` operand for each
    dynamic dimension of the result, in order.

    Signed integers are signless in the type (i8, i32), unsigned ones are ui8, ui16, ...; booleans are i1, stored in a
    byte each.
  }];
  let hasConstantMaterializer = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::scf::SCFDialect", "::mlir::func::FuncDialect"];
}

def Tenon_Float : AnyTypeOf<[F64, F32, F16, BF16]>;
def Tenon_Int : AnyTypeOf<[I8, I16, I32, I64, UI8, UI16, UI32, UI64]>;
defvar Tenon_Floats = [F64, F32, F16, BF16];
defvar Tenon_Ints = [I8, I16, I32, I64, UI8, UI16, UI32, UI64];
def Tenon_Tensor : RankedTensorOf<!listconcat(Tenon_Floats, Tenon_Ints, [I1])>;
def Tenon_NumericTensor : RankedTensorOf<!listconcat(Tenon_Floats, Tenon_Ints)>;
def Tenon_FloatTensor : RankedTensorOf<Tenon_Floats>;
def Tenon_IntTensor : RankedTensorOf<Tenon_Ints>;
def Tenon_IntOrBoolTensor : RankedTensorOf<!listconcat(Tenon_Ints, [I1])>;
def Tenon_BoolTensor : RankedTensorOf<[I1]>;
def Tenon_IndexTensor : RankedTensorOf<[I32, I64]>;

def Tenon_SizeInference : OpInterface<"SizeInferenceOpInterface"> {
  let cppNamespace = "::tenon";
  let description = [{
    Inference of the symbolic sizes of an operation's tensor results. `operands` holds the sizes of every tensor
    operand, in operand order (empty for operands that are not tensors); `index` gives the expression of an `index`
    operand. Results that are `index` values get an empty entry. Fails, without a diagnostic, only when the operation
    breaks its own verifier.
  }];
  let methods = [
    InterfaceMethod<"sizes of the results", "::mlir::LogicalResult", "inferSizes",
      (ins "::tenon::SizeContext &":$context, "::llvm::ArrayRef<::tenon::Dims>":$operands,
           "::llvm::function_ref<::tenon::Size(::mlir::Value)>":$index,
           "::llvm::SmallVectorImpl<::tenon::Dims> &":$results)>
  ];
}

def Tenon_Composite : OpInterface<"CompositeOpInterface"> {
  let cppNamespace = "::tenon";
  let description = [{
    An operation that is defined by core operations. `decompose` builds them at the builder's insertion point and
    returns the values that replace the results; it may use other composites. New operations carry the composite's
    location. `sizes` answers the symbolic sizes of an operand, for decompositions that must name a dynamic size.
  }];
  let methods = [
    InterfaceMethod<"core operations in place of this one", "::llvm::FailureOr<::llvm::SmallVector<::mlir::Value>>",
      "decompose", (ins "::mlir::OpBuilder &":$builder)>
  ];
}

// Operations whose results have the sizes of their operands: one definition of inferSizes serves all of them.
defvar Tenon_InferSameSizes = [{
  ::llvm::LogicalResult $cppClass::inferSizes(::tenon::SizeContext &, ::llvm::ArrayRef<::tenon::Dims> operands,
                                              ::llvm::function_ref<::tenon::Size(::mlir::Value)>,
                                              ::llvm::SmallVectorImpl<::tenon::Dims> &results) {
    return ::tenon::inferSameSizes(operands, results);
  }
}];

class Tenon_Op<string mnemonic, list<Trait> traits = []>
    : Op<Tenon_Dialect, mnemonic, traits>;

// A core operation: pure, with symbolic size inference.
class Tenon_CoreOp<string mnemonic, list<Trait> traits = []>
    : Tenon_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<Tenon_SizeInference>], traits)>;

class Tenon_CompositeOp<string mnemonic, list<Trait> traits = []>
    : Tenon_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<Tenon_SizeInference>,
                                      DeclareOpInterfaceMethods<Tenon_Composite>], traits)>;

def Tenon_CmpPredicate : I32EnumAttr<"CmpPredicate", "comparison", [
    I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>,
    I32EnumAttrCase<"le", 3>, I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]> {
  let cppNamespace = "::tenon";
}
def Tenon_ReduceKind : I32EnumAttr<"ReduceKind", "how elements are combined", [
    I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"prod", 1>, I32EnumAttrCase<"max", 2>, I32EnumAttrCase<"min", 3>]> {
  let cppNamespace = "::tenon";
}
def Tenon_ScatterKind : I32EnumAttr<"ScatterKind", "how an update meets the element it falls on", [
    I32EnumAttrCase<"none", 0>, I32EnumAttrCase<"add", 1>, I32EnumAttrCase<"mul", 2>,
    I32EnumAttrCase<"max", 3>, I32EnumAttrCase<"min", 4>]> {
  let cppNamespace = "::tenon";
}

#endif

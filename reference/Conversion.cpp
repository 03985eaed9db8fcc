//===- Conversion.cpp - the meaning of casts -----------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/Evaluators.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/APSInt.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace tenon;
using namespace tenon::reference;

/// Truncation towards zero. What ONNX leaves undefined is defined here, so that the oracle is a function: NaN
/// gives 0, values out of the range of 64 bits saturate before the low bits are kept.
static int64_t truncateToInt(double v, DType to) {
  if (to == DType::Bool)
    return v != 0;
  if (std::isnan(v))
    return 0;
  llvm::APSInt integer(64, to == DType::U64);
  bool isExact;
  llvm::APFloat(v).convertToInteger(integer, llvm::APFloat::rmTowardZero, &isExact);
  return static_cast<int64_t>(integer.getZExtValue());
}

/// Rounded once, straight to the type: going through double would round large integers twice.
static double roundFromInt(int64_t v, DType from, DType to) {
  const llvm::fltSemantics &semantics = to == DType::F64   ? llvm::APFloat::IEEEdouble()
                                        : to == DType::F32 ? llvm::APFloat::IEEEsingle()
                                        : to == DType::F16 ? llvm::APFloat::IEEEhalf()
                                                           : llvm::APFloat::BFloat();
  llvm::APFloat value(semantics);
  value.convertFromAPInt(llvm::APInt(64, static_cast<uint64_t>(v)), !isUnsigned(from),
                         llvm::APFloat::rmNearestTiesToEven);
  bool losesInfo;
  value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return value.convertToDouble();
}

static Tensor evaluateCast(CastOp op, Values in) {
  const Tensor &x = in[0];
  DType from = x.dtype(), to = resultDType(op.getResult());
  if (isFloat(from) && isFloat(to))
    return Tensor::fromDoubles(to, x.dims(), x.doubles());
  if (!isFloat(from) && !isFloat(to))
    return Tensor::fromInts(to, x.dims(), x.ints());
  if (isFloat(from)) {
    std::vector<int64_t> values;
    for (double v : x.doubles())
      values.push_back(truncateToInt(v, to));
    return Tensor::fromInts(to, x.dims(), values);
  }
  std::vector<double> values;
  for (int64_t v : x.ints())
    values.push_back(roundFromInt(v, from, to));
  return Tensor::fromDoubles(to, x.dims(), values);
}

static Tensor evaluateBitcast(BitcastOp op, Values in) {
  Tensor result(resultDType(op.getResult()), in[0].dims());
  llvm::copy(in[0].bytes(), result.mutableBytes().begin());
  return result;
}

void tenon::reference::addConversions(EvaluatorTable &table) {
  table.add<CastOp>(evaluateCast);
  table.add<BitcastOp>(evaluateBitcast);
}

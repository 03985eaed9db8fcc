//===- UpperBound.h - sizes that do not depend on data --------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"
#include <optional>

namespace tenon::plan {

/// The largest value that a size can take, as an expression over the symbols of the function's inputs:
/// symbols whose values come from data are replaced by their bounds. Nothing when one of them has none.
std::optional<Size> upperBound(SizeAnalysis &sizes, Size size);

} // namespace tenon::plan

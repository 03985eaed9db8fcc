// What the runtime will ask for at given sizes, computed on the model structures: for memory certificates.
#pragma once

#include "package/error.h"
#include "package/model.h"

namespace tenon::package {

/// Values of the symbols and static expressions, in slot order. `symbols` has one value per symbol.
Status evaluateStatic(const Function &function, const std::vector<int64_t> &symbols,
                      std::vector<int64_t> &slots);

/// Bytes of arena and of scratch per worker with these values of the symbols.
Status memoryAt(const Function &function, const std::vector<int64_t> &symbols, Certificate &result);

/// The certificate at the largest value of each symbol; kUnbounded where one has no maximum. Sizes that do
/// not grow with every symbol are the caller's concern: sizes of tensors do.
Status certify(const Function &function, Certificate &result);

} // namespace tenon::package

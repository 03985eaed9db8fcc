// Size expressions of a package as text.
#pragma once

#include "package/reader.h"

#include <string>
#include <vector>

namespace tenon::command {

/// The text of each slot of a function: "batch", "4 * batch", "max(a, b)". Slots that are only known while it
/// runs are "?". A text longer than a line is cut to the slot's number.
class SizeTexts {
public:
  explicit SizeTexts(const package::fb::Function &function);
  /// `slot` may be kNone, which gives "".
  const std::string &operator[](uint32_t slot) const;

private:
  std::vector<std::string> texts_;
  std::string none_;
};

} // namespace tenon::command

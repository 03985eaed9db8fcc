#include "package/error.h"

#include <cstdio>

namespace tenon::package {

Status Status::error(Code code, const char *format, ...) {
  Status status;
  status.code_ = code;
  int prefix =
      std::snprintf(status.message_, sizeof(status.message_), "TN%04u: ", static_cast<unsigned>(code));
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(status.message_ + prefix, sizeof(status.message_) - static_cast<size_t>(prefix), format,
                 arguments);
  va_end(arguments);
  return status;
}

} // namespace tenon::package

#include "tools/tenon/Progress.h"

#include <cstdio>
#include <unistd.h>

namespace tenon::command {

Progress::Progress() : terminal_(::isatty(STDERR_FILENO) == 1) {}

void Progress::show(const char *what, uint32_t done, uint32_t total) {
  if (!terminal_)
    return;
  shown_ = true;
  std::fprintf(stderr, "\r\033[K%s", what);
  if (total > 0)
    std::fprintf(stderr, " %u/%u", done, total);
  std::fflush(stderr);
}

void Progress::clear() {
  if (shown_)
    std::fputs("\r\033[K", stderr);
  shown_ = false;
}

} // namespace tenon::command

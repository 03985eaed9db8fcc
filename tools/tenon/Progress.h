// One line on a terminal that says what is being done; nothing in a pipe.
#pragma once

#include <cstdint>

namespace tenon::command {

class Progress {
public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;
  void show(const char *what, uint32_t done, uint32_t total);
  void clear();

private:
  bool terminal_;
  bool shown_ = false;
};

} // namespace tenon::command

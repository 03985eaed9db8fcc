// Columns of text, and numbers as people read them.
#pragma once

#include <string>
#include <vector>

namespace tenon::command {

class TextTable {
public:
  /// A title that ends in '>' aligns its column to the right.
  explicit TextTable(std::vector<std::string> titles);
  void add(std::vector<std::string> row);
  bool empty() const { return rows_.size() == 1; }
  std::string text() const;

private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

/// Three significant digits, or "-" for a negative number.
std::string number(double value);
/// "1.50 MB", in units of 1000.
std::string bytesText(double bytes);

} // namespace tenon::command

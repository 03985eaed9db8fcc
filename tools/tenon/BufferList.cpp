#include "tools/tenon/BufferList.h"
#include "tools/tenon/Failure.h"

#include <array>
#include <charconv>
#include <optional>
#include <unordered_map>

namespace tenon::command {

namespace {

enum Column : size_t { Id, Lower, Upper, Size, Alignment, Offset, ColumnCount };
constexpr std::array<std::string_view, ColumnCount> kNames = {"id",   "lower",     "upper",
                                                              "size", "alignment", "offset"};
/// First fit takes the square of it in steps.
constexpr size_t kMostBuffers = 16384;

/// Reads a list line by line and knows where it is.
class ListReader {
public:
  ListReader(std::string_view text, const std::string &name) : rest(text), name(name) {}
  BufferList read();

private:
  bool nextLine(std::vector<std::string_view> &cells);
  void readHeader();
  void readBuffer(const std::vector<std::string_view> &cells);
  int64_t integer(const std::vector<std::string_view> &cells, Column column) const;
  [[noreturn]] void fail(size_t at, const std::string &message) const {
    failInput("TN1301", "'" + name + "', line " + std::to_string(at) + ": " + message);
  }

  std::string_view rest;
  const std::string &name;
  size_t line = 0;
  size_t width = 0;
  std::array<std::optional<size_t>, ColumnCount> positions;
  std::unordered_map<std::string_view, size_t> lineOfId;
  std::vector<size_t> lineOfBuffer;
  BufferList list;
};

/// What a message shows of a cell: printable, and not endless.
std::string shown(std::string_view cell) {
  std::string text = "'";
  for (char c : cell.substr(0, 40))
    text += c >= ' ' && c < 127 ? c : '?';
  return text + (cell.size() > 40 ? "...'" : "'");
}

std::string_view trimmed(std::string_view text) {
  size_t first = text.find_first_not_of(" \t\r");
  return first == text.npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// The cells of the next line that is not empty; false at the end.
bool ListReader::nextLine(std::vector<std::string_view> &cells) {
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    std::string_view text = trimmed(rest.substr(0, end));
    rest = end == rest.npos ? "" : rest.substr(end + 1);
    ++line;
    if (text.empty())
      continue;
    if (text.find('"') != text.npos)
      fail(line, "a quotation mark was found; cells are expected to be plain");
    cells.clear();
    for (;;) {
      size_t comma = text.find(',');
      cells.push_back(trimmed(text.substr(0, comma)));
      if (comma == text.npos)
        return true;
      text = text.substr(comma + 1);
    }
  }
  return false;
}

void ListReader::readHeader() {
  std::vector<std::string_view> cells;
  if (!nextLine(cells))
    failInput("TN1301", "'" + name + "' is empty; a line of columns is expected: id,lower,upper,size");
  width = cells.size();
  for (size_t i = 0; i < cells.size(); ++i) {
    size_t column = 0;
    while (column < ColumnCount && cells[i] != kNames[column])
      ++column;
    if (column == ColumnCount)
      fail(line, "the column " + shown(cells[i]) +
                     " is unknown; expected are id, lower, upper, size, and maybe alignment, offset");
    if (positions[column])
      fail(line, "the column " + shown(cells[i]) + " is there twice");
    positions[column] = i;
  }
  for (size_t column : {Id, Lower, Upper, Size})
    if (!positions[column])
      fail(line, "the column '" + std::string(kNames[column]) +
                     "' is missing; the first line names the columns, for example id,lower,upper,size");
  list.aligned = positions[Alignment].has_value();
}

int64_t ListReader::integer(const std::vector<std::string_view> &cells, Column column) const {
  std::string_view cell = cells[*positions[column]];
  int64_t value = 0;
  auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  std::string what(kNames[column]);
  if (error == std::errc::result_out_of_range)
    fail(line, "'" + what + "' is " + shown(cell) + ", beyond 64 bits");
  if (error != std::errc() || end != cell.data() + cell.size())
    fail(line, "'" + what + "' is " + shown(cell) + "; an integer is expected");
  return value;
}

void ListReader::readBuffer(const std::vector<std::string_view> &cells) {
  if (cells.size() != width)
    fail(line, std::to_string(cells.size()) + " cells were found, " + std::to_string(width) +
                   " are expected, as many as there are columns");
  if (list.buffers.size() == kMostBuffers)
    fail(line, "more than " + std::to_string(kMostBuffers) + " buffers cannot be planned");
  std::string_view id = cells[*positions[Id]];
  if (id.empty())
    fail(line, "the id is empty");
  auto [earlier, isNew] = lineOfId.emplace(id, line);
  if (!isNew)
    fail(line, "the id " + shown(id) + " is that of line " + std::to_string(earlier->second) + " as well");
  offsets::Buffer buffer;
  buffer.begin = integer(cells, Lower);
  buffer.end = integer(cells, Upper);
  buffer.size = integer(cells, Size);
  if (positions[Alignment])
    buffer.alignment = integer(cells, Alignment);
  if (positions[Offset] && !cells[*positions[Offset]].empty())
    buffer.offset = integer(cells, Offset);
  list.ids.emplace_back(id);
  list.buffers.push_back(buffer);
  lineOfBuffer.push_back(line);
}

BufferList ListReader::read() {
  if (rest.starts_with("\xef\xbb\xbf")) // the byte-order mark of spreadsheets
    rest.remove_prefix(3);
  readHeader();
  std::vector<std::string_view> cells;
  while (nextLine(cells))
    readBuffer(cells);
  if (std::optional<offsets::Fault> fault = offsets::findFault(list.buffers))
    fail(lineOfBuffer[fault->buffer], "buffer " + shown(list.ids[fault->buffer]) + ": " + fault->message);
  return std::move(list);
}

} // namespace

BufferList parseBuffers(std::string_view text, const std::string &name) {
  return ListReader(text, name).read();
}

std::string BufferList::text(const std::vector<int64_t> &offsets) const {
  std::string result = aligned ? "id,lower,upper,size,alignment,offset\n" : "id,lower,upper,size,offset\n";
  for (size_t i = 0; i < buffers.size(); ++i) {
    const offsets::Buffer &buffer = buffers[i];
    result += ids[i] + "," + std::to_string(buffer.begin) + "," + std::to_string(buffer.end) + "," +
              std::to_string(buffer.size) + ",";
    if (aligned)
      result += std::to_string(buffer.alignment) + ",";
    result += std::to_string(offsets[i]) + "\n";
  }
  return result;
}

} // namespace tenon::command

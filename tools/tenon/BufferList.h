// Lists of buffers to be placed, as CSV in the form of MiniMalloc.
#pragma once

#include "compiler/offsets/AssignOffsets.h"

#include <string>
#include <string_view>
#include <vector>

namespace tenon::command {

/// The first line names the columns, in any order: id, lower (begin), upper (end, exclusive), size in bytes;
/// and optionally alignment, and offset, which fixes the buffers whose cell is not empty. Ids are any text.
struct BufferList {
  std::vector<std::string> ids;
  std::vector<offsets::Buffer> buffers;
  bool aligned = false; // has the column alignment

  /// The list with the column `offset` filled in, in the order of the lines.
  std::string text(const std::vector<int64_t> &offsets) const;
};

/// TN1301 with the line where the list is malformed; `name` is that of the file.
BufferList parseBuffers(std::string_view text, const std::string &name);

} // namespace tenon::command

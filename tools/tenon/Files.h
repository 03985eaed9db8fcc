// Reading and writing files whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::command {

/// The bytes of a regular file; TN0503 where it cannot be read.
std::vector<uint8_t> readFile(const std::string &path);

/// Up to `count` first bytes; TN0503 where the file cannot be read.
std::string readStart(const std::string &path, size_t count);

/// Puts `pieces`, one after the other, into a file that appears whole or not at all; TN0504 otherwise.
void writeFile(const std::string &path, const std::vector<std::string_view> &pieces);

/// Makes a folder and its parents; TN0504 where that fails.
void makeFolder(const std::string &path);

/// A folder that is removed, with its files, at the end of the scope.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;
  const std::string &path() const { return path_; }

private:
  std::string path_;
};

/// The folder of this executable.
std::string executableFolder();

/// Where libraries of this installation may lie: beside or above the executable, in a Python environment
/// whose `bin` holds the executable, in a build tree.
std::vector<std::string> libraryFolders();

} // namespace tenon::command

//===- LinkImage.cpp - objects to one code image ------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/ObjectCode.h"
#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Triple.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace mlir;

namespace tenon::cpu {
namespace {

/// A private folder of temporary files, removed at the end.
class TemporaryFolder {
public:
  ~TemporaryFolder() {
    if (!path.empty())
      llvm::sys::fs::remove_directories(path);
  }
  std::error_code create() { return llvm::sys::fs::createUniqueDirectory("tenon-link", path); }
  std::string file(const llvm::Twine &name) const {
    SmallString<128> result(path);
    llvm::sys::path::append(result, name);
    return result.str().str();
  }

private:
  SmallString<128> path; // createUniqueDirectory gives it to the user alone (mode 0700)
};

LogicalResult writeFile(const std::string &path, StringRef contents, std::string &error) {
  llvm::Error failed = llvm::writeToOutput(path, [&](llvm::raw_ostream &stream) {
    stream << contents;
    return llvm::Error::success();
  });
  if (!failed)
    return success();
  error = "TN0404: cannot write the temporary file '" + path + "': " + llvm::toString(std::move(failed));
  return failure();
}

std::string versionScript(const std::vector<std::string> &exports) {
  std::string script = "{\n";
  if (!exports.empty())
    script += "  global:\n";
  for (const std::string &name : exports)
    script += "    " + name + ";\n";
  return script + "  local: *;\n};\n";
}

// No undefined symbols and no relocations of code; nothing writable but what RELATIVE relocations change; no
// sections for tools, and no identification of the machine or the day.
constexpr const char *kOptions[] = {
    "-shared",           "-ztext",           "-zdefs",      "-zmax-page-size=4096",
    "-znoseparate-code", "-zrelro",          "-zrodynamic", "-znognustack",
    "--build-id=none",   "--hash-style=gnu", "--strip-all", "--threads=1"};

/// The linker's name and version are left out.
constexpr llvm::StringLiteral kLayout = "SECTIONS { /DISCARD/ : { *(.comment) } } INSERT AFTER .text;\n";

const char *emulation(const CpuTarget &target) {
  return llvm::Triple(target.triple).isAArch64() ? "aarch64linux" : "elf_x86_64";
}

/// lld keeps its state in globals.
LogicalResult runLinker(const std::vector<std::string> &arguments, std::string &error) {
  static std::mutex mutex;
  static bool usable = true;
  std::lock_guard<std::mutex> lock(mutex);
  if (!usable) {
    error = "TN0404: the linker cannot run again after an earlier failure; restart the process";
    return failure();
  }
  std::vector<const char *> pointers;
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string output;
  llvm::raw_string_ostream stream(output);
  lld::Result result = lld::lldMain(pointers, stream, stream, {{lld::Gnu, &lld::elf::link}});
  usable = result.canRunAgain;
  if (result.retCode == 0)
    return success();
  error = "TN0404: the code image cannot be linked: " + StringRef(output).trim().str();
  return failure();
}

} // namespace

FailureOr<std::vector<uint8_t>> linkImage(const std::vector<std::vector<uint8_t>> &objects,
                                          const std::vector<std::string> &exports, const CpuTarget &target,
                                          std::string &error) {
  error.clear();
  TemporaryFolder folder;
  if (std::error_code code = folder.create()) {
    error = "TN0404: cannot create a temporary folder for linking: " + code.message();
    return failure();
  }
  std::string script = folder.file("exports"), layout = folder.file("layout"),
              image = folder.file("image.so");
  std::vector<std::string> arguments = {"ld.lld", "-m", emulation(target)};
  for (const char *option : kOptions)
    arguments.emplace_back(option);
  llvm::append_values(arguments, "--version-script", script, "-o", image, layout);
  if (failed(writeFile(script, versionScript(exports), error)) || failed(writeFile(layout, kLayout, error)))
    return failure();
  for (const auto &[index, object] : llvm::enumerate(objects)) {
    arguments.push_back(folder.file("kernel" + llvm::Twine(index) + ".o"));
    StringRef contents(reinterpret_cast<const char *>(object.data()), object.size());
    if (failed(writeFile(arguments.back(), contents, error)))
      return failure();
  }
  if (failed(runLinker(arguments, error)))
    return failure();
  auto buffer = llvm::MemoryBuffer::getFile(image, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    error = "TN0404: cannot read the linked code image: " + buffer.getError().message();
    return failure();
  }
  StringRef bytes = (*buffer)->getBuffer();
  return std::vector<uint8_t>(bytes.bytes_begin(), bytes.bytes_end());
}

} // namespace tenon::cpu

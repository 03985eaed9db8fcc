// Opens a package in memory: checks the header and the manifest and gives access to the sections. Nothing is
// copied. Hostile bytes give an error, never undefined behaviour.
#pragma once

#include "package/error.h"
#include "package/header.h"
#include "package/memory.h"
#include "package/schema_generated.h"

namespace tenon::package {

/// A checked view of a package. Valid while the bytes are.
class Reader {
public:
  /// `file` is the whole package at an address that is a multiple of 64. Memory for checking comes from
  /// `allocator` and is released before the call returns.
  static Status open(Bytes file, const Allocator &allocator, Reader &result);

  const fb::Manifest &manifest() const { return *manifest_; }
  Bytes file() const { return file_; }
  Bytes manifestSection() const;
  Bytes imagesSection() const;
  Bytes weightsSection() const;
  Bytes debugSection() const; // empty where the package was stripped

  /// `index` is in range.
  Bytes image(uint32_t index) const;
  Bytes weight(uint32_t index) const;
  Bytes program(uint32_t index) const;

  /// Checks the debug section and gives its root; `result` is nullptr where there is none.
  Status debug(const fb::Debug *&result) const;

private:
  Bytes file_;
  FileHeader header_ = {};
  const fb::Manifest *manifest_ = nullptr;
};

/// The name of a string field that may be absent.
inline const char *text(const flatbuffers::String *string) { return string ? string->c_str() : ""; }

} // namespace tenon::package

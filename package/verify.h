// The semantic verifier: everything that the runtime relies on beyond FlatBuffers' own checks. One function
// per part of the manifest; each names the offending item in its error.
#pragma once

#include "package/error.h"
#include "package/memory.h"
#include "package/schema_generated.h"

namespace tenon::package {

/// The whole manifest, which takes `manifestSize` bytes. `images` and `weights` are the sections that it
/// describes; code images are parsed.
Status verifyManifest(const fb::Manifest &manifest, uint64_t manifestSize, Bytes images, Bytes weights,
                      const Allocator &allocator);

/// Symbols, expressions, arguments and buffers of one function.
Status verifyFunction(const fb::Function &function, const fb::Manifest &manifest, const Allocator &allocator);

/// Commands of one function, after verifyFunction: operands, access, control flow, slots written before they
/// are read.
Status verifyPlan(const fb::Function &function, const fb::Manifest &manifest, const Allocator &allocator);

Status verifyDebug(const fb::Debug &debug, const fb::Manifest &manifest);

/// Fails on an empty or a repeated name. `T` has name().
template <typename T>
Status verifyNames(const flatbuffers::Vector<flatbuffers::Offset<T>> &items, const char *what,
                   const Allocator &allocator);

/// Sorts `names` and looks for equal neighbours.
Status verifyDistinct(Array<const flatbuffers::String *> &names, const char *what);

template <typename T>
Status verifyNames(const flatbuffers::Vector<flatbuffers::Offset<T>> &items, const char *what,
                   const Allocator &allocator) {
  Array<const flatbuffers::String *> names;
  if (!names.allocate(allocator, items.size()))
    return Status::error(Code::OutOfMemory, "no memory to check %u names", items.size());
  for (uint32_t i = 0; i < items.size(); ++i)
    names[i] = items.Get(i)->name();
  return verifyDistinct(names, what);
}

} // namespace tenon::package

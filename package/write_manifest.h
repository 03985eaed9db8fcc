// Model structs -> FlatBuffers (private to the writer).
#pragma once

#include "package/digest.h"
#include "package/model.h"

#include <flatbuffers/flatbuffers.h>
#include <vector>

namespace tenon::package {

/// Where the sections ended up.
struct Placement {
  uint64_t offset = 0;
  DigestBytes digest;
};

/// What the manifest says beyond the model. The size of a manifest does not depend on the values.
struct Layout {
  std::vector<Placement> images;
  std::vector<Placement> programs;
  std::vector<Placement> weights;
  std::vector<std::vector<uint64_t>> entries; // per kernel, per image: address or UINT64_MAX
};

/// Fails on indices that the fields derived here (reads, writes) cannot follow; all else is left to the
/// verifier.
Status buildManifest(const Package &package, const Layout &layout, flatbuffers::FlatBufferBuilder &builder);

void buildDebug(const Debug &debug, flatbuffers::FlatBufferBuilder &builder);

} // namespace tenon::package

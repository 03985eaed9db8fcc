#include "compiler/emit/mortise/vector/IssueModel.h"
#include "compiler/emit/mortise/vector/Schedule.h"

#include <algorithm>

namespace tenon::npu {

namespace {

/// Whether `later` may not come before `earlier` when the two of a bundle are put in a row: all of a bundle
/// read before any of it writes.
bool mustFollow(const MachineOp &later, const MachineOp &earlier) {
  bool follows = isStore(later.id) && isLoad(earlier.id) && later.object == earlier.object;
  visitWrites(later, [&](RegisterId written) {
    visitReads(earlier, [&](RegisterId read) { follows |= read == written; });
  });
  return follows;
}

/// The bundle's instructions one after the other; nothing where each waits for another.
std::optional<std::vector<MachineOp>> inRow(Bundle bundle) {
  std::vector<MachineOp> row;
  while (!bundle.empty()) {
    auto next = std::find_if(bundle.begin(), bundle.end(), [&](const MachineOp &op) {
      return std::none_of(bundle.begin(), bundle.end(),
                          [&](const MachineOp &other) { return &other != &op && mustFollow(op, other); });
    });
    if (next == bundle.end())
      return std::nullopt;
    row.push_back(*next);
    bundle.erase(next);
  }
  return row;
}

uint64_t cyclesOf(const std::vector<Bundle> &bundles, const mortise::Hardware &hardware, size_t registers) {
  IssueModel model(hardware, registers);
  for (const Bundle &bundle : bundles)
    model.issue(bundle);
  return model.now();
}

} // namespace

std::vector<Bundle> repack(std::vector<Bundle> bundles, const DependenceOptions &options, size_t registers) {
  std::vector<MachineOp> ops;
  for (const Bundle &bundle : bundles) {
    std::optional<std::vector<MachineOp>> row = inRow(bundle);
    if (!row)
      return bundles;
    ops.insert(ops.end(), row->begin(), row->end());
  }
  std::vector<Bundle> packed = listSchedule(ops, options, false);
  bool better =
      cyclesOf(packed, *options.hardware, registers) < cyclesOf(bundles, *options.hardware, registers);
  return better ? packed : bundles;
}

} // namespace tenon::npu

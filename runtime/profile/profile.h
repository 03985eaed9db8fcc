// Times per command, in memory allocated beforehand.
#pragma once

#include "runtime/base/memory.h"
#include "tenon/device.h"

namespace tenon::runtime {

struct ProfileCell {
  uint64_t runs = 0;
  uint64_t totalNs = 0;
  uint64_t lastNs = 0; // of the last run of the function
};

/// What a device told of a dispatch, in the last run of the function.
struct DeviceCell {
  tenon_device_cost cost = {};
  Allocator allocator;
  Block report; // text and a zero byte
  bool reported = false;

  void add(const tenon_device_cost &more) {
    cost.cycles += more.cycles;
    cost.ns += more.ns;
    cost.ideal_cycles += more.ideal_cycles;
  }
  /// Without memory for it there is no report.
  void keep(const char *json, uint64_t size) {
    reported = json && size < UINT64_MAX && report.reserve(allocator, size + 1);
    if (!reported)
      return;
    std::memcpy(report.data(), json, size);
    report.data()[size] = 0;
  }
};

class Profile {
public:
  [[nodiscard]] bool enable(const Allocator &allocator, size_t commands, bool devices) {
    enabled_ = cells_.allocate(allocator, commands) && (!devices || devices_.create(allocator, commands));
    for (DeviceCell &cell : devices_)
      cell.allocator = allocator;
    return enabled_;
  }
  bool enabled() const { return enabled_; }
  size_t size() const { return cells_.size(); }
  const ProfileCell &cell(size_t command) const { return cells_[command]; }

  /// Null without profile, or where the package has no devices.
  DeviceCell *device(size_t command) { return command < devices_.size() ? &devices_[command] : nullptr; }
  const DeviceCell *device(size_t command) const {
    return command < devices_.size() ? &devices_[command] : nullptr;
  }

  void beginRun() {
    for (DeviceCell &cell : devices_)
      cell.cost = {}, cell.reported = false;
    for (ProfileCell &cell : cells_)
      cell.lastNs = 0;
  }
  void add(size_t command, uint64_t ns) {
    ProfileCell &cell = cells_[command];
    ++cell.runs;
    cell.totalNs += ns;
    cell.lastNs += ns;
  }
  void reset() {
    for (ProfileCell &cell : cells_)
      cell = {};
  }

private:
  Array<ProfileCell> cells_;
  Objects<DeviceCell> devices_;
  bool enabled_ = false;
};

} // namespace tenon::runtime

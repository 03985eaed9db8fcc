//===- CpuTarget.h - what code generation knows of a CPU --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::cpu {

/// One ISA level of a target. Schedules and code generation read nothing else of the machine.
struct CpuTarget {
  std::string name;          // "x86-64-v3", "x86-64-v4", "zen5", ...
  std::string triple;        // "x86_64-unknown-linux-gnu"
  std::string llvmCpu;       // -mcpu
  std::string features;      // -mattr, "+avx2,+fma,..."
  uint64_t required = 0;     // package::bit(CpuFeature) that an image of this level needs to run
  unsigned vectorBits = 256; // width that schedules are written for
  unsigned vectorRegisters = 16;
  bool vnni = false, bf16 = false;
  bool vbmi = false; // permutes bytes across a register
  /// Moving lanes from register to register takes no pipe from multiply-adds.
  bool movesBesideProducts = false;
  int64_t l1Bytes = 32 << 10, l2Bytes = 512 << 10;
  int64_t l3Bytes = 8 << 20; // a core's part, as far as a run finds its tensors there again
  // One core; scale of the cost model, nothing else. Bandwidths count what is read and what is written.
  double peakGflops = 100.0, dramGBs = 18.0, l3GBs = 45.0, l2GBs = 80.0;
  /// Lowers schedules written for `vectorBits` to instructions that any x86-64-v3 CPU runs.
  bool emulate = false;

  /// Whether the last cache still has what was asked for before `bytes` of weights passed. They pass within
  /// the run: others that share the cache displace less than from one run to the next.
  bool holdsAhead(int64_t bytes) const { return bytes <= 4 * l3Bytes; }
  /// Finds bytes in a table of 256 that lies in registers.
  bool looksUpBytes() const { return vbmi && !emulate && vectorBits >= 512; }
  /// Has nothing better than shuffles of 16 bytes for that.
  bool shufflesBytes() const { return vectorBits == 256 || emulate; }
  unsigned lanes(unsigned elementBits) const { return vectorBits / elementBits; }
  /// Peaks of products of bytes and of bfloat16 over the f32 peak. Without dot products bytes are widened to
  /// 16 bits and added in pairs.
  double int8PeakRatio() const { return vnni ? 4.0 : 1.6; }
  double bf16PeakRatio() const { return 2.0; }
};

} // namespace tenon::cpu

// What the CPU and the operating system below this process can run.
#pragma once

#include "package/cpu_features.h"

namespace tenon::runtime {

/// The machine that the runtime is built for.
inline constexpr package::Machine kMachine =
#if defined(__x86_64__)
    package::Machine::X86_64;
#elif defined(__aarch64__)
    package::Machine::AArch64;
#else
#error "the CPU device supports x86-64 and AArch64"
#endif

/// Bits of package::CpuFeature, including what the operating system saves across context switches.
uint64_t cpuFeatures();

} // namespace tenon::runtime

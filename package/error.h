// The status type of the package reader and the runtime: a stable code and a message in place, no allocation.
#pragma once

#include <cstdarg>
#include <cstdint>

namespace tenon::package {

/// Stable error codes, printed as TN0801 and so on. Never renumber.
enum class Code : uint16_t {
  Ok = 0,
  // The file around the manifest.
  NotAPackage = 801,     // wrong magic
  FormatVersion = 802,   // written by a newer or older Tenon
  Truncated = 803,       // a section reaches beyond the file
  SectionLayout = 804,   // sections overlap or are misaligned
  ManifestCorrupt = 805, // FlatBuffers' verifier refuses the manifest
  KernelAbi = 806,       // kernels made for another ABI version
  DebugCorrupt = 807,    // FlatBuffers' verifier refuses the debug section
  DigestMismatch = 808,  // contents differ from their digest
  // The contents of the manifest.
  BadEnum = 810,  // a number that names no dtype, region, operation, ...
  BadIndex = 811, // an index out of range
  BadRange = 812, // an offset and size outside their section, or an overflow
  BadAlignment = 813,
  BadName = 814,   // empty or repeated
  BadSymbol = 815, // an impossible range, or a symbol that no input binds
  BadExpr = 816,   // an operand that is not earlier, or a static expression with a late operand
  BadBuffer = 817, // a region, base or conflict that cannot be placed
  BadCommand = 818,
  BadTarget = 819,      // a jump out of the plan
  SlotNotWritten = 820, // a slot that may be read before it is written
  BadKernel = 821,
  BadState = 822,
  BadAccess = 823, // a write to read-only memory, or an alias that is no tied pair
  BadImage = 824,  // an ELF image that the mapper refuses
  TooLarge = 825,  // more than the verifier or the runtime handles
  // Writing.
  WriteFailed = 840,
  WeightSource = 841, // a weight's source failed or gave a wrong number of bytes
  MissingEntry = 842, // a kernel's entry symbol is not in the image
  // The runtime.
  OutOfMemory = 901,
  FileFailed = 902,  // cannot be opened, read or mapped
  NoImage = 903,     // no code image that this CPU can run
  UnknownName = 904, // function, input, output, symbol, state, ISA level
  BadArgument = 905, // a null pointer, an index out of range
  NotBound = 906,    // a run without an input
  DTypeMismatch = 907,
  RankMismatch = 908,
  ShapeMismatch = 909,  // a size out of its symbol's range or unequal to another occurrence
  BufferTooSmall = 910, // the caller's memory
  Arithmetic = 911,     // overflow or division by zero in a size expression
  KernelFailed = 912,
  CheckFailed = 913,
  HostFunctionMissing = 914,
  HostFunctionFailed = 915,
  Deadlock = 916,  // a wait that nothing will end
  MapFailed = 917, // the operating system refuses memory for code
  Misaligned = 918,
  Aliased = 919,       // the caller's output overlaps another tensor
  StateMismatch = 920, // an imported state of another size or layout
  ThreadsUnavailable = 921,
  DeviceMissing = 922, // the package needs a device that the application did not supply
  DeviceRefused = 923, // a device with another interface version, or one that fails without a code of its own
};

/// A result without a value. Default constructed: success.
class [[nodiscard]] Status {
public:
  Status() { message_[0] = 0; } // success is cheap: the rest of the message stays as it is
  __attribute__((format(printf, 2, 3))) static Status error(Code code, const char *format, ...);

  [[nodiscard]] bool ok() const { return code_ == Code::Ok; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] Code code() const { return code_; }
  /// "TN0803: the weights section ..."; empty for success. Long texts are cut.
  [[nodiscard]] const char *message() const { return message_; }

private:
  Code code_ = Code::Ok;
  char message_[320];
};

} // namespace tenon::package

/// Returns a failed status from the enclosing function.
#define TENON_TRY(expression)                                                                                \
  do {                                                                                                       \
    if (auto tenonStatus = (expression); !tenonStatus.ok())                                                  \
      return tenonStatus;                                                                                    \
  } while (false)

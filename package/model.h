// What goes into a package: plain structs that mirror schema.fbs. The compiler fills a Package and hands it
// to the writer (package/writer.h). The meaning of every field is stated here; what an executor relies on is
// checked by package/verify.h, also when a package is written.
//
// Indices are 32-bit and refer to the vector named in the comment. kNone marks an absent index or slot.
#pragma once

#include "package/cpu_features.h"
#include "package/dtype.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tenon::package {

inline constexpr uint32_t kNone = 0xffffffffu;
inline constexpr int64_t kUnbounded = INT64_MAX;

/// A slot of a function's table of int64 values: symbols first, then one slot per expression.
using Slot = uint32_t;
/// An index into Function::buffers.
using BufferId = uint32_t;

// --- Expressions
// ------------------------------------------------------------------------------------------------------

/// Integer arithmetic on slots. All of it is checked: an overflow or a division by zero is an error of the
/// run. Booleans are 0 and 1; every nonzero value counts as true.
enum class ExprOp : uint8_t {
  Const = 0,    // imm
  Add = 1,      // a + b
  Sub = 2,      // a - b
  Mul = 3,      // a * b
  FloorDiv = 4, // rounds to minus infinity
  CeilDiv = 5,  // rounds to plus infinity
  Mod = 6,      // a - b * floordiv(a, b)
  Min = 7,
  Max = 8,
  Eq = 9,
  Ne = 10,
  Lt = 11,
  Le = 12,
  Select = 13, // a ? b : c
  And = 14,
  Or = 15,
  Not = 16,
  External = 17, // written by a ReadScalar or SetSlot command, or a HostCall
};

/// Operands a, b, c are slots below the slot that the expression writes.
struct Expr {
  ExprOp op = ExprOp::Const;
  Slot a = 0;
  Slot b = 0;
  Slot c = 0;
  int64_t imm = 0;
};

/// A named extent, bound from the shapes of the function's inputs. It must be a dimension of at least one
/// input.
struct Symbol {
  std::string name;
  int64_t min = 0;
  int64_t max = kUnbounded;
  int64_t multipleOf = 1;
  std::vector<int64_t> likely;
};

// --- Functions
// --------------------------------------------------------------------------------------------------------

/// An input or output. Each dimension is a slot; a constant dimension is a Const expression's slot. An input
/// dimension that is a symbol's slot binds the symbol, every other one is compared with the caller's shape
/// and must be static. An output dimension may be a late slot (known after the run).
struct TensorArg {
  std::string name;
  DType dtype = DType::F32;
  std::vector<Slot> dims;
};

/// Documents that state `state` stands for the model's former input `input` and output `output`.
struct StateTie {
  uint32_t state = 0; // Package::states
  std::string input;
  std::string output;
};

enum class Region : uint8_t { Weight = 0, State = 1, Arena = 2, Input = 3, Output = 4, View = 5 };

/// A piece of memory that commands name. Weight, State, Input and Output cover their object from its first
/// byte; the size may be smaller than the object. An arena buffer's offset is the maximum over its conflicts
/// (earlier arena buffers that are alive at the same time) of offset + size, rounded up to 64; without
/// conflicts it is 0.
struct Buffer {
  Region region = Region::Arena;
  uint32_t index = 0;    // of the weight, state, input or output; 0 for Arena and View
  Slot size = 0;         // bytes; static unless the region is View (data-dependent sizes: an upper bound)
  BufferId base = kNone; // View: an earlier buffer
  Slot offset = kNone;   // View: bytes from the base's first byte; offset + size <= size of base
  std::vector<BufferId> conflicts; // Arena: earlier arena buffers
};

// --- Commands
// ---------------------------------------------------------------------------------------------------------

/// The first variant whose guard slot is nonzero (or kNone) runs.
struct Variant {
  Slot guard = kNone;
  uint32_t kernel = 0; // Package::kernels
};

/// Runs a kernel over the grid [0, grid). All variants take the same buffers (same access modes) and scalars,
/// and run on the same device. A device runs its program once, unless the grid is 0; it uses no scratch.
struct Dispatch {
  std::vector<Variant> variants;
  std::vector<BufferId> buffers;
  std::vector<Slot> symbols;
  Slot grid = 0;        // n; 0 runs nothing
  Slot grain = kNone;   // a worker gets multiples of this many items (except the last); kNone: 1
  Slot scratch = kNone; // bytes per worker; static; kNone: none
  Slot cost = kNone;    // estimated nanoseconds on one worker, decides threading; kNone: runs on the caller
  Slot flops = kNone;   // for reports
  Slot bytes = kNone;   // memory traffic, for reports
  Slot compute = kNone; // nanoseconds that the work takes at the peak of MachineModel, for reports
  Slot traffic = kNone; // nanoseconds that the bytes take at its bandwidths, for reports
};

/// Copies `size` bytes between the starts of two buffers, which do not overlap.
struct Copy {
  BufferId src = 0;
  BufferId dst = 0;
  Slot size = 0;
};

/// Fills a whole buffer with copies of the low `width` (1, 2, 4, 8) bytes of `pattern`, little endian. The
/// buffer's size is a multiple of the width.
struct Fill {
  BufferId dst = 0;
  uint64_t pattern = 0;
  uint8_t width = 1;
};

/// Evaluates expressions [first, first + count), which are late and not External.
struct EvalSymbols {
  uint32_t first = 0; // Function::exprs, not a slot
  uint32_t count = 0;
};

/// slot[dst] = buffer[slot[index]] for an integer or bool element type of at least 8 bits.
struct ReadScalar {
  BufferId buffer = 0;
  Slot index = 0;
  DType dtype = DType::I64;
  Slot dst = 0; // External
};

/// buffer[slot[index]] = slot[src], which must be representable.
struct WriteScalar {
  BufferId buffer = 0;
  Slot index = 0;
  DType dtype = DType::I64;
  Slot src = 0;
};

struct SetSlot {
  Slot dst = 0; // External
  Slot src = 0;
};

/// Targets are command indices; one past the last command ends the run.
struct Branch {
  Slot cond = 0;
  uint32_t target = 0; // taken if the condition is zero
};

struct Jump {
  uint32_t target = 0;
};

/// Fails the run with `message` and the model-defined `code` if the condition is zero.
struct Check {
  Slot cond = 0;
  int32_t code = 0;
  std::string message;
};

/// Sets the progress value of a queue, when all earlier commands of the command's own queue are done.
struct Signal {
  uint32_t queue = 0;
  uint64_t value = 0;
};

/// Holds the command's own queue until the progress value of `queue` is at least `value`.
struct Wait {
  uint32_t queue = 0;
  uint64_t value = 0;
};

/// Calls a function that the application registered under `name`.
struct HostCall {
  std::string name;
  std::vector<BufferId> reads;
  std::vector<BufferId> writes;
  std::vector<Slot> symbols;
  std::vector<Slot> results; // External slots that the function writes
};

using CommandBody = std::variant<Dispatch, Copy, Fill, EvalSymbols, ReadScalar, WriteScalar, SetSlot, Branch,
                                 Jump, Check, Signal, Wait, HostCall>;

/// One step of a plan. Queue 0 is the calling thread's; on other queues, which run beside it in their own
/// order, stand only dispatches of devices, Signal and Wait. `late` commands read slots or views that earlier
/// commands of the run write (loop counters, data-dependent extents): they are bound each time they run. All
/// others are bound when the input sizes change.
struct Command {
  CommandBody body;
  bool late = false;
  uint32_t queue = 0;
  uint32_t origin = kNone; // Debug::origins
};

/// Bytes of arena that suffice for every input in range; kUnbounded where a symbol has no maximum.
struct Certificate {
  int64_t arenaBytes = kUnbounded;
  int64_t scratchBytesPerWorker = kUnbounded;
};

struct Function {
  std::string name;
  std::vector<Symbol> symbols; // slots 0 .. symbols.size() - 1
  std::vector<Expr> exprs;     // expression i writes slot symbols.size() + i
  uint32_t staticExprs = 0;    // how many leading expressions depend on symbols alone; the rest are late
  std::vector<TensorArg> inputs;
  std::vector<TensorArg> outputs;
  std::vector<StateTie> stateTies;
  std::vector<Buffer> buffers;
  std::vector<Command> commands;
  uint32_t queues = 1;
  Certificate certificate;
};

// --- Code, weights, state
// ---------------------------------------------------------------------------------------------

/// An ELF shared object with RELATIVE relocations only and no undefined symbols. Images are ordered from the
/// least to the most demanding; the runtime takes, per kernel, the last one that the CPU can run and that
/// holds the kernel.
struct CodeImage {
  std::string isa; // "x86-64-v3"; the name by which a user forces a level
  Machine machine = Machine::X86_64;
  uint64_t features = 0; // bit(CpuFeature), all required
  std::vector<uint8_t> elf;
};

enum class Access : uint8_t { Read = 1, Write = 2, ReadWrite = 3 };

struct Kernel {
  std::string name;
  std::string family;                              // "contraction", "elementwise", ...; for reports
  std::vector<Access> access;                      // per buffer of a dispatch
  std::vector<std::pair<uint32_t, uint32_t>> ties; // positions in `access` that may be the same memory
  uint32_t symbolCount = 0;                        // scalars of a dispatch
  std::vector<std::string> entrySymbols; // per image: exported symbol, empty where the image lacks the kernel
  uint32_t program = kNone; // Package::programs: the kernel runs on that program's device; no entry symbols
};

/// A device besides the CPU that kernels of the package run on. The application supplies it by name.
struct Device {
  std::string name; // "mortise"; distinct
  std::string
      description; // what the device is asked to be: for Mortise the machine as YAML, all fields resolved
};

/// What a device runs for a kernel, in the device's own form.
struct Program {
  uint32_t device = 0; // Package::devices
  std::vector<uint8_t> bytes;
};

/// Receives a weight's bytes in order.
class WeightSink {
public:
  virtual ~WeightSink() = default;
  /// False when the package cannot be written; the source stops then.
  [[nodiscard]] virtual bool append(const void *data, size_t size) = 0;
};

/// Writes exactly Weight::size bytes into the sink; false (with a message in `error`) when the bytes cannot
/// be produced. Called once per weight, in order, and destroyed no earlier than the Package.
using WeightSource = std::function<bool(WeightSink &sink, std::string &error)>;

struct Weight {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> dims;
  uint64_t size = 0; // bytes; at least what dtype and dims need (packed layouts may pad)
  WeightSource source;
};

/// How tenon_session_truncate treats a state.
enum class StateKind : uint8_t {
  Plain = 0,    // left as it is
  Sequence = 1, // positions from the new length on along `lengthAxis` become zero
  Length = 2,   // integer counters, lowered to the new length
};

/// Memory of a session that outlives a run, shared by the functions. With a size bound the memory is
/// allocated once. Without (sizeBound 0) it has the size that the function's buffer asks for, and starts
/// afresh whenever that size changes.
struct State {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> dims;      // -1 for an extent that depends on symbols
  uint64_t sizeBound = 0;         // bytes
  uint32_t initialWeight = kNone; // Package::weights; kNone: zero
  StateKind kind = StateKind::Plain;
  uint32_t lengthAxis = 0;
};

// --- Debug section (separable)
// ----------------------------------------------------------------------------------------

struct SourceNode {
  std::string name;
  std::string opType;
};

/// The source nodes that something comes from: indices into Debug::nodes.
struct Origin {
  std::vector<uint32_t> nodes;
};

struct LineOrigin {
  uint32_t line = 0;   // of the listing, from 1
  uint32_t origin = 0; // Debug::origins
};

/// Code from `offset` up to the next row's.
struct CodeOrigin {
  uint32_t offset = 0;     // in the kernel's code
  uint32_t origin = kNone; // Debug::origins
};

/// Where a kernel's code for one image comes from, and its text forms where they were asked for.
struct Listing {
  uint32_t kernel = 0; // Package::kernels
  uint32_t image = 0;  // Package::images
  std::string text;
  std::string assembly;
  std::vector<LineOrigin> lines; // of `text`, ascending
  uint32_t entry = 0;            // offset of the kernel's entry in its code
  uint32_t size = 0;             // bytes of code; 0: not known
  std::vector<CodeOrigin> code;  // ascending by offset
};

struct KernelSchedule {
  uint32_t kernel = 0; // Package::kernels
  std::string text;
};

/// The machine that predicted times are for: one core.
struct MachineModel {
  std::string name;  // empty: not known
  double gflops = 0; // f32
  double l2GBs = 0, l3GBs = 0, dramGBs = 0;
  double dispatchNs = 0; // what a dispatch costs besides its work
};

struct PhaseDump {
  std::string phase; // "graph", "kernel", ...
  std::string text;
};

struct Debug {
  std::vector<SourceNode> nodes;
  std::vector<Origin> origins;
  std::vector<Listing> listings;
  std::vector<KernelSchedule> schedules;
  std::vector<PhaseDump> dumps;
  MachineModel model;
};

// --- The package
// ------------------------------------------------------------------------------------------------------

struct Package {
  std::string producer;              // "tenon 0.1.0"
  std::string sourceName;            // file name of the model, without folders
  std::vector<uint8_t> sourceDigest; // BLAKE2b-256 of the model; empty or 32 bytes
  std::string targetText;            // the resolved #tenon.target
  std::vector<uint8_t> targetHash;   // empty or 32 bytes
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<CodeImage> images;
  std::vector<Kernel> kernels;
  std::vector<Weight> weights;
  std::vector<State> states;
  std::vector<Function> functions;
  std::vector<Device> devices;
  std::vector<Program> programs;
  Debug debug;
};

} // namespace tenon::package

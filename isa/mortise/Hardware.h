// The description of a Mortise machine: what the compiler, the simulator and the analytic tier know of the
// hardware. Written in YAML; a preset's name or a file names one.
#pragma once

#include "isa/mortise/Isa.h"

#include <map>

namespace tenon::mortise {

/// How the matrix unit keeps its operands. The timing law differs, results do not.
enum class Dataflow : uint8_t { WeightStationary, OutputStationary };
/// Overlapped: weights load into shadow tiles and products follow each other without draining the array.
/// Serial: load, stream, drain, one after the other (the closed forms of SCALE-Sim).
enum class ArrayTiming : uint8_t { Overlapped, Serial };

struct MemoryTiming {
  int64_t bytes = 0; ///< capacity; 0: there is none
  double bytesPerCycle = 0;
  int64_t latency = 0; ///< cycles
  int64_t burst = 64;  ///< bytes; shorter transfers cost a whole burst
};

struct FrequencyPoint {
  double megahertz = 0, volts = 0;
};

struct Hardware {
  std::string name, resembles, notes;
  int64_t cores = 1;
  double megahertz = 1000;
  std::vector<FrequencyPoint> points; ///< the first is what the energy table is for

  struct {
    int64_t bytes = 0, banks = 0;
    int64_t width = 64;      ///< bytes of a bank's word; each bank serves one word a cycle
    int64_t interleave = 64; ///< consecutive bytes in one bank
  } scratchpad;
  struct {
    int64_t bytes = 0, banks = 0; ///< rows of `columns` words of 32 bits; each bank holds consecutive rows
  } accumulators;
  struct {
    int64_t rows = 0, columns = 0;
    int64_t positions = 1; ///< rows of the left operand that enter in one cycle
    Dataflow dataflow = Dataflow::WeightStationary;
    ArrayTiming timing = ArrayTiming::Overlapped;
    int64_t weightTiles = 1; ///< shadow tiles
    int64_t issueGap = 4;    ///< least cycles between products
    std::map<std::string, double>
        rates; ///< multiply-accumulates a cell and cycle, by type; absent: not supported
  } matrix;
  struct {
    int64_t lanes = 0;
    int64_t specialCycles = 1;              ///< cycles between special functions
    std::map<std::string, int64_t> latency; ///< instructions whose latency differs from the table's
  } vector;
  struct {
    int64_t inChannels = 0, outChannels = 0;
    int64_t dimensions = 4; ///< counts and strides of a descriptor
    int64_t maxCount = 0, maxStride = 0;
    int64_t inFlight = 0; ///< descriptors of all channels together
    int64_t setup = 0;    ///< cycles a descriptor
  } dma;
  int64_t semaphores = 64, queueDepth = 16;
  MemoryTiming dram, l2;
  struct {
    std::string source;
    std::map<std::string, double> actions; ///< pJ for each, by the table's names and those of `energyActions`
    double staticPerCycle = 0;             ///< pJ
  } energy;

  /// Rows that accumulators hold.
  int64_t accumulatorRows() const { return accumulators.bytes / (matrix.columns * 4); }
  /// Multiply-accumulates a cycle at most, all cores, for a rate of 1.
  double peakMacs() const { return double(cores * matrix.rows * matrix.columns * matrix.positions); }
  /// The rate of a type, 0 where it is not supported.
  double rate(Type type) const;
};

/// Accumulators in the scratchpad's address space, for the vector core.
constexpr int64_t kAccumulatorBase = int64_t(1) << 30;

/// Actions that cost energy beside those of the instruction table, with what one of them is.
std::span<const std::pair<const char *, const char *>> energyActions();

/// A preset's name, or the path of a YAML file. TN1101 unknown, TN1102 malformed YAML, TN1103 a field that is
/// missing, unknown, of the wrong kind or out of its limits, TN1104 fields that contradict each other.
Hardware loadHardware(const std::string &presetOrPath);
Hardware parseHardware(const std::string &yaml, const std::string &file);
/// All fields resolved, as YAML that parses to the same description.
std::string toYaml(const Hardware &hardware);
/// The fields with limits and meaning, in Markdown.
std::string hardwareReference();
std::vector<std::string> presetNames();
/// The text of a preset, or null.
const char *presetText(std::string_view name);

} // namespace tenon::mortise

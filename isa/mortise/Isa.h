// The instruction table (Instructions.def) as data, and single instructions.
//
// A word is 64 bits: the instruction's code in the top byte, the chain bit 55 (the bundle goes on with the
// next word), operands packed from bit 0 in the order of the row. Bits that no operand uses are 0.
#pragma once

#include "isa/mortise/Error.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::mortise {

enum class Id : uint8_t {
#define MORTISE_INSTRUCTION(code, Id, mnemonic, operands, unit, latency, action, semantics) Id,
#include "isa/mortise/Instructions.def"
  Count
};

/// Who executes an instruction. Scalar: the control processor, or the scalar slot of the vector core.
enum class Unit : uint8_t { Control, Scalar, Load, Store, Vector };

/// Kinds of operands, by the letter that the table uses.
enum class OperandKind : uint8_t {
  Register,       ///< R: r0..r31, 64 bits; the control processor and the vector core have their own
  VectorRegister, ///< V: v0..v31, 32 bits a lane
  Predicate,      ///< P: p0..p7; p0 is always true
  Descriptor,     ///< D: d0..d15
  Field,          ///< F: a field of a descriptor
  Semaphore,      ///< S: s0..s63
  Engine,         ///< E: a queue
  Flags,          ///< G: none, swap, acc, swap|acc
  Immediate32,    ///< I: signed
  Immediate16,    ///< H: signed
  Immediate8,     ///< B: unsigned
  Immediate20,    ///< U: unsigned
  Label           ///< L: index of a word
};

struct OperandInfo {
  OperandKind kind;
  char name;     ///< d, a, b, c: registers; i, j: immediates; e, f, g, s
  uint8_t shift; ///< position in the word
  uint8_t width; ///< bits
};

constexpr size_t kMaxOperands = 5;

/// A row of the table.
struct Row {
  Id id;
  uint8_t code;
  Unit unit;
  uint8_t latency;
  const char *mnemonic;
  const char *syntax;
  const char *action;
  const char *semantics;
  uint8_t operandCount;
  std::array<OperandInfo, kMaxOperands> operands;
};

/// All rows, in the order of `Id`.
std::span<const Row> rows();
const Row &row(Id id);
/// Null where there is none.
const Row *findRow(uint8_t code);
const Row *findRow(std::string_view mnemonic);

/// Queues that the control processor fills. `In0` and on are DMA channels into the scratchpad.
enum class Engine : uint8_t { Control, Weights, Matrix, Drain, Vector, In0, Out0 = In0 + 8 };
constexpr unsigned kEngines = 16, kMaxInChannels = 8, kMaxOutChannels = 3;
std::string engineName(unsigned engine);
std::optional<unsigned> findEngine(std::string_view name);
inline bool isInChannel(unsigned engine) {
  return engine >= unsigned(Engine::In0) && engine < unsigned(Engine::Out0);
}
inline bool isOutChannel(unsigned engine) { return engine >= unsigned(Engine::Out0); }

/// Fields of a descriptor. What an instruction does not use is ignored.
enum class Field : uint8_t {
  N0,
  N1,
  N2,
  N3, ///< counts; n0 is the innermost
  L0,
  L1,
  L2,
  L3, ///< strides in the scratchpad, bytes
  G0,
  G1,
  G2,
  G3,    ///< strides in memory, bytes
  Esize, ///< bytes of an element: 1, 2, 4
  Mode,  ///< Dma: DmaMode. MmLoad: 1 = the tile is stored transposed (n rows of k)
  Fill,  ///< Dma, mode Fill: the element
  Index, ///< Dma, mode Gather: scratchpad address of n1 int32 row numbers
  K,
  N,    ///< matrix unit: active rows and columns of the tile
  Type, ///< MmMul: of the rows; Drain: of the result; MmLoad: of the weights
  Bias,
  Scale, ///< Drain: scratchpad addresses of n words each, or -1
  Zero,
  Low,
  High, ///< Drain: zero point and clamp (in the result's units; of float results: bits of a float)
  Step  ///< Drain: bits of a float by which the scaled value is divided, with one rounding; 0: none
};
constexpr unsigned kFields = 25, kDescriptors = 16, kRegisters = 32, kPredicates = 8, kSemaphores = 64,
                   kLoopDepth = 4, kMaxCores = 4;
const char *fieldName(unsigned field);
std::optional<unsigned> findField(std::string_view name);

enum class DmaMode : uint8_t { Copy, Fill, Gather };

/// Element types, also constants of the assembler.
enum class Type : uint8_t { I8, U8, I4, I16, Bf16, F16, I32, F32 };
constexpr unsigned kTypes = 8;
const char *typeName(unsigned type);
std::optional<unsigned> findType(std::string_view name);
/// Bits of an element.
unsigned typeBits(Type type);

constexpr int kFlagSwap = 1, kFlagAccumulate = 2;

/// A decoded word.
struct Instruction {
  Id id = Id::Nop;
  bool chained = false; ///< the next word belongs to the same bundle
  std::array<int32_t, kMaxOperands> operands{};

  bool operator==(const Instruction &) const = default;
  const Row &row() const { return mortise::row(id); }
  /// The operand of that name; the row must have it.
  int32_t operand(char name) const;
};

/// The word; TN1003 where an operand is out of its range.
uint64_t encode(const Instruction &instruction);
/// TN1010 where the word is no instruction.
Instruction decode(uint64_t word);
/// Checks what words cannot say alone: slots of bundles, labels, that loops close. TN1011.
void verifyCode(std::span<const Instruction> code);

/// Range of an operand's value.
std::pair<int64_t, int64_t> operandRange(OperandKind kind);

/// One instruction's text, with labels as `L<index>`.
std::string toText(const Instruction &instruction);

/// The reference of all instructions, in Markdown.
std::string referenceDocument();

} // namespace tenon::mortise

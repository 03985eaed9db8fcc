// Builds a VectorFunction:
//
//   VectorFunction function("scale");
//   VectorBuilder b(function);
//   Value from = b.parameter("from"), to = b.parameter("to"), count = b.parameter("count");
//   ObjectId x = b.object("x"), y = b.object("y", true);
//   Value factor = b.splat(0.5F);
//   b.loop(count, {from, to}, [&](std::span<const Value> at) -> std::vector<Value> {
//     Address source{at[0], x}, target{at[1], y};
//     Value value = b.op(Id::VmulF, b.loadAdvance(Id::VldW, source, 256), factor);
//     b.storeAdvance(Id::VstW, target, value, 256);
//     return {source.base, target.base};
//   });
#pragma once

#include "compiler/emit/mortise/vector/VectorFunction.h"

namespace tenon::npu {

/// Bytes of an object: a base register and an offset of 16 bits.
struct Address {
  Value base;
  ObjectId object = kNoObject;
  int32_t offset = 0;
  Address plus(int32_t bytes) const { return {base, object, offset + bytes}; }
};

/// An immediate operand, to tell it from values.
struct Immediate {
  int32_t value;
};

class VectorBuilder {
public:
  using BodyFunction = std::function<std::vector<Value>(std::span<const Value>)>;
  explicit VectorBuilder(VectorFunction &function) : function_(function), block_(&function.body) {}

  /// A scalar that the launcher sets by `vset`: the first is r1, the next r2, and so on.
  Value parameter(const std::string &name);
  ObjectId object(const std::string &name, bool independentIterations = false);
  /// Constants are shared and live outside of loops. `splat`: every lane.
  Value scalar(int64_t value);
  Value splat(float value);
  Value splatInt(int32_t value);

  /// The result of an instruction that computes: sources in the table's order (a predicate `g` comes first
  /// where the table has it first, as in vsel).
  Value op(Id id, std::span<const Value> sources, std::optional<Immediate> immediate = {});
  Value op(Id id, Value a) { return op(id, std::array{a}); }
  Value op(Id id, Value a, Value b) { return op(id, std::array{a, b}); }
  Value op(Id id, Value a, Value b, Value c) { return op(id, std::array{a, b, c}); }
  Value op(Id id, Value a, Immediate i) { return op(id, std::array{a}, i); }
  Value op(Id id) { return op(id, std::span<const Value>()); }
  /// Lane by lane `predicate ? a : b`.
  Value select(Value predicate, Value a, Value b) { return op(Id::Vsel, predicate, a, b); }
  Value add(Value scalar, int32_t bytes) { return op(Id::Addi, scalar, Immediate{bytes}); }

  /// Inactive lanes read 0 and are not written.
  Value load(Id id, const Address &from, Value predicate = kAlways);
  void store(Id id, const Address &to, Value value, Value predicate = kAlways);
  /// The same, and `base` becomes the address that is `step` bytes further.
  Value loadAdvance(Id id, Address &from, int32_t step, Value predicate = kAlways);
  void storeAdvance(Id id, Address &to, Value value, int32_t step, Value predicate = kAlways);
  /// 32 bits at the address plus the lane's number of bytes.
  Value gather(const Address &table, Value bytes, Value predicate = kAlways);
  void scatter(const Address &table, Value bytes, Value value, Value predicate = kAlways);

  /// The body gets what is carried and returns what the next iteration gets, in the same order. Returned are
  /// the values after the last iteration.
  std::vector<Value> loop(TripCount count, const std::vector<Value> &initial, const BodyFunction &body);

private:
  Value constant(RegisterClass registerClass, int64_t bits);
  Operation &append(const Operation &operation);
  Operation memory(Id id, const Address &address, Value predicate, int32_t step);

  VectorFunction &function_;
  VectorBlock *block_;
};

} // namespace tenon::npu

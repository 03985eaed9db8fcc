// Values to mutable registers.

#include "compiler/emit/mortise/vector/MachineCode.h"

namespace tenon::npu {

namespace {

class Lowering {
public:
  explicit Lowering(const VectorFunction &from) : from_(from), placed_(from.values.size(), false) {
    to_.name = from.name;
    to_.objects = from.objects;
    for (const ValueInfo &info : from.values)
      to_.add(info.registerClass);
    for (size_t i = 0; i < from.parameters.size(); ++i)
      to_.registers[from.parameters[i].index].pinned = int(i) + 1;
  }

  MachineFunction run() {
    block(from_.body, to_.body, true);
    return std::move(to_);
  }

private:
  static void emit(std::vector<Node> &nodes, const MachineOp &op) {
    straightEnd(nodes).push_back(Bundle{op});
  }

  RegisterId immediate(std::vector<Node> &nodes, RegisterId to, int64_t value) {
    emit(nodes, makeOp(Id::Li, {to, int32_t(uint32_t(uint64_t(value)))}));
    if (value != int64_t(int32_t(value)))
      emit(nodes, makeOp(Id::Lih, {to, to, value >> 32}));
    else
      to_.registers[to].constant = value;
    return to;
  }

  /// Constants come into being before the first statement of the outermost block that needs them.
  void place(std::vector<Node> &nodes, Value value) {
    if (!from_.isConstant(value) || placed_[value.index])
      return;
    placed_[value.index] = true;
    const ValueInfo &info = from_.info(value);
    if (info.registerClass == RegisterClass::Scalar) {
      immediate(nodes, value.index, info.bits);
      return;
    }
    RegisterId bits = to_.add(RegisterClass::Scalar);
    immediate(nodes, bits, int32_t(info.bits));
    emit(nodes, makeOp(Id::Vbc, {value.index, bits}));
    to_.registers[value.index].constant = int32_t(info.bits);
  }

  void placeAll(std::vector<Node> &nodes, const Item &item) {
    if (!item.isLoop()) {
      forEachRead(item.operation, [&](Value value) { place(nodes, value); });
      return;
    }
    const VectorLoop &loop = item.loop.front();
    if (!loop.count.isConstant())
      place(nodes, loop.count.value);
    for (const Carried &carried : loop.carried) {
      place(nodes, carried.initial);
      place(nodes, carried.yielded);
    }
    for (const Item &inner : loop.body.items)
      placeAll(nodes, inner);
  }

  void block(const VectorBlock &block, std::vector<Node> &nodes, bool outermost) {
    for (const Item &item : block.items) {
      if (outermost)
        placeAll(nodes, item);
      if (item.isLoop())
        loop(item.loop.front(), nodes);
      else
        operation(item.operation, nodes);
    }
  }

  RegisterClass classOfValue(Value value) const { return from_.info(value).registerClass; }

  void operation(const Operation &op, std::vector<Node> &nodes) {
    MachineOp machine;
    machine.id = op.id;
    machine.operands = op.operands;
    machine.object = op.object;
    if (isMemory(op.id))
      machine.base = op.value('a').index;
    if (op.advanced.isValid()) {
      emit(nodes, makeCopy(RegisterClass::Scalar, op.advanced.index, op.value('a').index));
      machine.set('a', int32_t(op.advanced.index));
    }
    emit(nodes, machine);
  }

  /// The register of what a loop carries is that of its result; copies go through temporaries, because one
  /// carried value may be yielded as another.
  void loop(const VectorLoop &loop, std::vector<Node> &nodes) {
    MachineLoop machine;
    machine.count = loop.count.count;
    machine.number = to_.loops++;
    if (!loop.count.isConstant()) {
      machine.countRegister = loop.count.value.index;
      to_.registers[loop.count.value.index].keep = true;
    }
    for (const Carried &carried : loop.carried) {
      RegisterId result = carried.result.index;
      emit(nodes, makeCopy(classOfValue(carried.result), result, carried.initial.index));
      emit(machine.body, makeCopy(classOfValue(carried.result), carried.inside.index, result));
    }
    block(loop.body, machine.body, false);
    std::vector<RegisterId> temporaries;
    for (const Carried &carried : loop.carried) {
      temporaries.push_back(to_.add(classOfValue(carried.result)));
      emit(machine.body, makeCopy(classOfValue(carried.result), temporaries.back(), carried.yielded.index));
    }
    for (size_t i = 0; i < temporaries.size(); ++i)
      emit(machine.body,
           makeCopy(classOfValue(loop.carried[i].result), loop.carried[i].result.index, temporaries[i]));
    if (machine.body.empty())
      return;
    Node node;
    node.loop.push_back(std::move(machine));
    nodes.push_back(std::move(node));
  }

  const VectorFunction &from_;
  MachineFunction to_;
  std::vector<bool> placed_;
};

} // namespace

MachineFunction lower(const VectorFunction &function) { return Lowering(function).run(); }

} // namespace tenon::npu

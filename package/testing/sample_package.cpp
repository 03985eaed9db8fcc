#include "package/testing/sample_package.h"

#include "package/writer.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace tenon::package::testing {

std::vector<uint8_t> imageFile(const std::string &name) {
  std::ifstream file(std::string(TENON_TEST_IMAGES) + "/" + name + ".so", std::ios::binary);
  if (!file)
    std::abort(); // the build makes them
  return {std::istreambuf_iterator<char>(file), {}};
}

AlignedBytes::AlignedBytes(const std::vector<uint8_t> &bytes) : size_(bytes.size()) {
  data_ = static_cast<uint8_t *>(std::aligned_alloc(4096, (bytes.size() + 4096) / 4096 * 4096));
  if (!bytes.empty())
    std::memcpy(data_, bytes.data(), bytes.size());
}

AlignedBytes::~AlignedBytes() { std::free(data_); }

Package kernelsOnly() {
  Package package;
  package.producer = "tenon test";
  package.sourceName = "sample.onnx";
  package.sourceDigest.assign(32, 0x11);
  package.targetText = "test target";
  package.targetHash.assign(32, 0x22);
  package.metadata = {{"purpose", "tests"}};
#if defined(__x86_64__)
  package.images.push_back({"x86-64", Machine::X86_64, 0, imageFile("base")});
  package.images.push_back({"x86-64-v3", Machine::X86_64, kX86V3Features, imageFile("v3")});
  package.images.push_back({"x86-64-v4", Machine::X86_64, kX86V4Features, imageFile("v4")});
#endif
  package.images.push_back({"aarch64", Machine::AArch64, 0, imageFile("aarch64")});
  struct Record {
    const char *name;
    std::vector<Access> access;
    uint32_t symbols;
  };
  const Record records[KernelTotal] = {{"add", {Access::Read, Access::Read, Access::Write}, 0},
                                       {"scale", {Access::Read, Access::Write}, 1},
                                       {"increment", {Access::ReadWrite}, 0},
                                       {"increment_i64", {Access::ReadWrite}, 0},
                                       {"positive", {Access::Read, Access::Write, Access::Write}, 1},
                                       {"row_sum", {Access::Read, Access::Write}, 1},
                                       {"table", {Access::Write}, 0},
                                       {"level", {Access::Write}, 0},
                                       {"fail", {Access::Read}, 0}};
  for (const Record &record : records) {
    Kernel kernel;
    kernel.name = record.name;
    kernel.family = "test";
    kernel.access = record.access;
    kernel.symbolCount = record.symbols;
    kernel.entrySymbols.assign(package.images.size(), std::string("test_") + record.name);
    package.kernels.push_back(kernel);
  }
  package.kernels[Scale].ties = {{0, 1}};
  return package;
}

Slot FunctionBuilder::symbol(const std::string &name, int64_t min, int64_t max, int64_t multipleOf) {
  function.symbols.push_back({name, min, max, multipleOf, {}});
  return static_cast<Slot>(function.symbols.size() - 1);
}

Slot FunctionBuilder::expr(ExprOp op, Slot a, Slot b, Slot c, int64_t imm) {
  function.exprs.push_back({op, a, b, c, imm});
  return static_cast<Slot>(function.symbols.size() + function.exprs.size() - 1);
}

uint32_t FunctionBuilder::input(const std::string &name, DType dtype, std::vector<Slot> dims) {
  function.inputs.push_back({name, dtype, std::move(dims)});
  return static_cast<uint32_t>(function.inputs.size() - 1);
}

uint32_t FunctionBuilder::output(const std::string &name, DType dtype, std::vector<Slot> dims) {
  function.outputs.push_back({name, dtype, std::move(dims)});
  return static_cast<uint32_t>(function.outputs.size() - 1);
}

BufferId FunctionBuilder::buffer(Region region, uint32_t index, Slot size) {
  Buffer buffer;
  buffer.region = region;
  buffer.index = index;
  buffer.size = size;
  function.buffers.push_back(buffer);
  return static_cast<BufferId>(function.buffers.size() - 1);
}

BufferId FunctionBuilder::arena(Slot size, std::vector<BufferId> conflicts) {
  BufferId id = buffer(Region::Arena, 0, size);
  function.buffers[id].conflicts = std::move(conflicts);
  return id;
}

BufferId FunctionBuilder::view(BufferId base, Slot offset, Slot size) {
  BufferId id = buffer(Region::View, 0, size);
  function.buffers[id].base = base;
  function.buffers[id].offset = offset;
  return id;
}

uint32_t FunctionBuilder::add(CommandBody body, bool late) {
  Command command;
  command.body = std::move(body);
  command.late = late;
  function.commands.push_back(std::move(command));
  return static_cast<uint32_t>(function.commands.size() - 1);
}

uint32_t FunctionBuilder::dispatch(uint32_t kernel, std::vector<BufferId> buffers, Slot grid,
                                   std::vector<Slot> symbols, bool late) {
  Dispatch dispatch;
  dispatch.variants = {{kNone, kernel}};
  dispatch.buffers = std::move(buffers);
  dispatch.symbols = std::move(symbols);
  dispatch.grid = grid;
  return add(std::move(dispatch), late);
}

Function FunctionBuilder::finish() {
  if (!ended())
    endStatic();
  return function;
}

Weight floatWeight(const std::string &name, size_t count, float start) {
  std::vector<uint8_t> bytes(count * sizeof(float));
  for (size_t i = 0; i < count; ++i) {
    float value = start + static_cast<float>(i);
    std::memcpy(bytes.data() + i * sizeof(float), &value, sizeof(value));
  }
  Weight weight;
  weight.name = name;
  weight.dims = {static_cast<int64_t>(count)};
  weight.size = bytes.size();
  weight.source = fromBytes(std::move(bytes));
  return weight;
}

static constexpr int64_t kMaxN = 4096;

Package addPackage() {
  Package package = kernelsOnly();
  package.weights.push_back(floatWeight("w", kMaxN));
  FunctionBuilder f("main");
  Slot n = f.symbol("N", 1, kMaxN);
  Slot bytes = f.bytes(n, 4), two = f.constant(2), cost = f.expr(ExprOp::Mul, n, f.constant(1000));
  BufferId x = f.buffer(Region::Input, f.input("x", DType::F32, {n}), bytes);
  BufferId y = f.buffer(Region::Output, f.output("y", DType::F32, {n}), bytes);
  BufferId w = f.buffer(Region::Weight, 0, bytes);
  BufferId sum = f.arena(bytes);
  f.dispatch(Add, {x, w, sum}, n);
  f.lastDispatch().cost = cost;
  f.dispatch(Scale, {sum, y}, n, {two});
  f.lastDispatch().cost = cost;
  f.lastDispatch().flops = n;
  f.function.commands[0].origin = 0;
  f.function.commands[1].origin = 1;
  f.function.certificate = {kMaxN * 4, 0};
  package.functions.push_back(f.finish());
  package.debug.nodes = {{"add_1", "Add"}, {"mul_2", "Mul"}};
  package.debug.origins = {{{0}}, {{1}}};
  package.debug.listings = {{Add, 0, "c = a + b", "addps", {{1, 0}}, 0, 16, {{0, 0}, {8, package::kNone}}}};
  package.debug.schedules = {{Add, "tile 8"}};
  package.debug.dumps = {{"graph", "func @main"}};
  return package;
}

Package devicePackage() {
  Package package = kernelsOnly();
  package.devices = {{"test", "model: a"}};
  package.programs = {{0, {'m', 'u', 'l', 't', 'i', 'p', 'l', 'y'}}};
  Kernel kernel;
  kernel.name = "multiply";
  kernel.family = "test";
  kernel.access = {Access::Read, Access::Write};
  kernel.symbolCount = 2;
  kernel.program = 0;
  package.kernels.push_back(kernel);
  FunctionBuilder f("main");
  Slot n = f.symbol("N", 1, kMaxN), bytes = f.bytes(n, 4), one = f.constant(1), five = f.constant(5);
  BufferId x = f.buffer(Region::Input, f.input("x", DType::F32, {n}), bytes);
  BufferId y = f.buffer(Region::Output, f.output("y", DType::F32, {n}), bytes);
  BufferId product = f.arena(bytes), sum = f.arena(bytes, {product});
  f.function.commands.resize(2);
  Dispatch dispatch;
  dispatch.variants = {{kNone, KernelTotal}};
  dispatch.buffers = {x, product};
  dispatch.symbols = {n, five};
  dispatch.grid = one;
  f.function.commands[0] = {dispatch, false, 1, 0};
  f.function.commands[1] = {Signal{1, 1}, false, 1, kNone};
  f.dispatch(Add, {x, x, sum}, n);
  f.add(Wait{1, 1});
  f.dispatch(Add, {product, sum, y}, n);
  f.function.queues = 2;
  f.function.certificate = {kMaxN * 8, 0};
  package.functions.push_back(f.finish());
  package.debug.nodes = {{"mul_1", "Mul"}};
  package.debug.origins = {{{0}}};
  return package;
}

/// count positive elements, then loop twice over a state counter, with every other kind of command on the
/// way.
static Function controlFunction() {
  FunctionBuilder f("control");
  Slot n = f.symbol("N", 1, 64), zero = f.constant(0), one = f.constant(1), two = f.constant(2),
       eight = f.constant(8);
  Slot bytes = f.bytes(n, 4);
  f.endStatic();
  Slot count = f.external(), i = f.external(), answer = f.external();
  uint32_t first = static_cast<uint32_t>(f.function.exprs.size());
  Slot more = f.expr(ExprOp::Lt, i, two), next = f.expr(ExprOp::Add, i, one);
  Slot positiveBytes = f.expr(ExprOp::Mul, count, f.expr(ExprOp::Add, two, two));
  uint32_t late = static_cast<uint32_t>(f.function.exprs.size()) - first;
  BufferId x = f.buffer(Region::Input, f.input("x", DType::F32, {n}), bytes);
  BufferId y = f.buffer(Region::Output, f.output("y", DType::F32, {count}), bytes);
  BufferId counter = f.buffer(Region::State, 1, eight);
  BufferId found = f.arena(eight), packed = f.arena(bytes, {found});
  BufferId prefix = f.view(packed, zero, positiveBytes);
  f.add(Fill{packed, 0, 4});
  f.dispatch(Positive, {x, packed, found}, one, {n});
  f.add(ReadScalar{found, zero, DType::I64, count});
  f.add(SetSlot{i, zero});
  uint32_t head = f.add(EvalSymbols{first, late});
  uint32_t branch = f.add(Branch{more, 0});
  f.dispatch(IncrementI64, {counter}, one);
  f.add(SetSlot{i, next});
  f.add(Jump{head});
  std::get<Branch>(f.function.commands[branch].body).target =
      static_cast<uint32_t>(f.function.commands.size());
  f.add(WriteScalar{found, zero, DType::I64, i});
  f.add(Copy{prefix, y, positiveBytes}, true);
  f.add(Signal{1, 5});
  f.add(Wait{1, 5});
  f.add(HostCall{"observe", {x}, {found}, {n}, {answer}});
  f.add(Check{answer, 42, "the host says no"});
  f.function.queues = 2;
  return f.finish();
}

Package richPackage() {
  Package package = addPackage();
  State cache;
  cache.name = "cache";
  cache.dims = {2, 8, 4};
  cache.sizeBound = 2 * 8 * 4 * 4;
  cache.kind = StateKind::Sequence;
  cache.lengthAxis = 1;
  State length;
  length.name = "length";
  length.dtype = DType::I64;
  length.dims = {1};
  length.sizeBound = 8;
  length.kind = StateKind::Length;
  package.states = {cache, length};
  package.functions.push_back(controlFunction());
  package.functions.back().stateTies = {{1, "past", "present"}};
  return package;
}

} // namespace tenon::package::testing

// Binding, shapes, memory, threads: sessions through the C interface.

#include "runtime/testing/loaded_package.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace tenon::package;
using namespace tenon::package::testing;
using namespace tenon::runtime::testing;
using tenon::Session;

namespace {

std::vector<float> runAdd(Session &session, int64_t n) {
  std::vector<float> x = iota(static_cast<size_t>(n), 1);
  EXPECT_RUNS(session, session.bindInput(0, 0, x.data(), TENON_F32, {n}));
  EXPECT_RUNS(session, session.run(0));
  return floats(session, 0, 0);
}

void expectAdd(const std::vector<float> &y, int64_t n) {
  ASSERT_EQ(y.size(), static_cast<size_t>(n));
  for (size_t i = 0; i < y.size(); ++i)
    ASSERT_EQ(y[i], (static_cast<float>(i) * 2 + 1) * 2) << i;
}

tenon_status bindX(Session &session, const void *data, tenon_dtype dtype,
                   std::initializer_list<int64_t> shape) {
  return session.bindInput(0, 0, data, dtype, shape);
}

} // namespace

TEST(Session, RunsAtEverySize) {
  LoadedPackage loaded(addPackage());
  Session session = loaded.session();
  for (int64_t n : {5, 4096, 1, 17, 17})
    expectAdd(runAdd(session, n), n);
}

TEST(Session, DescribesThePackage) {
  LoadedPackage loaded(richPackage());
  const tenon_package *package = loaded.package().get();
  EXPECT_EQ(loaded.package().functionCount(), 2u);
  EXPECT_STREQ(loaded.package().functionName(1), "control");
  EXPECT_EQ(loaded.package().findFunction("control"), 1u);
  EXPECT_EQ(loaded.package().findFunction("none"), TENON_NO_INDEX);
  EXPECT_EQ(loaded.package().findInput(0, "x"), 0u);
  EXPECT_EQ(loaded.package().findOutput(0, "z"), TENON_NO_INDEX);
  EXPECT_STREQ(tenon_package_producer(package), "tenon test");
  tenon_tensor_info info;
  ASSERT_EQ(tenon_package_input(package, 0, 0, &info), TENON_OK);
  EXPECT_EQ(info.rank, 1u);
  EXPECT_EQ(info.dims[0].symbol, 0u);
  ASSERT_EQ(tenon_package_output(package, 1, 0, &info), TENON_OK);
  EXPECT_EQ(info.dims[0].symbol, TENON_NO_INDEX);
  EXPECT_EQ(info.dims[0].value, -1);
  EXPECT_EQ(tenon_package_input(package, 0, 1, &info), 905);
  tenon_symbol_info symbol;
  ASSERT_EQ(tenon_package_symbol(package, 0, 0, &symbol), TENON_OK);
  EXPECT_EQ(symbol.max, 4096);
  int64_t arena = 0;
  ASSERT_EQ(tenon_package_certificate(package, 0, &arena, nullptr), TENON_OK);
  EXPECT_EQ(arena, 4096 * 4);
  const char *node = nullptr;
  ASSERT_EQ(tenon_package_origin_node_count(package, 1), 1u);
  ASSERT_EQ(tenon_package_origin_node(package, 1, 0, &node, nullptr), TENON_OK);
  EXPECT_STREQ(node, "mul_2");
}

TEST(Session, WrongInputsAreNamed) {
  LoadedPackage loaded(addPackage());
  Session session = loaded.session();
  std::vector<float> x(5000);
  expectFails(session, session.run(0), 906);
  expectFails(session, bindX(session, x.data(), TENON_F64, {4}), 907);
  expectFails(session, bindX(session, x.data(), TENON_F32, {4, 1}), 908);
  expectFails(session, bindX(session, x.data(), TENON_F32, {-4}), 909);
  expectFails(session, bindX(session, nullptr, TENON_F32, {4}), 905);
  expectFails(session, bindX(session, reinterpret_cast<char *>(x.data()) + 1, TENON_F32, {4}), 918);
  expectFails(session, session.bindInput(0, 9, x.data(), TENON_F32, {4}), 905);
  expectFails(session, session.bindInput(9, 0, x.data(), TENON_F32, {4}), 905);
  EXPECT_NE(std::strstr(session.message(), "function 9 of 1"), nullptr);
  EXPECT_RUNS(session, bindX(session, x.data(), TENON_F32, {5000}));
  expectFails(session, session.run(0), 909);
  EXPECT_NE(std::strstr(session.message(), "N is 5000, expected 1 to 4096"), nullptr);
  expectAdd(runAdd(session, 8), 8);
}

TEST(Session, RepeatedSymbolsAndMultiplesAreChecked) {
  Package model = kernelsOnly();
  FunctionBuilder f("f");
  Slot n = f.symbol("N", 2, 64, 2), twice = f.expr(ExprOp::Add, n, n), bytes = f.bytes(n, 4);
  BufferId a = f.buffer(Region::Input, f.input("a", DType::F32, {n}), bytes);
  BufferId b = f.buffer(Region::Input, f.input("b", DType::F32, {n}), bytes);
  f.input("c", DType::F32, {twice});
  BufferId y = f.buffer(Region::Output, f.output("y", DType::F32, {n}), bytes);
  f.dispatch(Add, {a, b, y}, n);
  model.functions = {f.finish()};
  LoadedPackage loaded(model);
  Session session = loaded.session();
  std::vector<float> x(64);
  auto bind = [&](int64_t na, int64_t nb, int64_t nc) {
    EXPECT_RUNS(session, session.bindInput(0, 0, x.data(), TENON_F32, {na}));
    EXPECT_RUNS(session, session.bindInput(0, 1, x.data(), TENON_F32, {nb}));
    EXPECT_RUNS(session, session.bindInput(0, 2, x.data(), TENON_F32, {nc}));
    return session.run(0);
  };
  EXPECT_RUNS(session, bind(4, 4, 8));
  expectFails(session, bind(4, 6, 8), 909);
  expectFails(session, bind(4, 4, 9), 909);
  EXPECT_NE(std::strstr(session.message(), "input c: dimension 0 is 9, expected 8"), nullptr);
  expectFails(session, bind(5, 5, 10), 909);
  EXPECT_NE(std::strstr(session.message(), "multiple of 2"), nullptr);
  EXPECT_RUNS(session, bind(6, 6, 12));
}

TEST(Session, WritesIntoTheCallersMemory) {
  LoadedPackage loaded(addPackage());
  Session session = loaded.session();
  std::vector<float> x = iota(16, 1), y(16);
  EXPECT_RUNS(session, bindX(session, x.data(), TENON_F32, {16}));
  EXPECT_RUNS(session, session.bindOutput(0, 0, y.data(), 64));
  EXPECT_RUNS(session, session.run(0));
  expectAdd(y, 16);
  EXPECT_EQ(session.stats().output_bytes, 0u);
  // Other memory of the same size: only pointers change.
  std::vector<float> other(16), otherX = iota(16, 1);
  EXPECT_RUNS(session, session.bindOutput(0, 0, other.data(), 64));
  EXPECT_RUNS(session, bindX(session, otherX.data(), TENON_F32, {16}));
  EXPECT_RUNS(session, session.run(0));
  expectAdd(other, 16);
  EXPECT_RUNS(session, session.bindOutput(0, 0, other.data(), 60));
  expectFails(session, session.run(0), 910);
  EXPECT_RUNS(session, session.bindOutput(0, 0, otherX.data() + 4, 64));
  expectFails(session, session.run(0), 919);
  EXPECT_RUNS(session, session.bindOutput(0, 0, nullptr, 0));
  EXPECT_RUNS(session, session.run(0));
  expectAdd(floats(session, 0, 0), 16);
}

TEST(Session, OutputsNeedARun) {
  LoadedPackage loaded(addPackage());
  Session session = loaded.session();
  tenon_tensor tensor;
  expectFails(session, session.output(0, 0, tensor), 906);
  runAdd(session, 3);
  expectFails(session, session.output(0, 1, tensor), 905);
  EXPECT_RUNS(session, session.output(0, 0, tensor));
  EXPECT_EQ(tensor.rank, 1u);
  EXPECT_EQ(tensor.shape[0], 3);
  EXPECT_EQ(tensor.bytes, 12u);
}

TEST(Session, ArenaGrowsOnceAndReserveAvoidsIt) {
  LoadedPackage loaded(addPackage());
  Session session = loaded.session();
  runAdd(session, 16);
  EXPECT_EQ(session.stats().arena_bytes, 64u);
  runAdd(session, 1024);
  EXPECT_EQ(session.stats().arena_bytes, 4096u);
  runAdd(session, 16);
  EXPECT_EQ(session.stats().arena_bytes, 4096u);
  Session reserved = loaded.session();
  EXPECT_RUNS(reserved, reserved.reserve(0));
  EXPECT_EQ(reserved.stats().arena_bytes, 4096u * 4);
  uint64_t allocations = reserved.stats().allocations;
  for (int64_t n : {1, 4096, 100})
    expectAdd(runAdd(reserved, n), n);
  EXPECT_EQ(reserved.stats().allocations, allocations);
  int64_t tooLarge = 5000;
  expectFails(reserved, reserved.reserve(0, &tooLarge), 909);
}

TEST(Session, ReserveNeedsABound) {
  Package model = addPackage();
  model.functions[0].symbols[0].max = kUnbounded;
  LoadedPackage loaded(model);
  Session session = loaded.session();
  expectFails(session, session.reserve(0), 909);
  int64_t n = 64;
  EXPECT_RUNS(session, session.reserve(0, &n));
  std::vector<float> x(5000);
  EXPECT_RUNS(session, bindX(session, x.data(), TENON_F32, {5000}));
  expectFails(session, session.run(0), 812); // the weight is shorter
}

TEST(Session, SteadyStateAllocatesAndLocksNothing) {
  LoadedPackage loaded(addPackage());
  Session session = loaded.session();
  runAdd(session, 100);
  tenon_session_stats before = session.stats();
  for (int i = 0; i < 10; ++i)
    expectAdd(runAdd(session, i % 2 ? 100 : 50), i % 2 ? 100 : 50);
  EXPECT_EQ(session.stats().allocations, before.allocations);
  EXPECT_EQ(session.stats().locks, 0u);
  EXPECT_EQ(session.stats().runs, before.runs + 10);
}

TEST(Session, ThreadsGiveIdenticalBits) {
  LoadedPackage loaded(addPackage());
  std::vector<float> expected;
  for (uint32_t threads : {1u, 2u, 7u}) {
    tenon_session_options options = {};
    options.threads = threads;
    options.parallel_threshold_ns = 1;
    Session session = loaded.session(options);
    std::vector<float> y = runAdd(session, 4000);
    expectAdd(y, 4000);
    if (expected.empty())
      expected = y;
    EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * 4), 0);
    EXPECT_EQ(session.stats().locks, threads == 1 ? 0u : 2u);
    EXPECT_EQ(session.stats().threads, threads);
  }
}

TEST(Session, SmallDispatchesStayOnTheCaller) {
  LoadedPackage loaded(addPackage());
  tenon_session_options options = {};
  options.threads = 2;
  Session session = loaded.session(options);
  runAdd(session, 3); // 3 us by the package's estimate
  EXPECT_EQ(session.stats().locks, 0u);
  runAdd(session, 1000);
  EXPECT_EQ(session.stats().locks, 2u);
}

TEST(Session, CallersParallelForIsUsed) {
  LoadedPackage loaded(addPackage());
  tenon_session_options options = {};
  options.threads = 4;
  options.parallel_threshold_ns = 1;
  int calls = 0;
  options.parallel_context = &calls;
  options.parallel_for = [](void *context, uint32_t n, uint32_t grain, tenon_range_fn fn, void *arg) {
    ++*static_cast<int *>(context);
    for (uint32_t begin = n / grain * grain;; begin -= grain) { // backwards, as a thief might
      fn(arg, begin, begin + grain < n ? begin + grain : n, begin % 4);
      if (begin == 0)
        break;
    }
  };
  Session session = loaded.session(options);
  expectAdd(runAdd(session, 100), 100);
  EXPECT_EQ(calls, 2);
}

TEST(Session, ABrokenParallelForIsAnError) {
  LoadedPackage loaded(addPackage());
  tenon_session_options options = {};
  options.threads = 2;
  options.parallel_threshold_ns = 1;
  options.parallel_for = [](void *, uint32_t n, uint32_t, tenon_range_fn fn, void *arg) {
    fn(arg, 0, n, 99);
  };
  Session session = loaded.session(options);
  std::vector<float> x(100);
  EXPECT_RUNS(session, bindX(session, x.data(), TENON_F32, {100}));
  expectFails(session, session.run(0), 912);
}

TEST(Session, EachWorkerHasItsOwnScratch) {
  Package model = kernelsOnly();
  FunctionBuilder f("f");
  Slot rows = f.symbol("R"), columns = f.symbol("C"), one = f.constant(1000000);
  Slot rowBytes = f.bytes(columns, 4), bytes = f.expr(ExprOp::Mul, rows, rowBytes),
       outBytes = f.bytes(rows, 4);
  BufferId x = f.buffer(Region::Input, f.input("x", DType::F32, {rows, columns}), bytes);
  BufferId y = f.buffer(Region::Output, f.output("y", DType::F32, {rows}), outBytes);
  f.dispatch(RowSum, {x, y}, rows, {columns});
  f.lastDispatch().scratch = rowBytes;
  f.lastDispatch().cost = one;
  model.functions = {f.finish()};
  LoadedPackage loaded(model);
  tenon_session_options options = {};
  options.threads = 3;
  Session session = loaded.session(options);
  for (int64_t columnCount : {100, 999, 3}) {
    std::vector<float> values(static_cast<size_t>(64 * columnCount), 1.0f);
    EXPECT_RUNS(session, session.bindInput(0, 0, values.data(), TENON_F32, {64, columnCount}));
    EXPECT_RUNS(session, session.run(0));
    EXPECT_EQ(floats(session, 0, 0), std::vector<float>(64, static_cast<float>(columnCount)));
  }
  EXPECT_GE(session.stats().scratch_bytes, 3u * 999 * 4);
}

TEST(Session, KernelFailuresNameKernelAndNode) {
  Package model = addPackage();
  FunctionBuilder f("broken");
  Slot n = f.symbol("N", 0, 10), bytes = f.bytes(n, 4);
  BufferId x = f.buffer(Region::Input, f.input("x", DType::F32, {n}), bytes);
  f.dispatch(Fail, {x}, n);
  f.function.commands[0].origin = 0;
  model.functions = {f.finish()};
  LoadedPackage loaded(model);
  Session session = loaded.session();
  float value = 1;
  EXPECT_RUNS(session, bindX(session, &value, TENON_F32, {1}));
  expectFails(session, session.run(0), 912);
  EXPECT_NE(std::strstr(session.message(), "of node add_1: kernel fail failed with code 7"), nullptr)
      << session.message();
  EXPECT_RUNS(session, bindX(session, nullptr, TENON_F32, {0}));
  EXPECT_RUNS(session, session.run(0)); // an empty grid runs nothing
}

TEST(Session, ArithmeticErrorsAreReported) {
  Package model = kernelsOnly();
  FunctionBuilder f("f");
  Slot n = f.symbol("N"), quotient = f.expr(ExprOp::FloorDiv, n, f.expr(ExprOp::Sub, n, f.constant(3)));
  f.input("x", DType::F32, {n});
  f.output("y", DType::F32, {quotient});
  model.functions = {f.finish()};
  LoadedPackage loaded(model);
  Session session = loaded.session();
  float x[8] = {};
  EXPECT_RUNS(session, bindX(session, x, TENON_F32, {3}));
  expectFails(session, session.run(0), 911);
  EXPECT_RUNS(session, bindX(session, x, TENON_F32, {4}));
  EXPECT_RUNS(session, session.run(0));
  EXPECT_EQ(floats(session, 0, 0).size(), 4u);
}

TEST(Session, ConflictingBuffersDoNotOverlapAndOthersShare) {
  Package model = kernelsOnly();
  FunctionBuilder f("f");
  Slot n = f.symbol("N", 1, 1000), bytes = f.bytes(n, 4), two = f.constant(2);
  BufferId x = f.buffer(Region::Input, f.input("x", DType::F32, {n}), bytes);
  BufferId y = f.buffer(Region::Output, f.output("y", DType::F32, {n}), bytes);
  BufferId a = f.arena(bytes), b = f.arena(bytes, {a}), c = f.arena(bytes, {b});
  f.dispatch(Scale, {x, a}, n, {two});
  f.dispatch(Scale, {a, b}, n, {two});
  f.dispatch(Scale, {b, c}, n, {two});
  f.dispatch(Add, {b, c, y}, n);
  model.functions = {f.finish()};
  LoadedPackage loaded(model);
  Session session = loaded.session();
  std::vector<float> values = iota(100);
  EXPECT_RUNS(session, bindX(session, values.data(), TENON_F32, {100}));
  EXPECT_RUNS(session, session.run(0));
  EXPECT_EQ(floats(session, 0, 0)[99], 99.0f * 12);
  // a at 0, b after it (448 = 400 rounded up to 64), c after b.
  EXPECT_EQ(session.stats().arena_bytes, 448u + 448 + 400);
}

TEST(Session, VariantsAreChosenBySize) {
  Package model = kernelsOnly();
  FunctionBuilder f("f");
  Slot n = f.symbol("N", 1, 8), bytes = f.bytes(n, 4), isOne = f.expr(ExprOp::Eq, n, f.constant(1));
  f.input("x", DType::F32, {n});
  BufferId y = f.buffer(Region::Output, f.output("y", DType::F32, {n}), bytes);
  f.dispatch(Table, {y}, n);
  f.lastDispatch().variants = {{isOne, Level}, {kNone, Table}};
  f.function.commands.push_back(f.function.commands[0]);
  model.functions = {f.finish()};
  LoadedPackage loaded(model);
  Session session = loaded.session();
  float x[8] = {};
  EXPECT_RUNS(session, bindX(session, x, TENON_F32, {2}));
  EXPECT_RUNS(session, session.run(0));
  EXPECT_EQ(floats(session, 0, 0), (std::vector<float>{2.5f, 4.5f}));
  EXPECT_RUNS(session, bindX(session, x, TENON_F32, {1}));
  EXPECT_RUNS(session, session.run(0));
  EXPECT_NE(floats(session, 0, 0), (std::vector<float>{2.5f}));
}

TEST(Session, ProfilesEveryCommand) {
  LoadedPackage loaded(addPackage());
  tenon_session_options options = LoadedPackage::oneThread();
  options.profile = 1;
  Session session = loaded.session(options);
  runAdd(session, 50);
  runAdd(session, 60);
  ASSERT_EQ(tenon_session_profile_count(session.get(), 0), 2u);
  tenon_profile_row row;
  ASSERT_EQ(tenon_session_profile_row(session.get(), 0, 0, &row), TENON_OK);
  EXPECT_STREQ(row.kernel, "add");
  EXPECT_STREQ(row.schedule, "tile 8");
  EXPECT_EQ(row.runs, 2u);
  EXPECT_EQ(row.flops, -1);
  EXPECT_LE(row.last_ns, row.total_ns);
  ASSERT_EQ(tenon_session_profile_row(session.get(), 0, 1, &row), TENON_OK);
  EXPECT_STREQ(row.kind, "dispatch");
  EXPECT_EQ(row.flops, 60);
  EXPECT_EQ(row.origin, 1u);
  EXPECT_EQ(row.predicted_ns, 60000);
  EXPECT_EQ(row.compute_ns, -1);
  EXPECT_EQ(tenon_session_profile_row(session.get(), 0, 2, &row), 905);
  uint64_t ns = 0;
  EXPECT_EQ(tenon_session_profile_alone(session.get(), 0, 1, 10, &ns), TENON_OK);
  EXPECT_GT(ns, 0u);
  EXPECT_EQ(tenon_session_profile_alone(session.get(), 0, 2, 10, &ns), 905);
  EXPECT_EQ(tenon_package_machine(loaded.package().get()).dram_gbs, 0);
  ASSERT_EQ(tenon_session_profile_reset(session.get(), 0), TENON_OK);
  ASSERT_EQ(tenon_session_profile_row(session.get(), 0, 0, &row), TENON_OK);
  EXPECT_EQ(row.runs, 0u);
  Session plain = loaded.session();
  EXPECT_EQ(tenon_session_profile_count(plain.get(), 0), 0u);
}

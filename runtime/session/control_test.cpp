// Control flow, late commands, host calls, state.

#include "runtime/testing/loaded_package.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace tenon::package;
using namespace tenon::package::testing;
using namespace tenon::runtime::testing;
using tenon::Session;

namespace {

struct Host {
  int calls = 0;
  int64_t answer = 1;
  int32_t code = 0;
  int64_t firstWrite = 0;
};

int32_t observe(void *context, const tenon_host_call *call) {
  Host &host = *static_cast<Host *>(context);
  ++host.calls;
  EXPECT_STREQ(call->name, "observe");
  EXPECT_EQ(call->read_count, 1u);
  EXPECT_EQ(call->write_count, 1u);
  EXPECT_EQ(call->symbol_count, 1u);
  EXPECT_EQ(call->result_count, 1u);
  EXPECT_EQ(call->read_bytes[0], call->symbols[0] * 4);
  EXPECT_EQ(call->write_bytes[0], 8);
  std::memcpy(&host.firstWrite, call->writes[0], 8);
  call->results[0] = host.answer;
  return host.code;
}

class Control : public ::testing::Test {
protected:
  Control() : loaded_(richPackage()) {
    function_ = {"observe", observe, &host_};
    options_.threads = 1;
    options_.host_functions = &function_;
    options_.host_function_count = 1;
  }
  tenon_status run(Session &session, const std::vector<float> &x) {
    int64_t n = static_cast<int64_t>(x.size());
    EXPECT_RUNS(session, session.bindInput(1, 0, x.data(), TENON_F32, {n}));
    return session.run(1);
  }
  int64_t counter(Session &session) {
    int64_t value = -1;
    EXPECT_RUNS(session, tenon_session_state_export(session.get(), 1, &value, 8));
    return value;
  }

  LoadedPackage loaded_;
  Host host_;
  tenon_host_function function_;
  tenon_session_options options_ = {};
};

} // namespace

TEST_F(Control, DataDependentShapesLoopsAndHostCalls) {
  Session session = loaded_.session(options_);
  EXPECT_RUNS(session, run(session, {1, -1, 2, -2, 3}));
  EXPECT_EQ(floats(session, 1, 0), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(counter(session), 2);
  EXPECT_EQ(host_.calls, 1);
  EXPECT_EQ(host_.firstWrite, 2); // the loop counter, by WriteScalar
  EXPECT_RUNS(session, run(session, {-1, 7}));
  EXPECT_EQ(floats(session, 1, 0), (std::vector<float>{7}));
  EXPECT_EQ(counter(session), 4);
  EXPECT_RUNS(session, run(session, {-1}));
  EXPECT_EQ(floats(session, 1, 0).size(), 0u);
}

TEST_F(Control, SteadyStateAllocatesNothing) {
  Session session = loaded_.session(options_);
  std::vector<float> x = {1, -1, 2};
  EXPECT_RUNS(session, run(session, x));
  uint64_t allocations = session.stats().allocations;
  for (int i = 0; i < 5; ++i)
    EXPECT_RUNS(session, run(session, x));
  EXPECT_EQ(session.stats().allocations, allocations);
  EXPECT_EQ(session.stats().locks, 0u);
}

TEST_F(Control, CheckFailuresCarryTheMessage) {
  Session session = loaded_.session(options_);
  host_.answer = 0;
  expectFails(session, run(session, {1}), 913);
  EXPECT_NE(std::strstr(session.message(), "the host says no (code 42)"), nullptr) << session.message();
  host_.code = 5;
  expectFails(session, run(session, {1}), 915);
  host_ = {};
  EXPECT_RUNS(session, run(session, {1}));
}

TEST_F(Control, MissingHostFunctionsAreRefusedEarly) {
  tenon::Error error = {};
  Session session = Session::create(loaded_.package(), error, LoadedPackage::oneThread());
  EXPECT_FALSE(session);
  EXPECT_EQ(error.code, 914);
  EXPECT_NE(std::strstr(error.message, "observe"), nullptr);
}

TEST_F(Control, WaitingForNothingIsADeadlock) {
  Package model = kernelsOnly();
  FunctionBuilder f("f");
  f.add(Wait{0, 1});
  model.functions = {f.finish()};
  LoadedPackage loaded(model);
  Session session = loaded.session();
  expectFails(session, session.run(0), 916);
}

TEST_F(Control, ScalarsAreCheckedAtRunTime) {
  auto build = [](auto commands) {
    Package model = kernelsOnly();
    FunctionBuilder f("f");
    Slot index = f.symbol("I"), eight = f.constant(8), big = f.constant(300);
    f.endStatic();
    Slot value = f.external();
    f.input("x", DType::F32, {index});
    BufferId memory = f.arena(eight);
    f.add(Fill{memory, 0xffffffffffffffffull, 8});
    commands(f, memory, index, value, big);
    model.functions = {f.finish()};
    return model;
  };
  float x[8] = {};
  auto run = [&](const Package &model, int64_t n) {
    LoadedPackage loaded(model);
    Session session = loaded.session();
    EXPECT_RUNS(session, session.bindInput(0, 0, x, TENON_F32, {n}));
    return session.run(0);
  };
  Package read = build([](auto &f, BufferId memory, Slot index, Slot value, Slot) {
    f.add(ReadScalar{memory, index, DType::I32, value});
  });
  EXPECT_EQ(run(read, 1), TENON_OK);
  EXPECT_EQ(run(read, 2), 812);
  Package readUnsigned = build([](auto &f, BufferId memory, Slot index, Slot value, Slot) {
    f.add(ReadScalar{memory, index, DType::U64, value});
  });
  EXPECT_EQ(run(readUnsigned, 0), 812); // more than an int64 holds
  Package write = build([](auto &f, BufferId memory, Slot index, Slot, Slot big) {
    f.add(WriteScalar{memory, index, DType::I8, big});
  });
  EXPECT_EQ(run(write, 0), 812); // 300 is no int8
  Package writeWide = build([](auto &f, BufferId memory, Slot index, Slot, Slot big) {
    f.add(WriteScalar{memory, index, DType::U16, big});
  });
  EXPECT_EQ(run(writeWide, 3), TENON_OK);
  EXPECT_EQ(run(writeWide, 4), 812);
}

TEST_F(Control, LateViewsAreCheckedAtRunTime) {
  Package model = kernelsOnly();
  FunctionBuilder f("f");
  Slot n = f.symbol("N"), zero = f.constant(0), one = f.constant(1), two = f.constant(2),
       eight = f.constant(8);
  Slot bytes = f.bytes(n, 4);
  f.endStatic();
  Slot offset = f.external();
  BufferId x = f.buffer(Region::Input, f.input("x", DType::F32, {n}), bytes);
  BufferId at = f.buffer(Region::Input, f.input("at", DType::I64, {one}), eight);
  BufferId y = f.buffer(Region::Output, f.output("y", DType::F32, {two}), eight);
  f.add(ReadScalar{at, zero, DType::I64, offset});
  BufferId window = f.view(x, offset, eight);
  f.dispatch(Scale, {window, y}, two, {two}, true);
  model.functions = {f.finish()};
  LoadedPackage loaded(model);
  Session session = loaded.session();
  std::vector<float> values = iota(6);
  int64_t place = 8;
  EXPECT_RUNS(session, session.bindInput(0, 0, values.data(), TENON_F32, {6}));
  EXPECT_RUNS(session, session.bindInput(0, 1, &place, TENON_I64, {1}));
  EXPECT_RUNS(session, session.run(0));
  EXPECT_EQ(floats(session, 0, 0), (std::vector<float>{4, 6}));
  place = 16;
  EXPECT_RUNS(session, session.run(0));
  EXPECT_EQ(floats(session, 0, 0), (std::vector<float>{8, 10}));
  for (int64_t bad : {int64_t{-4}, int64_t{20}, INT64_MAX}) {
    place = bad;
    expectFails(session, session.run(0), 812);
  }
}

TEST_F(Control, StateForksResetsExportsAndImports) {
  Session session = loaded_.session(options_);
  EXPECT_RUNS(session, run(session, {1}));
  EXPECT_EQ(counter(session), 2);
  tenon::Error error = {};
  Session fork = session.fork(error);
  ASSERT_TRUE(fork) << error.message;
  EXPECT_EQ(counter(fork), 2);
  EXPECT_RUNS(fork, run(fork, {1}));
  EXPECT_EQ(counter(fork), 4);
  EXPECT_EQ(counter(session), 2);
  EXPECT_EQ(tenon_session_state_reset(session.get()), TENON_OK);
  EXPECT_EQ(counter(session), 0);
  int64_t value = 40;
  EXPECT_RUNS(session, tenon_session_state_import(session.get(), 1, &value, 8));
  EXPECT_RUNS(session, run(session, {1}));
  EXPECT_EQ(counter(session), 42);
  expectFails(session, tenon_session_state_import(session.get(), 1, &value, 7), 920);
  expectFails(session, tenon_session_state_export(session.get(), 1, &value, 9), 920);
  expectFails(session, tenon_session_state_export(session.get(), 7, &value, 8), 905);
  EXPECT_EQ(tenon_package_find_state(loaded_.package().get(), "length"), 1u);
  EXPECT_STREQ(tenon_package_state_name(loaded_.package().get(), 0), "cache");
  EXPECT_EQ(tenon_session_state_bytes(session.get(), 0), 256u);
}

TEST_F(Control, TruncateShortensSequencesAndCounters) {
  Session session = loaded_.session(options_);
  std::vector<float> cache = iota(64, 1);
  int64_t length = 6;
  EXPECT_RUNS(session, tenon_session_state_import(session.get(), 0, cache.data(), 256));
  EXPECT_RUNS(session, tenon_session_state_import(session.get(), 1, &length, 8));
  EXPECT_EQ(tenon_session_state_truncate(session.get(), 3), TENON_OK);
  EXPECT_EQ(counter(session), 3);
  std::vector<float> found(64);
  EXPECT_RUNS(session, tenon_session_state_export(session.get(), 0, found.data(), 256));
  for (size_t i = 0; i < 64; ++i) // [2, 8, 4], axis 1
    EXPECT_EQ(found[i], i / 4 % 8 < 3 ? cache[i] : 0.0f) << i;
  EXPECT_EQ(tenon_session_state_truncate(session.get(), 5), TENON_OK);
  EXPECT_EQ(counter(session), 3);
  expectFails(session, tenon_session_state_truncate(session.get(), -1), 905);
}

TEST(State, UnboundedStateStartsAfreshWhenItsSizeChanges) {
  Package model = kernelsOnly();
  State state;
  state.name = "hidden";
  state.dims = {-1};
  model.states = {state};
  FunctionBuilder f("f");
  Slot n = f.symbol("N"), bytes = f.bytes(n, 4);
  f.input("x", DType::F32, {n});
  BufferId hidden = f.buffer(Region::State, 0, bytes);
  BufferId y = f.buffer(Region::Output, f.output("y", DType::F32, {n}), bytes);
  f.dispatch(Increment, {hidden}, n);
  f.add(Copy{hidden, y, bytes});
  model.functions = {f.finish()};
  LoadedPackage loaded(model);
  Session session = loaded.session();
  float x[8] = {};
  auto run = [&](int64_t size) {
    EXPECT_RUNS(session, session.bindInput(0, 0, x, TENON_F32, {size}));
    EXPECT_RUNS(session, session.run(0));
    return floats(session, 0, 0);
  };
  EXPECT_EQ(run(2), (std::vector<float>{1, 1}));
  EXPECT_EQ(run(2), (std::vector<float>{2, 2}));
  EXPECT_EQ(run(3), (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(run(2), (std::vector<float>{1, 1}));
  tenon::Error error = {};
  Session fork = session.fork(error);
  ASSERT_TRUE(fork);
  EXPECT_EQ(tenon_session_state_bytes(fork.get(), 0), 8u);
}

TEST(State, StartsAsItsWeight) {
  Package model = kernelsOnly();
  model.weights = {floatWeight("start", 2, 10)};
  State state;
  state.name = "s";
  state.dims = {4};
  state.sizeBound = 16;
  state.initialWeight = 0;
  model.states = {state};
  LoadedPackage loaded(model);
  Session session = loaded.session();
  float values[4] = {9, 9, 9, 9};
  EXPECT_RUNS(session, tenon_session_state_export(session.get(), 0, values, 16));
  EXPECT_EQ(std::vector<float>(values, values + 4), (std::vector<float>{10, 11, 0, 0}));
}

TEST(State, IsSharedByFunctions) {
  Package model = kernelsOnly();
  State state;
  state.name = "s";
  state.dims = {2};
  state.sizeBound = 8;
  model.states = {state};
  FunctionBuilder write("write"), read("read");
  Slot writeBytes = write.constant(8), two = write.constant(2);
  write.dispatch(Increment, {write.buffer(Region::State, 0, writeBytes)}, two);
  Slot readBytes = read.constant(8), readTwo = read.constant(2);
  BufferId y = read.buffer(Region::Output, read.output("y", DType::F32, {readTwo}), readBytes);
  read.add(Copy{read.buffer(Region::State, 0, readBytes), y, readBytes});
  model.functions = {write.finish(), read.finish()};
  LoadedPackage loaded(model);
  Session session = loaded.session();
  EXPECT_RUNS(session, session.run(0));
  EXPECT_RUNS(session, session.run(0));
  EXPECT_RUNS(session, session.run(1));
  EXPECT_EQ(floats(session, 1, 0), (std::vector<float>{2, 2}));
}

// Kernels of a device: a test device that multiplies floats, beside the CPU.

#include "runtime/testing/loaded_package.h"
#include "tenon/device.h"

#include "package/writer.h"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <thread>

using namespace tenon::package;
using namespace tenon::package::testing;
using namespace tenon::runtime::testing;
using tenon::Error;
using tenon::Session;

namespace {

/// Counts what the runtime asks of it, and fails where it is told to.
struct TestDevice {
  int opened = 0, prepared = 0;
  std::atomic<int> runs = 0, waiting = 0;
  tenon_status openCode = TENON_OK, prepareCode = TENON_OK, runCode = TENON_OK;
  std::atomic<bool> *go = nullptr; // a run waits until it is set
  std::string description, program, kernel;
  tenon_device device = {TENON_DEVICE_ABI_VERSION, "test", this, open, close, prepare, release, run};

  static tenon_status fail(tenon_status code, tenon_error *error) {
    if (code != TENON_OK)
      std::snprintf(error->message, sizeof(error->message), "told to fail");
    return code;
  }
  static tenon_status open(void *context, const char *description, void **instance, tenon_error *error) {
    auto *self = static_cast<TestDevice *>(context);
    self->description = description;
    *instance = self;
    self->opened += self->openCode == TENON_OK;
    return fail(self->openCode, error);
  }
  static void close(void *instance) { --static_cast<TestDevice *>(instance)->opened; }
  static tenon_status prepare(void *instance, const void *bytes, uint64_t size,
                              const tenon_device_signature *signature, void **program, tenon_error *error) {
    auto *self = static_cast<TestDevice *>(instance);
    self->program.assign(static_cast<const char *>(bytes), size);
    self->kernel = signature->kernel;
    EXPECT_EQ(signature->buffer_count, 2u);
    EXPECT_EQ(signature->symbol_count, 2u);
    EXPECT_EQ(signature->access[0], TENON_ACCESS_READ);
    EXPECT_EQ(signature->access[1], TENON_ACCESS_WRITE);
    *program = &self->program;
    self->prepared += self->prepareCode == TENON_OK;
    return fail(self->prepareCode, error);
  }
  static void release(void *instance, void *program) {
    auto *self = static_cast<TestDevice *>(instance);
    EXPECT_EQ(program, &self->program);
    --self->prepared;
  }
  static tenon_status run(void *instance, void *, const tenon_device_call *call, tenon_device_cost *cost,
                          tenon_error *error) {
    auto *self = static_cast<TestDevice *>(instance);
    ++self->runs;
    for (int i = 0; self->go && !*self->go; ++i) {
      if (i == 5000)
        return fail(1207, error);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(call->buffer_bytes[0], static_cast<uint64_t>(call->symbols[0]) * 4);
    EXPECT_EQ(call->buffer_bytes[1], call->buffer_bytes[0]);
    for (int64_t i = 0; i < call->symbols[0]; ++i)
      static_cast<float *>(call->buffers[1])[i] =
          static_cast<const float *>(call->buffers[0])[i] * static_cast<float>(call->symbols[1]);
    *cost = {100, 50, 80};
    if (call->detail != TENON_DETAIL_COST)
      call->report(call->report_context, call->detail == TENON_DETAIL_TRACE ? "{\"t\":1}" : "{}",
                   call->detail == TENON_DETAIL_TRACE ? 7 : 2);
    return fail(self->runCode, error);
  }
};

/// devicePackage in the runtime, on the test device.
struct Loaded {
  explicit Loaded(const Package &model = devicePackage()) : package(model, options()) {}
  tenon_load_options options() {
    list[0] = &test.device;
    tenon_load_options result = {};
    result.devices = list;
    result.device_count = 1;
    return result;
  }
  TestDevice test;
  const tenon_device *list[1];
  LoadedPackage package;
};

/// The failure of loading `model` with `options`.
Error loadError(const Package &model, const tenon_load_options &options) {
  std::vector<uint8_t> bytes;
  EXPECT_TRUE(writeMemory(model, bytes).ok());
  AlignedBytes aligned(bytes);
  Error error = {};
  EXPECT_FALSE(tenon::Package::loadMemory(aligned.data(), aligned.size(), error, options));
  return error;
}

tenon_status runWith(Session &session, const std::vector<float> &x) {
  EXPECT_RUNS(session, session.bindInput(0, 0, x.data(), TENON_F32, {static_cast<int64_t>(x.size())}));
  return session.run(0);
}

void expectSeven(Session &session, const std::vector<float> &x) {
  std::vector<float> expected = x;
  for (float &value : expected)
    value *= 7;
  EXPECT_EQ(floats(session, 0, 0), expected);
}

} // namespace

TEST(Device, RunsItsKernels) {
  Loaded loaded;
  EXPECT_EQ(loaded.test.opened, 1);
  EXPECT_EQ(loaded.test.prepared, 1);
  EXPECT_EQ(loaded.test.description, "model: a");
  EXPECT_EQ(loaded.test.program, "multiply");
  EXPECT_EQ(loaded.test.kernel, "multiply");
  Session session = loaded.package.session();
  for (size_t count : {5, 9, 2}) {
    std::vector<float> x = iota(count, 1);
    ASSERT_RUNS(session, runWith(session, x));
    expectSeven(session, x);
  }
  EXPECT_EQ(loaded.test.runs, 3);
  EXPECT_EQ(session.stats().device_cycles, 100u);
  EXPECT_EQ(session.stats().device_ns, 50u);
}

TEST(Device, SteadyStateAllocatesNothing) {
  Loaded loaded;
  Session session = loaded.package.session();
  std::vector<float> x = iota(64);
  ASSERT_RUNS(session, runWith(session, x));
  uint64_t before = session.stats().allocations;
  for (int i = 0; i < 100; ++i)
    ASSERT_RUNS(session, session.run(0));
  EXPECT_EQ(session.stats().allocations, before);
  expectSeven(session, x);
}

TEST(Device, IsClosedWithThePackage) {
  TestDevice test;
  const tenon_device *list[] = {&test.device};
  tenon_load_options options = {};
  options.devices = list;
  options.device_count = 1;
  {
    LoadedPackage package(devicePackage(), options);
  }
  EXPECT_EQ(test.opened, 0);
  EXPECT_EQ(test.prepared, 0);
}

TEST(Device, IsFoundByAsking) {
  TestDevice test;
  tenon_load_options options = {};
  options.device_context = &test;
  options.find_device = [](void *context, const char *name) -> const tenon_device * {
    return std::string(name) == "test" ? &static_cast<TestDevice *>(context)->device : nullptr;
  };
  {
    LoadedPackage package(devicePackage(), options);
    EXPECT_EQ(tenon_package_device_count(package.package().get()), 1u);
    EXPECT_STREQ(tenon_package_device_name(package.package().get(), 0), "test");
    EXPECT_STREQ(tenon_package_device_description(package.package().get(), 0), "model: a");
    EXPECT_STREQ(tenon_package_device_name(package.package().get(), 1), "");
    EXPECT_EQ(test.opened, 1);
  }
  {
    LoadedPackage package(addPackage(), options);
  } // needs none, so none is opened
  EXPECT_EQ(test.opened, 0);
}

TEST(Device, RunsBesideTheCpu) {
  Package model = devicePackage();
  Function &main = model.functions[0];
  main.commands.insert(main.commands.begin() + 2, Command{HostCall{"go", {}, {}, {}, {}}, false, 0, kNone});
  Loaded loaded(model);
  std::atomic<bool> go = false;
  loaded.test.go = &go;
  tenon_host_function host = {"go",
                              [](void *context, const tenon_host_call *) -> int32_t {
                                static_cast<std::atomic<bool> *>(context)->store(true);
                                return 0;
                              },
                              &go};
  tenon_session_options options = LoadedPackage::oneThread();
  options.host_functions = &host;
  options.host_function_count = 1;
  Session session = loaded.package.session(options);
  std::vector<float> x = iota(3);
  ASSERT_RUNS(session, runWith(session, x));
  expectSeven(session, x);
}

TEST(Device, RunsOnTheCallersQueueToo) {
  Package model = devicePackage();
  for (Command &command : model.functions[0].commands)
    command.queue = 0;
  Loaded loaded(model);
  Session session = loaded.package.session();
  std::vector<float> x = iota(3);
  ASSERT_RUNS(session, runWith(session, x));
  expectSeven(session, x);
  EXPECT_EQ(session.stats().locks, 0u);
}

TEST(Device, ForksRunAtTheSameTime) {
  Loaded loaded;
  Session session = loaded.package.session();
  std::vector<float> x = iota(100), z = iota(200);
  Error error = {};
  Session fork = session.fork(error);
  ASSERT_TRUE(fork) << error.message;
  std::thread other([&] {
    for (int i = 0; i < 200; ++i)
      EXPECT_EQ(runWith(fork, z), TENON_OK);
  });
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(runWith(session, x), TENON_OK);
  other.join();
  expectSeven(session, x);
  expectSeven(fork, z);
}

TEST(Device, TellsItsCostToTheProfile) {
  Loaded loaded;
  tenon_session_options options = LoadedPackage::oneThread();
  options.profile = 2;
  Session session = loaded.package.session(options);
  std::vector<float> x = iota(4);
  ASSERT_RUNS(session, runWith(session, x));
  ASSERT_RUNS(session, session.run(0));
  tenon_device_row row = {};
  ASSERT_EQ(tenon_session_profile_device(session.get(), 0, 0, &row), TENON_OK);
  EXPECT_STREQ(row.device, "test");
  EXPECT_EQ(row.queue, 1u);
  EXPECT_EQ(row.cycles, 100u);
  EXPECT_EQ(row.ns, 50u);
  EXPECT_EQ(row.ideal_cycles, 80u);
  EXPECT_STREQ(row.report, "{\"t\":1}");
  EXPECT_EQ(tenon_session_profile_device(session.get(), 0, 2, &row), 905);
  tenon_profile_row times = {};
  ASSERT_EQ(tenon_session_profile_row(session.get(), 0, 0, &times), TENON_OK);
  EXPECT_EQ(times.runs, 2u);
  EXPECT_STREQ(times.kernel, "multiply");
  uint64_t ns = 0;
  EXPECT_EQ(tenon_session_profile_alone(session.get(), 0, 0, 3, &ns), TENON_OK);
  EXPECT_EQ(loaded.test.runs, 5);
}

TEST(Device, MissingIsAnError) {
  Error error = loadError(devicePackage(), {});
  EXPECT_EQ(error.code, 922);
  EXPECT_NE(std::string(error.message).find("the device test"), std::string::npos) << error.message;
  TestDevice other;
  other.device.name = "other";
  const tenon_device *list[] = {&other.device};
  tenon_load_options options = {};
  options.devices = list;
  options.device_count = 1;
  EXPECT_EQ(loadError(devicePackage(), options).code, 922);
  options.inspect_only = 1;
  LoadedPackage inspected(devicePackage(), options); // needs no device
}

TEST(Device, FailuresKeepTheirCodes) {
  TestDevice test;
  const tenon_device *list[] = {&test.device};
  tenon_load_options options = {};
  options.devices = list;
  options.device_count = 1;
  test.device.abi_version = 99;
  EXPECT_EQ(loadError(devicePackage(), options).code, 923);
  test.device.abi_version = TENON_DEVICE_ABI_VERSION;
  test.openCode = 1103;
  Error error = loadError(devicePackage(), options);
  EXPECT_EQ(error.code, 1103);
  EXPECT_STREQ(error.message, "TN1103: test: told to fail");
  test.openCode = TENON_OK;
  test.prepareCode = 1010;
  EXPECT_EQ(loadError(devicePackage(), options).code, 1010);
  EXPECT_EQ(test.opened, 0);
  test.prepareCode = -1; // no code of its own
  EXPECT_EQ(loadError(devicePackage(), options).code, 923);
}

TEST(Device, AFailedRunFailsTheFunction) {
  Loaded loaded;
  Session session = loaded.package.session();
  std::vector<float> x = iota(4);
  loaded.test.runCode = 1204;
  EXPECT_EQ(runWith(session, x), 1204);
  EXPECT_NE(
      std::string(session.message()).find("TN1204: function main, command 0 of node mul_1: told to fail"),
      std::string::npos)
      << session.message();
  loaded.test.runCode = TENON_OK;
  ASSERT_RUNS(session, session.run(0));
  expectSeven(session, x);
}

TEST(Device, WaitsThatNothingEndsAreErrors) {
  std::vector<float> x = iota(4);
  Package model = devicePackage();
  std::get<Wait>(model.functions[0].commands[3].body).value = 2;
  Loaded loaded(model);
  Session session = loaded.package.session();
  EXPECT_EQ(runWith(session, x), 916) << session.message();
  EXPECT_EQ(session.run(0), 916);
  Package queued = devicePackage();
  queued.functions[0].commands[1].body = Wait{0, 7};
  queued.functions[0].commands[3].body = Signal{0, 1};
  Loaded other(queued);
  Session waiting = other.package.session();
  EXPECT_EQ(runWith(waiting, x), 916) << waiting.message();
}

TEST(Device, QueuesWaitForEachOther) {
  // Queue 1 waits for a signal that the caller gives only after handing the command over.
  Package model = devicePackage();
  auto &commands = model.functions[0].commands;
  commands.insert(commands.begin(), Command{Wait{0, 3}, false, 1, kNone});
  commands.insert(commands.begin() + 4, Command{Signal{0, 3}, false, 0, kNone});
  Loaded loaded(model);
  Session session = loaded.package.session();
  std::vector<float> x = iota(4);
  for (int i = 0; i < 20; ++i)
    ASSERT_RUNS(session, runWith(session, x));
  expectSeven(session, x);
}

TEST(Device, SurvivesFailedAllocations) {
  struct Failing {
    int left;
    Allocator inner = systemAllocator();
  };
  std::vector<uint8_t> bytes;
  ASSERT_TRUE(writeMemory(devicePackage(), bytes).ok());
  AlignedBytes aligned(bytes);
  bool ran = false;
  for (int failAt = 0; failAt < 200 && !ran; ++failAt) {
    TestDevice test;
    Failing failing{failAt};
    tenon_allocator allocator = {[](void *context, size_t size, size_t alignment) -> void * {
                                   auto *self = static_cast<Failing *>(context);
                                   return self->left-- == 0
                                              ? nullptr
                                              : self->inner.allocate(self->inner.context, size, alignment);
                                 },
                                 [](void *context, void *memory, size_t size, size_t alignment) {
                                   auto *self = static_cast<Failing *>(context);
                                   self->inner.release(self->inner.context, memory, size, alignment);
                                 },
                                 &failing};
    const tenon_device *list[] = {&test.device};
    tenon_load_options options = {};
    options.allocator = &allocator;
    options.devices = list;
    options.device_count = 1;
    Error error = {};
    tenon_session_options sessionOptions = LoadedPackage::oneThread();
    sessionOptions.profile = 1;
    {
      tenon::Package package = tenon::Package::loadMemory(aligned.data(), aligned.size(), error, options);
      Session session = Session::create(package, error, sessionOptions);
      if (session) {
        std::vector<float> x = iota(4);
        tenon_status status = runWith(session, x);
        ran = status == TENON_OK && failing.left >= 0;
        EXPECT_TRUE(status == TENON_OK || status == 901) << session.message();
      } else {
        EXPECT_EQ(error.code, 901) << error.message;
      }
    }
    EXPECT_EQ(test.opened, 0);
    EXPECT_EQ(test.prepared, 0);
  }
  EXPECT_TRUE(ran);
}

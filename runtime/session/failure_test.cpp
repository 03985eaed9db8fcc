// Every allocation may fail, and loading takes any bytes.

#include "package/writer.h"
#include "runtime/testing/loaded_package.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace tenon::package;
using namespace tenon::package::testing;
using namespace tenon::runtime::testing;
using tenon::Session;

namespace {

/// Fails the allocation with a given number and counts what is not given back.
struct FailingAllocator {
  int64_t failAt = -1;
  int64_t calls = 0;
  int64_t live = 0;

  tenon_allocator interface() {
    return {[](void *context, size_t size, size_t alignment) -> void * {
              auto &self = *static_cast<FailingAllocator *>(context);
              if (self.calls++ == self.failAt)
                return nullptr;
              ++self.live;
              return std::aligned_alloc(alignment < 8 ? 8 : alignment, (size + alignment + 7) /
                                                                           (alignment < 8 ? 8 : alignment) *
                                                                           (alignment < 8 ? 8 : alignment));
            },
            [](void *context, void *memory, size_t, size_t) {
              --static_cast<FailingAllocator *>(context)->live;
              std::free(memory);
            },
            this};
  }
};

int32_t answerOne(void *, const tenon_host_call *call) {
  call->results[0] = 1;
  return 0;
}

/// Loads, runs both functions at two sizes, forks, runs the fork. Returns the first failure.
tenon_status exercise(const AlignedBytes &bytes, FailingAllocator &memory, uint32_t threads) {
  tenon_allocator allocator = memory.interface();
  tenon_load_options load = {};
  load.allocator = &allocator;
  load.copy = 1;
  tenon::Error error = {};
  tenon::Package package = tenon::Package::loadMemory(bytes.data(), bytes.size(), error, load);
  if (!package)
    return error.code;
  tenon_host_function host = {"observe", answerOne, nullptr};
  tenon_session_options options = {};
  options.threads = threads;
  options.profile = 1;
  options.host_functions = &host;
  options.host_function_count = 1;
  Session session = Session::create(package, error, options);
  if (!session)
    return error.code;
  float x[64] = {1, -1, 2};
  for (uint32_t function : {0u, 1u})
    for (int64_t n : {3, 64}) {
      if (tenon_status status = session.bindInput(function, 0, x, TENON_F32, {n}); status != TENON_OK)
        return status;
      if (tenon_status status = session.run(function); status != TENON_OK) {
        // The handle stays usable: the same run succeeds when there is memory again.
        EXPECT_EQ(status, 901) << session.message();
        EXPECT_EQ(session.run(function), TENON_OK) << session.message();
        return status;
      }
    }
  Session fork = session.fork(error);
  return fork ? TENON_OK : error.code;
}

} // namespace

TEST(Failure, EveryAllocationMayFail) {
  std::vector<uint8_t> file;
  ASSERT_TRUE(writeMemory(richPackage(), file).ok());
  AlignedBytes bytes(file);
  for (uint32_t threads : {1u, 2u}) {
    FailingAllocator all;
    ASSERT_EQ(exercise(bytes, all, threads), TENON_OK);
    EXPECT_EQ(all.live, 0);
    ASSERT_GT(all.calls, 50);
    for (int64_t i = 0; i < all.calls; ++i) {
      FailingAllocator memory;
      memory.failAt = i;
      EXPECT_EQ(exercise(bytes, memory, threads), 901) << "allocation " << i;
      EXPECT_EQ(memory.live, 0) << "allocation " << i;
    }
  }
}

TEST(Failure, FilesThatCannotBeLoaded) {
  tenon::Error error = {};
  EXPECT_FALSE(tenon::Package::loadFile("/nonexistent/model.tenon", error));
  EXPECT_EQ(error.code, 902);
  EXPECT_NE(std::strstr(error.message, "/nonexistent/model.tenon"), nullptr);
  EXPECT_FALSE(tenon::Package::loadFile("/tmp", error));
  EXPECT_EQ(error.code, 902);
  char empty[] = "/tmp/tenon-empty-XXXXXX";
  int file = mkstemp(empty);
  ASSERT_GE(file, 0);
  close(file);
  EXPECT_FALSE(tenon::Package::loadFile(empty, error));
  EXPECT_EQ(error.code, 803);
  std::filesystem::remove(empty);
  EXPECT_EQ(tenon_package_load_file(nullptr, nullptr, nullptr, &error), 905);
}

TEST(Failure, BytesThatAreNoPackage) {
  AlignedBytes text(std::vector<uint8_t>(1000, 'x'));
  tenon::Error error = {};
  EXPECT_FALSE(tenon::Package::loadMemory(text.data(), text.size(), error));
  EXPECT_EQ(error.code, 801);
  EXPECT_EQ(tenon_package_verify(text.data(), text.size(), &error), 801);
  EXPECT_EQ(tenon_package_verify(text.data() + 1, 100, nullptr), 918);
}

TEST(Failure, LoadsThroughACallback) {
  std::vector<uint8_t> file;
  ASSERT_TRUE(writeMemory(addPackage(), file).ok());
  tenon_package *package = nullptr;
  tenon_error error = {};
  auto read = [](void *context, uint64_t offset, void *data, uint64_t size) {
    const auto &bytes = *static_cast<std::vector<uint8_t> *>(context);
    if (offset + size > bytes.size())
      return 9;
    std::memcpy(data, bytes.data() + offset, size);
    return 0;
  };
  ASSERT_EQ(tenon_package_load_callback(read, &file, file.size(), nullptr, &package, &error), TENON_OK)
      << error.message;
  EXPECT_EQ(tenon_package_function_count(package), 1u);
  tenon_package_release(package);
  EXPECT_EQ(tenon_package_load_callback(read, &file, file.size() + 1, nullptr, &package, &error), 902);
  EXPECT_EQ(package, nullptr);
}

TEST(Failure, SessionsKeepTheirPackage) {
  std::vector<uint8_t> file;
  ASSERT_TRUE(writeMemory(addPackage(), file).ok());
  tenon::Error error = {};
  tenon_load_options options = {};
  options.copy = 1;
  Session session;
  {
    tenon::Package package = tenon::Package::loadMemory(file.data(), file.size(), error, options);
    ASSERT_TRUE(package) << error.message;
    session = Session::create(package, error);
  }
  float x[4] = {1, 2, 3, 4};
  EXPECT_RUNS(session, session.bindInput(0, 0, x, TENON_F32, {4}));
  EXPECT_RUNS(session, session.run(0));
  EXPECT_EQ(floats(session, 0, 0)[3], 14.0f);
}

TEST(Failure, InspectionNeedsNoCode) {
  tenon_load_options options = {};
  options.inspect_only = 1;
  LoadedPackage loaded(addPackage(), options);
  EXPECT_STREQ(loaded.package().isa(), "");
  tenon::Error error = {};
  EXPECT_FALSE(Session::create(loaded.package(), error));
  EXPECT_EQ(error.code, 903);
}

TEST(Failure, ThreadCountsAreBounded) {
  LoadedPackage loaded(addPackage());
  tenon::Error error = {};
  tenon_session_options options = {};
  options.threads = 100000;
  EXPECT_FALSE(Session::create(loaded.package(), error, options));
  EXPECT_EQ(error.code, 905);
}

// A package built by the writer and loaded by the runtime, for tests.
#pragma once

#include "package/testing/sample_package.h"
#include "tenon/tenon.hpp"

#include <functional>
#include <optional>
#include <vector>

namespace tenon::runtime::testing {

/// Fails the test when the package cannot be written or loaded.
class LoadedPackage {
public:
  explicit LoadedPackage(const package::Package &model, const tenon_load_options &options = {});
  Session session(const tenon_session_options &options = oneThread());
  static tenon_session_options oneThread() {
    tenon_session_options options = {};
    options.threads = 1;
    return options;
  }
  Package &package() { return package_; }

private:
  std::optional<package::testing::AlignedBytes> bytes_;
  Package package_;
};

/// Expects success, and shows the session's message otherwise.
#define EXPECT_RUNS(session, call) EXPECT_EQ((call), TENON_OK) << (session).message()
#define ASSERT_RUNS(session, call) ASSERT_EQ((call), TENON_OK) << (session).message()

/// Expects a code, and its number in the session's message.
void expectFails(const Session &session, tenon_status status, int code);

std::vector<float> iota(size_t count, float start = 0);

/// The values of an output of the last run.
std::vector<float> floats(Session &session, uint32_t function, uint32_t output);

} // namespace tenon::runtime::testing

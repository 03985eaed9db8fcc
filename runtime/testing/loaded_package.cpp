#include "runtime/testing/loaded_package.h"

#include "package/writer.h"

#include <gtest/gtest.h>
#include <numeric>

namespace tenon::runtime::testing {

LoadedPackage::LoadedPackage(const package::Package &model, const tenon_load_options &options) {
  std::vector<uint8_t> bytes;
  package::Status status = package::writeMemory(model, bytes);
  EXPECT_TRUE(status.ok()) << status.message();
  bytes_.emplace(bytes);
  Error error = {};
  package_ = Package::loadMemory(bytes_->data(), bytes_->size(), error, options);
  EXPECT_TRUE(package_) << error.message;
}

Session LoadedPackage::session(const tenon_session_options &options) {
  Error error = {};
  Session session = Session::create(package_, error, options);
  EXPECT_TRUE(session) << error.message;
  return session;
}

void expectFails(const Session &session, tenon_status status, int code) {
  EXPECT_EQ(status, code) << session.message();
  EXPECT_EQ(std::string(session.message()).substr(0, 8), "TN0" + std::to_string(code) + ": ");
}

std::vector<float> iota(size_t count, float start) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), start);
  return values;
}

std::vector<float> floats(Session &session, uint32_t function, uint32_t output) {
  tenon_tensor tensor = {};
  EXPECT_EQ(session.output(function, output, tensor), TENON_OK) << session.message();
  EXPECT_EQ(tensor.dtype, TENON_F32);
  const float *data = static_cast<const float *>(tensor.data);
  return {data, data + tensor.elements};
}

} // namespace tenon::runtime::testing

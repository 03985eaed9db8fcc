// A thin C++17 layer over tenon.h: handles that release themselves. Uses no exceptions; results are
// tenon_status, and a handle that could not be made is empty.
//
//   tenon::Error error;
//   tenon::Package package = tenon::Package::loadFile("model.tenon", error);
//   tenon::Session session = tenon::Session::create(package, error);
//   if (!session)
//     return fail(error.message);
//   session.bindInput(0, 0, x.data(), TENON_F32, {2, 3});
//   if (session.run(0) != TENON_OK)
//     return fail(session.message());
//   tenon_tensor y;
//   session.output(0, 0, y);
#ifndef TENON_TENON_HPP
#define TENON_TENON_HPP

#include "tenon/tenon.h"

#include <initializer_list>
#include <utility>

namespace tenon {

using Error = tenon_error;

/// Owns a tenon_package, or nothing. Sessions keep their package alive by themselves.
class Package {
public:
  Package() = default;
  explicit Package(tenon_package *handle) : handle_(handle) {}
  Package(Package &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Package &operator=(Package &&other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Package() { tenon_package_release(handle_); }

  static Package loadFile(const char *path, Error &error, const tenon_load_options &options = {}) {
    tenon_package *handle = nullptr;
    tenon_package_load_file(path, &options, &handle, &error);
    return Package(handle);
  }
  /// See tenon_package_load_memory for who keeps the bytes.
  static Package loadMemory(const void *data, uint64_t size, Error &error,
                            const tenon_load_options &options = {}) {
    tenon_package *handle = nullptr;
    tenon_package_load_memory(data, size, &options, &handle, &error);
    return Package(handle);
  }

  explicit operator bool() const { return handle_ != nullptr; }
  tenon_package *get() const { return handle_; }

  uint32_t functionCount() const { return tenon_package_function_count(handle_); }
  const char *functionName(uint32_t function) const { return tenon_package_function_name(handle_, function); }
  uint32_t findFunction(const char *name) const { return tenon_package_find_function(handle_, name); }
  uint32_t inputCount(uint32_t function) const { return tenon_package_input_count(handle_, function); }
  uint32_t outputCount(uint32_t function) const { return tenon_package_output_count(handle_, function); }
  uint32_t findInput(uint32_t function, const char *name) const {
    return tenon_package_find_input(handle_, function, name);
  }
  uint32_t findOutput(uint32_t function, const char *name) const {
    return tenon_package_find_output(handle_, function, name);
  }
  const char *isa() const { return tenon_package_isa(handle_); }

private:
  tenon_package *handle_ = nullptr;
};

/// Owns a tenon_session, or nothing.
class Session {
public:
  Session() = default;
  explicit Session(tenon_session *handle) : handle_(handle) {}
  Session(Session &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Session &operator=(Session &&other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Session() { tenon_session_destroy(handle_); }

  /// Empty also for an empty package, whose own error is kept.
  static Session create(const Package &package, Error &error, const tenon_session_options &options = {}) {
    tenon_session *handle = nullptr;
    if (package)
      tenon_session_create(package.get(), &options, &handle, &error);
    return Session(handle);
  }
  Session fork(Error &error) const {
    tenon_session *handle = nullptr;
    tenon_session_fork(handle_, &handle, &error);
    return Session(handle);
  }

  explicit operator bool() const { return handle_ != nullptr; }
  tenon_session *get() const { return handle_; }
  const char *message() const { return tenon_session_message(handle_); }

  [[nodiscard]] tenon_status bindInput(uint32_t function, uint32_t input, const void *data, tenon_dtype dtype,
                                       const int64_t *shape, uint32_t rank) {
    return tenon_session_bind_input(handle_, function, input, data, dtype, shape, rank);
  }
  [[nodiscard]] tenon_status bindInput(uint32_t function, uint32_t input, const void *data, tenon_dtype dtype,
                                       std::initializer_list<int64_t> shape) {
    return bindInput(function, input, data, dtype, shape.begin(), static_cast<uint32_t>(shape.size()));
  }
  [[nodiscard]] tenon_status bindOutput(uint32_t function, uint32_t output, void *data, uint64_t capacity) {
    return tenon_session_bind_output(handle_, function, output, data, capacity);
  }
  [[nodiscard]] tenon_status run(uint32_t function) { return tenon_session_run(handle_, function); }
  [[nodiscard]] tenon_status output(uint32_t function, uint32_t output, tenon_tensor &tensor) {
    return tenon_session_output(handle_, function, output, &tensor);
  }
  [[nodiscard]] tenon_status reserve(uint32_t function, const int64_t *symbols = nullptr) {
    return tenon_session_reserve(handle_, function, symbols);
  }
  tenon_session_stats stats() const {
    tenon_session_stats stats = {};
    tenon_session_get_stats(handle_, &stats);
    return stats;
  }

private:
  tenon_session *handle_ = nullptr;
};

} // namespace tenon

#endif

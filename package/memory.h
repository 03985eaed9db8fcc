// Memory through an allocator that may fail: what the reader and the runtime use instead of the C++ heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace tenon::package {

/// `allocate` returns memory of at least `size` bytes (never 0) at a multiple of `alignment` (a power of
/// two), or nullptr.
struct Allocator {
  void *(*allocate)(void *context, size_t size, size_t alignment) = nullptr;
  void (*release)(void *context, void *memory, size_t size, size_t alignment) = nullptr;
  void *context = nullptr;
};

/// The C library's aligned allocation.
Allocator systemAllocator();

/// A fixed-size array owned through an allocator, zeroed at the start. For trivial element types.
template <typename T> class Array {
  static_assert(std::is_trivially_destructible_v<T> && std::is_trivially_copyable_v<T>);

public:
  Array() = default;
  ~Array() { reset(); }
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;

  /// Replaces the contents by `count` zeroed elements; false when there is no memory (the old contents are
  /// gone).
  [[nodiscard]] bool allocate(const Allocator &allocator, size_t count, size_t alignment = alignof(T)) {
    reset();
    if (count == 0)
      return true;
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, sizeof(T), &bytes))
      return false;
    void *memory = allocator.allocate(allocator.context, bytes, alignment);
    if (!memory)
      return false;
    std::memset(memory, 0, bytes);
    allocator_ = allocator;
    data_ = static_cast<T *>(memory);
    size_ = count;
    alignment_ = alignment;
    return true;
  }

  void reset() {
    if (data_)
      allocator_.release(allocator_.context, data_, size_ * sizeof(T), alignment_);
    data_ = nullptr;
    size_ = 0;
  }

  T *data() { return data_; }
  const T *data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T &operator[](size_t index) { return data_[index]; }
  const T &operator[](size_t index) const { return data_[index]; }
  T *begin() { return data_; }
  T *end() { return data_ + size_; }
  const T *begin() const { return data_; }
  const T *end() const { return data_ + size_; }

  void swap(Array &other) {
    Allocator allocator = allocator_;
    T *data = data_;
    size_t size = size_, alignment = alignment_;
    allocator_ = other.allocator_, data_ = other.data_, size_ = other.size_, alignment_ = other.alignment_;
    other.allocator_ = allocator, other.data_ = data, other.size_ = size, other.alignment_ = alignment;
  }

private:
  Allocator allocator_;
  T *data_ = nullptr;
  size_t size_ = 0;
  size_t alignment_ = alignof(T);
};

/// Read-only bytes owned by someone else.
struct Bytes {
  const uint8_t *data = nullptr;
  uint64_t size = 0;
};

/// Rounds up to a multiple of a power of two; false on overflow.
[[nodiscard]] inline bool alignUp(uint64_t value, uint64_t alignment, uint64_t &result) {
  if (__builtin_add_overflow(value, alignment - 1, &result))
    return false;
  result &= ~(alignment - 1);
  return true;
}

} // namespace tenon::package

// Owners of memory for the runtime, all through an allocator that may fail.
#pragma once

#include "package/memory.h"

#include <atomic>
#include <new>
#include <utility>

namespace tenon::runtime {

using package::Allocator;
using package::Array;
using package::Bytes;

/// Raw memory that only grows. Contents are undefined after growing.
class Block {
public:
  Block() = default;
  ~Block() { reset(); }
  Block(const Block &) = delete;
  Block &operator=(const Block &) = delete;

  /// At least `size` bytes at a multiple of 64. False when there is no memory: then the block is as it was.
  [[nodiscard]] bool reserve(const Allocator &allocator, uint64_t size) {
    if (size <= size_)
      return true;
    void *memory = allocator.allocate(allocator.context, size, kAlignment);
    if (!memory)
      return false;
    reset();
    allocator_ = allocator;
    data_ = memory;
    size_ = size;
    return true;
  }

  void reset() {
    if (data_)
      allocator_.release(allocator_.context, data_, size_, kAlignment);
    data_ = nullptr;
    size_ = 0;
  }

  uint8_t *data() const { return static_cast<uint8_t *>(data_); }
  uint64_t size() const { return size_; }

private:
  static constexpr size_t kAlignment = 64;
  Allocator allocator_;
  void *data_ = nullptr;
  uint64_t size_ = 0;
};

/// A fixed number of default-constructed objects.
template <typename T> class Objects {
public:
  Objects() = default;
  ~Objects() {
    for (size_t i = size_; i > 0; --i)
      data_[i - 1].~T();
    if (data_)
      allocator_.release(allocator_.context, data_, size_ * sizeof(T), alignof(T));
  }
  Objects(const Objects &) = delete;
  Objects &operator=(const Objects &) = delete;

  /// Once; false when there is no memory.
  [[nodiscard]] bool create(const Allocator &allocator, size_t count) {
    size_t bytes = 0;
    if (count == 0)
      return true;
    if (__builtin_mul_overflow(count, sizeof(T), &bytes))
      return false;
    void *memory = allocator.allocate(allocator.context, bytes, alignof(T));
    if (!memory)
      return false;
    allocator_ = allocator;
    data_ = static_cast<T *>(memory);
    for (; size_ < count; ++size_)
      new (&data_[size_]) T();
    return true;
  }

  size_t size() const { return size_; }
  T &operator[](size_t index) { return data_[index]; }
  const T &operator[](size_t index) const { return data_[index]; }
  T *begin() { return data_; }
  T *end() { return data_ + size_; }
  const T *begin() const { return data_; }
  const T *end() const { return data_ + size_; }

private:
  Allocator allocator_;
  T *data_ = nullptr;
  size_t size_ = 0;
};

/// Counts the calls that it passes on.
class CountingAllocator {
public:
  void wrap(const Allocator &inner) { inner_ = inner; }
  Allocator allocator() { return {allocate, release, this}; }
  const Allocator &inner() const { return inner_; }
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }

private:
  static void *allocate(void *context, size_t size, size_t alignment) {
    auto *self = static_cast<CountingAllocator *>(context);
    self->count_.fetch_add(1, std::memory_order_relaxed);
    return self->inner_.allocate(self->inner_.context, size, alignment);
  }
  static void release(void *context, void *memory, size_t size, size_t alignment) {
    auto *self = static_cast<CountingAllocator *>(context);
    self->inner_.release(self->inner_.context, memory, size, alignment);
  }

  Allocator inner_;
  std::atomic<uint64_t> count_ = 0;
};

/// Makes one object; nullptr when there is no memory.
template <typename T> T *create(const Allocator &allocator) {
  void *memory = allocator.allocate(allocator.context, sizeof(T), alignof(T));
  return memory ? new (memory) T() : nullptr;
}

template <typename T> void destroy(const Allocator &allocator, T *object) {
  object->~T();
  allocator.release(allocator.context, object, sizeof(T), alignof(T));
}

} // namespace tenon::runtime

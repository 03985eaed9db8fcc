// Kernels of the tests. Built once per ISA level; TENON_TEST_LEVEL tells them apart.

#include "tenon/kernel_abi.h"

#define KERNEL(name)                                                                                         \
  __attribute__((visibility("default"))) int32_t name(const tenon_kernel_io *io, uint32_t begin,             \
                                                      uint32_t end, uint32_t worker)

// c = a + b
KERNEL(test_add) {
  const float *a = io->buf[0], *b = io->buf[1];
  float *c = io->buf[2];
  (void)worker;
  for (uint32_t i = begin; i < end; ++i)
    c[i] = a[i] + b[i];
  return 0;
}

// y = x * sym[0]; the two may be the same memory
KERNEL(test_scale) {
  const float *x = io->buf[0];
  float *y = io->buf[1];
  (void)worker;
  for (uint32_t i = begin; i < end; ++i)
    y[i] = x[i] * (float)io->sym[0];
  return 0;
}

// x += 1, in place
KERNEL(test_increment) {
  float *x = io->buf[0];
  (void)worker;
  for (uint32_t i = begin; i < end; ++i)
    x[i] += 1.0f;
  return 0;
}

KERNEL(test_increment_i64) {
  int64_t *x = io->buf[0];
  (void)worker;
  for (uint32_t i = begin; i < end; ++i)
    x[i] += 1;
  return 0;
}

// Packs the positive elements of x[sym[0]] and counts them.
KERNEL(test_positive) {
  const float *x = io->buf[0];
  float *y = io->buf[1];
  int64_t *count = io->buf[2];
  (void)worker;
  int64_t n = 0;
  if (begin == end)
    return 0;
  for (int64_t i = 0; i < io->sym[0]; ++i)
    if (x[i] > 0)
      y[n++] = x[i];
  *count = n;
  return 0;
}

// y[row] = sum of the row of x[.][sym[0]], through scratch
KERNEL(test_row_sum) {
  const float *x = io->buf[0];
  float *y = io->buf[1];
  float *scratch = io->scratch;
  int64_t columns = io->sym[0];
  (void)worker;
  for (uint32_t row = begin; row < end; ++row) {
    for (int64_t c = 0; c < columns; ++c)
      scratch[c] = x[row * columns + c] * 0.5f;
    float sum = 0;
    for (int64_t c = 0; c < columns; ++c)
      sum += scratch[c] + scratch[c];
    y[row] = sum;
  }
  return 0;
}

static const float first[2] = {1.5f, 2.5f};
static const float second[2] = {3.5f, 4.5f};
// Pointers in constant data: RELATIVE relocations. Volatile, so that the loads stay.
static const float *const volatile tables[2] = {first, second};

KERNEL(test_table) {
  float *y = io->buf[0];
  (void)worker;
  for (uint32_t i = begin; i < end; ++i)
    y[i] = tables[i & 1][1];
  return 0;
}

KERNEL(test_level) {
  int32_t *y = io->buf[0];
  (void)worker;
  for (uint32_t i = begin; i < end; ++i)
    y[i] = TENON_TEST_LEVEL;
  return 0;
}

KERNEL(test_fail) {
  (void)io, (void)worker;
  return begin < end ? 7 : 0;
}

/* The calling convention between the runtime and generated kernels. C99, also valid C++.
 *
 * A kernel processes the half-open range [begin, end) of its flattened grid [0, n). It never allocates,
 * locks, uses thread-local storage or imports a symbol. Its results do not depend on how the grid is split
 * into ranges.
 *
 *   buf      one pointer per buffer of the kernel record, in the record's order. Buffers do not alias unless
 * the record names them as a tied pair. Weights, state and arena buffers are 64-byte aligned; views, inputs
 * and outputs are aligned to their element size only. sym      the scalar arguments (extents, strides, trip
 * counts) of the dispatch, in the record's order. scratch  this worker's private memory, 64-byte aligned, of
 * the size that the dispatch states; its contents are undefined at entry. NULL where the dispatch asks for
 * none. worker   index of the calling worker, 0 <= worker < number of threads of the session.
 *
 * Returns 0, or a nonzero code that the runtime reports with the kernel's and the node's name. */
#ifndef TENON_KERNEL_ABI_H
#define TENON_KERNEL_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever the layout of tenon_kernel_io or the meaning of an argument changes. A package states its
 * version. */
#define TENON_KERNEL_ABI_VERSION 1

/* The runtime places each instance on a 64-byte boundary. */
typedef struct tenon_kernel_io {
  void *const *buf;
  const int64_t *sym;
  void *scratch;
} tenon_kernel_io;

typedef int32_t (*tenon_kernel_fn)(const tenon_kernel_io *io, uint32_t begin, uint32_t end, uint32_t worker);

#ifdef __cplusplus
}
#endif

#endif

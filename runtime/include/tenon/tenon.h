/* The C interface of the Tenon runtime: load a package, open a session, bind tensors, run.
 *
 * C99. Handles are opaque. No globals: two packages or sessions share nothing that the caller can see. A
 * handle is used by one thread at a time; different handles by different threads at once. Sizes are in bytes,
 * times in nanoseconds.
 *
 * Errors: functions return TENON_OK (0) or a stable code, printed as TN0905 and so on. The text of the last
 * failure is in the tenon_error that the caller passes (functions that create a handle) or in the handle
 * (tenon_session_message).
 *
 * Example:
 *
 *   tenon_error error;
 *   tenon_package *package = NULL;
 *   tenon_session *session = NULL;
 *   if (tenon_package_load_file("model.tenon", NULL, &package, &error) != TENON_OK ||
 *       tenon_session_create(package, NULL, &session, &error) != TENON_OK) {
 *     fprintf(stderr, "%s\n", error.message);
 *     return 1;
 *   }
 *   uint32_t function = tenon_package_find_function(package, "main");
 *   int64_t shape[2] = {2, 3};
 *   float x[6] = {1, 2, 3, 4, 5, 6};
 *   if (tenon_session_bind_input(session, function, 0, x, TENON_F32, shape, 2) != TENON_OK ||
 *       tenon_session_run(session, function) != TENON_OK) {
 *     fprintf(stderr, "%s\n", tenon_session_message(session));
 *     return 1;
 *   }
 *   tenon_tensor y;
 *   tenon_session_output(session, function, 0, &y);
 *   printf("%lld values, the first is %g\n", (long long)y.elements, ((const float *)y.data)[0]);
 *   tenon_session_destroy(session);
 *   tenon_package_release(package);
 */
#ifndef TENON_TENON_H
#define TENON_TENON_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TENON_API __attribute__((visibility("default")))
#else
#define TENON_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define TENON_MAX_RANK 32
#define TENON_NO_INDEX UINT32_MAX
/* The maximum of an unbounded symbol, and a memory bound that does not exist. */
#define TENON_UNBOUNDED INT64_MAX

/* 0 or the number of a stable code: 904 is TN0904. docs/runtime.md lists them. */
typedef int32_t tenon_status;
#define TENON_OK 0

typedef struct tenon_error {
  tenon_status code;
  char message[320];
} tenon_error;

typedef enum tenon_dtype {
  TENON_INVALID_DTYPE = 0,
  TENON_F32 = 1,
  TENON_F64 = 2,
  TENON_F16 = 3,
  TENON_BF16 = 4,
  TENON_I8 = 5,
  TENON_I16 = 6,
  TENON_I32 = 7,
  TENON_I64 = 8,
  TENON_U8 = 9,
  TENON_U16 = 10,
  TENON_U32 = 11,
  TENON_U64 = 12,
  TENON_BOOL = 13, /* one byte, 0 or 1 */
  TENON_F8E4M3FN = 14,
  TENON_F8E5M2 = 15,
  TENON_F8E4M3FNUZ = 16,
  TENON_F8E5M2FNUZ = 17,
  TENON_I4 = 18, /* two elements a byte, the first in the low half */
  TENON_U4 = 19
} tenon_dtype;

/* Bits of one element; 0 for a number that is not an element type. */
TENON_API uint32_t tenon_dtype_bits(tenon_dtype dtype);
/* "f32", "i64", "bool", ...; "invalid" for a number that is not an element type. */
TENON_API const char *tenon_dtype_name(tenon_dtype dtype);
/* "0.1.0" */
TENON_API const char *tenon_version(void);

/* tenon/device.h has its contents. */
typedef struct tenon_device tenon_device;
typedef struct tenon_package tenon_package;
typedef struct tenon_session tenon_session;

/* ---- What the application may supply
 * ----------------------------------------------------------------------------- */

/* allocate returns memory at a multiple of `alignment` (a power of two), or NULL, which fails the call that
 * needed it and leaves its handle usable. release gets back what allocate was asked for. */
typedef struct tenon_allocator {
  void *(*allocate)(void *context, size_t size, size_t alignment);
  void (*release)(void *context, void *memory, size_t size, size_t alignment);
  void *context;
} tenon_allocator;

/* Calls fn(arg, begin, end, worker) so that the ranges cover [0, n) once, each but the last a multiple of
 * `grain` long, and returns when all calls have. Calls that run at the same time have different `worker`
 * numbers below the session's `threads`. May run everything on the calling thread. */
typedef void (*tenon_range_fn)(void *arg, uint32_t begin, uint32_t end, uint32_t worker);
typedef void (*tenon_parallel_for_fn)(void *context, uint32_t n, uint32_t grain, tenon_range_fn fn,
                                      void *arg);

/* The tensors and scalars of a call into the application. Reads and writes are in the plan's order. */
typedef struct tenon_host_call {
  const char *name;
  const void *const *reads;
  const int64_t *read_bytes;
  uint32_t read_count;
  void *const *writes;
  const int64_t *write_bytes;
  uint32_t write_count;
  const int64_t *symbols;
  uint32_t symbol_count;
  int64_t *results; /* to be written */
  uint32_t result_count;
} tenon_host_call;

/* 0, or a code that fails the run. */
typedef struct tenon_host_function {
  const char *name;
  int32_t (*call)(void *context, const tenon_host_call *call);
  void *context;
} tenon_host_function;

/* ---- Packages
 * ------------------------------------------------------------------------------------------------------ */

typedef struct tenon_load_options {
  const tenon_allocator *allocator; /* NULL: the C library's */
  const char *isa;  /* forces images up to this level ("x86-64-v3"); NULL: the best that the CPU has */
  int inspect_only; /* nonzero: map no code; sessions cannot be created */
  int copy;         /* load_memory: nonzero: take a copy, so that `data` may be unaligned and may go */
  /* Devices for kernels that do not run on the CPU, found by name: in the array, else by asking find_device,
   * which returns NULL where it has none. Only what the package needs is asked for. See tenon/device.h. */
  const tenon_device *const *devices;
  uint32_t device_count;
  const tenon_device *(*find_device)(void *context, const char *name);
  void *device_context;
} tenon_load_options;

/* Fills `data` with `size` bytes from `offset`; 0 on success. */
typedef int (*tenon_read_fn)(void *context, uint64_t offset, void *data, uint64_t size);

/* `options` and `error` may be NULL. The file is mapped and verified; weights are used where they lie. */
TENON_API tenon_status tenon_package_load_file(const char *path, const tenon_load_options *options,
                                               tenon_package **package, tenon_error *error);
/* `data` is at a multiple of 64 and outlives the package and its sessions, unless options->copy is set. */
TENON_API tenon_status tenon_package_load_memory(const void *data, uint64_t size,
                                                 const tenon_load_options *options, tenon_package **package,
                                                 tenon_error *error);
/* Reads the whole package through a callback, which is not called later. */
TENON_API tenon_status tenon_package_load_callback(tenon_read_fn read, void *context, uint64_t size,
                                                   const tenon_load_options *options, tenon_package **package,
                                                   tenon_error *error);
/* Sessions keep their package alive. NULL is allowed. */
TENON_API void tenon_package_release(tenon_package *package);
/* Checks bytes as loading does, without loading. `data` is at a multiple of 64. */
TENON_API tenon_status tenon_package_verify(const void *data, uint64_t size, tenon_error *error);

TENON_API const char *tenon_package_producer(const tenon_package *package);
TENON_API const char *tenon_package_target(const tenon_package *package);
/* Name of the best code image that the package's kernels use on this CPU; "" where no code is mapped. */
TENON_API const char *tenon_package_isa(const tenon_package *package);
TENON_API uint64_t tenon_package_weight_bytes(const tenon_package *package);
TENON_API uint64_t tenon_package_bytes(const tenon_package *package);
/* Devices besides the CPU that the package was compiled for. Texts live as long as the package; "" for an
 * index out of range. */
TENON_API uint32_t tenon_package_device_count(const tenon_package *package);
TENON_API const char *tenon_package_device_name(const tenon_package *package, uint32_t device);
TENON_API const char *tenon_package_device_description(const tenon_package *package, uint32_t device);

TENON_API uint32_t tenon_package_function_count(const tenon_package *package);
TENON_API const char *tenon_package_function_name(const tenon_package *package, uint32_t function);
/* TENON_NO_INDEX where there is none. */
TENON_API uint32_t tenon_package_find_function(const tenon_package *package, const char *name);

/* A dimension: a constant (symbol == TENON_NO_INDEX, value), a symbol (value is -1), or an expression of
 * symbols or a size known after the run (symbol == TENON_NO_INDEX, value -1). */
typedef struct tenon_dim {
  int64_t value;
  uint32_t symbol;
} tenon_dim;

typedef struct tenon_tensor_info {
  const char *name;
  tenon_dtype dtype;
  uint32_t rank;
  tenon_dim dims[TENON_MAX_RANK];
} tenon_tensor_info;

typedef struct tenon_symbol_info {
  const char *name;
  int64_t min, max, multiple_of; /* max is TENON_UNBOUNDED where there is none */
} tenon_symbol_info;

TENON_API uint32_t tenon_package_input_count(const tenon_package *package, uint32_t function);
TENON_API uint32_t tenon_package_output_count(const tenon_package *package, uint32_t function);
TENON_API uint32_t tenon_package_symbol_count(const tenon_package *package, uint32_t function);
TENON_API uint32_t tenon_package_find_input(const tenon_package *package, uint32_t function,
                                            const char *name);
TENON_API uint32_t tenon_package_find_output(const tenon_package *package, uint32_t function,
                                             const char *name);
/* TENON_OK, or 905 for an index out of range. Names live as long as the package. */
TENON_API tenon_status tenon_package_input(const tenon_package *package, uint32_t function, uint32_t input,
                                           tenon_tensor_info *info);
TENON_API tenon_status tenon_package_output(const tenon_package *package, uint32_t function, uint32_t output,
                                            tenon_tensor_info *info);
TENON_API tenon_status tenon_package_symbol(const tenon_package *package, uint32_t function, uint32_t symbol,
                                            tenon_symbol_info *info);
/* The memory certificate: bytes of arena, and of scratch per worker, that suffice for every input in range.
 */
TENON_API tenon_status tenon_package_certificate(const tenon_package *package, uint32_t function,
                                                 int64_t *arena_bytes, int64_t *scratch_bytes);

/* ---- Sessions
 * ------------------------------------------------------------------------------------------------------ */

typedef struct tenon_session_options {
  uint32_t threads; /* workers, the caller included; 0: one per CPU that the process may use */
  const tenon_allocator *allocator;   /* NULL: the package's */
  tenon_parallel_for_fn parallel_for; /* NULL: the session's own threads (where the runtime has them) */
  void *parallel_context;
  int profile;                   /* 1: measure every command; 2: devices also note what happens when */
  int64_t parallel_threshold_ns; /* estimated cost from which a dispatch is spread; 0: a default, or more, or
                                    none at all, whatever a function's runs show to be fastest */
  const tenon_host_function *host_functions;
  uint32_t host_function_count;
} tenon_session_options;

/* Holds state, arena and bindings for all functions of a package. `options` and `error` may be NULL. */
TENON_API tenon_status tenon_session_create(tenon_package *package, const tenon_session_options *options,
                                            tenon_session **session, tenon_error *error);
/* A session of the same package and options with a copy of the state; bindings are not copied. The two share
 * worker threads.*/
TENON_API tenon_status tenon_session_fork(tenon_session *session, tenon_session **fork, tenon_error *error);
TENON_API void tenon_session_destroy(tenon_session *session);
/* Text of the last failed call on this session; "" before the first. */
TENON_API const char *tenon_session_message(const tenon_session *session);

/* Binds memory of the caller, which stays valid until it is replaced or the session ends. The sizes bind the
 * function's symbols when the function runs. `data` is aligned to its element type and may be NULL only for
 * an empty tensor. */
TENON_API tenon_status tenon_session_bind_input(tenon_session *session, uint32_t function, uint32_t input,
                                                const void *data, tenon_dtype dtype, const int64_t *shape,
                                                uint32_t rank);
/* Lets the output be written to the caller's memory of `capacity` bytes; NULL gives it back to the runtime,
 * the initial choice. It must not overlap another tensor of the function. */
TENON_API tenon_status tenon_session_bind_output(tenon_session *session, uint32_t function, uint32_t output,
                                                 void *data, uint64_t capacity);

/* Runs to the end. After a failure the state is undefined until it is reset; bindings stay. */
TENON_API tenon_status tenon_session_run(tenon_session *session, uint32_t function);

typedef struct tenon_tensor {
  void *data; /* the caller's memory, or the session's: valid until the next run, bind or reserve */
  tenon_dtype dtype;
  uint32_t rank;
  int64_t shape[TENON_MAX_RANK];
  int64_t elements;
  uint64_t bytes;
} tenon_tensor;

/* An output of the last run, with its actual shape. */
TENON_API tenon_status tenon_session_output(tenon_session *session, uint32_t function, uint32_t output,
                                            tenon_tensor *tensor);

/* Makes room for runs with these values of the function's symbols (in order; NULL: their maxima), so that
 * runs up to that size allocate nothing. */
TENON_API tenon_status tenon_session_reserve(tenon_session *session, uint32_t function,
                                             const int64_t *symbols);

typedef struct tenon_session_stats {
  uint64_t allocations; /* calls of the allocator since the session was created */
  uint64_t locks;       /* entries into the thread pool or the caller's parallel_for */
  uint64_t arena_bytes;
  uint64_t scratch_bytes; /* of all workers */
  uint64_t state_bytes;
  uint64_t output_bytes; /* of outputs that the runtime owns */
  uint64_t runs;
  uint32_t threads;
  uint64_t device_cycles; /* of the last run's dispatches on devices, in the devices' own time */
  uint64_t device_ns;
} tenon_session_stats;

TENON_API tenon_status tenon_session_get_stats(const tenon_session *session, tenon_session_stats *stats);

/* ---- State
 * ---------------------------------------------------------------------------------------------------------
 */

TENON_API uint32_t tenon_package_state_count(const tenon_package *package);
/* TENON_NO_INDEX where there is none. */
TENON_API uint32_t tenon_package_find_state(const tenon_package *package, const char *name);
TENON_API const char *tenon_package_state_name(const tenon_package *package, uint32_t state);
/* Current bytes of a state; 0 for one whose size is not known before the first run. */
TENON_API uint64_t tenon_session_state_bytes(const tenon_session *session, uint32_t state);
/* Copies a state out of or into the session. `size` equals tenon_session_state_bytes; importing into a state
 * without a bound gives it this size. */
TENON_API tenon_status tenon_session_state_export(tenon_session *session, uint32_t state, void *data,
                                                  uint64_t size);
TENON_API tenon_status tenon_session_state_import(tenon_session *session, uint32_t state, const void *data,
                                                  uint64_t size);
/* Sets all states to their initial values. */
TENON_API tenon_status tenon_session_state_reset(tenon_session *session);
/* Shortens sequences (key/value caches) to `length` positions and lowers the counters of positions to it. */
TENON_API tenon_status tenon_session_state_truncate(tenon_session *session, int64_t length);

/* ---- Profile
 * ------------------------------------------------------------------------------------------------------- */

typedef struct tenon_profile_row {
  uint32_t command;
  const char *kind;   /* "dispatch", "copy", ... */
  const char *kernel; /* "" for other commands */
  const char *family;
  uint32_t origin; /* for tenon_package_origin_node; TENON_NO_INDEX where unknown */
  uint64_t runs;   /* executions since profiling began */
  uint64_t total_ns;
  uint64_t last_ns; /* in the last run of the function, all executions */
  int64_t flops;    /* of the last execution; -1 where the package does not say */
  int64_t bytes;
  const char *schedule; /* "" where the package does not say */
  /* What the compiler predicted for one worker of the machine that it compiled for, in nanoseconds; -1 where
   * the package does not say. Without other costs the work takes compute_ns and its memory traffic_ns. */
  int64_t predicted_ns, compute_ns, traffic_ns;
} tenon_profile_row;

/* One core of the machine that a package was compiled for, as the compiler's predictions see it. */
typedef struct tenon_machine {
  const char *name;
  double gflops; /* f32 */
  double l2_gbs, l3_gbs, dram_gbs;
  double dispatch_ns; /* what a dispatch costs besides its work */
} tenon_machine;

/* From the debug section; where the package has none, the name is "" and all numbers are 0. */
TENON_API tenon_machine tenon_package_machine(const tenon_package *package);

/* 0 when the session was created without profile. */
TENON_API uint32_t tenon_session_profile_count(const tenon_session *session, uint32_t function);
TENON_API tenon_status tenon_session_profile_row(const tenon_session *session, uint32_t function,
                                                 uint32_t row, tenon_profile_row *result);
/* What a device told of a dispatch, summed over the executions in the last run of the function. */
typedef struct tenon_device_row {
  const char *device;
  uint32_t queue;
  uint64_t cycles, ns, ideal_cycles; /* in the device's own time; ideal_cycles is 0 where it is not known */
  const char *report; /* JSON of the last execution, "" where there is none; valid until the next run */
} tenon_device_row;

/* 905 for a row that is no dispatch of a device. */
TENON_API tenon_status tenon_session_profile_device(const tenon_session *session, uint32_t function,
                                                    uint32_t row, tenon_device_row *result);
TENON_API tenon_status tenon_session_profile_reset(tenon_session *session, uint32_t function);
/* Runs a dispatch `repeats` times by itself after a run of the function, and gives the nanoseconds of all.
 * What it works on in place changes: outputs and states are those of no run afterwards. */
TENON_API tenon_status tenon_session_profile_alone(tenon_session *session, uint32_t function, uint32_t row,
                                                   uint32_t repeats, uint64_t *ns);

/* Source nodes of an origin, from the debug section: 0 where the package has none. */
TENON_API uint32_t tenon_package_origin_node_count(const tenon_package *package, uint32_t origin);
TENON_API tenon_status tenon_package_origin_node(const tenon_package *package, uint32_t origin, uint32_t node,
                                                 const char **name, const char **op_type);

#ifdef __cplusplus
}
#endif

#endif

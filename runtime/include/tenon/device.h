/* The interface of a device: what runs the kernels of a package that do not run on the CPU.
 *
 * C99, no globals. A device is a structure of functions that the application passes in
 * tenon_load_options.devices; structure and code stay valid until the last package that was loaded with them
 * is released. Loading a package opens the devices that it names, and prepares each of its programs once;
 * sessions then run them, from threads of their own and at the same time.
 *
 * Functions return TENON_OK or a code of their own, and then fill the error's text: what is wrong, without
 * the code in front. A code reaches the caller as it is: 1204 is TN1204. They do not throw.
 */
#ifndef TENON_DEVICE_H
#define TENON_DEVICE_H

#include "tenon/tenon.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TENON_DEVICE_ABI_VERSION 1

/* What a kernel does with a buffer. */
#define TENON_ACCESS_READ 1
#define TENON_ACCESS_WRITE 2
#define TENON_ACCESS_READ_WRITE 3

/* What the package promises to pass to every run of a program. */
typedef struct tenon_device_signature {
  const char *kernel;    /* name, for messages */
  const uint8_t *access; /* TENON_ACCESS_* of each buffer */
  uint32_t buffer_count;
  uint32_t symbol_count;
} tenon_device_signature;

/* What a run is asked to tell beside its results. */
typedef enum tenon_device_detail {
  TENON_DETAIL_COST = 0,   /* tenon_device_cost only */
  TENON_DETAIL_REPORT = 1, /* and a report */
  TENON_DETAIL_TRACE = 2   /* a report with what happened when */
} tenon_device_detail;

/* One run of a program. Buffers are in the order of the kernel's access modes and lie where the package's
 * tensors lie: nothing is copied, and what is not to be written must not be. Buffers do not overlap where one
 * is written. */
typedef struct tenon_device_call {
  void *const *buffers;
  const uint64_t *buffer_bytes;
  uint32_t buffer_count;
  const int64_t *symbols;
  uint32_t symbol_count;
  tenon_device_detail detail;
  /* To be called at most once, from within the run, with a report as JSON; the text is copied. */
  void (*report)(void *context, const char *json, uint64_t size);
  void *report_context;
} tenon_device_call;

/* What a run cost, in the device's own time. */
typedef struct tenon_device_cost {
  uint64_t cycles;
  uint64_t ns;           /* the cycles at the device's clock */
  uint64_t ideal_cycles; /* at least what the work takes at the device's peak; 0: not known */
} tenon_device_cost;

struct tenon_device {
  uint32_t abi_version; /* TENON_DEVICE_ABI_VERSION */
  const char *name;     /* by which packages ask for it: "mortise" */
  void *context;        /* for open */
  /* Opens an instance that fits `description`, which the compiler wrote into the package (not trusted). */
  tenon_status (*open)(void *context, const char *description, void **instance, tenon_error *error);
  void (*close)(void *instance);
  /* Checks a program (not trusted) and makes it ready. `bytes` stay valid until it is released. */
  tenon_status (*prepare)(void *instance, const void *bytes, uint64_t size,
                          const tenon_device_signature *signature, void **program, tenon_error *error);
  void (*release)(void *instance, void *program);
  /* Runs to the end. May be called by several threads at once, also for the same program. */
  tenon_status (*run)(void *instance, void *program, const tenon_device_call *call, tenon_device_cost *cost,
                      tenon_error *error);
};

#ifdef __cplusplus
}
#endif

#endif

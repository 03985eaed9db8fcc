/* The device "mortise": the simulator of Mortise behind the interface of devices. In libtenon-mortise.so.
 *
 * A package's description of it is a machine as YAML (docs/mortise-hardware.md). Programs are Mortise
 * binaries, tied to a kernel's buffers and scalars by names (docs/package.md). A run executes the program and
 * counts its cycles; its report is that of `tenon sim --json` (docs/mortise.md), with the bytes of
 * `trace_events` and the picture `timeline` where TENON_DETAIL_TRACE asks for them. Errors keep the codes of
 * programs, machines and simulations (TN10xx to TN12xx).
 */
#ifndef TENON_MORTISE_H
#define TENON_MORTISE_H

#include "tenon/device.h"

#ifdef __cplusplus
extern "C" {
#endif

TENON_API const tenon_device *tenon_mortise_device(void);

#ifdef __cplusplus
}
#endif

#endif

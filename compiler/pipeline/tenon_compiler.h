/*===- tenon_compiler.h - the compiler as a shared library --------------------===
 *
 * Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 *===---------------------------------------------------------------------------===
 *
 * The C interface of libtenon-compiler.so, which the command `tenon` and the Python package load on demand.
 * No C++ exception crosses it and nothing is printed; everything a user should see is in the result's
 * diagnostics.
 *
 *===---------------------------------------------------------------------------===*/
#ifndef TENON_COMPILER_H
#define TENON_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TENON_COMPILER_API_VERSION 3
#if defined(__GNUC__)
#define TENON_COMPILER_EXPORT __attribute__((visibility("default")))
#else
#define TENON_COMPILER_EXPORT
#endif

/* One model: a function of the package. Either `path` or `bytes` is given. */
typedef struct tenon_compiler_model {
  const char *function; /* "main" when null */
  const char *path;     /* an .onnx file; external data is looked up in its folder */
  const void *bytes;    /* the model in memory; not copied, must live until the call returns */
  size_t size;
} tenon_compiler_model;

/* A flag as the command line has it, without dashes: {"symbol", "batch=1:64"}, {"target", "native"},
 * {"state", "a=b"},
 * {"shape", "x=1x3x?x?"}, {"jobs", "2"}, {"emulate-isa", ""}, ... ; repeated flags are repeated entries.
 * Unknown names and malformed values are reported as TN0001 and TN0002. */
typedef struct tenon_compiler_option {
  const char *name;
  const char *value;
} tenon_compiler_option;

/* Progress: `done` of `total` steps of a phase; called from the calling thread only. */
typedef void (*tenon_compiler_progress)(void *user, const char *phase, uint32_t done, uint32_t total);

typedef enum tenon_compiler_outcome {
  TENON_COMPILER_OK = 0,
  TENON_COMPILER_BAD_INPUT = 1, /* the model is bad or unsupported */
  TENON_COMPILER_BAD_USAGE = 2, /* an option is unknown or malformed */
  TENON_COMPILER_DEFECT = 3     /* a defect of the compiler */
} tenon_compiler_outcome;

typedef struct tenon_compiler_result tenon_compiler_result;

TENON_COMPILER_EXPORT uint32_t tenon_compiler_api_version(void);

/* Compiles models into one package. With a path the package is written there, whole or not at all; without
 * (null) it is kept in the result. Never null except when memory is exhausted; free it with
 * tenon_compiler_free. */
TENON_COMPILER_EXPORT tenon_compiler_result *
tenon_compiler_compile(const tenon_compiler_model *models, size_t model_count,
                       const tenon_compiler_option *options, size_t option_count, const char *output_path,
                       tenon_compiler_progress progress, void *user);

/* Whether and why a model can be compiled: text() holds JSON, {"rows": [{node, op, domain, supported, reason,
 * flop, bytes}], "supported", "flop", "bytes", "inputs": [{name, dtype, shape}], "products": [...]} (the last
 * as in Products.h). Costs are numbers, texts over the symbols of the inputs, or null; the last ones are left
 * out of a model that cannot be imported. */
TENON_COMPILER_EXPORT tenon_compiler_result *tenon_compiler_check(const tenon_compiler_model *model,
                                                                  const tenon_compiler_option *options,
                                                                  size_t option_count);

/* A tensor of the caller for tenon_compiler_interpret; `dtype` is a tenon_dtype of tenon.h, `data` dense and
 * row-major. */
typedef struct tenon_compiler_tensor {
  const char *name;
  int32_t dtype;
  uint32_t rank;
  const int64_t *dims;
  const void *data;
} tenon_compiler_tensor;

/* Target `reference`: imports the model and evaluates it with the interpreter. The outputs are in the result.
 */
TENON_COMPILER_EXPORT tenon_compiler_result *
tenon_compiler_interpret(const tenon_compiler_model *model, const tenon_compiler_option *options,
                         size_t option_count, const tenon_compiler_tensor *inputs, size_t input_count);

/* The machine code of a kernel as text(): one line "OFFSET<tab>INSTRUCTION" for each instruction, offsets and
 * the targets of jumps in bytes from `code`. `machine` is the one of the package's code image, a
 * tenon::package::Machine. */
TENON_COMPILER_EXPORT tenon_compiler_result *tenon_compiler_disassemble(const void *code, size_t size,
                                                                        uint8_t machine);

TENON_COMPILER_EXPORT tenon_compiler_outcome
tenon_compiler_result_outcome(const tenon_compiler_result *result);
/* The package's bytes (compile without an output path); owned by the result. */
TENON_COMPILER_EXPORT const void *tenon_compiler_result_package(const tenon_compiler_result *result,
                                                                size_t *size);
TENON_COMPILER_EXPORT const char *tenon_compiler_result_text(const tenon_compiler_result *result);
TENON_COMPILER_EXPORT size_t tenon_compiler_result_output_count(const tenon_compiler_result *result);
TENON_COMPILER_EXPORT tenon_compiler_tensor tenon_compiler_result_output(const tenon_compiler_result *result,
                                                                         size_t i);
/* Diagnostics: errors first. `code` is "TN0101"; `node` names the model's node, or is "". */
TENON_COMPILER_EXPORT size_t tenon_compiler_result_diagnostic_count(const tenon_compiler_result *result);
TENON_COMPILER_EXPORT const char *tenon_compiler_result_diagnostic_code(const tenon_compiler_result *result,
                                                                        size_t i);
TENON_COMPILER_EXPORT const char *
tenon_compiler_result_diagnostic_message(const tenon_compiler_result *result, size_t i);
TENON_COMPILER_EXPORT const char *tenon_compiler_result_diagnostic_node(const tenon_compiler_result *result,
                                                                        size_t i);
TENON_COMPILER_EXPORT void tenon_compiler_free(tenon_compiler_result *result);

#ifdef __cplusplus
}
#endif
#endif

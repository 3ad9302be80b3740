/* The self-test of a device: predictions and training steps of made sequences beside the CPU
 * backend, with the same weights, the same labels and the same dropout masks (Philox).
 *
 * Four models: a small hybrid, and a `cnn` and a `kmer` with a lineage layer, in every number format,
 * and, unless `quick`, a hybrid with layers as wide as the default model's in bf16. Heads have 128
 * elements. For each model and format:
 *
 *     prediction        logits of a forward pass without dropout
 *     loss              of a forward pass with dropout
 *     gradients         of all parameters together, without those of convolutions
 *     gradient of NAME  of the parameter tensor that is nearest to its bound
 *     update            AdamW with the CPU's gradients
 *     replay            gradients of the step, recorded and replayed: the same bits (in bf16)
 *
 * All memory of the device is freed at the end.
 */
#ifndef DT_SELFTEST_SELFTEST_H
#define DT_SELFTEST_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

#define DT_SELFTEST_CHECKS 64

typedef struct {
    const char *model;  /* "small", "cnn", "kmer", "default" */
    const char *format; /* "fp32", "bf16", "fp16" */
    char name[96];      /* "gradient of encoder.…" */
    double difference;  /* from the CPU's result, relative; of a replay: other gradients */
    double allowed;     /* with its reason in selftest.c */
    bool passed;        /* difference <= allowed, which is false for NaN */
} dt_check;

typedef struct {
    dt_check check[DT_SELFTEST_CHECKS];
    int32_t checks;
    int32_t failed;
} dt_selftest;

typedef struct {
    const char *device; /* for dt_backend_open() */
    int32_t number;     /* of the GPU; past the last one it wraps around */
    int32_t threads;    /* for the CPU's results; 0: all that the process may use */
    bool quick;         /* the small models only */
} dt_selftest_plan;

/* Runs the checks. Returns DT_OK if all could be run, also if some failed. A device that supports
 * fewer number formats for training (the CPU) is tested in those. */
dt_status dt_selftest_run(const dt_selftest_plan *plan, dt_selftest *out);

/* Returns DT_OK if no check failed, else DT_ERR_DEVICE with the first one that did. */
dt_status dt_selftest_verdict(const dt_selftest *selftest);

#endif

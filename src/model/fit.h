/* Choosing the micro-batch size: the number of sequences computed at a time, as many as fit in the
 * device's memory. The result does not depend on it, since gradients are summed over a batch. */
#ifndef DT_MODEL_FIT_H
#define DT_MODEL_FIT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

/* Fraction of a host's memory that training may use, all its ranks in total. */
#define DT_SHARE_OF_HOST 0.8

/* Sets the size of the largest batch that can occur if `requested` sequences are computed at a
 * time: *sequences (usually `requested`), and the maximum *tokens that these can have in total. */
typedef dt_status (*dt_batch_bound)(const void *context, int32_t requested, int32_t *sequences,
                                    int64_t *tokens);

typedef struct {
    dt_model *model;
    dt_batch_bound bound;
    const void *context; /* of bound */
    const char *flag;    /* the command's option for the number of sequences, without "--" */
    const char *advice;  /* what to do if one sequence is too large: "lower --max-length" */
    bool fixed;          /* the user gave the number, so it must not be lowered */
    int32_t sharing;     /* number of processes that share this host's memory; 0: only this one */
} dt_fit;

/* Computes the device memory in bytes for this many sequences at a time: parameters, buffers, and
 * the backend's own memory. */
dt_status dt_fit_bytes(const dt_fit *fit, int32_t sequences, int64_t *bytes);

/* Halves *sequences (>= 1) until the model fits in the usable memory, and prints a notice if it was
 * lowered. With `reserve`, also allocates the memory (dt_model_reserve()), and continues halving if
 * the device turns out to have less.
 *
 * Usable is a fraction of the free memory or, for training on a CPU, of the total memory, so that
 * results do not depend on other processes. A limit below the machine's memory (core/limits.h) is
 * named. Returns DT_ERR_MEMORY if not even one sequence fits, or the fixed number does not; the
 * message says what to change. */
dt_status dt_fit_batch(const dt_fit *fit, bool reserve, int32_t *sequences);

#endif

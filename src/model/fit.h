/* How many sequences of a batch are computed at a time: as many as fit in the memory of the device.
 * What is computed does not depend on it: gradients add up over the pieces of a batch. */
#ifndef DT_MODEL_FIT_H
#define DT_MODEL_FIT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

/* Share of a host's memory that training may plan with, all its ranks together. */
#define DT_SHARE_OF_HOST 0.8

/* The largest batch that comes where `asked` sequences at a time are asked for: usually as many
 * sequences, with the most tokens that these can have together. */
typedef dt_status (*dt_batch_bound)(const void *context, int32_t asked, int32_t *sequences,
                                    int64_t *tokens);

typedef struct {
    dt_model *model;
    dt_batch_bound bound;
    const void *context; /* of bound */
    const char *flag;    /* the command's option for the number of sequences, without "--" */
    const char *advice;  /* what helps where one sequence is too much: "lower --max-length" */
    bool fixed;          /* the user gave the number: it is not lowered */
    int32_t sharing;     /* processes that divide this host's memory; 0: this one alone */
} dt_fit;

/* Bytes on the device for this many sequences at a time: parameters, buffers, the backend's own. */
dt_status dt_fit_bytes(const dt_fit *fit, int32_t sequences, int64_t *bytes);

/* Halves *sequences (>= 1) until the model fits in the memory that can be planned with, and says so
 * in one notice. With `reserve` takes the memory (dt_model_reserve()), and goes on halving where
 * the device turns out to have less.
 *
 * Planned with is, on a GPU, what is free; on a host, in training, a share of all its memory, so
 * that equal runs stay equal whatever else runs there. A limit below the machine's memory
 * (core/limits.h) is named. DT_ERR_MEMORY: not even one sequence fits,
 * or the fixed number does not; the message says what to change. */
dt_status dt_fit_batch(const dt_fit *fit, bool reserve, int32_t *sequences);

#endif

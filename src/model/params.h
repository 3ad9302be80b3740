/* The table of a model's parameters: names and shapes of the PyTorch state dict, and where each
 * stands in the flat vector.
 *
 * The vector is ordered by when the backward pass finishes each tensor, so that finished ranges are
 * contiguous; tensors that take no part in training (BERT's pooler) stand at its end. Tensors that
 * one matrix product reads together (query, key, value; the heads) stand back to back; every other
 * tensor starts at a multiple of DT_PARAM_ALIGNMENT. The gaps hold zeros for ever.
 */
#ifndef DT_MODEL_PARAMS_H
#define DT_MODEL_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "core/pool.h"
#include "core/status.h"

#define DT_PARAM_ALIGNMENT 64 /* elements */

typedef enum {
    DT_INIT_CONSTANT, /* scale */
    DT_INIT_NORMAL,   /* mean 0, standard deviation scale */
    DT_INIT_UNIFORM,  /* -scale … scale */
} dt_init;

typedef struct {
    char name[96];
    int32_t dims; /* 1 … 3 */
    int64_t shape[3];
    int64_t count; /* product of the shape */
    dt_param offset;
    dt_init init;
    double scale;
    int32_t zero_row; /* row of a matrix that starts as zero; -1: none */
} dt_param_spec;

typedef struct {
    int32_t count; /* tensors */
    int32_t capacity;
    dt_param_spec *spec; /* (count) in the order of the flat vector */
    int64_t parameters;  /* sum of their elements: what is called the number of parameters */
    int64_t elements;    /* of the flat vector, gaps included */
    int64_t trained;     /* elements 0 … trained-1 take part in training */
} dt_param_table;

/* Appends a tensor and returns its offset through *offset. `shape` ends at its first 0. `joined`:
 * it stands right behind the tensor before, without a gap. */
dt_status dt_params_add(dt_param_table *table, dt_param *offset, bool joined, dt_init init,
                        double scale, const int64_t shape[3], const char *name_format, ...)
    __attribute__((format(printf, 7, 8)));

void dt_params_free(dt_param_table *table);

/* The tensor of that name, NULL when there is none. */
const dt_param_spec *dt_params_find(const dt_param_table *table, const char *name);

/* Writes the initial values, drawn from `seed` by (tensor, element) alone: they depend on nothing
 * else. Uses the pool's threads. */
dt_status dt_params_init(const dt_param_table *table, dt_backend *backend, uint32_t seed,
                         dt_pool *pool);

/* Reads or writes `count` elements of a flat vector as float, whatever the backend's master_size.
 */
dt_status dt_params_read(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                         float *out);
dt_status dt_params_write(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                          const float *values);

#endif

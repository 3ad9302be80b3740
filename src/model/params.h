/* The table of a model's parameters: names and shapes of the PyTorch state dict, and offsets in the
 * flat vector.
 *
 * Tensors are in the order in which the backward pass finishes their gradients, so that finished
 * ranges are contiguous; untrained tensors (BERT's pooler) are at the end. Tensors that one matrix
 * product reads together (query, key, value; the heads) are contiguous; every other tensor starts
 * at a multiple of DT_PARAM_ALIGNMENT. The gaps are always zero.
 */
#ifndef DT_MODEL_PARAMS_H
#define DT_MODEL_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "core/pool.h"
#include "core/status.h"
#include "core/update_rule.h"

#define DT_PARAM_ALIGNMENT 64 /* elements */

typedef enum {
    DT_INIT_CONSTANT, /* the value `scale` */
    DT_INIT_NORMAL,   /* mean 0, standard deviation scale */
    DT_INIT_UNIFORM,  /* in -scale … scale */
} dt_init;

typedef struct {
    char name[96];
    int32_t dims; /* 1 … 3 */
    int64_t shape[3];
    int64_t count; /* product of the shape */
    dt_param offset;
    dt_init init;
    double scale;
    int32_t zero_row; /* row of a matrix that is initialised to zero; -1: none */
} dt_param_spec;

typedef struct {
    int32_t count; /* tensors */
    int32_t capacity;
    dt_param_spec *spec; /* (count) in the order of the flat vector */
    int64_t parameters;  /* number of parameters: the sum of their elements */
    int64_t elements;    /* of the flat vector, including gaps */
    int64_t trained;     /* elements 0 … trained-1 are trained */
} dt_param_table;

/* Appends a tensor and sets *offset. `shape` ends at its first 0. `joined`: directly after the
 * previous tensor, without a gap. */
dt_status dt_params_add(dt_param_table *table, dt_param *offset, bool joined, dt_init init,
                        double scale, const int64_t shape[3], const char *name_format, ...)
    __attribute__((format(printf, 7, 8)));

void dt_params_free(dt_param_table *table);

/* Returns whether these are the dimensions of a parameter. */
bool dt_param_has_shape(const dt_param_spec *spec, int32_t dimensions, const int64_t *shape);

/* Returns the tensor of that name, or NULL. */
const dt_param_spec *dt_params_find(const dt_param_table *table, const char *name);

/* Sets *out to the trained tensors for LAMB; those of one dimension (biases, normalisation) are not
 * scaled. The caller frees it. */
dt_status dt_params_update_tensors(const dt_param_table *table, dt_update_tensor **out,
                                   int32_t *count);

/* Writes the initial values, which depend on (seed, tensor, element) only. Runs in the pool. */
dt_status dt_params_init(const dt_param_table *table, dt_backend *backend, uint32_t seed,
                         dt_pool *pool);

/* Read or write `count` elements of a flat vector as float, converted from the backend's type. */
dt_status dt_params_read(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                         float *out);
dt_status dt_params_write(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                          const float *values);

#endif

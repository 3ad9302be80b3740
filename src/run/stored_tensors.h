/* The tensors of a checkpoint file, of either kind: HDF5 (run/checkpoint_tensors.h) or DeepTaxa's
 * `.pt` (run/torch_read.h). Errors are DT_ERR_INPUT or DT_ERR_IO with the file's name. */
#ifndef DT_RUN_STORED_TENSORS_H
#define DT_RUN_STORED_TENSORS_H

#include <stdint.h>

#include "backend.h"
#include "model/params.h"

typedef struct dt_stored_tensors dt_stored_tensors;

typedef struct {
    const char *name;
    int32_t dimensions;
    const int64_t *shape; /* (dimensions) */
} dt_stored_tensor;

dt_status dt_stored_tensors_open(dt_stored_tensors **out, const char *path);
void dt_stored_tensors_close(dt_stored_tensors *stored); /* NULL is allowed */

const char *dt_stored_tensors_path(const dt_stored_tensors *stored);

/* The parameters (not the moments) of the file, 0 … dt_stored_tensors_count() - 1. */
int64_t dt_stored_tensors_count(const dt_stored_tensors *stored);
const dt_stored_tensor *dt_stored_tensors_at(const dt_stored_tensors *stored, int64_t i);

/* Returns the parameter of this name; NULL if there is none. */
const dt_stored_tensor *dt_stored_tensors_find(const dt_stored_tensors *stored, const char *name);

/* Returns the number of rows of a tensor, at least 1, that are about 1 MB: a good block. A row is
 * one index of the first dimension. */
int64_t dt_stored_block_rows(const dt_param_spec *spec);

/* Reads rows first … first + rows - 1 of the parameter `spec` or one of its moments. Read a tensor
 * from its first row to its last: its shape is checked at the first, its checksum at the last, and
 * that all values are finite, and second moments not negative, at each. */
dt_status dt_stored_tensors_read(dt_stored_tensors *stored, dt_vector which,
                                 const dt_param_spec *spec, int64_t first, int64_t rows,
                                 float *out);

#endif

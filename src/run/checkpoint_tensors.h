/* The tensors of a checkpoint, float32, with the names and shapes of the parameter table
 * (model/params.h), which are those of the PyTorch state dict:
 *
 *     model/<name>                  the parameters
 *     optimizer/exp_avg/<name>      first moments of the trained parameters
 *     optimizer/exp_avg_sq/<name>   second moments of the trained parameters
 */
#ifndef DT_RUN_CHECKPOINT_TENSORS_H
#define DT_RUN_CHECKPOINT_TENSORS_H

#include "io/container.h"
#include "model/model.h"
#include "run/stored_tensors.h"

/* Reads moments in place of the device, which has only a share of them. */
typedef struct {
    dt_status (*read)(void *context, dt_vector which, int64_t offset, int64_t count, float *out);
    void *context;
} dt_moment_reader;

/* The source of tensors to write: backend, copy or stored; the other two are NULL. */
typedef struct {
    const dt_param_table *table;
    dt_backend *backend;       /* the flat vectors of a device, read tensor by tensor */
    dt_moment_reader moments;  /* read NULL: the device has all moments */
    const float *copy;         /* filled by dt_checkpoint_copy() */
    dt_stored_tensors *stored; /* another checkpoint */
} dt_tensor_source;

dt_tensor_source dt_tensors_of_model(const dt_model *model);

/* A group of tensors: 0 the parameters, 1 and 2 their first and second moments. Returns whether a
 * parameter has a tensor in it: moments exist for trained parameters only. */
bool dt_tensor_exists(const dt_param_table *table, const dt_param_spec *spec, int group);

/* Passes a tensor to `sink` in blocks of rows, `rows` of `elements` each. Returns DT_ERR_INPUT if
 * the tensor of a source file is missing, damaged or of the wrong shape. */
typedef dt_status (*dt_tensor_sink)(void *context, const float *values, int64_t rows,
                                    int64_t elements);
dt_status dt_tensor_blocks(const dt_tensor_source *source, int group, const dt_param_spec *spec,
                           dt_tensor_sink sink, void *context);

/* Writes the parameters and, with `moments`, the moments. Returns DT_ERR_INPUT if a tensor of a
 * source file is missing, damaged or of the wrong shape. */
dt_status dt_checkpoint_put_tensors(dt_container *file, const dt_tensor_source *source,
                                    bool moments);

/* A copy of the tensors in host memory: `copy` has dt_checkpoint_copy_elements() elements and is
 * filled by dt_checkpoint_copy() from a backend, for which it waits. */
int64_t dt_checkpoint_copy_elements(const dt_param_table *table);
dt_status dt_checkpoint_copy(float *copy, const dt_tensor_source *source);

/* Checks that a file has the tensors of a model, in their shapes, so that memory for a model is only
 * taken if the file fills it. DT_ERR_INPUT, with `path`, if one is missing or of another shape. */
dt_status dt_checkpoint_check_tensors(dt_container *file, const char *path,
                                      const dt_model_config *config, bool moments);

/* Reads the same tensors into a model, in blocks. Returns DT_ERR_INPUT if one is missing, damaged or
 * of the wrong shape. */
dt_status dt_checkpoint_get_tensors(dt_stored_tensors *stored, dt_model *model, bool moments);

#endif

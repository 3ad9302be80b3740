/* A checkpoint: everything needed to resume, predict with, or describe a run, in one HDF5 file
 * (docs/files.md "Checkpoints") written with io/container.h. The functions that read take a model
 * file of DeepTaxa (.pt) as well (run/torch_read.h); its runs are marked of_deeptaxa.
 */
#ifndef DT_RUN_CHECKPOINT_H
#define DT_RUN_CHECKPOINT_H

#include <stdint.h>

#include "run/checkpoint_format.h"
#include "run/checkpoint_tensors.h"
#include "run/run.h"

/* Writes `checkpoint` and the model's parameters (and moments, unless weights_only) to `path`,
 * atomically: a reader sees either the previous file or the new one. Waits for the device. */
dt_status dt_checkpoint_write(const char *path, const dt_run *checkpoint, const dt_model *model,
                              bool weights_only);

/* The same, with moments, from a source: ranks that share the moments, or a copy in host memory
 * (dt_checkpoint_copy()), so that training can continue. */
dt_status dt_checkpoint_write_from(const char *path, const dt_run *checkpoint,
                                   const dt_tensor_source *source);

/* Writes `checkpoint` unchanged, including its timestamp and program version, with the tensors of
 * the checkpoint file `from`, which must have the same config: the parameters and, if `checkpoint`
 * has_optimizer, the moments. Tensors are copied in blocks, and their checksums verified. Returns
 * DT_ERR_INPUT if `from` is damaged, DT_ERR_IO if writing fails; a previous file at `path` is kept
 * then. */
dt_status dt_checkpoint_export(const char *path, const dt_run *checkpoint, const char *from);

/* Reads everything but the tensors; the caller frees *out with dt_run_free(). Returns DT_ERR_INPUT
 * with a one-line message if the file is missing, truncated, damaged, not a checkpoint, or of a
 * newer version. */
dt_status dt_checkpoint_read(const char *path, dt_run *out);

/* Reads the parameters and, with `moments`, the moments into a model of the checkpoint's config. */
dt_status dt_checkpoint_read_tensors(const char *path, dt_model *model, bool moments);

/* Verifies the checksums of all arrays: DT_OK means that the file is not damaged. */
dt_status dt_checkpoint_verify(const char *path);

#endif

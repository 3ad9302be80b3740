/* A checkpoint: everything needed to go on training, to predict, or to describe a run. One HDF5
 * file (docs/files.md "Checkpoints"), through io/container.h.
 */
#ifndef DT_RUN_CHECKPOINT_H
#define DT_RUN_CHECKPOINT_H

#include <stdint.h>

#include "model/model.h"
#include "run/run.h"

#define DT_CHECKPOINT_FORMAT "deeptaxa-checkpoint"
/* Arrays that came later are left out by what lacks them and passed over by older programs: no new
 * number. 2: a checkpoint may stand within an epoch, or wait for its evaluation. 3: one-hot bases,
 * without a tokenizer; what has one is still written as 2. All are read. */
#define DT_CHECKPOINT_VERSION 3

/* Resolves a checkpoint argument: the path itself, or for a name that ends in `.pt` and names no
 * file its sibling with `.h5` (with a notice). `out` has room for PATH_MAX. */
dt_status dt_checkpoint_path(const char *argument, char *out);

/* Writes `checkpoint` and the model's parameters (and moments, unless weights_only) to `path`: a
 * reader sees the file that was there before, or the new one. Waits for the device. */
dt_status dt_checkpoint_write(const char *path, const dt_run *checkpoint, const dt_model *model,
                              bool weights_only);

/* The same from a copy of the tensors in host memory, so that training can go on meanwhile: `copy`
 * holds dt_checkpoint_copy_elements() numbers, filled by dt_checkpoint_copy(), which waits for the
 * device. */
int64_t dt_checkpoint_copy_elements(const dt_param_table *table);
dt_status dt_checkpoint_copy(float *copy, const dt_model *model);
dt_status dt_checkpoint_write_copied(const char *path, const dt_run *checkpoint,
                                     const dt_param_table *table, const float *copy);

/* Writes `checkpoint` as it stands, with its own time and program version, and with the tensors of
 * the checkpoint file `from`, of the same config, which are read in pieces: the parameters, and the
 * moments where `checkpoint` has_optimizer. All that is copied has its checksums read. DT_ERR_INPUT
 * for a damaged `from`, DT_ERR_IO: what stood at `path` before still does. */
dt_status dt_checkpoint_export(const char *path, const dt_run *checkpoint, const char *from);

/* Reads all but the tensors. The caller frees *out. DT_ERR_INPUT says in one line what is wrong
 * with a file that is missing, cut short, damaged, foreign or of a newer version. */
dt_status dt_checkpoint_read(const char *path, dt_run *out);

/* Reads the parameters, and the moments when asked, into a model of the checkpoint's config. */
dt_status dt_checkpoint_read_tensors(const char *path, dt_model *model, bool moments);

/* Reads every array and throws it away: DT_OK means that no byte of the file is damaged. */
dt_status dt_checkpoint_verify(const char *path);

#endif

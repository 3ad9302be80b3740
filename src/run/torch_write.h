/* Writes a run as DeepTaxa 1.3.0 does: a checkpoint of PyTorch, .pt (docs/files.md), that DeepTaxa
 * predicts with, describes, fine-tunes (--init-weights) and, with the optimizer's state, resumes.
 * It loads with torch.load(weights_only=True).
 *
 * Beside the file, a tokenizer other than DNABERT-2's is written into a folder
 * (run/torch_tokenizer.h).
 */
#ifndef DT_RUN_TORCH_WRITE_H
#define DT_RUN_TORCH_WRITE_H

#include "run/checkpoint_tensors.h"
#include "run/run.h"

#define DT_TORCH_SUFFIX ".pt"

/* Returns whether the name ends in .pt. */
bool dt_is_torch_name(const char *path);

/* Returns DT_ERR_INPUT if the format cannot have the run, which is then not written: before long work. */
dt_status dt_torch_check(const char *path, const dt_run *run);

/* Writes the file `path`, which ends in .pt, atomically. One notice names what the run has and the
 * format has no place for. Returns DT_ERR_INPUT for what would be lost without a sign: a run with
 * optimizer state within an epoch, since DeepTaxa resumes after whole ones; a tokenizer that
 * DeepTaxa cannot use; a damaged source. */
dt_status dt_torch_write(const char *path, const dt_run *run, const dt_tensor_source *source);

#endif

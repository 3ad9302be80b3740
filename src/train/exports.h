/* What a run exports on request for each evaluated epoch, below its output folder:
 *     weights/deeptaxa_<uuid>_epoch<N>_sequence_embeddings.h5     seq_ids (n), embeddings (n, H):
 *         the vector that stands for each validation sequence, before dropout, fp32; in the order
 *         of the dataset
 *     weights/deeptaxa_<uuid>_epoch<N>_permutation_importance.tsv  Level, Region, Start, End,
 *         Importance (eval/importance.h), a line for each rank and region
 *     weights/deeptaxa_<uuid>_epoch<N>_permutation_importance.h5   the same as arrays: levels (R),
 *         accuracy (R), start and end (regions), importance (R, regions)
 * The HDF5 files are containers (io/container.h) with the attributes run_uuid and epoch.
 */
#ifndef DT_TRAIN_EXPORTS_H
#define DT_TRAIN_EXPORTS_H

#include <stdbool.h>

#include "core/memory.h"
#include "train/trainer_internal.h"

/* DT_ERR_USAGE where an export that is asked for cannot be: nothing to validate on, or, for the
 * permutation importance, tokens that are streamed. */
dt_status dt_exports_check(const dt_trainer *t);

/* Adds what the exports will cost to the plan; a notice where that is much. */
dt_status dt_exports_plan(dt_text *out, const dt_trainer *t);

/* Writes what is asked for of the model as it stands, after the evaluation of epoch
 * progress->epoch; only_missing: what is not there yet. A signal sets t->stopping instead: the
 * resumed run then finds it missing. Collective. */
dt_status dt_exports_write(dt_trainer *t, bool only_missing);

#endif

/* Optional exports for each evaluated epoch, below the output directory:
 *     weights/deeptaxa_<uuid>_epoch<N>_sequence_embeddings.h5     seq_ids (n), embeddings (n, H):
 *         the embedding of each validation sequence, before dropout, fp32, in dataset order
 *     weights/deeptaxa_<uuid>_epoch<N>_permutation_importance.tsv  Level, Region, Start, End,
 *         Importance (eval/importance.h): one line per taxonomic rank and region
 *     weights/deeptaxa_<uuid>_epoch<N>_permutation_importance.h5   the same as arrays: levels (R),
 *         accuracy (R), start and end (regions), importance (R, regions)
 * The HDF5 files are containers (io/container.h) with the attributes run_uuid and epoch.
 */
#ifndef DT_TRAIN_EXPORTS_H
#define DT_TRAIN_EXPORTS_H

#include <stdbool.h>

#include "core/memory.h"
#include "train/trainer_internal.h"

/* Returns DT_ERR_USAGE if a requested export is impossible: no validation sequences, or, for the
 * permutation importance, a streamed dataset. */
dt_status dt_exports_check(const dt_trainer *t);

/* Adds the cost of the exports to the plan; prints a notice if it is high. */
dt_status dt_exports_plan(dt_text *out, const dt_trainer *t);

/* Writes the requested exports of the current model, after the evaluation of progress->epoch.
 * only_missing: skips files that exist. If a signal interrupts the export, t->stopping is set and
 * the resumed run writes the missing files. Collective. */
dt_status dt_exports_write(dt_trainer *t, bool only_missing);

#endif

/* Which models can be combined in an ensemble. */
#ifndef DT_PREDICT_ENSEMBLE_H
#define DT_PREDICT_ENSEMBLE_H

#include <stdbool.h>

#include "core/status.h"
#include "run/run.h"

/* Returns DT_OK if both models read sequences alike (encoding, tokenizer, length, normalisation,
 * strand) and have the same taxonomic ranks and labels and, with `lineages`, the same lineage tree.
 * Otherwise DT_ERR_INPUT with the first difference. The paths are used in the message. */
dt_status dt_ensemble_check(const dt_run *first, const char *first_path, const dt_run *other,
                            const char *other_path, bool lineages);

#endif

/* Which models may vote together. */
#ifndef DT_PREDICT_ENSEMBLE_H
#define DT_PREDICT_ENSEMBLE_H

#include <stdbool.h>

#include "core/status.h"
#include "run/run.h"

/* DT_OK when both read sequences alike (encoding, tokenizer, length, normalising, strand) and have
 * the same taxonomic ranks and labels, and with `lineages` the same tree of lineages. Else
 * DT_ERR_INPUT names the first difference. The paths are for the message. */
dt_status dt_can_vote(const dt_run *first, const char *first_path, const dt_run *other,
                      const char *other_path, bool lineages);

#endif

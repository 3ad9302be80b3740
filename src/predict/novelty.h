/* From which similarity to the nearest reference a taxon can be one of the references' taxa, by
 * taxonomic rank: the largest similarity that keeps DT_NOVELTY_KEPT of the held-out sequences whose
 * taxon the references have, but none larger than leaves DT_NOVELTY_FOUND of those of new taxa
 * unassigned. These are estimated by leaving out whole taxa: the nearest reference outside a
 * sequence's own taxon is how near the nearest one of a new taxon is. */
#ifndef DT_PREDICT_NOVELTY_H
#define DT_PREDICT_NOVELTY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

#define DT_NOVELTY_KEPT 0.95
#define DT_NOVELTY_FOUND 0.99
#define DT_NOVELTY_ENOUGH 30 /* sequences of known taxa; with fewer, the threshold is 0 */

/* A held-out sequence at a tax_rank. */
typedef struct {
    bool known;    /* the references have its taxon */
    float nearest; /* similarity to the nearest reference; 0: none */
    float outside; /* to the nearest one of another taxon, or somewhat more if that is far down the
                      list of neighbours */
} dt_novelty_cell;

typedef struct {
    double similarity; /* the threshold */
    int64_t known;     /* sequences whose taxon the references have; the next two are of them */
    int64_t kept;      /* whose nearest reference is near enough */
    int64_t novel;     /* whose nearest reference of another taxon is not */
} dt_novelty_rank;

/* Finds the thresholds, which do not fall from one tax_rank to the next. */
dt_status dt_fit_novelty(dt_novelty_rank *out /* (tax_ranks) */,
                         const dt_novelty_cell *cells /* (count, tax_ranks) */, int64_t count,
                         int32_t tax_ranks);

#endif

/* Permutation importance: what a model loses of its accuracy when a region of tokens is exchanged
 * between sequences (Breiman, "Random Forests", Machine Learning 45, 2001, applied to regions of
 * token positions).
 *
 * Region g is the positions g · size … g · size + size - 1 of the tokens (or bases) that the model
 * reads, position 0 of tokens being the [CLS]. The sequences that have tokens of their own there
 * (specials apart) are permuted, the same for every number of ranks: a sequence gets the region of
 * another one, as far as both reach into it; the rest of it, its specials and its length stay. So a
 * sequence that ends before a region counts, and is not changed.
 */
#ifndef DT_EVAL_IMPORTANCE_H
#define DT_EVAL_IMPORTANCE_H

#include <stdint.h>

#include "eval/evaluate.h"

typedef struct {
    int32_t region_size; /* tokens */
    int32_t regions;     /* that max_length has, the last one perhaps shorter */
    int32_t tax_ranks;
    double accuracy[DT_MAX_TAX_RANKS]; /* of the sequences as they are */
    double *loss; /* (tax_ranks, regions) accuracy minus that with the region exchanged */
} dt_importance;

/* Regions of max_length tokens. */
int32_t dt_importance_regions(int32_t max_length, int32_t region_size);

/* Measures the job's sequences (which must be in memory, not streamed) for regions of
 * `region_size` (>= 1) tokens; who is exchanged with whom follows from (seed, region) and the
 * job's indices. One pass over the sequences, and one for each region that one of them reaches. All
 * ranks take shares, whatever job->rank0_only says; job->objective is not used. The result is the
 * same on all ranks; free it with dt_importance_free(). DT_STOPPED, on all ranks, when one was
 * asked to stop. Collective. */
dt_status dt_importance_measure(dt_importance *out, const dt_evaluation_job *job,
                                int32_t region_size, uint32_t seed);
void dt_importance_free(dt_importance *importance); /* leaves it empty */

/* For each place of `indices` whose sequence has tokens of its own at `begin` or beyond, the
 * sequence that it gets tokens from; -1 for the others. */
dt_status dt_importance_partners(int64_t *partner /* (count) */, const dt_dataset *dataset,
                                 const int64_t *indices, int64_t count, int32_t max_length,
                                 int32_t begin, uint32_t seed, int32_t region);

#endif

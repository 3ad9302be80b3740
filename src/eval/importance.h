/* Permutation importance: the loss of accuracy when a region of tokens is permuted between
 * sequences (Breiman, "Random Forests", Machine Learning 45, 2001, applied to regions of token
 * positions).
 *
 * Region g consists of positions g · size … g · size + size - 1 of the tokens (or bases) that the
 * model reads; for tokens, position 0 is [CLS]. The sequences that reach the region (special tokens
 * excluded) are permuted, independently of the number of ranks: each sequence gets the tokens of
 * another one in the region, as far as both reach. The rest of the sequence, its special tokens and
 * its length do not change. A sequence that ends before the region is counted unchanged.
 */
#ifndef DT_EVAL_IMPORTANCE_H
#define DT_EVAL_IMPORTANCE_H

#include <stdint.h>

#include "eval/evaluate.h"

typedef struct {
    int32_t region_size; /* tokens */
    int32_t regions;     /* of max_length; the last one may be shorter */
    int32_t tax_ranks;
    double accuracy[DT_MAX_TAX_RANKS]; /* of the unchanged sequences */
    double *loss; /* (tax_ranks, regions) accuracy minus accuracy with the region permuted */
} dt_importance;

/* Returns the number of regions of max_length tokens. */
int32_t dt_importance_regions(int32_t max_length, int32_t region_size);

/* Computes the importance of regions of `region_size` (>= 1) tokens over the job's sequences, which
 * must be in memory, not streamed. The permutation depends on (seed, region) and the job's indices
 * only. Takes one pass over the sequences, plus one for each region that any of them reaches. All
 * ranks take shares; job->rank0_only and job->objective are ignored. The result is the same on all
 * ranks; free it with dt_importance_free(). Returns DT_STOPPED on all ranks if any of them was
 * stopped. Collective. */
dt_status dt_importance_measure(dt_importance *out, const dt_evaluation_job *job,
                                int32_t region_size, uint32_t seed);
void dt_importance_free(dt_importance *importance); /* leaves it empty */

/* Sets partner[i] to the sequence from which indices[i] gets its tokens, if it has tokens (special
 * ones excluded) at `begin` or later; otherwise to -1. */
dt_status dt_importance_partners(int64_t *partner /* (count) */, const dt_dataset *dataset,
                                 const int64_t *indices, int64_t count, int32_t max_length,
                                 int32_t begin, uint32_t seed, int32_t region);

#endif

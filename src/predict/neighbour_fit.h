/* How neighbours are best used, found on held-out sequences: their number K, the weight and the
 * exponent of their vote (predict/decide.h, neighbours/vote.h), and a temperature of the network's
 * distribution over the lineages beside them, a divisor of all its logits in addition to the
 * temperatures of the ranks. They minimise the mean negative log-likelihood of the true labels over
 * all taxonomic ranks, where labels are known.
 *
 * Coordinate search, which gives the same result on every run and with any number of threads: from
 * the temperature that is best without neighbours, in turn the best of a grid of K and exponents,
 * each with its best weight (the loss is convex in it: bisection of its derivative), and the
 * best temperature (golden-section search of its logarithm), until the loss falls by less than 1e-4.
 */
#ifndef DT_PREDICT_NEIGHBOUR_FIT_H
#define DT_PREDICT_NEIGHBOUR_FIT_H

#include <stdint.h>

#include "core/pool.h"
#include "core/status.h"
#include "neighbours/vote.h"
#include "predict/decide.h"
#include "run/run.h"

#define DT_FIT_NEIGHBOURS 100 /* the largest K that is tried */
#define DT_FIT_ENOUGH 30      /* held-out sequences with known labels for a fit */

/* Held-out sequences. The pointers are not owned. */
typedef struct {
    dt_decision
        decision; /* of one model, by summed lineages; its temperatures are those of the ranks */
    const dt_references *references; /* this, found and first: NULL for dt_fit_lineages() */
    const float *logits;             /* (count, C) */
    const int32_t *labels;           /* (count, tax_ranks) true classes, -1 where unknown */
    const dt_neighbour *found; /* (first[count]) of each sequence, the DT_FIT_NEIGHBOURS nearest */
    const int64_t *first;      /* (count + 1) */
    int64_t count;
} dt_neighbour_heldout;

/* How good predictions are at a tax_rank. */
typedef struct {
    int64_t known; /* sequences whose true class is known */
    int64_t right;
    double loss;  /* mean negative log-likelihood */
    double error; /* expected calibration error (eval/metrics.h) */
} dt_rank_quality;

/* Finds the temperature of the lineages without neighbours; 1 with fewer than DT_FIT_ENOUGH sequences
 * with a known label, or if lower ones are always better. */
dt_status dt_fit_lineages(double *temperature, const dt_neighbour_heldout *heldout, dt_pool *pool);

/* Finds *out (without similarities), from the temperature of dt_fit_lineages() on. out->count is 0
 * if fewer than DT_FIT_ENOUGH sequences have a known label. */
dt_status dt_fit_neighbours(dt_run_neighbours *out, const dt_neighbour_heldout *heldout,
                            double temperature, dt_pool *pool);

/* Predicts all sequences with these settings; weight 0: without neighbours. */
dt_status dt_neighbour_quality(dt_rank_quality *out /* (tax_ranks) */,
                               const dt_neighbour_heldout *heldout, const dt_run_neighbours *use,
                               dt_pool *pool);

#endif

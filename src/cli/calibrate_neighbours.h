/* What `deeptaxa calibrate` finds beside the temperatures of the ranks: that of summed lineages, for a
 * model with lineages. Of one with references, it asks them for the neighbours of
 * each held-out sequence, from which it finds how neighbours are best used (predict/neighbour_fit.h)
 * and from which similarity on a taxon is a known one (predict/novelty.h). */
#ifndef DT_CLI_CALIBRATE_NEIGHBOURS_H
#define DT_CLI_CALIBRATE_NEIGHBOURS_H

#include "core/pool.h"
#include "predict/logit_store.h"
#include "predict/neighbour_fit.h"
#include "predict/neighbours.h"
#include "predict/novelty.h"
#include "predict/predictor.h"
#include "run/run.h"

/* Zero-initialise; free with dt_asked_free(). Must not be moved once opened. */
typedef struct {
    const dt_reference_set *set; /* NULL: the model has no references, nothing is done */
    const dt_run *run;
    dt_pool *pool;
    dt_neighbour_index *index;
    dt_neighbour_use use;
    dt_neighbour_memory *memory;        /* (threads) */
    int64_t *members[DT_MAX_TAX_RANKS]; /* (classes) references of each class */

    /* of the held-out sequences so far */
    int64_t count;
    int64_t identical;   /* of these, to a reference */
    dt_neighbour *found; /* (first[count]) the nearest of each */
    size_t found_capacity;
    int64_t *first; /* (count + 1) */
    size_t first_capacity;
    dt_novelty_cell *cell; /* (count, tax_ranks) */
    size_t cell_capacity;

    /* of a batch */
    dt_neighbour *batch; /* (sequences, DT_FIT_NEIGHBOURS) */
    int32_t *batch_count;
    size_t batch_capacity, count_capacity;
} dt_asked;

/* Indexes the references of the run, which must outlive *asked. */
dt_status dt_asked_open(dt_asked *asked, const dt_run *run, const dt_reference_set *set,
                        dt_pool *pool);
void dt_asked_free(dt_asked *asked);

/* Asks for the neighbours of the sequences of a batch that have a row in the taxonomy. labels: true
 * classes, -1 where the model has none. A sequence that is itself a reference is left out of them. */
dt_status dt_asked_add(dt_asked *asked, const dt_predicted *predicted,
                       const int32_t *labels /* (sequences, tax_ranks) */);

/* Finds the temperature of lineages and, with references, run->neighbours from the sequences that were
 * added, whose logits are in `store`; prints what they are worth. `run` has its temperatures; nothing
 * is done for one without lineages. */
dt_status dt_asked_fit(const dt_asked *asked, const dt_logit_store *store,
                       const dt_class_layout *layout, dt_run *run, dt_pool *pool);

#endif

/* Taxonomic ranks and their labels, and the classes by which the model's heads represent them. */
#ifndef DT_TAXONOMY_TAXONOMY_H
#define DT_TAXONOMY_TAXONOMY_H

#include <stddef.h>
#include <stdint.h>

#include "core/model_limits.h"
#include "core/status.h"
#include "core/strmap.h"

#define DT_UNCLASSIFIED "Unclassified" /* the label if a sequence has none at a rank */

/* The names of the usual ranks: "domain", "kingdom", "phylum", … "species". */
#define DT_USUAL_RANKS 8
extern const char *const dt_usual_rank[DT_USUAL_RANKS];
/* Returns the position of a name among the usual ranks, ignoring case; -1 if it is not one. */
int32_t dt_usual_place(const char *name, size_t length);

/* The label encoder of one rank: its distinct labels in byte order, numbered from 0. `Unclassified`
 * is sorted with the others if the table contains it, and last if only sequences without a row need
 * it. */
typedef struct {
    char *name;       /* "domain", ... as in the table */
    int32_t classes;  /* number of labels */
    char **label;     /* (classes) */
    dt_strmap *index; /* label → class */
} dt_tax_rank;

typedef struct {
    int32_t tax_ranks;
    dt_tax_rank rank[DT_MAX_TAX_RANKS];
} dt_taxonomy;

/* Adds the next rank with this name and these labels (copied; the order gives their classes), and
 * increments taxonomy->tax_ranks. DT_ERR_INPUT if a label occurs twice or there are too many ranks.
 */
dt_status dt_taxonomy_add_rank(dt_taxonomy *taxonomy, const char *name, int32_t classes,
                               const char *const *labels);
void dt_taxonomy_free(dt_taxonomy *taxonomy); /* leaves an empty one */

/* Returns the class of a label at a rank, -1 if it is not in the encoder. */
int32_t dt_taxonomy_class(const dt_taxonomy *taxonomy, int32_t tax_rank, const char *label);

/* Returns true if both have the same ranks with the same labels in the same order. */
int dt_taxonomy_equal(const dt_taxonomy *a, const dt_taxonomy *b);

#endif

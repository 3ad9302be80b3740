/* Taxonomic ranks and their labels: the numbers that stand for taxa in the model's heads. */
#ifndef DT_TAXONOMY_TAXONOMY_H
#define DT_TAXONOMY_TAXONOMY_H

#include <stddef.h>
#include <stdint.h>

#include "core/model_limits.h"
#include "core/status.h"
#include "core/strmap.h"

#define DT_UNCLASSIFIED "Unclassified" /* the label of a sequence that has none at a rank */

/* "domain", "kingdom", "phylum", … "species": how lineages name their ranks. */
#define DT_USUAL_RANKS 8
extern const char *const dt_usual_rank[DT_USUAL_RANKS];
/* The number of a name among them, whatever its case; -1 for another. */
int32_t dt_usual_place(const char *name, size_t length);

/* The label encoder of one rank: the distinct labels in byte order, numbered from 0.
 * `Unclassified` sorts with the rest where the table holds it, and is last where only sequences
 * without a row need it. */
typedef struct {
    char *name;       /* "domain", ... as the table names it */
    int32_t classes;  /* number of labels */
    char **label;     /* (classes) */
    dt_strmap *index; /* label → class */
} dt_tax_rank;

typedef struct {
    int32_t tax_ranks;
    dt_tax_rank rank[DT_MAX_TAX_RANKS];
} dt_taxonomy;

/* Sets rank number taxonomy->tax_ranks to this name and these labels, in this order (copied;
 * numbered as given), and counts it. DT_ERR_INPUT when a label occurs twice or there are too many
 * ranks. */
dt_status dt_taxonomy_add_rank(dt_taxonomy *taxonomy, const char *name, int32_t classes,
                               const char *const *labels);
void dt_taxonomy_free(dt_taxonomy *taxonomy); /* leaves it empty */

/* The class of a label at a rank, -1 when the encoder lacks it. */
int32_t dt_taxonomy_class(const dt_taxonomy *taxonomy, int32_t tax_rank, const char *label);

/* True when both have the same ranks with the same labels in the same order. */
int dt_taxonomy_equal(const dt_taxonomy *a, const dt_taxonomy *b);

#endif

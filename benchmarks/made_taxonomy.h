/* A random taxonomy with a given number of taxa at each rank: each has one parent, branching is as
 * uneven as in real taxonomies, and the sizes of species differ greatly. The records are divided
 * into a training and a testing set.
 */
#ifndef DT_BENCHMARKS_MADE_TAXONOMY_H
#define DT_BENCHMARKS_MADE_TAXONOMY_H

#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"

enum { DT_MADE_RANKS = 7, DT_MADE_FAMILY = 4, DT_MADE_GENUS = 5, DT_MADE_SPECIES = 6 };

/* Zero-initialise; free with dt_made_taxonomy_free(). */
typedef struct {
    int32_t taxa[DT_MADE_RANKS];    /* domain … species */
    int32_t *parent[DT_MADE_RANKS]; /* (taxa[r]) one rank above, ascending; [0] is NULL */
    int32_t archaeal_families;      /* the first ones are Archaea, the others Bacteria */
} dt_made_taxonomy;

/* Creates a taxonomy. taxa: per rank; two domains, Archaea and Bacteria, and no rank with fewer
 * taxa than the one above. Archaea have an eighth of the phyla; elsewhere each additional taxon is
 * assigned to a parent with a probability proportional to the parent's children (Pólya's urn, as in
 * Yule's model of speciation). */
dt_status dt_made_taxonomy_create(dt_made_taxonomy *taxonomy, const int32_t taxa[DT_MADE_RANKS],
                                  uint32_t seed);
void dt_made_taxonomy_free(dt_made_taxonomy *taxonomy);

/* Returns "domain" … "species". */
const char *dt_made_rank_name(int32_t tax_rank);

/* Appends the label of a taxon in Greengenes2's form, as "f__Bacoligaceae". The labels of a rank
 * are distinct. */
dt_status dt_made_label(const dt_made_taxonomy *taxonomy, int32_t tax_rank, int32_t taxon,
                        dt_text *out);

/* Assigns records to species: *training (training_count) and *testing (testing_count) are the
 * species of each record, in random order; the caller frees them. Species sizes follow Zipf's law:
 * each species has one training record, and the k-th largest gets a share proportional to 1/k of
 * the rest. Returns DT_ERR_USAGE if there are fewer training records than species. */
dt_status dt_made_records(const dt_made_taxonomy *taxonomy, int32_t training_count,
                          int32_t testing_count, uint32_t seed, int32_t **training,
                          int32_t **testing);

#endif
